/** The staged semantics by the names that the instruction table uses. What is not here is a helper (system/helpers.ts). */
import * as arithmetic from './arithmetic';
import * as caches from './caches';
import type { Semantics } from './context';
import * as logic from './logic';
import * as moves from './moves';
import * as shifts from './shifts';
import * as stack from './stack';
import * as strings from './strings';

export const SEMANTICS: Readonly<Record<string, Semantics | undefined>> = {
  ...arithmetic,
  ...caches,
  ...logic,
  ...shifts,
  ...moves,
  ...stack,
  ...strings,
};
