/** The field's notation for the Devices panel. */

/** `0x` and `digits` hexadecimal digits, lower case. */
export const hex = (value: number, digits = 2): string => `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;

/** Names of the set bits, lowest first; `none` when all are clear. An empty name is a bit that is not shown. */
export function bits(value: number, names: readonly string[]): string {
  const set = names.filter((name, bit) => name !== '' && (value >>> bit) & 1);
  return set.length ? set.join(' ') : 'none';
}

/** Numbers of the set bits, lowest first. */
export function lines(value: number, first = 0): string {
  const set: number[] = [];
  for (let bit = 0; bit < 32; bit++) if ((value >>> bit) & 1) set.push(first + bit);
  return set.length ? set.join(', ') : 'none';
}
