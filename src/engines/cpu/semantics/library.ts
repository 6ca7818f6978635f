/** Functions that handlers share, linked beside them. */
import { FLOAT_LIBRARY } from '../float/library';
import type { LibraryFunction } from '../wasm/library';

export const LIBRARY: readonly LibraryFunction[] = [...FLOAT_LIBRARY];
