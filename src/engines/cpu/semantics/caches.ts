/** Fences, cache lines and hints: with one memory and no caches all that shows is whether an address may be used. */
import type { Semantics } from './context';

export const lfence: Semantics = () => {};
export const mfence = lfence;
export const sfence = lfence;

/** Hints never fault. */
export const prefetch = lfence;

/** Fault as a load of the byte would. */
export const clflush: Semantics = (c) => {
  c.let(c.operand(0).word.type, c.operand(0).read());
};
export const clflushopt = clflush;
export const clwb = clflush;
