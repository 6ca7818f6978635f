/** The machine's DSDT: how to power off, and which ISA devices there are (ACPI Specification, "ACPI Machine Language (AML)"). */
import { SLEEP_TYPE_OFF } from './devices/acpi-pm';

const OP = {
  zero: 0x00,
  one: 0x01,
  name: 0x08,
  byte: 0x0a,
  word: 0x0b,
  dword: 0x0c,
  scope: 0x10,
  buffer: 0x11,
  packageOp: 0x12,
  extended: 0x5b,
  device: 0x82,
} as const;

const integer = (value: number): number[] => (value === 0 ? [OP.zero] : value === 1 ? [OP.one] : [OP.byte, value]);
const segment = (name: string): number[] => [...name.padEnd(4, '_')].map((c) => c.charCodeAt(0));
const root = (name: string): number[] => [0x5c, ...segment(name)];

/** PkgLength counts itself. */
function sized(body: readonly number[]): number[] {
  if (body.length + 1 < 64) return [body.length + 1, ...body];
  const length = body.length + 2;
  if (length >= 4096) throw new Error('an AML package of 4 KiB or more');
  return [0x40 | (length & 15), length >>> 4, ...body];
}

const named = (name: readonly number[], value: readonly number[]): number[] => [OP.name, ...name, ...value];
const buffer = (bytes: readonly number[]): number[] => [OP.buffer, ...sized([...integer(bytes.length), ...bytes])];

/** `PNP0501` in its compressed form. */
function eisaId(id: string): number[] {
  const [a, b, c] = [0, 1, 2].map((i) => id.charCodeAt(i) - 0x40);
  const vendor = (a << 10) | (b << 5) | c;
  const product = Number.parseInt(id.slice(3), 16);
  const bytes = [vendor >>> 8, vendor & 0xff, product >>> 8, product & 0xff];
  return product === 0 ? [OP.word, ...bytes.slice(0, 2)] : [OP.dword, ...bytes];
}

/** Resource descriptors: ports decoded with 16 bits, and ISA interrupts. */
const io = (base: number, length: number): number[] => [0x47, 1, base & 0xff, base >>> 8, base & 0xff, base >>> 8, 1, length];
const irq = (line: number): number[] => [0x22, (1 << line) & 0xff, (1 << line) >>> 8];
const END = [0x79, 0];

interface IsaDevice {
  readonly name: string;
  readonly id: string;
  readonly unit?: number;
  readonly resources: readonly number[];
}

const DEVICES: readonly IsaDevice[] = [
  { name: 'PIC', id: 'PNP0000', resources: [...io(0x20, 2), ...io(0xa0, 2), ...irq(2)] },
  { name: 'TMR', id: 'PNP0100', resources: [...io(0x40, 4), ...irq(0)] },
  { name: 'RTC', id: 'PNP0B00', resources: [...io(0x70, 2), ...irq(8)] },
  { name: 'KBD', id: 'PNP0303', resources: [...io(0x60, 1), ...io(0x64, 1), ...irq(1)] },
  { name: 'COM1', id: 'PNP0501', unit: 1, resources: [...io(0x3f8, 8), ...irq(4)] },
  { name: 'COM2', id: 'PNP0501', unit: 2, resources: [...io(0x2f8, 8), ...irq(3)] },
];

function device({ name, id, unit, resources }: IsaDevice): number[] {
  return [
    OP.extended,
    OP.device,
    ...sized([
      ...segment(name),
      ...named(segment('_HID'), eisaId(id)),
      ...(unit === undefined ? [] : named(segment('_UID'), integer(unit))),
      ...named(segment('_CRS'), buffer([...resources, ...END])),
    ]),
  ];
}

/** The definition block's body. */
export function dsdt(): number[] {
  const sleep = [SLEEP_TYPE_OFF, SLEEP_TYPE_OFF, 0, 0].flatMap(integer);
  return [...named(root('_S5'), [OP.packageOp, ...sized([4, ...sleep])]), OP.scope, ...sized([...root('_SB'), ...DEVICES.flatMap(device)])];
}
