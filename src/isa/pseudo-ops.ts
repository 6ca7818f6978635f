/** Spellings that stand for an instruction with a certain last immediate (manual, CMPPS and PCLMULQDQ, "Pseudo-Op"). */

export interface PseudoOp {
  readonly mnemonic: string;
  readonly immediate: number;
}

const PREDICATES = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const KINDS = ['ps', 'pd', 'ss', 'sd'];
/** Which quadwords are multiplied: of the first operand by bit 0, of the second by bit 4. */
const HALVES: readonly (readonly [name: string, immediate: number])[] = [
  ['lqlq', 0x00],
  ['hqlq', 0x01],
  ['lqhq', 0x10],
  ['hqhq', 0x11],
];

/** By spelling, lower case. */
export const PSEUDO_OPS: ReadonlyMap<string, PseudoOp> = new Map<string, PseudoOp>([
  ...KINDS.flatMap((kind) =>
    PREDICATES.map((name, immediate): [string, PseudoOp] => [`cmp${name}${kind}`, { mnemonic: `cmp${kind}`, immediate }]),
  ),
  ...HALVES.map(([name, immediate]): [string, PseudoOp] => [`pclmul${name}dq`, { mnemonic: 'pclmulqdq', immediate }]),
]);

const SPELLINGS = new Map([...PSEUDO_OPS].map(([spelling, { mnemonic, immediate }]) => [`${mnemonic} ${immediate}`, spelling]));

/** The spelling for a mnemonic with this last immediate, if there is one. */
export function pseudoOpFor(mnemonic: string, immediate: number): string | undefined {
  return SPELLINGS.get(`${mnemonic} ${immediate}`);
}
