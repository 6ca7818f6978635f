/** What the Rings panel shows: in each ring its descriptors, gates, stack and code. */
import type { VirtualCpu } from '../../engines/engine';
import type { DescriptorView, RingCode, RingContents, RingStack, RingsView } from '../../shared/panel-protocol';
import { formatLinear } from '../../shared/addresses';
import type { Ring } from '../../shared/transition';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { hexOf } from '../expressions/format';
import { addressField, fieldOf, inLongMode, readNumber, signedAddress, stackTop, stackWidth } from '../state/cpu-facts';
import { frameName } from '../state/stack-frames';
import type { Frame } from '../state/stack';
import { type DescriptorReader, readDescriptors, showTable, tableOf } from './descriptors';
import { placeInCode } from './places';

const RINGS: readonly Ring[] = [0, 1, 2, 3];
/** A full IDT would bury the few gates that matter. */
const MOST_GATES = 40;
const WIDE_TSS = 8;

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

export function ringsOf(guest: Guest, cpu: VirtualCpu): RingsView {
  const { engine, program, environment } = guest;
  environment.vcpu = cpu.index;
  const { place } = cpu;
  const real = place.mode === 'real';
  const reader: DescriptorReader = { engine, cpu, program, environment };
  const tables = (['GDT', 'LDT', 'IDT'] as const).flatMap((name) => tableOf(cpu, name) ?? []).filter(({ name }) => !real || name === 'IDT');
  const descriptors = real ? [] : tables.flatMap((table) => readDescriptors(reader, table));
  const frames = guest.stacks.of(cpu);
  const flag = (name: string): bigint => environment.register(name)?.value ?? 0n;
  const contents = RINGS.map((ring) => contentsOf(ring, guest, cpu, descriptors, frames));
  return {
    mode: place.mode,
    ring: place.ring,
    guestRing: place.guestRing,
    iopl: Number(flag('iopl')),
    interruptsEnabled: flag('if') === 1n,
    paging: flag('cr0.pg') === 1n,
    rings: contents as unknown as RingsView['rings'],
    tables: tables.map((table) => showTable(table, real)),
    ...taskOf(cpu),
  };
}

function contentsOf(
  ring: Ring,
  guest: Guest,
  cpu: VirtualCpu,
  descriptors: readonly DescriptorView[],
  frames: readonly Frame[],
): RingContents {
  const own = descriptors.filter(({ dpl }) => dpl === ring);
  const gates = own.filter(({ target }) => target !== undefined);
  return {
    ring,
    segments: own.filter(({ target }) => target === undefined),
    gates: gates.slice(0, MOST_GATES),
    moreGates: Math.max(0, gates.length - MOST_GATES),
    stack: stackOf(ring, guest, cpu, frames),
    code: codeIn(ring, guest, frames),
  };
}

/** Where execution is or was left in a ring: the innermost frame of each stretch of the stack. */
function codeIn(ring: Ring, { program }: Guest, frames: readonly Frame[]): RingCode[] {
  return frames.flatMap((frame): RingCode[] => {
    if (frame.kind !== 'code' || frame.ring !== ring) return [];
    if (frame.evidence !== 'current' && frame.evidence !== 'interrupted') return [];
    const state = frame.evidence;
    return [{ state, at: placeInCode(frame.lookup, program), frame: frameName(frame, program) }];
  });
}

function stackOf(ring: Ring, guest: Guest, cpu: VirtualCpu, frames: readonly Frame[]): RingStack | undefined {
  if (cpu.place.ring === ring) return currentStack(cpu);
  const left = frames.find((frame) => frame.kind === 'code' && frame.ring === ring && frame.evidence === 'interrupted');
  if (left?.kind === 'code' && left.stack !== undefined && ring > cpu.place.ring) {
    return {
      selector: '',
      pointer: formatLinear(left.stack),
      memoryReference: formatReference({ space: 'linear', address: left.stack }),
      source: 'saved',
    };
  }
  return ring < 3 && ring < cpu.place.ring ? taskStack(ring, guest, cpu) : undefined;
}

function currentStack(cpu: VirtualCpu): RingStack {
  const width = stackWidth(cpu);
  const pointer = cpu.register(width === 2 ? 'sp' : width === 4 ? 'esp' : 'rsp')?.value ?? 0n;
  return {
    selector: hex(Number(cpu.register('ss')?.value ?? 0n), 4),
    pointer: hexOf(pointer, width * 8),
    memoryReference: formatReference({ space: 'linear', address: stackTop(cpu) }),
    source: 'current',
  };
}

/** SS:ESP of an inner ring in the task state segment (manual, "Task-State Segment"). */
function taskStack(ring: Ring, { engine, environment }: Guest, cpu: VirtualCpu): RingStack | undefined {
  const base = addressField(cpu, 'tr', 'base');
  const type = fieldOf(cpu, 'tr', 'type');
  if (base === undefined || type === undefined || cpu.register('tr')?.value === 0n) return undefined;
  if (inLongMode(cpu)) return longTaskStack(ring, engine, cpu, base);
  const wide = (Number(type) & WIDE_TSS) !== 0;
  const at = base + (wide ? 4 + ring * 8 : 2 + ring * 4);
  const pointer = readNumber(engine, cpu.index, 'linear', at, wide ? 4 : 2);
  const selector = readNumber(engine, cpu.index, 'linear', at + (wide ? 4 : 2), 2);
  if (pointer === undefined || selector === undefined || (selector & ~3) === 0) return undefined;
  let address = pointer;
  try {
    address = (environment.selectorBase(selector) + pointer) >>> 0;
  } catch {
    return undefined;
  }
  return {
    selector: hex(selector, 4),
    pointer: hex(pointer, wide ? 8 : 4),
    memoryReference: formatReference({ space: 'linear', address }),
    source: 'tss',
  };
}

/** RSP of an inner ring in the 64-bit task state segment. */
function longTaskStack(ring: Ring, engine: Guest['engine'], cpu: VirtualCpu, base: number): RingStack | undefined {
  const pointer = readNumber(engine, cpu.index, 'linear', base + 4 + ring * 8, 8);
  if (pointer === undefined || pointer === 0) return undefined;
  return {
    selector: '',
    pointer: formatLinear(pointer),
    memoryReference: formatReference({ space: 'linear', address: pointer }),
    source: 'tss',
  };
}

function taskOf(cpu: VirtualCpu): Pick<RingsView, 'task'> {
  const register = cpu.registerNamed('tr');
  const field = (name: string) => register?.fields.find((each) => each.name === name);
  const base = field('base');
  if (!register || register.value === 0n || !base) return {};
  return {
    task: {
      selector: Number(register.value),
      type: field('type')?.meaning ?? '',
      base: formatLinear(signedAddress(base.value)),
      limit: hexOf(field('limit')?.value ?? 0n, 32),
    },
  };
}
