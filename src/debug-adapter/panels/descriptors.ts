/** The guest's descriptor tables, read as the processor would (manual, "Segment Descriptors", "Gate Descriptors"). */
import { SYSTEM_TYPES } from '../../engines/cpu/inspect/segments';
import type { Engine, VirtualCpu } from '../../engines/engine';
import type { DescriptorView, TableView } from '../../shared/panel-protocol';
import type { Ring } from '../../shared/transition';
import type { GuestEnvironment } from '../expressions/guest-environment';
import { formatReference } from '../memory/reference';
import type { Program } from '../sources/program';
import { placeInCode } from './places';

const GATES: ReadonlySet<number> = new Set([4, 5, 6, 7, 12, 14, 15]);
const TASK_GATE = 5;
const SEGMENT_REGISTERS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldtr', 'tr'];
/** Entries of one table that are looked at. */
const MOST_ENTRIES = 1024;

const hex = (value: number, digits = 8): string => `0x${value.toString(16).padStart(digits, '0')}`;

export interface Table {
  readonly name: 'GDT' | 'LDT' | 'IDT';
  readonly base: number;
  readonly limit: number;
}

/** Bounds of a table now; undefined for one that is not loaded. */
export function tableOf(cpu: VirtualCpu, name: Table['name']): Table | undefined {
  const register = cpu.registers().find((each) => each.name === (name === 'LDT' ? 'ldtr' : `${name.toLowerCase()}r`));
  const base = register?.fields.find((field) => field.name === 'base')?.value;
  const limit = register?.fields.find((field) => field.name === 'limit')?.value;
  return base === undefined || limit === undefined ? undefined : { name, base: Number(base), limit: Number(limit) };
}

export function showTable({ name, base, limit }: Table, real: boolean): TableView {
  const size = real ? 4 : 8;
  return {
    name: name === 'IDT' && real ? 'IVT' : name,
    base: hex(base),
    limit: hex(limit, 4),
    memoryReference: formatReference({ space: 'linear', address: base }),
    entries: Math.floor((limit + 1) / size),
  };
}

export interface DescriptorReader {
  readonly engine: Engine;
  readonly cpu: VirtualCpu;
  readonly program: Program;
  readonly environment: GuestEnvironment;
}

/** All entries of a table that are not empty. */
export function readDescriptors(reader: DescriptorReader, table: Table): DescriptorView[] {
  const { engine, cpu } = reader;
  const count = Math.min(MOST_ENTRIES, Math.floor((table.limit + 1) / 8));
  const bytes = engine.readMemory(cpu.index, 'linear', table.base, count * 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const held = heldSelectors(cpu);
  const found: DescriptorView[] = [];
  for (let index = 0; index * 8 + 8 <= bytes.length; index++) {
    const low = view.getUint32(index * 8, true);
    const high = view.getUint32(index * 8 + 4, true);
    if (low === 0 && high === 0) continue;
    // The null descriptor is never used, whatever stands in it.
    if (table.name === 'GDT' && index === 0) continue;
    const descriptor = showDescriptor(reader, table, index, low, high, held);
    if (descriptor) found.push(descriptor);
  }
  return found;
}

function heldSelectors(cpu: VirtualCpu): Map<number, string[]> {
  const held = new Map<number, string[]>();
  for (const { name, value } of cpu.registers()) {
    if (!SEGMENT_REGISTERS.includes(name)) continue;
    const selector = Number(value) & ~3;
    held.set(selector, [...(held.get(selector) ?? []), name]);
  }
  return held;
}

function showDescriptor(
  reader: DescriptorReader,
  table: Table,
  index: number,
  low: number,
  high: number,
  held: ReadonlyMap<number, readonly string[]>,
): DescriptorView | undefined {
  const type = (high >>> 8) & 15;
  const isSegment = (high & 0x1000) !== 0;
  const isGate = !isSegment && GATES.has(type);
  const name = isSegment ? segmentType(high) : SYSTEM_TYPES[type];
  if (name === undefined || (table.name === 'IDT' && !isGate)) return undefined;
  const selector = table.name === 'IDT' ? index : index * 8 + (table.name === 'LDT' ? 4 : 0);
  const base = {
    table: table.name,
    index,
    selector,
    type: name,
    dpl: ((high >>> 13) & 3) as Ring,
    present: (high & 0x8000) !== 0,
    raw: `${high.toString(16).padStart(8, '0')} ${low.toString(16).padStart(8, '0')}`,
    memoryReference: formatReference({ space: 'linear', address: table.base + index * 8 }),
    heldBy: table.name === 'IDT' ? [] : (held.get(selector) ?? []),
  };
  if (isGate) return { ...base, target: gateTarget(reader, type, low, high) };
  const limit = (low & 0xffff) | (high & 0xf0000);
  return {
    ...base,
    base: hex(((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0),
    limit: hex((high & 0x800000 ? limit * 4096 + 4095 : limit) >>> 0),
    ...(isSegment && (high & 0x800) !== 0 && { conforming: (high & 0x400) !== 0 }),
  };
}

/** `32-bit code, execute/read`. */
function segmentType(high: number): string {
  const size = high & 0x200000 ? '64-bit' : high & 0x400000 ? '32-bit' : '16-bit';
  const middle = (high & 0x400) !== 0;
  const allowed = (high & 0x200) !== 0;
  if (high & 0x800) return `${size} code, ${allowed ? 'execute/read' : 'execute-only'}${middle ? ', conforming' : ''}`;
  return `${size} data, ${allowed ? 'read/write' : 'read-only'}${middle ? ', expand-down' : ''}`;
}

function gateTarget({ program, environment }: DescriptorReader, type: number, low: number, high: number): DescriptorView['target'] {
  const selector = low >>> 16;
  const wide = (type & 8) !== 0;
  const offset = type === TASK_GATE ? 0 : ((low & 0xffff) | (wide ? high & 0xffff0000 : 0)) >>> 0;
  let address = offset;
  let ring = (selector & 3) as Ring;
  try {
    address = (environment.selectorBase(selector) + offset) >>> 0;
    ring = ringOf(environment, selector) ?? ring;
  } catch {
    // A selector that names nothing: the gate would fault, and is shown as it stands.
  }
  return { selector, ring, at: placeInCode(address, program) };
}

/** DPL of the descriptor that a selector names. */
function ringOf(environment: GuestEnvironment, selector: number): Ring | undefined {
  const { cpu } = environment;
  const table = tableOf(cpu, selector & 4 ? 'LDT' : 'GDT');
  if (!table || (selector & ~7) + 7 > table.limit) return undefined;
  const [access] = environment.readMemory('linear', table.base + (selector & ~7) + 5, 1);
  return access === undefined ? undefined : (((access >> 5) & 3) as Ring);
}
