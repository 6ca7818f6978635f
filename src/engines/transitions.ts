/**
 * The transition log: every change of privilege or operation, whatever the engine, in one ring buffer. The trap log, the
 * rings panel, the call stack's separators and the command line's trace are views of it.
 *
 * An entry is a row of numbers, written in well under a microsecond; names, details and checks are worked out when
 * someone looks (`transition-details.ts`).
 */
import type { Place, ProcessorMode, Ring, Transition, TransitionKind, VmxOperation } from '../shared/transition';
import { describeTransition } from './transition-details';

export const TRANSITION_KINDS: readonly TransitionKind[] = [
  'exception',
  'interrupt',
  'gate',
  'syscall',
  'return',
  'task-switch',
  'mode-change',
  'callout',
  'hypercall',
  'vm-exit',
  'vm-entry',
  'linux-syscall',
  'signal',
  'cgroup',
];

const MODES: readonly ProcessorMode[] = ['real', 'virtual-8086', 'protected-16', 'protected-32', 'compatibility', 'long'];
const VMX: readonly VmxOperation[] = ['off', 'root', 'non-root'];

/** What an engine reports. Absent numbers are -1. */
export interface RawTransition {
  readonly kind: TransitionKind;
  readonly from: Place;
  readonly to: Place;
  /** Vector, exit reason, hypercall or system call number. */
  readonly cause: number;
  readonly causeName: string;
  /** Linear address of the instruction. */
  readonly address: number;
  readonly fromSelector: number;
  readonly fromOffset: number;
  readonly toSelector: number;
  readonly toOffset: number;
  readonly errorCode?: number;
  /** Stack before and after, where the transition switches it. */
  readonly fromStackSelector?: number;
  readonly fromStackOffset?: number;
  readonly toStackSelector?: number;
  readonly toStackOffset?: number;
  /** The gate's or TSS's descriptor as two words. */
  readonly gateLow?: number;
  readonly gateHigh?: number;
  /** Second word of the target code segment's descriptor. */
  readonly targetHigh?: number;
  /** CR2, exit qualification, or the first argument. */
  readonly extra?: number;
}

/** Columns of the log, in order. */
const COLUMNS = [
  'kind',
  'from',
  'to',
  'cause',
  'causeName',
  'count',
  'vcpu',
  'address',
  'fromSelector',
  'fromOffset',
  'toSelector',
  'toOffset',
  'errorCode',
  'fromStackSelector',
  'fromStackOffset',
  'toStackSelector',
  'toStackOffset',
  'gateLow',
  'gateHigh',
  'targetHigh',
  'extra',
] as const;
const WIDTH = COLUMNS.length;
const CHUNK = 4096;

/** One entry with its numbers, before anything is made readable. */
export interface LoggedTransition extends Required<RawTransition> {
  readonly sequence: number;
  readonly count: number;
  readonly vcpu: number;
}

export interface TransitionCounts {
  readonly total: number;
  readonly byKind: Readonly<Record<string, number>>;
  readonly byCause: Readonly<Record<string, number>>;
}

export class TransitionLog {
  private readonly capacity: number;
  private readonly chunks: (Float64Array | undefined)[] = [];
  private readonly names: string[] = [];
  private readonly nameIds = new Map<string, number>();
  private readonly nameCounts: number[] = [];
  private readonly kindCounts: number[] = TRANSITION_KINDS.map(() => 0);
  private next = 0;
  /** Called with each entry as it is logged; for probes that stop on a transition. */
  onTransition: ((raw: RawTransition) => void) | undefined;

  /** @param capacity entries kept; older ones are forgotten (counts go on). Rounded up to a multiple of 4,096. */
  constructor(capacity = 1 << 20) {
    this.capacity = Math.ceil(capacity / CHUNK) * CHUNK;
  }

  /** Entries logged since the start; the next one's sequence number. */
  get total(): number {
    return this.next;
  }

  /** Sequence number of the oldest entry that is still kept. */
  get first(): number {
    return Math.max(0, this.next - this.capacity);
  }

  /** @param count the session's instruction count */
  record(raw: RawTransition, count: number, vcpu: number): void {
    const slot = this.next % this.capacity;
    const chunk = (this.chunks[Math.floor(slot / CHUNK)] ??= new Float64Array(CHUNK * WIDTH));
    const at = (slot % CHUNK) * WIDTH;
    const kind = TRANSITION_KINDS.indexOf(raw.kind);
    const name = this.nameId(raw.causeName);
    chunk[at] = kind;
    chunk[at + 1] = packPlace(raw.from);
    chunk[at + 2] = packPlace(raw.to);
    chunk[at + 3] = raw.cause;
    chunk[at + 4] = name;
    chunk[at + 5] = count;
    chunk[at + 6] = vcpu;
    chunk[at + 7] = raw.address;
    chunk[at + 8] = raw.fromSelector;
    chunk[at + 9] = raw.fromOffset;
    chunk[at + 10] = raw.toSelector;
    chunk[at + 11] = raw.toOffset;
    chunk[at + 12] = raw.errorCode ?? -1;
    chunk[at + 13] = raw.fromStackSelector ?? -1;
    chunk[at + 14] = raw.fromStackOffset ?? -1;
    chunk[at + 15] = raw.toStackSelector ?? -1;
    chunk[at + 16] = raw.toStackOffset ?? -1;
    chunk[at + 17] = raw.gateLow ?? -1;
    chunk[at + 18] = raw.gateHigh ?? -1;
    chunk[at + 19] = raw.targetHigh ?? -1;
    chunk[at + 20] = raw.extra ?? -1;
    this.next++;
    this.kindCounts[kind]++;
    this.nameCounts[name]++;
    this.onTransition?.(raw);
  }

  private nameId(name: string): number {
    let id = this.nameIds.get(name);
    if (id === undefined) {
      id = this.names.push(name) - 1;
      this.nameIds.set(name, id);
      this.nameCounts.push(0);
    }
    return id;
  }

  /** The numbers of one entry, or undefined when it is not there (any more). */
  raw(sequence: number): LoggedTransition | undefined {
    if (sequence < this.first || sequence >= this.next) return undefined;
    const slot = sequence % this.capacity;
    const chunk = this.chunks[Math.floor(slot / CHUNK)] as Float64Array;
    const row = chunk.subarray((slot % CHUNK) * WIDTH, ((slot % CHUNK) + 1) * WIDTH);
    return {
      sequence,
      kind: TRANSITION_KINDS[row[0]],
      from: unpackPlace(row[1]),
      to: unpackPlace(row[2]),
      cause: row[3],
      causeName: this.names[row[4]],
      count: row[5],
      vcpu: row[6],
      address: row[7],
      fromSelector: row[8],
      fromOffset: row[9],
      toSelector: row[10],
      toOffset: row[11],
      errorCode: row[12],
      fromStackSelector: row[13],
      fromStackOffset: row[14],
      toStackSelector: row[15],
      toStackOffset: row[16],
      gateLow: row[17],
      gateHigh: row[18],
      targetHigh: row[19],
      extra: row[20],
    };
  }

  /** One entry made readable. */
  get(sequence: number): Transition | undefined {
    const raw = this.raw(sequence);
    return raw && describeTransition(raw);
  }

  /** How many of each kind and cause since the start. */
  counts(): TransitionCounts {
    const named = (keys: readonly string[], counts: readonly number[]): Record<string, number> =>
      Object.fromEntries(keys.map((key, i) => [key, counts[i]] as const).filter(([, count]) => count > 0));
    return { total: this.next, byKind: named(TRANSITION_KINDS, this.kindCounts), byCause: named(this.names, this.nameCounts) };
  }

  clear(): void {
    this.next = 0;
    this.chunks.length = 0;
    this.kindCounts.fill(0);
    this.nameCounts.fill(0);
  }
}

function packPlace(place: Place): number {
  return place.ring | (place.guestRing << 2) | (MODES.indexOf(place.mode) << 4) | (VMX.indexOf(place.vmx) << 8);
}

function unpackPlace(packed: number): Place {
  return {
    ring: (packed & 3) as Ring,
    guestRing: ((packed >> 2) & 3) as Ring,
    mode: MODES[(packed >> 4) & 15],
    vmx: VMX[(packed >> 8) & 3],
  };
}
