/** %stacksize, %arg and %local: names for what lies in a procedure's stack frame. */

import { type Token, TokenKind } from '../lexer';
import type { Preprocessor } from './preprocessor';
import { isOperator, writtenText } from './single-line';

/** The layout of frames, and how far it is filled. */
export interface StackFrame {
  readonly register: string;
  /** Bytes of a stack element. */
  readonly word: number;
  /** Distance of the next argument from the frame register. */
  argument: number;
  /** Bytes of the locals so far. */
  local: number;
}

/** By %stacksize: frame register, bytes of an element, distance of the first argument. */
const LAYOUTS: Readonly<Record<string, readonly [register: string, word: number, argument: number]>> = {
  flat: ['ebp', 4, 8],
  flat64: ['rbp', 8, 16],
  large: ['bp', 2, 4],
  small: ['bp', 2, 6],
};

const SIZES: Readonly<Record<string, number>> = { byte: 1, word: 2, dword: 4, qword: 8, tword: 10, oword: 16, yword: 32, zword: 64 };

export function setStackSize(pp: Preprocessor, tokens: readonly Token[], at: Token): void {
  const name = tokens[0]?.text.toLowerCase() ?? '';
  if (!Object.hasOwn(LAYOUTS, name)) pp.fail(tokens[0] ?? at, 'expected flat, flat64, large or small after %stacksize');
  pp.stackFrame = newFrame(name);
}

export function newFrame(layout: string): StackFrame {
  const [register, word, argument] = LAYOUTS[layout];
  return { register, word, argument, local: 0 };
}

/** `name:size, name:size …`, each with its size rounded up to whole elements. */
function declarations(pp: Preprocessor, tokens: readonly Token[], at: Token): { name: Token; size: number }[] {
  const result: { name: Token; size: number }[] = [];
  for (let i = 0; ; i += 4) {
    const [name, colon, size, comma] = tokens.slice(i, i + 4);
    if (name?.kind !== TokenKind.Identifier) pp.fail(name ?? at, `expected a name after ${at.text}`);
    if (!isOperator(colon, ':') || size === undefined) pp.fail(colon ?? name, "expected ':' and a size after the name");
    const bytes = SIZES[size.text.toLowerCase()];
    if (bytes === undefined) pp.fail(size, `expected a size such as word or dword, found '${size.text}'`);
    const { word } = pp.stackFrame;
    result.push({ name, size: Math.ceil(bytes / word) * word });
    if (comma === undefined) return result;
    if (!isOperator(comma, ',')) pp.fail(comma, 'expected a comma or the end of the line');
  }
}

function define(pp: Preprocessor, name: Token, text: string): void {
  pp.define(name, { caseSensitive: true, parameters: undefined, body: writtenText(text, name, false) });
}

export function declareArguments(pp: Preprocessor, tokens: readonly Token[], at: Token): void {
  const { stackFrame } = pp;
  for (const { name, size } of declarations(pp, tokens, at)) {
    define(pp, name, `(${stackFrame.register}+${stackFrame.argument})`);
    stackFrame.argument += size;
  }
}

/** Defines the names, and `%$localsize` as the bytes that ENTER must make room for. */
export function declareLocals(pp: Preprocessor, tokens: readonly Token[], at: Token): void {
  const { stackFrame } = pp;
  for (const { name, size } of declarations(pp, tokens, at)) {
    stackFrame.local += size;
    define(pp, name, `(${stackFrame.register}-${stackFrame.local})`);
  }
  const localSize: Token = { kind: TokenKind.Preprocessor, text: '%$localsize', space: false, line: at.line, column: at.column };
  define(pp, localSize, String(stackFrame.local));
}
