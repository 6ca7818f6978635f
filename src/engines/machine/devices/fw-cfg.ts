/**
 * QEMU's firmware configuration device: what the machine's owner tells its firmware, and small kernels written on QEMU.
 * Source: QEMU's docs/specs/fw_cfg.rst. The DMA interface is not offered (bit 1 of the id).
 */
import type { Device, DeviceFact } from '../device';
import type { PortBus } from '../ports';
import { hex } from './notation';

/** Item numbers that guests use. */
export const FwCfgItem = {
  signature: 0x00,
  id: 0x01,
  ramSize: 0x03,
  noGraphic: 0x04,
  cpus: 0x05,
  kernelAddress: 0x07,
  kernelSize: 0x08,
  initrdAddress: 0x0a,
  initrdSize: 0x0b,
  maximumCpus: 0x0f,
  kernelEntry: 0x10,
  kernelData: 0x11,
  initrdData: 0x12,
  commandLineAddress: 0x13,
  commandLineSize: 0x14,
  commandLineData: 0x15,
  setupAddress: 0x16,
  setupSize: 0x17,
  setupData: 0x18,
  directory: 0x19,
} as const;

const FIRST_FILE = 0x20;
/** Bytes of a file's name in the directory, the final 0 included. */
const NAME_SIZE = 56;
const ENTRY_SIZE = 8 + NAME_SIZE;
/** Bit 14 of the selector asks for write access, which nothing has; bit 15 is the architecture's own space. */
const KEY_BITS = 0xbfff;

/** A number as items hold it: little-endian. */
export function littleEndian(value: number, size: 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = Math.floor(value / 2 ** (8 * i)) & 0xff;
  return bytes;
}

export interface FwCfgOptions {
  /** Bytes of RAM. */
  memory: number;
  cpus: number;
  /** More items by number, see `FwCfgItem`. */
  items?: ReadonlyMap<number, Uint8Array>;
  /** Named files, such as `etc/e820`. */
  files?: Readonly<Record<string, Uint8Array>>;
}

export class FwCfg implements Device {
  readonly name = 'fw_cfg';
  private readonly items = new Map<number, Uint8Array>();
  private key = 0;
  private position = 0;

  /** @throws RangeError for a file name longer than 55 bytes */
  constructor(options: FwCfgOptions) {
    const { items } = this;
    items.set(FwCfgItem.signature, new TextEncoder().encode('QEMU'));
    items.set(FwCfgItem.id, littleEndian(1, 4));
    items.set(FwCfgItem.ramSize, littleEndian(options.memory, 8));
    items.set(FwCfgItem.noGraphic, littleEndian(0, 2));
    items.set(FwCfgItem.cpus, littleEndian(options.cpus, 2));
    items.set(FwCfgItem.maximumCpus, littleEndian(options.cpus, 2));
    for (const [key, bytes] of options.items ?? []) items.set(key, bytes);
    const files = Object.entries(options.files ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    files.forEach(([, bytes], i) => items.set(FIRST_FILE + i, bytes));
    items.set(FwCfgItem.directory, directory(files));
  }

  attach(ports: PortBus): void {
    ports.connect(
      0x510,
      1,
      {
        read: () => 0,
        write: (_port, size, value) => {
          // The selector is a word; bytes are not decoded.
          if (size !== 2) return;
          this.key = value & KEY_BITS;
          this.position = 0;
        },
      },
      2,
    );
    ports.connect(0x511, 1, { read: () => this.items.get(this.key)?.[this.position++] ?? 0, write: () => {} });
  }

  reset(): void {
    this.key = 0;
    this.position = 0;
  }

  save(): { key: number; position: number } {
    return { key: this.key, position: this.position };
  }

  load(state: { key: number; position: number }): void {
    this.key = state.key;
    this.position = state.position;
  }

  inspect(): readonly DeviceFact[] {
    const size = this.items.get(this.key)?.length;
    return [
      {
        name: 'item',
        value: hex(this.key, 4),
        meaning: size === undefined ? 'not there: reads as 0' : `${size} bytes, next ${this.position}`,
      },
      {
        name: 'items',
        value: [...this.items.keys()]
          .sort((a, b) => a - b)
          .map((key) => hex(key))
          .join(' '),
      },
    ];
  }
}

/** Number of files, then size, item and name of each; big-endian. */
function directory(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * ENTRY_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, files.length);
  files.forEach(([name, content], i) => {
    const encoded = new TextEncoder().encode(name);
    if (encoded.length >= NAME_SIZE) throw new RangeError(`fw_cfg file name ${JSON.stringify(name)}: longer than ${NAME_SIZE - 1} bytes`);
    const at = 4 + i * ENTRY_SIZE;
    view.setUint32(at, content.length);
    view.setUint16(at + 4, FIRST_FILE + i);
    bytes.set(encoded, at + 8);
  });
  return bytes;
}

/** The file `etc/e820`: RAM below 4 GiB as one range, start and length of 64 bits, type of 32. */
export function e820File(memory: number): Uint8Array {
  return Uint8Array.of(...littleEndian(0, 8), ...littleEndian(memory, 8), ...littleEndian(1, 4));
}
