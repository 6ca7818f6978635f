/** A refused VM entry in words. */
import { type FieldWidth, fieldByKey } from '../fields';
import type { FailedCheck, FoundValue } from './check';

/** Hexadecimal digits that a field is shown with. */
const DIGITS: Readonly<Record<FieldWidth, number>> = { 16: 4, 32: 8, 64: 16, natural: 16 };
const hex = (low: number, high: number, digits: number): string => {
  const half = (value: number, width: number): string => (value >>> 0).toString(16).padStart(width, '0');
  return `0x${digits > 8 ? half(high, 8) : ''}${half(low, Math.min(digits, 8))}`;
};
const foundText = ({ name, low, high, bits }: FoundValue): string => `${name} = ${hex(low, high, bits / 4)}`;

/** One line: the rule, the values that broke it, and where the manual has it. Fields have the digits of their width. */
export function formatFailure({ check, values, found }: FailedCheck): string {
  const seen = values.map(({ field, low, high }) => {
    const { name, width } = fieldByKey(field);
    return `${name} = ${hex(low, high, DIGITS[width])}`;
  });
  return `${check.rule} Found: ${[...seen, ...found.map(foundText)].join(', ')}. (${check.section})`;
}
