/**
 * What a BIOS tells of processors and interrupts: ACPI tables (ACPI Specification, "ACPI System Description Tables") and the
 * MultiProcessor configuration table (MultiProcessor Specification, version 1.4, chapter 4).
 */
import { dsdt } from './aml';
import { PM_PORTS, SCI_IRQ } from './devices/acpi-pm';
import { IO_APIC_ADDRESS } from './devices/io-apic';
import { APIC_BASE_ADDRESS } from './devices/local-apic';

/** Where the built-in BIOS has them: the root pointer first, the MP table at the place that its floating pointer names. */
export const TABLES_BASE = 0xe0000;
export const RSDP_ADDRESS = TABLES_BASE;
/** Known to the BIOS's source as well. */
const MP_TABLE_OFFSET = 0x100;
const ACPI_OFFSET = 0x600;

export interface TableOptions {
  readonly cpus: number;
  /** CPUID leaf 1, EAX and EDX, for the MP table. */
  readonly cpuid?: { readonly signature: number; readonly features: number };
}

const OEM = 'RINGSD';
const OEM_TABLE = 'RINGSIDE';
const CREATOR = 'RSDE';
const HEADER_SIZE = 36;
const LEVEL_HIGH = 0x000d;
/** The IOAPIC keeps the ID that it has after reset. */
const IO_APIC_ID = 0;
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x20;

const checksum = (bytes: Uint8Array): number => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;
const text = (value: string, length: number): number[] => Array.from({ length }, (_, i) => (i < value.length ? value.charCodeAt(i) : 0x20));
const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
const u64 = (value: number): number[] => [...u32(value), ...u32(0)];

/** A table with its header; the checksum comes when its pointers are final. */
function table(signature: string, revision: number, body: readonly number[]): Uint8Array {
  const length = HEADER_SIZE + body.length;
  return Uint8Array.from([
    ...text(signature, 4),
    ...u32(length),
    revision,
    0,
    ...text(OEM, 6),
    ...text(OEM_TABLE, 8),
    ...u32(1),
    ...text(CREATOR, 4),
    ...u32(1),
    ...body,
  ]);
}

/** Multiple APIC Description Table. */
function madt(cpus: number): Uint8Array {
  const entries = [
    ...Array.from({ length: cpus }, (_, id) => [0, 8, id, id, ...u32(1)]),
    [1, 12, IO_APIC_ID, 0, ...u32(IO_APIC_ADDRESS), ...u32(0)],
    // IRQ 0 arrives at input 2; the SCI is level-triggered.
    [2, 10, 0, 0, ...u32(2), ...u16(0)],
    [2, 10, 0, SCI_IRQ, ...u32(SCI_IRQ), ...u16(LEVEL_HIGH)],
    // NMI is at LINT1 of all.
    [4, 6, 0xff, ...u16(0), 1],
  ];
  return table('APIC', 1, [...u32(APIC_BASE_ADDRESS), ...u32(1), ...entries.flat()]);
}

/** Generic address structure of an I/O port. */
const port = (address: number, width: number): number[] => [1, width, 0, width === 8 ? 1 : width === 16 ? 2 : 3, ...u64(address)];
const NOWHERE = new Array<number>(12).fill(0);

/** WBINVD, C1, no fixed power, sleep or RTC wake event, reset register. */
const FADT_FLAGS = (1 << 0) | (1 << 2) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 10);
const LEGACY_DEVICES = 1;
const KEYBOARD_CONTROLLER = 2;
const RESET_PORT = 0x64;
const RESET_VALUE = 0xfe;
const CENTURY = 0x32;
/** Offsets of the FADT's pointers. */
const FADT = { facs: 36, dsdt: 40, dsdt64: 140 } as const;

/** Fixed ACPI Description Table, revision 3 (244 bytes). ACPI mode is always on: there is no SMI command port. */
function fadt(): Uint8Array {
  return table('FACP', 3, [
    ...u32(0),
    ...u32(0),
    // Reserved, preferred profile (desktop), SCI.
    0,
    1,
    ...u16(SCI_IRQ),
    // SMI command port, ACPI enable and disable, S4BIOS, P-states.
    ...u32(0),
    0,
    0,
    0,
    0,
    // PM1a and PM1b event, PM1a and PM1b control, PM2 control, PM timer, GPE0, GPE1.
    ...[PM_PORTS.event, 0, PM_PORTS.control, 0, 0, PM_PORTS.timer, 0, 0].flatMap(u32),
    // Their lengths, GPE1 base, C-state support.
    4,
    2,
    0,
    4,
    0,
    0,
    0,
    0,
    // Latencies of C2 and C3 (not there), flush size and stride, duty offset and width, RTC alarms, century.
    ...u16(0xfff),
    ...u16(0xfff),
    ...u16(0),
    ...u16(0),
    0,
    0,
    0,
    0,
    CENTURY,
    ...u16(LEGACY_DEVICES | KEYBOARD_CONTROLLER),
    0,
    ...u32(FADT_FLAGS),
    ...port(RESET_PORT, 8),
    RESET_VALUE,
    0,
    0,
    0,
    ...u64(0),
    ...u64(0),
    ...port(PM_PORTS.event, 32),
    ...NOWHERE,
    ...port(PM_PORTS.control, 16),
    ...NOWHERE,
    ...NOWHERE,
    ...port(PM_PORTS.timer, 32),
    ...NOWHERE,
    ...NOWHERE,
  ]);
}

/** Firmware ACPI Control Structure. It has no checksum. */
const facs = (): Uint8Array =>
  Uint8Array.from([...text('FACS', 4), ...u32(64), ...new Array<number>(24).fill(0), 1, ...new Array<number>(31).fill(0)]);

export interface AcpiTables {
  readonly bytes: Uint8Array;
  /** Fields that hold an address within `bytes`, to which the place of `bytes` is to be added. */
  readonly pointers: readonly { readonly at: number; readonly size: 4 | 8 }[];
  /** Tables to be summed up once the pointers are final. */
  readonly sums: readonly { readonly at: number; readonly start: number; readonly length: number }[];
  /** Offsets for the root pointer. */
  readonly rsdt: number;
  readonly xsdt: number;
}

/** The tables with addresses as from 0, and without checksums. */
export function acpiTables(cpus: number): AcpiTables {
  const bytes = new Uint8Array(0x1000);
  const pointers: { at: number; size: 4 | 8 }[] = [];
  const sums: AcpiTables['sums'][number][] = [];
  let end = 0;
  const place = (content: Uint8Array, alignment = 16, summed = true): number => {
    const at = Math.ceil(end / alignment) * alignment;
    bytes.set(content, at);
    end = at + content.length;
    if (summed) sums.push({ at: at + 9, start: at, length: content.length });
    return at;
  };
  const point = (at: number, size: 4 | 8, target: number): void => {
    new DataView(bytes.buffer).setUint32(at, target, true);
    pointers.push({ at, size });
  };
  const facsAt = place(facs(), 64, false);
  const dsdtAt = place(table('DSDT', 2, dsdt()));
  const fadtAt = place(fadt());
  point(fadtAt + FADT.facs, 4, facsAt);
  point(fadtAt + FADT.dsdt, 4, dsdtAt);
  point(fadtAt + FADT.dsdt64, 8, dsdtAt);
  const listed = [fadtAt, place(madt(cpus))];
  const rsdt = place(table('RSDT', 1, new Array<number>(listed.length * 4).fill(0)));
  listed.forEach((target, i) => point(rsdt + HEADER_SIZE + i * 4, 4, target));
  const xsdt = place(table('XSDT', 1, new Array<number>(listed.length * 8).fill(0)));
  listed.forEach((target, i) => point(xsdt + HEADER_SIZE + i * 8, 8, target));
  return { bytes: bytes.slice(0, end), pointers, sums, rsdt, xsdt };
}

/** Root System Description Pointer, revision 2, without checksums. Those of its first 20 bytes and of all are at 8 and 32. */
export const rsdp = (rsdt: number, xsdt: number): Uint8Array =>
  Uint8Array.from([...text('RSD PTR ', 8), 0, ...text(OEM, 6), 2, ...u32(rsdt), ...u32(36), ...u64(xsdt), 0, 0, 0, 0]);

/** MP configuration table. */
function mpTable({ cpus, cpuid }: TableOptions): Uint8Array {
  const entries: number[][] = [];
  for (let id = 0; id < cpus; id++) {
    // Enabled, and the first is the bootstrap processor.
    const flags = id === 0 ? 3 : 1;
    entries.push([0, id, LOCAL_APIC_VERSION, flags, ...u32(cpuid?.signature ?? 0x600), ...u32(cpuid?.features ?? 0x201), ...u64(0)]);
  }
  entries.push([1, 0, ...text('ISA', 6)], [2, IO_APIC_ID, IO_APIC_VERSION, 1, ...u32(IO_APIC_ADDRESS)]);
  for (let irq = 0; irq < 16; irq++) {
    // IRQ 2 is the cascade, and its input the timer's.
    if (irq === 2) continue;
    entries.push([3, 0, ...u16(irq === SCI_IRQ ? LEVEL_HIGH : 0), 0, irq, IO_APIC_ID, irq === 0 ? 2 : irq]);
  }
  // The 8259s at LINT0 of the first processor, NMI at LINT1 of all.
  entries.push([4, 3, ...u16(0), 0, 0, 0, 0], [4, 1, ...u16(0), 0, 0, 0xff, 1]);
  const body = entries.flat();
  const bytes = Uint8Array.from([
    ...text('PCMP', 4),
    ...u16(44 + body.length),
    4,
    0,
    ...text('RINGSIDE', 8),
    ...text('PC', 12),
    ...u32(0),
    ...u16(0),
    ...u16(entries.length),
    ...u32(APIC_BASE_ADDRESS),
    ...u32(0),
    ...body,
  ]);
  bytes[7] = checksum(bytes);
  return bytes;
}

/** All tables, for `TABLES_BASE`. */
export function firmwareTables(options: TableOptions): Uint8Array {
  const acpi = acpiTables(options.cpus);
  const base = TABLES_BASE + ACPI_OFFSET;
  const bytes = acpi.bytes.slice();
  const view = new DataView(bytes.buffer);
  for (const { at } of acpi.pointers) view.setUint32(at, view.getUint32(at, true) + base, true);
  for (const { at, start, length } of acpi.sums) bytes[at] = checksum(bytes.subarray(start, start + length));
  const root = rsdp(base + acpi.rsdt, base + acpi.xsdt);
  root[8] = checksum(root.subarray(0, 20));
  root[32] = checksum(root);
  const mp = mpTable(options);
  const all = new Uint8Array(ACPI_OFFSET + bytes.length);
  all.set(root);
  all.set(mp, MP_TABLE_OFFSET);
  all.set(bytes, ACPI_OFFSET);
  return all;
}

/** Commands of QEMU's table loader, by which firmware places tables (QEMU's hw/acpi/bios-linker-loader, docs/specs/acpi). */
const LOADER = { allocate: 1, addPointer: 2, addChecksum: 3, size: 128, nameSize: 56, zoneFSegment: 2 } as const;
const FILE = { rsdp: 'etc/acpi/rsdp', tables: 'etc/acpi/tables', loader: 'etc/table-loader' } as const;

/** The same tables as fw_cfg files, for a BIOS that takes them from there, as SeaBIOS does. */
export function firmwareFiles(cpus: number): Record<string, Uint8Array> {
  const acpi = acpiTables(cpus);
  const name = (file: string): number[] => [...file.padEnd(LOADER.nameSize, '\0')].map((c) => c.charCodeAt(0));
  const command = (...bytes: readonly number[]): number[] => [...bytes, ...new Array<number>(LOADER.size - bytes.length).fill(0)];
  const pointer = (file: string, at: number, size: number): number[] =>
    command(...u32(LOADER.addPointer), ...name(file), ...name(FILE.tables), ...u32(at), size);
  const sum = (file: string, at: number, start: number, length: number): number[] =>
    command(...u32(LOADER.addChecksum), ...name(file), ...u32(at), ...u32(start), ...u32(length));
  const script = [
    command(...u32(LOADER.allocate), ...name(FILE.rsdp), ...u32(16), LOADER.zoneFSegment),
    command(...u32(LOADER.allocate), ...name(FILE.tables), ...u32(64), LOADER.zoneFSegment),
    ...acpi.pointers.map(({ at, size }) => pointer(FILE.tables, at, size)),
    ...acpi.sums.map(({ at, start, length }) => sum(FILE.tables, at, start, length)),
    pointer(FILE.rsdp, 16, 4),
    pointer(FILE.rsdp, 24, 8),
    sum(FILE.rsdp, 8, 0, 20),
    sum(FILE.rsdp, 32, 0, 36),
  ];
  return { [FILE.rsdp]: rsdp(acpi.rsdt, acpi.xsdt), [FILE.tables]: acpi.bytes, [FILE.loader]: Uint8Array.from(script.flat()) };
}
