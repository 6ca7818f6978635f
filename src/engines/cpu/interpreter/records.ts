/**
 * The decoded record: what a handler finds of its instruction, in host memory. Records of one block lie one behind the
 * other, an ENTER record in front and one that leaves the block at the end:
 *
 *     ENTER | instruction | instruction | … | FALL
 *
 * Distances in a record count from the block's start, so a block serves every linear address and CS base under which its
 * physical bytes are run.
 */

export const RECORD_SIZE = 80;

/** Offsets of the 32-bit fields. */
export const RECORD = {
  /** Index of the handler in the function table. */
  handler: 0,
  /** Distance of the instruction, and of the one behind it, from the block's start. */
  here: 4,
  next: 8,
  /** Instructions of the block from this one to the end, this one included: what has been paid for and not run. */
  rest: 12,
  /** State offsets of the first and second register operand (a third's lies behind). */
  first: 16,
  second: 20,
  /** Immediate, sign-extended to 64 bits. */
  immediate: 24,
  immediateHigh: 28,
  /** Record to go on with after a direct jump (or behind the block), once it is known to lie in the same page. */
  link: 32,
  /** Distance of a relative target from the block's start. */
  target: 36,
  /** Memory operand: state offsets of the segment, base and index registers, shift of the index. */
  segment: 40,
  base: 44,
  index: 48,
  shift: 52,
  /** Displacement (with the distance of the next instruction where it counts from there) and address mask, 8 bytes each. */
  displacement: 56,
  mask: 64,
  /** Where 64-bit code finds the segment's base: in FS and GS, else at ZERO. */
  segmentBase: 72,
  third: 76,
} as const;

/** Of ENTER records, in fields of their own meaning. */
export const ENTER = {
  /** Instructions in the block. */
  count: RECORD.first,
  /** Bytes of the block. */
  length: RECORD.second,
  /** How often the block may still be entered before the compiler is asked for it. */
  heat: RECORD.immediate,
  /** In a compiled block: which entry of its region it is, and its distance from the region's origin (see jit/region.ts). */
  entry: RECORD.segment,
  distance: RECORD.base,
  /** While profiled, 8 bytes: times that the block was begun. */
  runs: RECORD.displacement,
} as const;

/** Why control came back from handlers to the processor's loop. */
export const Exit = {
  /** Go on at IP, with the clock and interrupts looked at first. */
  next: 0,
  /** IP is set; no record is known for it. CURRENT is the record that went there. */
  lookup: 1,
  /** The instruction at CURRENT could not complete; the processor knows why. */
  fault: 2,
  /** The instruction at CURRENT raises VECTOR itself. */
  exception: 3,
  /** A block does not fit into the budget, or not under CS's limit. IP is at its start. */
  budget: 4,
  /** A repeated instruction ran part of its iterations. */
  partial: 5,
  /** The block's code was written over, or a probe stands there: CURRENT has not run. */
  stale: 6,
  probe: 7,
  /** The block at CURRENT has been entered often; nothing of it has run or been paid for. */
  hot: 8,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];
