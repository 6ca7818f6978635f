/** The `x` command: memory in rows, in gdb's notation with NASM's sizes. */
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import type { Location } from '../expressions/values';
import { bytesToValue } from '../expressions/values';
import { UserError } from '../protocol/errors';

export interface ExamineFormat {
  readonly count: number;
  readonly notation: 'x' | 'd' | 'u' | 'o' | 't' | 'c' | 's';
  /** Bytes. */
  readonly size: 1 | 2 | 4 | 8;
}

const FORM = /^(\d*)([a-z]*)$/i;
const NOTATIONS = 'xuotcs';
const SIZES: Readonly<Record<string, 1 | 2 | 4 | 8>> = { b: 1, w: 2, d: 4, q: 8, h: 2, g: 8 };
const MOST = 4096;
const ROW = 16;

/** @throws UserError */
export function parseExamine(text: string): ExamineFormat {
  const match = FORM.exec(text);
  const count = match?.[1] ? Number(match[1]) : 16;
  let notation: ExamineFormat['notation'] = 'x';
  let size: ExamineFormat['size'] = 1;
  for (const letter of (match?.[2] ?? '?').toLowerCase()) {
    if (NOTATIONS.includes(letter)) notation = letter as ExamineFormat['notation'];
    else if (letter in SIZES) size = SIZES[letter];
    else throw new UserError(`'${text}' is no format; write a count, one of x u o t c s, and b w d q for 1 2 4 8 bytes`);
  }
  if (count === 0 || count > MOST) throw new UserError(`from 1 to ${MOST} units can be shown`);
  return { count, notation, size };
}

export function formatMemory(guest: Guest, vcpu: number, { count, notation, size }: ExamineFormat, { space, address }: Location): string {
  if (notation === 's') return textAt(guest, vcpu, { space, address });
  const bytes = guest.engine.readMemory(vcpu, space, address, count * size);
  const whole = Math.floor(bytes.length / size);
  const perRow = Math.max(1, Math.floor(ROW / size) / (notation === 't' ? 4 : 1));
  const rows: string[] = [];
  for (let first = 0; first < whole; first += perRow) {
    const units = Array.from({ length: Math.min(perRow, whole - first) }, (_, i) => {
      const at = (first + i) * size;
      return unitText(bytesToValue(bytes.subarray(at, at + size)), size, notation);
    });
    const row = bytes.subarray(first * size, Math.min(whole, first + perRow) * size);
    rows.push(
      `${formatReference({ space, address: address + first * size })}:  ${units.join(' ')}${notation === 'x' ? `  ${printable(row)}` : ''}`,
    );
  }
  if (whole < count) rows.push(`${formatReference({ space, address: address + whole * size })}:  cannot be read`);
  return rows.join('\n');
}

function unitText(value: bigint, size: number, notation: ExamineFormat['notation']): string {
  const bits = size * 8;
  switch (notation) {
    case 'd':
      return String(BigInt.asIntN(bits, value));
    case 'u':
      return String(value);
    case 'o':
      return `0o${value.toString(8)}`;
    case 't':
      return value.toString(2).padStart(bits, '0');
    case 'c':
      return `'${printable(Uint8Array.of(Number(value & 0xffn)))}'`;
    default:
      return value.toString(16).padStart(size * 2, '0');
  }
}

function printable(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
}

const LONGEST_TEXT = 4096;

function textAt(guest: Guest, vcpu: number, { space, address }: Location): string {
  const bytes = guest.engine.readMemory(vcpu, space, address, LONGEST_TEXT);
  const end = bytes.indexOf(0);
  return JSON.stringify(printable(bytes.subarray(0, end < 0 ? bytes.length : end)));
}
