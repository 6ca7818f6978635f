/**
 * QEMU's `pc-testdev`, which kernels under test use to make things happen: a scratch register at ports 0xE0 and 0xE8, interrupt
 * lines at 0x2000, and 64 KiB of device memory at 0xFF000000. (0xE4, which takes a page from the guest's mapping and gives it
 * back, changes nothing that a guest sees.)
 */
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { PhysicalMemory } from '../physical-memory';
import type { PortBus } from '../ports';
import { hex, lines } from './notation';

const SCRATCH_PORTS = [0xe0, 0xe8] as const;
const FLUSH_PORT = 0xe4;
const LINE_PORTS = 0x2000;
const LINES = 24;
const MEMORY = 0xff000000;
const MEMORY_SIZE = 0x10000;

interface TestDeviceState {
  scratch: number;
  lines: number;
  memory: Uint8Array;
}

export class TestDevice implements Device {
  readonly name = 'testdev';
  private readonly line: (irq: number) => InterruptLine;
  private state: TestDeviceState = { scratch: 0, lines: 0, memory: new Uint8Array(MEMORY_SIZE) };

  /** @param line 0 to 15 the ISA bus's, 16 to 23 the IOAPIC's own */
  constructor(line: (irq: number) => InterruptLine) {
    this.line = line;
  }

  attach(ports: PortBus): void {
    for (const base of SCRATCH_PORTS) {
      ports.connect(
        base,
        4,
        {
          read: (port, size) => {
            const value = this.state.scratch >>> ((port & 3) * 8);
            return size === 4 ? value : value & (2 ** (8 * size) - 1);
          },
          write: (port, size, value) => {
            const shift = (port & 3) * 8;
            const mask = size === 4 ? 0xffffffff : (2 ** (8 * size) - 1) << shift;
            this.state.scratch = ((this.state.scratch & ~mask) | ((value << shift) & mask)) >>> 0;
          },
        },
        4,
      );
    }
    ports.connect(FLUSH_PORT, 4, { read: () => 0, write: () => {} }, 4);
    ports.connect(
      LINE_PORTS,
      LINES,
      {
        read: () => 0,
        write: (port, _size, value) => {
          const irq = port - LINE_PORTS;
          const bit = 1 << irq;
          this.state.lines = value === 0 ? this.state.lines & ~bit : this.state.lines | bit;
          this.line(irq).set(value !== 0);
        },
      },
      4,
    );
  }

  map(memory: PhysicalMemory): void {
    const bytes = (): DataView => new DataView(this.state.memory.buffer);
    memory.addMmio(MEMORY, MEMORY_SIZE, {
      read: (offset, size) =>
        size === 1 ? bytes().getUint8(offset) : size === 2 ? bytes().getUint16(offset, true) : bytes().getUint32(offset, true),
      write: (offset, size, value) => {
        if (size === 1) bytes().setUint8(offset, value);
        else if (size === 2) bytes().setUint16(offset, value, true);
        else bytes().setUint32(offset, value, true);
      },
    });
  }

  reset(): void {}

  save(): TestDeviceState {
    return structuredClone(this.state);
  }

  load(state: TestDeviceState): void {
    this.state = structuredClone(state);
  }

  inspect(): readonly DeviceFact[] {
    return [
      { name: 'scratch', value: hex(this.state.scratch, 8), meaning: 'ports 0xe0 to 0xe3' },
      { name: 'lines', value: hex(this.state.lines, 6), meaning: `asserted by ports 0x2000 to 0x2017: ${lines(this.state.lines)}` },
    ];
  }
}
