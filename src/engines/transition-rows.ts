/** How one transition is laid out as a row of numbers: in the log, and where handlers write what they log themselves. */
import type { Place, ProcessorMode, Ring, TransitionKind, VmxOperation } from '../shared/transition';

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

/**
 * A row is 13 doublewords of 64 bits: first what may be a 64-bit address or a count, as doubles, then the rest as 32-bit words.
 * A million rows stay near 100 MiB.
 */
export const ROW = 13;
export const ROW_WORDS = ROW * 2;
export const ROW_BYTES = ROW * 8;

/** Indexes of the doubles. */
export const NUMBER = { count: 0, address: 1, fromOffset: 2, toOffset: 3, fromStackOffset: 4, toStackOffset: 5, extra: 6 } as const;
const NUMBERS = 7;
export const FIRST_WORD = NUMBERS * 2;

/** Indexes of the words, from FIRST_WORD on. */
export const WORD = {
  head: 0,
  name: 1,
  present: 2,
  cause: 3,
  fromSelector: 4,
  toSelector: 5,
  errorCode: 6,
  fromStackSelector: 7,
  toStackSelector: 8,
  gateLow: 9,
  gateHigh: 10,
  targetHigh: 11,
} as const;

/** Bits of a row's word that says what is there. */
export const Present = {
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

/** Where the head holds both places, and the virtual processor's number. */
export const FROM_SHIFT = 4;
export const TO_SHIFT = 14;
export const VCPU_SHIFT = 24;

export const kindNumber = (kind: TransitionKind): number => TRANSITION_KINDS.indexOf(kind);

export function packPlace(place: Place): number {
  return place.ring | (place.guestRing << 2) | (MODES.indexOf(place.mode) << 4) | (VMX.indexOf(place.vmx) << 8);
}

export function unpackPlace(packed: number): Place {
  return {
    ring: (packed & 3) as Ring,
    guestRing: ((packed >> 2) & 3) as Ring,
    mode: MODES[(packed >> 4) & 15],
    vmx: VMX[(packed >> 8) & 3],
  };
}

/** Causes that handlers log by number: these are the first names of every log. */
const FAST_NAMES = ['IRET', 'SYSENTER', 'SYSEXIT', 'SYSCALL', 'SYSRET', 'INT3'] as const;
/** What interrupts from outside are called. */
export const INTERRUPT_NAMES = Array.from({ length: 256 }, (_, vector) => `interrupt 0x${vector.toString(16).padStart(2, '0')}`);
/** What INT n is called. */
export const INT_NAMES = Array.from({ length: 256 }, (_, vector) => `INT 0x${vector.toString(16).padStart(2, '0')}`);
export const FIRST_NAMES: readonly string[] = [...FAST_NAMES, ...INT_NAMES];
export const nameNumber = (name: (typeof FAST_NAMES)[number]): number => FAST_NAMES.indexOf(name);
/** Number of the name of INT 0. */
export const FIRST_INT_NAME = FAST_NAMES.length;

/** Rows that handlers write. */
export interface RowSource {
  /** Gives away all rows there are, oldest first: the same memory as doubles and as words. */
  collect(take: (numbers: Float64Array, words: Uint32Array, count: number) => void): void;
}
