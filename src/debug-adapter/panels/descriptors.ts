/** The guest's descriptor tables, read as the processor would (manual, "Segment Descriptors", "Gate Descriptors", and theirs in 64-bit mode). */
import { SYSTEM_TYPES, SYSTEM_TYPES_LONG } from '../../engines/cpu/inspect/segments';
import type { Engine, VirtualCpu } from '../../engines/engine';
import { formatLinear } from '../../shared/addresses';
import type { DescriptorView, TableView } from '../../shared/panel-protocol';
import type { Ring } from '../../shared/transition';
import type { GuestEnvironment } from '../expressions/guest-environment';
import { formatReference } from '../memory/reference';
import type { Program } from '../sources/program';
import { inLongMode, signedAddress } from '../state/cpu-facts';
import { placeInCode } from './places';

const GATES: ReadonlySet<number> = new Set([4, 5, 6, 7, 12, 14, 15]);
const GATES_LONG: ReadonlySet<number> = new Set([12, 14, 15]);
const CALL_GATES: ReadonlySet<number> = new Set([4, 12]);
const TASK_GATE = 5;
const SEGMENT_REGISTERS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldtr', 'tr'];
/** Entries of one table that are looked at: all that a limit of 16 bits can have. */
const MOST_ENTRIES = 8192;

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

export interface Table {
  readonly name: 'GDT' | 'LDT' | 'IDT';
  readonly base: number;
  readonly limit: number;
  /** Bytes of an entry: 8, or 16 of the IDT in IA-32e mode (elsewhere system descriptors take two entries there). */
  readonly entrySize: 8 | 16;
}

/** Bounds of a table now; undefined for one that is not loaded. */
export function tableOf(cpu: VirtualCpu, name: Table['name']): Table | undefined {
  const register = cpu.registerNamed(name === 'LDT' ? 'ldtr' : `${name.toLowerCase()}r`);
  // Whatever its hidden part holds from the reset, a null LDTR means that there is no LDT.
  if (name === 'LDT' && register?.value === 0n) return undefined;
  const base = register?.fields.find((field) => field.name === 'base')?.value;
  const limit = register?.fields.find((field) => field.name === 'limit')?.value;
  if (base === undefined || limit === undefined) return undefined;
  return { name, base: signedAddress(base), limit: Number(limit), entrySize: name === 'IDT' && inLongMode(cpu) ? 16 : 8 };
}

export function showTable({ name, base, limit, entrySize }: Table, real: boolean): TableView {
  const size = real ? 4 : entrySize;
  return {
    name: name === 'IDT' && real ? 'IVT' : name,
    base: formatLinear(base),
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

/** One entry as its words. */
interface Words {
  readonly index: number;
  readonly low: number;
  readonly high: number;
  /** Bits 64 to 95, of what has 16 bytes. */
  readonly upper: number | undefined;
}

/** All entries of a table that are not empty. @param reserved those too whose type is none */
export function readDescriptors(reader: DescriptorReader, table: Table, reserved = false): DescriptorView[] {
  const { engine, cpu } = reader;
  const count = Math.min(MOST_ENTRIES, Math.floor((table.limit + 1) / table.entrySize));
  const bytes = engine.readMemory(cpu.index, 'linear', table.base, count * table.entrySize);
  const held = heldSelectors(cpu);
  return [...entriesOf(bytes, table, inLongMode(cpu))].flatMap((words) => showDescriptor(reader, table, words, held, reserved) ?? []);
}

function* entriesOf(bytes: Uint8Array, { name, entrySize }: Table, long: boolean): Iterable<Words> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + entrySize <= bytes.length; at += entrySize) {
    const index = at / entrySize;
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    if (low === 0 && high === 0) continue;
    // The null descriptor is never used, whatever stands in it.
    if (name === 'GDT' && index === 0) continue;
    const system = (high & 0x1000) === 0;
    const upper = long && system && at + 16 <= bytes.length ? view.getUint32(at + 8, true) : undefined;
    yield { index, low, high, upper };
    if (upper !== undefined && entrySize === 8) at += 8;
  }
}

function heldSelectors(cpu: VirtualCpu): Map<number, string[]> {
  const held = new Map<number, string[]>();
  for (const name of SEGMENT_REGISTERS) {
    const selector = Number(cpu.register(name)?.value ?? 0n) & ~3;
    held.set(selector, [...(held.get(selector) ?? []), name]);
  }
  return held;
}

const word = (value: number): string => value.toString(16).padStart(8, '0');

function showDescriptor(
  reader: DescriptorReader,
  table: Table,
  { index, low, high, upper }: Words,
  held: ReadonlyMap<number, readonly string[]>,
  reserved: boolean,
): DescriptorView | undefined {
  const long = inLongMode(reader.cpu);
  const type = (high >>> 8) & 15;
  const isSegment = (high & 0x1000) !== 0;
  const isGate = !isSegment && (long ? GATES_LONG : GATES).has(type);
  const known = isSegment ? segmentType(high) : (long ? SYSTEM_TYPES_LONG : SYSTEM_TYPES)[type];
  if (!reserved && (known === undefined || (table.name === 'IDT' && !isGate))) return undefined;
  const selector = table.name === 'IDT' ? index : index * 8 + (table.name === 'LDT' ? 4 : 0);
  const base = {
    table: table.name,
    index,
    selector,
    type: known ?? `reserved type ${type}`,
    dpl: ((high >>> 13) & 3) as Ring,
    present: (high & 0x8000) !== 0,
    raw: [...(upper === undefined ? [] : [upper]), high, low].map(word).join(' '),
    memoryReference: formatReference({ space: 'linear', address: table.base + index * table.entrySize }),
    heldBy: table.name === 'IDT' ? [] : (held.get(selector) ?? []),
  };
  if (isGate) {
    return {
      ...base,
      target: gateTarget(reader, type, low, high, upper),
      ...(long && table.name === 'IDT' && (high & 7) !== 0 && { interruptStack: high & 7 }),
      ...(CALL_GATES.has(type) && !long && { parameters: high & 31 }),
    };
  }
  const limit = (low & 0xffff) | (high & 0xf0000);
  const start = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  return {
    ...base,
    base: formatLinear(upper === undefined ? start : (upper | 0) * 2 ** 32 + start),
    limit: hex((high & 0x800000 ? limit * 4096 + 4095 : limit) >>> 0, 8),
    ...(isSegment && (high & 0x800) !== 0 && { conforming: (high & 0x400) !== 0 }),
    bits: FLAG_NAMES.filter(([bit, , segmentOnly]) => high & bit && (isSegment || !segmentOnly)).map(([, name]) => name),
  };
}

/** Bits of a descriptor's second word that segments, or all, have. */
const FLAG_NAMES: readonly (readonly [bit: number, name: string, segmentOnly: boolean])[] = [
  [1 << 8, 'A', true],
  [1 << 20, 'AVL', false],
  [1 << 21, 'L', true],
  [1 << 22, 'D/B', true],
  [1 << 23, 'G', false],
];

/** `32-bit code, execute/read`. */
function segmentType(high: number): string {
  const size = high & 0x200000 ? '64-bit' : high & 0x400000 ? '32-bit' : '16-bit';
  const middle = (high & 0x400) !== 0;
  const allowed = (high & 0x200) !== 0;
  if (high & 0x800) return `${size} code, ${allowed ? 'execute/read' : 'execute-only'}${middle ? ', conforming' : ''}`;
  return `${size} data, ${allowed ? 'read/write' : 'read-only'}${middle ? ', expand-down' : ''}`;
}

function gateTarget(
  { program, environment }: DescriptorReader,
  type: number,
  low: number,
  high: number,
  upper: number | undefined,
): DescriptorView['target'] {
  const selector = low >>> 16;
  const wide = (type & 8) !== 0;
  const lower = type === TASK_GATE ? 0 : ((low & 0xffff) | (wide ? high & 0xffff0000 : 0)) >>> 0;
  const offset = upper === undefined ? lower : (upper | 0) * 2 ** 32 + lower;
  let address = offset;
  let ring = (selector & 3) as Ring;
  try {
    // A 64-bit gate leads to 64-bit code, which has no base.
    address = upper === undefined ? (environment.selectorBase(selector) + offset) >>> 0 : offset;
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
