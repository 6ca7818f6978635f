/** Which instructions the comparisons in this folder are about. */
import { HELPERS } from '../../src/engines/cpu/system/helpers';
import { SEMANTICS } from '../../src/engines/cpu/semantics/index';
import { parseEncoding } from '../../src/isa/encoding';
import type { InstructionRow } from '../../src/isa/types';

const TRANSCENDENTAL = new Set('f2xm1 fyl2x fyl2xp1 fptan fpatan fsin fcos fsincos'.split(' '));
const FLOATING = /^(add|sub|mul|div|sqrt|min|max|cmp|comi|ucomi|round|rcp|rsqrt|hadd|hsub|addsub|dp|cvt).*(ps|pd|ss|sd|si|dq|pi)$|mxcsr$/;
const X87_FEATURES = new Set(['fpu', 'fcmov']);

export const isX87 = ({ feature, mnemonic }: InstructionRow): boolean => X87_FEATURES.has(feature) || mnemonic === 'fisttp';

/** Floating point that has a meaning here: x87, and SSE's arithmetic, comparisons and conversions. */
export function comparedMoreClosely(row: InstructionRow): boolean {
  const x87 = isX87(row);
  const known = SEMANTICS[row.semantics] !== undefined || HELPERS[row.semantics] !== undefined;
  return (
    known &&
    row.modes.includes(64) &&
    !parseEncoding(row.encoding).vex &&
    (x87 || (FLOATING.test(row.mnemonic) && row.feature.startsWith('sse')))
  );
}

/** Compared as functions, within the last bit: see transcendental.test.ts. */
export const isTranscendental = ({ semantics }: InstructionRow): boolean => TRANSCENDENTAL.has(semantics);
