/** Functions that handlers share, linked beside them. */
import { FLOAT_LIBRARY } from '../float/library';
import type { LibraryFunction } from '../wasm/library';
import { FLAG_LIBRARY } from '../staged/flag-library';
import { SIMD_LIBRARY } from './simd/library';
import { SIMD_FLOAT_LIBRARY } from './simd-float-exact';

export const LIBRARY: readonly LibraryFunction[] = [...FLAG_LIBRARY, ...FLOAT_LIBRARY, ...SIMD_LIBRARY, ...SIMD_FLOAT_LIBRARY];
