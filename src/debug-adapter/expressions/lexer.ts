/** Cuts expressions into tokens. Numbers are written as NASM takes them. */
import { ExpressionError } from './syntax';

export type Token =
  | { readonly kind: 'number'; readonly value: bigint; readonly text: string; readonly at: number }
  | { readonly kind: 'name' | 'operator' | 'fraction'; readonly text: string; readonly at: number }
  | { readonly kind: 'end'; readonly text: ''; readonly at: number };

const NAME = /[A-Za-z_.?@$][\w.$?@#~]*/y;
/** A number with a fraction. */
const FRACTION = /\d[\d_]*\.\d*(?:e[-+]?\d+)?(?![\w.])/iy;
const NUMBER = /\d\w*/y;
const CHARACTERS = /'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/y;
const OPERATORS = /<<=|>>=|\|\||&&|==|!=|<>|<=|>=|<<|>>|\+=|-=|\*=|\/=|%=|&=|\|=|\^=|[-+*/%&|^~!<>=()[\]:,]/y;
const SPACES = /\s+/y;

/** @throws ExpressionError where a character begins no token */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const numberAt = (): Token | undefined => {
    const found = match(NUMBER)?.[0];
    return found === undefined ? undefined : { kind: 'number', value: parseNumber(found, at), text: found, at };
  };
  const charactersAt = (): Token | undefined => {
    const found = match(CHARACTERS);
    return found ? { kind: 'number', value: packCharacters(found, at), text: found[0], at } : undefined;
  };
  const plainAt = (kind: 'name' | 'operator' | 'fraction', pattern: RegExp): Token | undefined => {
    const found = match(pattern)?.[0];
    return found === undefined ? undefined : { kind, text: found, at };
  };
  const fractionAt = () => plainAt('fraction', FRACTION);
  const nameAt = () => plainAt('name', NAME);
  const operatorAt = () => plainAt('operator', OPERATORS);
  while (at < text.length) {
    const spaces = match(SPACES);
    if (spaces) {
      at += spaces[0].length;
      continue;
    }
    const token = fractionAt() ?? numberAt() ?? nameAt() ?? charactersAt() ?? operatorAt();
    if (!token) throw new ExpressionError(`the character '${text[at]}' has no meaning here`, at);
    tokens.push(token);
    at += token.text.length;
  }
  tokens.push({ kind: 'end', text: '', at: text.length });
  return tokens;
}

/** Each with its digits in the first group. */
const NUMBER_FORMS: readonly (readonly [form: RegExp, prefix: string])[] = [
  [/^0x([\da-f]+)$/i, '0x'],
  [/^0h([\da-f]+)$/i, '0x'],
  [/^0[by]([01]+)$/i, '0b'],
  [/^0[oq]([0-7]+)$/i, '0o'],
  [/^0[dt](\d+)$/i, ''],
  [/^(?!0x$)(\d[\da-f]*)[hx]$/i, '0x'],
  [/^([01]+)[by]$/i, '0b'],
  [/^([0-7]+)[oq]$/i, '0o'],
  [/^(\d+)[dt]?$/i, ''],
];

/** @throws ExpressionError for what is no number */
function parseNumber(text: string, at = 0): bigint {
  const plain = text.replaceAll('_', '');
  for (const [form, prefix] of NUMBER_FORMS) {
    const digits = form.exec(plain)?.[1];
    if (digits === undefined) continue;
    const value = BigInt(prefix + digits);
    if (value >> 128n) throw new ExpressionError(`the number ${text} does not fit 128 bits`, at);
    return value;
  }
  throw new ExpressionError(`'${text}' is no number`, at);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', 0: '\0', e: '\x1b' };

/** As in NASM: the first character is the lowest byte. */
function packCharacters(match: RegExpExecArray, at: number): bigint {
  const text = (match[1] ?? match[2]).replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 8) throw new ExpressionError('a character constant holds at most 8 bytes', at);
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
