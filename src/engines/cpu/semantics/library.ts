/** Functions that handlers share, linked beside them. */
import { FLOAT_LIBRARY } from '../float/library';
import type { LibraryFunction } from '../wasm/library';
import { SIMD_LIBRARY } from './simd/library';

export const LIBRARY: readonly LibraryFunction[] = [...FLOAT_LIBRARY, ...SIMD_LIBRARY];
