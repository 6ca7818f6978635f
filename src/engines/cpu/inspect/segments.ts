/** A segment register's visible and hidden parts, for people. */
import type { RegisterField } from '../../engine';
import { Attr, type SegmentRegister } from '../state';

/** Names of system descriptor types (manual, "System Descriptor Types"); reserved types have none. */
export const SYSTEM_TYPES: Readonly<Record<number, string | undefined>> = {
  1: 'available 16-bit TSS',
  2: 'LDT',
  3: 'busy 16-bit TSS',
  4: '16-bit call gate',
  5: 'task gate',
  6: '16-bit interrupt gate',
  7: '16-bit trap gate',
  9: 'available 32-bit TSS',
  11: 'busy 32-bit TSS',
  12: '32-bit call gate',
  14: '32-bit interrupt gate',
  15: '32-bit trap gate',
};

/** In IA-32e mode (manual, "System Descriptor Types"); other types are reserved there. */
export const SYSTEM_TYPES_LONG: Readonly<Record<number, string | undefined>> = {
  2: 'LDT',
  9: 'available 64-bit TSS',
  11: 'busy 64-bit TSS',
  12: '64-bit call gate',
  14: '64-bit interrupt gate',
  15: '64-bit trap gate',
};

/** What a descriptor's type field says (manual, "Code- and Data-Segment Descriptor Types", "System Descriptor Types"). */
export function describeType(attributes: number, long = false): string {
  const type = attributes & 15;
  if (!(attributes & Attr.segment)) return (long ? SYSTEM_TYPES_LONG : SYSTEM_TYPES)[type] ?? `reserved type ${type}`;
  const accessed = attributes & Attr.accessed ? ', accessed' : '';
  if (attributes & Attr.code) {
    return `${attributes & Attr.expandConform ? 'conforming ' : ''}code, ${attributes & Attr.readWrite ? 'readable' : 'execute-only'}${accessed}`;
  }
  return `data, ${attributes & Attr.readWrite ? 'writable' : 'read-only'}${attributes & Attr.expandConform ? ', expand-down' : ''}${accessed}`;
}

/** @param long in IA-32e mode: bases have 64 bits, and code may be 64-bit */
export function segmentFields(register: SegmentRegister, protectedMode: boolean, long = false): readonly RegisterField[] {
  const { selector, attributes } = register;
  const fields: RegisterField[] = [];
  if (protectedMode) {
    fields.push(
      { name: 'index', value: BigInt(selector >> 3), low: 3, high: 15, meaning: `entry of the ${selector & 4 ? 'LDT' : 'GDT'}` },
      { name: 'TI', value: BigInt((selector >> 2) & 1), low: 2, high: 2, meaning: selector & 4 ? 'LDT' : 'GDT' },
      { name: 'RPL', value: BigInt(selector & 3), low: 0, high: 1, meaning: 'requested privilege level' },
    );
  }
  const base: RegisterField = { name: 'base', value: BigInt.asUintN(64, BigInt(register.base)), ...(long && { bits: 64 }) };
  // In 64-bit mode FS and GS have their bases whatever the selector.
  if (register.unusable) return [...fields, { name: 'usable', value: 0n, meaning: 'null: any use faults' }, ...(long ? [base] : [])];
  fields.push(
    base,
    { name: 'limit', value: BigInt(register.limit), meaning: 'in bytes' },
    { name: 'type', value: BigInt(attributes & 15), meaning: describeType(attributes, long) },
    { name: 'DPL', value: BigInt((attributes >> Attr.dplShift) & 3), meaning: 'descriptor privilege level' },
    { name: 'P', value: BigInt((attributes >> 7) & 1), meaning: 'present' },
    {
      name: 'D/B',
      value: BigInt((attributes >> 14) & 1),
      meaning: attributes & Attr.big ? '32-bit' : long && attributes & Attr.long ? 'as L demands' : '16-bit',
    },
    ...(long
      ? [{ name: 'L', value: BigInt((attributes >> 13) & 1), meaning: attributes & Attr.long ? '64-bit code' : 'no 64-bit code' }]
      : []),
    { name: 'G', value: BigInt((attributes >> 15) & 1), meaning: attributes & Attr.granular ? 'limit in 4 KiB units' : 'limit in bytes' },
  );
  return fields;
}
