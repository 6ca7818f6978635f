/** Semantics of MMX and SSE that compute no floating point, by the instruction table's names. */
import type { Semantics } from '../context';
import { VECTOR_MOVES } from './moves';
import { PACKED_INTEGER } from './packed-integer';
import { SPECIALS } from './specials';

export const SIMD: Readonly<Record<string, Semantics>> = { ...PACKED_INTEGER, ...VECTOR_MOVES, ...SPECIALS };
