/** Which ELF relocation a fix-up becomes. Numbers are those of the psABI supplements for i386 and x86-64. */

import type { SectionFixup } from '../sections';

export type Machine = 'elf32' | 'elf64';

const I386_ABSOLUTE: Readonly<Record<number, number>> = { 1: 22, 2: 20, 4: 1 };
const I386_RELATIVE: Readonly<Record<number, number>> = { 1: 23, 2: 21, 4: 2 };
/** R_386_GOT32, GOTPC, GOTOFF, PLT32, TLS_IE; `..sym` asks for the symbol itself instead of its section. */
const I386_SPECIAL: Readonly<Record<string, number>> = { '..got': 3, '..gotpc': 10, '..gotoff': 9, '..plt': 4, '..tlsie': 15 };

const X64_ABSOLUTE: Readonly<Record<number, number>> = { 1: 14, 2: 12, 4: 10, 8: 1 };
const X64_RELATIVE: Readonly<Record<number, number>> = { 1: 15, 2: 13, 4: 2, 8: 24 };
const X64_32S = 11;
/** By size: R_X86_64_GOT32, GOT64, GOTPC32, GOTPC64, GOTOFF64, PLT32, GOTTPOFF. */
const X64_SPECIAL: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  '..got': { 4: 3, 8: 27 },
  '..gotpc': { 4: 26, 8: 29 },
  '..gotoff': { 8: 25 },
  '..plt': { 4: 4 },
  '..gottpoff': { 4: 22 },
};
/** R_X86_64_GOTPCREL and GOTPCREL64: the address of the entry itself, relative to the field. */
const X64_GOT_RELATIVE: Readonly<Record<number, number>> = { 4: 9, 8: 28 };

function special(machine: Machine, name: string, fixup: SectionFixup): number | undefined {
  if (machine === 'elf32') return fixup.size === 4 ? I386_SPECIAL[name] : undefined;
  if ((name === '..got' || name === '..gotpc') && fixup.relative) return X64_GOT_RELATIVE[fixup.size];
  return X64_SPECIAL[name]?.[fixup.size];
}

/** Number of the relocation type; undefined where the format has none for such a field. */
export function relocationType(machine: Machine, fixup: SectionFixup): number | undefined {
  const { wrt, size, relative } = fixup;
  if (wrt?.kind === 'base') return undefined;
  if (wrt && wrt.name !== '..sym') return special(machine, wrt.name, fixup);
  if (machine === 'elf32') return (relative ? I386_RELATIVE : I386_ABSOLUTE)[size];
  if (!relative && size === 4 && fixup.signed) return X64_32S;
  return (relative ? X64_RELATIVE : X64_ABSOLUTE)[size];
}
