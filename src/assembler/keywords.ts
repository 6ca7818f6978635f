/** The words that mean something to the parser: registers, sizes, operand modifiers, prefixes, data and pseudo-instructions. */

import { type AssemblerRegister, isMnemonic } from '../isa/encoder';

export type PrefixName =
  | 'a16'
  | 'a32'
  | 'a64'
  | 'asp'
  | 'o16'
  | 'o32'
  | 'o64'
  | 'osp'
  | 'lock'
  | 'rep'
  | 'repe'
  | 'repne'
  | 'wait'
  | 'xacquire'
  | 'xrelease';

export type Keyword =
  | { readonly kind: 'register'; readonly register: AssemblerRegister }
  /** Bytes: `byte` 1 … `zword` 64. */
  | { readonly kind: 'size'; readonly size: number }
  | { readonly kind: 'modifier'; readonly name: 'strict' | 'near' | 'far' | 'short' | 'to' | 'nosplit' | 'rel' | 'abs' }
  | { readonly kind: 'prefix'; readonly name: PrefixName }
  | { readonly kind: 'data'; readonly size: number }
  | { readonly kind: 'reserve'; readonly size: number }
  | { readonly kind: 'pseudo'; readonly name: 'equ' | 'times' | 'incbin' }
  | { readonly kind: 'operator'; readonly name: 'seg' | 'wrt' };

const words = new Map<string, Keyword>();

const LOW_BYTES = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const HIGH_BYTES = ['ah', 'ch', 'dh', 'bh'];
const WORDS = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];

function register(name: string, group: AssemblerRegister['class'], size: number, index: number, high = false): void {
  words.set(name, { kind: 'register', register: { class: group, size, index, high, name } });
}

function addRegisters(): void {
  for (let i = 0; i < 16; i++) {
    register(i < 8 ? LOW_BYTES[i] : `r${i}b`, 'gpr', 1, i);
    register(i < 8 ? WORDS[i] : `r${i}w`, 'gpr', 2, i);
    register(i < 8 ? `e${WORDS[i]}` : `r${i}d`, 'gpr', 4, i);
    register(i < 8 ? `r${WORDS[i]}` : `r${i}`, 'gpr', 8, i);
    register(`cr${i}`, 'control', 0, i);
    register(`dr${i}`, 'debug', 0, i);
  }
  for (const [i, name] of HIGH_BYTES.entries()) register(name, 'gpr', 1, i, true);
  for (const [i, name] of ['es', 'cs', 'ss', 'ds', 'fs', 'gs'].entries()) register(name, 'segment', 2, i);
  for (let i = 0; i < 8; i++) {
    register(`tr${i}`, 'test', 0, i);
    register(`st${i}`, 'x87', 10, i);
    register(`mm${i}`, 'mmx', 8, i);
    register(`k${i}`, 'mask', 8, i);
  }
  for (let i = 0; i < 32; i++) {
    register(`xmm${i}`, 'xmm', 16, i);
    register(`ymm${i}`, 'ymm', 32, i);
    register(`zmm${i}`, 'zmm', 64, i);
  }
  for (let i = 0; i < 4; i++) register(`bnd${i}`, 'bound', 16, i);
}

const SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  yword: 32,
  zword: 64,
};

/** `d` and `res` with the size's letter. */
const DATA_LETTERS: Readonly<Record<string, number>> = { b: 1, w: 2, d: 4, q: 8, t: 10, o: 16, y: 32, z: 64 };

const PREFIXES: Readonly<Record<string, PrefixName>> = {
  repz: 'repe',
  repnz: 'repne',
};
const PLAIN_PREFIXES: readonly PrefixName[] = [
  'a16',
  'a32',
  'a64',
  'asp',
  'o16',
  'o32',
  'o64',
  'osp',
  'lock',
  'rep',
  'repe',
  'repne',
  'wait',
  'xacquire',
  'xrelease',
];

function addWords(): void {
  addRegisters();
  for (const [name, size] of Object.entries(SIZES)) words.set(name, { kind: 'size', size });
  for (const [letter, size] of Object.entries(DATA_LETTERS)) {
    words.set(`d${letter}`, { kind: 'data', size });
    words.set(`res${letter}`, { kind: 'reserve', size });
  }
  for (const name of ['strict', 'near', 'far', 'short', 'to', 'nosplit', 'rel', 'abs'] as const) {
    words.set(name, { kind: 'modifier', name });
  }
  for (const name of PLAIN_PREFIXES) words.set(name, { kind: 'prefix', name });
  for (const [name, meaning] of Object.entries(PREFIXES)) words.set(name, { kind: 'prefix', name: meaning });
  for (const name of ['equ', 'times', 'incbin'] as const) words.set(name, { kind: 'pseudo', name });
  for (const name of ['seg', 'wrt'] as const) words.set(name, { kind: 'operator', name });
}
addWords();

/** The longest keyword has seven letters; anything longer need not be looked up. */
const LONGEST = 8;

/** The keyword that a word is, in any case; undefined for other words. */
export function keywordOf(text: string): Keyword | undefined {
  if (text.length > LONGEST) return undefined;
  return words.get(text) ?? words.get(text.toLowerCase());
}

/**
 * Whether a word names what a line does: an instruction, a data or reserving pseudo-instruction, EQU. Where nothing is
 * to be done, in expressions and in front of a colon, such a word is a symbol like any other.
 */
export function isOperationName(text: string): boolean {
  const keyword = keywordOf(text);
  if (!keyword) return isMnemonic(text.toLowerCase());
  return keyword.kind === 'data' || keyword.kind === 'reserve' || (keyword.kind === 'pseudo' && keyword.name === 'equ');
}
