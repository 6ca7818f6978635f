/** The EPT pointer (manual, "Extended-Page-Table Pointer (EPTP)"). */
import { BEYOND_PHYSICAL } from './capabilities';

const MEMORY_TYPES: readonly number[] = [0, 6];
const FOUR_LEVELS = 3;

/** Bit that enables accessed and dirty flags. */
export const EPTP_ACCESSED_DIRTY = 0x40;

/** Whether VM entry would take it. @param low @param high halves */
export function isValidEptPointer(low: number, high: number): boolean {
  return MEMORY_TYPES.includes(low & 7) && ((low >>> 3) & 7) === FOUR_LEVELS && (low & 0xf80) === 0 && (high & BEYOND_PHYSICAL) === 0;
}
