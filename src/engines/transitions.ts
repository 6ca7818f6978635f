/**
 * The transition log: every change of privilege or operation, whatever the engine, in one ring buffer. The trap log, the
 * rings panel, the call stack's separators and the command line's trace are views of it.
 *
 * An entry is a row of numbers, written in well under a tenth of a microsecond; names, details and checks are worked out when
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

/**
 * A row of the log is 13 doublewords of 64 bits: first what may be a 64-bit address or a count, as doubles, then the rest as
 * 32-bit words. A million rows stay near 100 MiB.
 */
const ROW = 13;
const NUMBERS = 7;
const ROW_WORDS = ROW * 2;
const FIRST_WORD = NUMBERS * 2;
const CHUNK = 4096;

/** Bits of a row's word that says what is there. */
const Present = {
  cause: 1,
  fromSelector: 2,
  toSelector: 4,
  errorCode: 8,
  fromStackSelector: 16,
  toStackSelector: 32,
  gateLow: 64,
  gateHigh: 128,
  targetHigh: 256,
} as const;

/** Where a place is packed, and the virtual processor's number. */
const FROM_SHIFT = 4;
const TO_SHIFT = 14;
const VCPU_SHIFT = 24;

interface Chunk {
  readonly numbers: Float64Array;
  readonly words: Uint32Array;
}

function makeChunk(): Chunk {
  const numbers = new Float64Array(CHUNK * ROW);
  return { numbers, words: new Uint32Array(numbers.buffer) };
}

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
  private readonly chunks: (Chunk | undefined)[] = [];
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

  /** @param raw may be filled anew afterwards @param count the session's instruction count */
  record(raw: RawTransition, count: number, vcpu: number): void {
    const slot = this.next % this.capacity;
    const chunk = (this.chunks[Math.floor(slot / CHUNK)] ??= makeChunk());
    const row = slot % CHUNK;
    const kind = TRANSITION_KINDS.indexOf(raw.kind);
    const name = this.nameId(raw.causeName);
    const { errorCode = -1, fromStackSelector = -1, toStackSelector = -1, gateLow = -1, gateHigh = -1, targetHigh = -1 } = raw;
    const { numbers, words } = chunk;
    const at = row * ROW;
    numbers[at] = count;
    numbers[at + 1] = raw.address;
    numbers[at + 2] = raw.fromOffset;
    numbers[at + 3] = raw.toOffset;
    numbers[at + 4] = raw.fromStackOffset ?? -1;
    numbers[at + 5] = raw.toStackOffset ?? -1;
    numbers[at + 6] = raw.extra ?? -1;
    let present = 0;
    if (raw.cause >= 0) present |= Present.cause;
    if (raw.fromSelector >= 0) present |= Present.fromSelector;
    if (raw.toSelector >= 0) present |= Present.toSelector;
    if (errorCode >= 0) present |= Present.errorCode;
    if (fromStackSelector >= 0) present |= Present.fromStackSelector;
    if (toStackSelector >= 0) present |= Present.toStackSelector;
    if (gateLow >= 0) present |= Present.gateLow;
    if (gateHigh >= 0) present |= Present.gateHigh;
    if (targetHigh >= 0) present |= Present.targetHigh;
    const word = row * ROW_WORDS + FIRST_WORD;
    words[word] = kind | (packPlace(raw.from) << FROM_SHIFT) | (packPlace(raw.to) << TO_SHIFT) | (vcpu << VCPU_SHIFT);
    words[word + 1] = name;
    words[word + 2] = present;
    words[word + 3] = raw.cause;
    words[word + 4] = raw.fromSelector;
    words[word + 5] = raw.toSelector;
    words[word + 6] = errorCode;
    words[word + 7] = fromStackSelector;
    words[word + 8] = toStackSelector;
    words[word + 9] = gateLow;
    words[word + 10] = gateHigh;
    words[word + 11] = targetHigh;
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
    const { numbers, words } = this.chunks[Math.floor(slot / CHUNK)] as Chunk;
    const row = slot % CHUNK;
    const [count, address, fromOffset, toOffset, fromStackOffset, toStackOffset, extra] = numbers.subarray(row * ROW);
    const rest = words.subarray(row * ROW_WORDS + FIRST_WORD, (row + 1) * ROW_WORDS);
    const [head, name, present] = rest;
    const word = (index: number, bit: number): number => (present & bit ? rest[index] : -1);
    return {
      sequence,
      kind: TRANSITION_KINDS[head & 15],
      from: unpackPlace(head >>> FROM_SHIFT),
      to: unpackPlace(head >>> TO_SHIFT),
      cause: word(3, Present.cause),
      causeName: this.names[name],
      count,
      vcpu: head >>> VCPU_SHIFT,
      address,
      fromSelector: word(4, Present.fromSelector),
      fromOffset,
      toSelector: word(5, Present.toSelector),
      toOffset,
      errorCode: word(6, Present.errorCode),
      fromStackSelector: word(7, Present.fromStackSelector),
      fromStackOffset,
      toStackSelector: word(8, Present.toStackSelector),
      toStackOffset,
      gateLow: word(9, Present.gateLow),
      gateHigh: word(10, Present.gateHigh),
      targetHigh: word(11, Present.targetHigh),
      extra,
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
