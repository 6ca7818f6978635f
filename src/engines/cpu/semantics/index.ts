/** The staged semantics by the names that the instruction table uses. What is not here is a helper (system/helpers.ts). */
import * as arithmetic from './arithmetic';
import * as bitFields from './bit-fields';
import * as caches from './caches';
import type { Semantics } from './context';
import * as logic from './logic';
import * as moves from './moves';
import * as privilege from './privilege';
import * as shifts from './shifts';
import { SIMD } from './simd/index';
import { SIMD_FLOAT } from './simd-float';
import * as stack from './stack';
import * as strings from './strings';
import * as time from './time';
import * as x87 from './x87';
import * as x87Arithmetic from './x87-arithmetic';

export const SEMANTICS: Readonly<Record<string, Semantics | undefined>> = {
  ...arithmetic,
  ...caches,
  ...logic,
  ...shifts,
  ...moves,
  ...privilege,
  ...stack,
  ...strings,
  ...time,
  ...bitFields,
  ...SIMD,
  ...SIMD_FLOAT,
  ...x87,
  ...x87Arithmetic,
};
