/** What the assembler asks of an output format. */

import type { Bits } from '../../isa/types';
import type { SectionAttributes } from '../sections';

export type FormatName = 'bin' | 'elf32' | 'elf64';

export interface Format {
  readonly name: FormatName;
  readonly defaultBits: Bits;
  /** Attributes of sections whose name says what they are. */
  attributesOf(section: string): SectionAttributes;
  /** Names that may stand after WRT. */
  readonly specials: ReadonlySet<string>;
}

const FLAT_NOBITS: ReadonlySet<string> = new Set(['.bss']);

const FLAT: Format = {
  name: 'bin',
  defaultBits: 16,
  attributesOf: (section) => (FLAT_NOBITS.has(section) ? { nobits: true, implied: true } : {}),
  specials: new Set(),
};

/** The sections that the ABI names; others are read-only data. */
const ELF_SECTIONS: Readonly<Record<string, SectionAttributes>> = {
  '.text': { alloc: true, exec: true, align: 16 },
  '.data': { alloc: true, write: true, align: 4 },
  '.rodata': { alloc: true, align: 4 },
  '.lrodata': { alloc: true, align: 4 },
  '.ldata': { alloc: true, write: true, align: 4 },
  '.bss': { alloc: true, write: true, nobits: true, align: 4 },
  '.lbss': { alloc: true, write: true, nobits: true, align: 4 },
  '.tdata': { alloc: true, write: true, tls: true, align: 4 },
  '.tbss': { alloc: true, write: true, tls: true, nobits: true, align: 4 },
  '.comment': { align: 1 },
  '.preinit_array': { alloc: true, type: 16 },
  '.init_array': { alloc: true, type: 14 },
  '.fini_array': { alloc: true, type: 15 },
  '.note': { type: 7, align: 4 },
};

function elf(name: 'elf32' | 'elf64', defaultBits: Bits): Format {
  const word = defaultBits / 8;
  return {
    name,
    defaultBits,
    attributesOf: (section) => {
      const known = Object.hasOwn(ELF_SECTIONS, section) ? ELF_SECTIONS[section] : { alloc: true };
      return section.endsWith('_array') ? { align: word, entrySize: word, ...known } : { align: 1, ...known };
    },
    specials: new Set(
      ['..got', '..gotpc', '..gotoff', '..plt', '..sym', '..tlsie', '..gottpoff', '..gotpcrel'].filter((special) =>
        special === '..tlsie' ? name === 'elf32' : special === '..gottpoff' || special === '..gotpcrel' ? name === 'elf64' : true,
      ),
    ),
  };
}

export const FORMATS: Readonly<Record<FormatName, Format>> = { bin: FLAT, elf32: elf('elf32', 32), elf64: elf('elf64', 64) };
