/** Numbers as NASM reads them. */

/**
 * Hexadecimal, lower case, with `0x`.
 * @param value a safe integer
 * @param bytes width in which a negative value is shown, 8 if not given
 */
export function hex(value: number, bytes = 8): string {
  if (value >= 0) return `0x${value.toString(16)}`;
  if (bytes === 8) return `0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
  return `0x${(value + 2 ** (8 * bytes)).toString(16)}`;
}
