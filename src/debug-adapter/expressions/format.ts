/** Values as text. */
import { formatFloat } from './floats';
import { asSigned, type Value } from './values';

/** Hexadecimal with all digits of a width in bits. */
export function hexOf(value: bigint, bits: number): string {
  const digits = Math.max(1, Math.ceil(bits / 4));
  return `0x${BigInt.asUintN(Math.max(bits, 1), value).toString(16).padStart(digits, '0')}`;
}

/** Hexadecimal with the value's width; plain numbers decimal, single bits as they are. */
export function formatValue(value: Value, hex = false): string {
  if (value.float && !hex) return formatFloat(value.value, value.float);
  if (value.signed && !hex) return String(asSigned(value));
  if (value.bits === 0) return hex ? signedHex(value.value) : String(value.value);
  if (value.bits < 4) return String(value.value);
  return hexOf(value.value, value.bits);
}

function signedHex(value: bigint): string {
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** For the console: the number in both notations, and as a character where it is one. */
export function explainValue(value: Value, name?: string): string {
  const text = formatValue(value);
  const other: string[] = [];
  if (value.float) return `${text}  ${hexOf(value.value, value.bits)}`;
  if (value.bits === 0) {
    if (value.value > 9n || value.value < 0n) other.push(signedHex(value.value));
  } else if (value.bits >= 4) {
    other.push(String(value.value));
    const signed = BigInt.asIntN(value.bits, value.value);
    if (signed < 0n) other.push(String(signed));
    if (value.bits === 8 && value.value >= 32n && value.value < 127n) other.push(`'${String.fromCharCode(Number(value.value))}'`);
  }
  if (name !== undefined) other.push(name);
  return [text, ...other].join('  ');
}
