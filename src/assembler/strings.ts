/** String constants: what bytes stand between the quotes. */

import { type Int, wrap } from './int64';

const utf8 = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
};

function pushCodePoint(bytes: number[], code: number): void {
  // Written by hand because surrogates and code points beyond Unicode are encoded as well, as NASM does.
  if (code < 0x80) bytes.push(code);
  else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
  else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  else if (code < 0x200000) {
    bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  } else if (code < 0x4000000) {
    bytes.push(0xf8 | (code >> 24), 0x80 | ((code >> 18) & 63), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  } else {
    bytes.push(0xfc | ((code >> 30) & 1), 0x80 | ((code >> 24) & 63), 0x80 | ((code >> 18) & 63), 0x80 | ((code >> 12) & 63));
    bytes.push(0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
}

/** Length of the run of digits of `radix` at `at`, at most `most`. */
function digitRun(text: string, at: number, most: number, digits: RegExp): string {
  let end = at;
  while (end < text.length && end - at < most && digits.test(text[end])) end++;
  return text.slice(at, end);
}

function unescape(text: string): Uint8Array {
  const bytes: number[] = [];
  let plain = 0;
  const flush = (to: number): void => {
    if (to > plain) for (const byte of utf8.encode(text.slice(plain, to))) bytes.push(byte);
  };
  let i = 0;
  while (i < text.length) {
    if (text[i] !== '\\' || i + 1 >= text.length) {
      i++;
      continue;
    }
    flush(i);
    const c = text[i + 1];
    i += 2;
    if (c in SIMPLE_ESCAPES) {
      bytes.push(SIMPLE_ESCAPES[c]);
    } else if (c >= '0' && c <= '7') {
      const digits = digitRun(text, i - 1, 3, /[0-7]/);
      bytes.push(Number.parseInt(digits, 8) & 0xff);
      i += digits.length - 1;
    } else if (c === 'x' || c === 'u' || c === 'U') {
      const digits = digitRun(text, i, c === 'x' ? 2 : c === 'u' ? 4 : 8, /[0-9a-fA-F]/);
      i += digits.length;
      if (digits === '') bytes.push(c.charCodeAt(0));
      else if (c === 'x') bytes.push(Number.parseInt(digits, 16));
      else pushCodePoint(bytes, Number.parseInt(digits, 16));
    } else {
      // Any other character, the quotes and the backslash among them, stands for itself.
      plain = i - 1;
      continue;
    }
    plain = i;
  }
  flush(text.length);
  return Uint8Array.from(bytes);
}

/** Text between the quotes, without looking at escapes. */
function inner(quoted: string): string {
  const closed = quoted.length > 1 && quoted.endsWith(quoted[0]);
  return quoted.slice(1, closed ? -1 : undefined);
}

/** Bytes of a string token: UTF-8 of the text, with C escapes where it is written in backquotes. */
export function stringBytes(quoted: string): Uint8Array {
  return quoted.startsWith('`') ? unescape(inner(quoted)) : utf8.encode(inner(quoted));
}

/** The string token as text (bytes that are no UTF-8 become U+FFFD). */
export function stringText(quoted: string): string {
  return quoted.startsWith('`') ? decoder.decode(unescape(inner(quoted))) : inner(quoted);
}

/** Value of a character constant: the bytes little-endian, at most eight. */
export function characterConstant(quoted: string): { value: Int; overflow: boolean } {
  const bytes = stringBytes(quoted);
  let value = 0n;
  for (let i = Math.min(bytes.length, 8) - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return { value: wrap(value), overflow: bytes.length > 8 };
}

/** Writes bytes as a string token whose value they are. */
export function quoteBytes(bytes: Uint8Array): string {
  let printable = true;
  let single = false;
  let double = false;
  for (const byte of bytes) {
    if (byte < 32 || byte > 126) printable = false;
    if (byte === 0x27) single = true;
    if (byte === 0x22) double = true;
  }
  if (printable && !(single && double)) {
    const quote = single ? '"' : "'";
    return quote + decoder.decode(bytes) + quote;
  }
  let text = '`';
  for (const byte of bytes) {
    if (byte === 0x60 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 32 && byte <= 126) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}\``;
}

/** Writes text as a string token. */
export function quoteText(text: string): string {
  return quoteBytes(utf8.encode(text));
}
