/**
 * The transition log: every change of privilege or operation, whatever the engine, in one ring buffer. The trap log, the
 * rings panel, the call stack's separators and the command line's trace are views of it.
 *
 * An entry is a row of numbers, written in well under a tenth of a microsecond; names, details and checks are worked out when
 * someone looks (`transition-details.ts`).
 */
import type { Place, Transition, TransitionKind } from '../shared/transition';
import { describeTransition } from './transition-details';
import {
  FIRST_NAMES,
  FIRST_WORD,
  FROM_SHIFT,
  kindNumber,
  NUMBER,
  packPlace,
  Present,
  ROW,
  ROW_WORDS,
  type RowSource,
  TO_SHIFT,
  TRANSITION_KINDS,
  unpackPlace,
  VCPU_SHIFT,
  WORD,
} from './transition-rows';

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
  /** Of VM entries and exits: interruption information, where it is valid. */
  readonly errorCode?: number;
  /** Stack before and after, where the transition switches it. Of a VM exit: guest-physical and guest-linear address, where it has one. */
  readonly fromStackSelector?: number;
  readonly fromStackOffset?: number;
  readonly toStackSelector?: number;
  readonly toStackOffset?: number;
  /** The gate's or TSS's descriptor as two words. Of a VM exit the first is the instruction information. */
  readonly gateLow?: number;
  readonly gateHigh?: number;
  /** Second word of the target code segment's descriptor. */
  readonly targetHigh?: number;
  /** CR2, exit qualification, or the first argument. */
  readonly extra?: number;
}

const CHUNK = 4096;

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
  private readonly names: string[] = [...FIRST_NAMES];
  private readonly nameIds = new Map<string, number>(FIRST_NAMES.map((name, id) => [name, id]));
  private readonly nameCounts: number[] = FIRST_NAMES.map(() => 0);
  private readonly kindCounts: number[] = TRANSITION_KINDS.map(() => 0);
  private next = 0;
  /** Rows that were written elsewhere, which belong in front of whatever is logged or looked at next. */
  source: RowSource | undefined;
  /** Called with each entry as it is logged; for probes that stop on a transition. While it is set, nobody may write rows elsewhere. */
  onTransition: ((raw: RawTransition) => void) | undefined;

  /** @param capacity entries kept; older ones are forgotten (counts go on). Rounded up to a multiple of 4,096. */
  constructor(capacity = 1 << 20) {
    this.capacity = Math.ceil(capacity / CHUNK) * CHUNK;
  }

  /** Entries logged since the start; the next one's sequence number. */
  get total(): number {
    this.collect();
    return this.next;
  }

  /** Sequence number of the oldest entry that is still kept. */
  get first(): number {
    this.collect();
    return Math.max(0, this.next - this.capacity);
  }

  private collect(): void {
    this.source?.collect(this.take);
  }

  private readonly take = (numbers: Float64Array, words: Uint32Array, count: number): void => {
    for (let row = 0; row < count; row++) {
      const head = row * ROW_WORDS + FIRST_WORD;
      this.kindCounts[words[head] & 15]++;
      this.nameCounts[words[head + WORD.name]]++;
    }
    for (let row = 0; row < count; ) {
      const to = (this.next % this.capacity) % CHUNK;
      const run = Math.min(count - row, CHUNK - to);
      this.chunkOf(this.next).numbers.set(numbers.subarray(row * ROW, (row + run) * ROW), to * ROW);
      this.next += run;
      row += run;
    }
  };

  /** Where an entry goes. */
  private chunkOf(sequence: number): Chunk {
    return (this.chunks[Math.floor((sequence % this.capacity) / CHUNK)] ??= makeChunk());
  }

  /** @param raw may be filled anew afterwards @param count the session's instruction count */
  record(raw: RawTransition, count: number, vcpu: number): void {
    this.collect();
    const row = (this.next % this.capacity) % CHUNK;
    const kind = kindNumber(raw.kind);
    const name = this.nameId(raw.causeName);
    const { errorCode = -1, fromStackSelector = -1, toStackSelector = -1, gateLow = -1, gateHigh = -1, targetHigh = -1 } = raw;
    const { numbers, words } = this.chunkOf(this.next);
    const at = row * ROW;
    numbers[at + NUMBER.count] = count;
    numbers[at + NUMBER.address] = raw.address;
    numbers[at + NUMBER.fromOffset] = raw.fromOffset;
    numbers[at + NUMBER.toOffset] = raw.toOffset;
    numbers[at + NUMBER.fromStackOffset] = raw.fromStackOffset ?? -1;
    numbers[at + NUMBER.toStackOffset] = raw.toStackOffset ?? -1;
    numbers[at + NUMBER.extra] = raw.extra ?? -1;
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
    words[word + WORD.name] = name;
    words[word + WORD.present] = present;
    words[word + WORD.cause] = raw.cause;
    words[word + WORD.fromSelector] = raw.fromSelector;
    words[word + WORD.toSelector] = raw.toSelector;
    words[word + WORD.errorCode] = errorCode;
    words[word + WORD.fromStackSelector] = fromStackSelector;
    words[word + WORD.toStackSelector] = toStackSelector;
    words[word + WORD.gateLow] = gateLow;
    words[word + WORD.gateHigh] = gateHigh;
    words[word + WORD.targetHigh] = targetHigh;
    this.next++;
    this.kindCounts[kind]++;
    this.nameCounts[name]++;
    this.onTransition?.(raw);
  }

  /** The number that rows hold of a cause's name. */
  nameId(name: string): number {
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
    const { numbers, words } = this.chunkOf(sequence);
    const row = slot % CHUNK;
    const [count, address, fromOffset, toOffset, fromStackOffset, toStackOffset, extra] = numbers.subarray(row * ROW);
    const rest = words.subarray(row * ROW_WORDS + FIRST_WORD, (row + 1) * ROW_WORDS);
    const [head, name, present] = rest;
    const word = (field: keyof typeof Present): number => (present & Present[field] ? rest[WORD[field]] : -1);
    return {
      sequence,
      kind: TRANSITION_KINDS[head & 15],
      from: unpackPlace(head >>> FROM_SHIFT),
      to: unpackPlace(head >>> TO_SHIFT),
      cause: word('cause'),
      causeName: this.names[name],
      count,
      vcpu: head >>> VCPU_SHIFT,
      address,
      fromSelector: word('fromSelector'),
      fromOffset,
      toSelector: word('toSelector'),
      toOffset,
      errorCode: word('errorCode'),
      fromStackSelector: word('fromStackSelector'),
      fromStackOffset,
      toStackSelector: word('toStackSelector'),
      toStackOffset,
      gateLow: word('gateLow'),
      gateHigh: word('gateHigh'),
      targetHigh: word('targetHigh'),
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
    this.collect();
    const named = (keys: readonly string[], counts: readonly number[]): Record<string, number> =>
      Object.fromEntries(keys.map((key, i) => [key, counts[i]] as const).filter(([, count]) => count > 0));
    return { total: this.next, byKind: named(TRANSITION_KINDS, this.kindCounts), byCause: named(this.names, this.nameCounts) };
  }

  clear(): void {
    this.collect();
    this.next = 0;
    this.chunks.length = 0;
    this.kindCounts.fill(0);
    this.nameCounts.fill(0);
  }
}
