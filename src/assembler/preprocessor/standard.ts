/**
 * The macros that are there from the start. Directives are macros over their primitive forms in brackets, so that programs can
 * redefine them, as NASM's manual describes.
 */

/** Directives whose macro does nothing but put brackets around. */
const BRACKETED: readonly string[] = [
  'org 1+',
  'bits 1+',
  'default 1+',
  'cpu 1+',
  'float 1+',
  'global 1+',
  'extern 1+',
  'static 1+',
  'common 1+',
  'required 1+',
  'sectalign 1',
  'osabi 1+',
  'group 1+',
  'subsection 1+',
  'uppercase 1+',
  'list 1+',
  'warning 1+',
];

const bracketed = BRACKETED.filter((entry) => !/^(group|subsection|uppercase|list|warning)/.test(entry)).map((entry) => {
  const name = entry.split(' ')[0];
  return `%imacro ${entry}.nolist\n[${name} %1]\n%endmacro`;
});

const SECTIONS = ['section', 'segment'].map(
  (name) => `%imacro ${name} 1+.nolist
%xdefine __?SECT?__ [${name} %1]
__?SECT?__
%endmacro`,
);

const SIZES = ['16', '32', '64'].map((bits) => `%imacro use${bits} 0.nolist\n[bits ${bits}]\n%endmacro`);

export const STANDARD_MACROS = `
%define __?SECT?__ [section .text]
%defalias __SECT__ __?SECT?__
${bracketed.join('\n')}
${SECTIONS.join('\n')}
${SIZES.join('\n')}
%imacro absolute 1+.nolist
%xdefine __?SECT?__ [absolute %1]
__?SECT?__
%endmacro
%imacro struc 1-2.nolist 0
%push struc
%define %$structure %1
[absolute %2]
%$structure:
%endmacro
%imacro endstruc 0.nolist
%{$structure}_size equ ($-%$structure)
%pop struc
__?SECT?__
%endmacro
%imacro istruc 1.nolist
%push istruc
%define %$structure %1
%$start:
%endmacro
%imacro at 1-2+.nolist
%defstr %%field %1
%substr %%first %%field 1
%ifidn %%first, '.'
times (%{$structure}%1-%$structure)-($-%$start) db 0
%else
times (%1-%$structure)-($-%$start) db 0
%endif
%2
%endmacro
%imacro iend 0.nolist
times %{$structure}_size-($-%$start) db 0
%pop istruc
%endmacro
%imacro align 1-2+.nolist nop
sectalign %1
%ifempty %2
times (((%1) - (($-$$) % (%1))) % (%1)) nop
%else
times (((%1) - (($-$$) % (%1))) % (%1)) %2
%endif
%endmacro
%imacro alignb 1-2+.nolist
sectalign %1
%ifempty %2
[warning push]
[warning -zeroing]
resb (((%1) - (($-$$) % (%1))) % (%1))
[warning pop]
%else
times (((%1) - (($-$$) % (%1))) % (%1)) %2
%endif
%endmacro
`;

/** Version of the dialect: that of Debian's package that the output is held against. */
const DIALECT_VERSION = { major: 2, minor: 16, subminor: 1, patch: 0, text: '2.16.01', id: '002100100h' };

/** `__?NAME?__` and the old spelling `__NAME__`, with their texts. */
export function standardDefinitions(format: string): [string, string][] {
  const version = DIALECT_VERSION;
  const values: [string, string][] = [
    ['NASM_MAJOR', String(version.major)],
    ['NASM_MINOR', String(version.minor)],
    ['NASM_SUBMINOR', String(version.subminor)],
    ['NASM_PATCHLEVEL', String(version.patch)],
    ['NASM_VERSION_ID', version.id],
    ['NASM_VER', `"${version.text}"`],
    ['OUTPUT_FORMAT', format],
    ['DEBUG_FORMAT', 'dwarf'],
  ];
  return values.flatMap(([name, text]) => [[`__?${name}?__`, text] as [string, string], [`__${name}__`, text] as [string, string]]);
}

/** Definitions of %use packages that are made of macros alone. */
export const PACKAGES: Readonly<Record<string, string>> = {
  fp: ['Inf', 'NaN', 'QNaN', 'SNaN']
    .map((name) => `%define ${name} __?${name === 'Inf' ? 'Infinity' : name}?__`)
    .concat(
      ['float8', 'float16', 'bfloat16', 'float32', 'float64', 'float80m', 'float80e', 'float128l', 'float128h'].map(
        (name) => `%define ${name}(x) __?${name}?__(x)`,
      ),
    )
    .join('\n'),
  ifunc: ['ilog2', 'ilog2e', 'ilog2w', 'ilog2f', 'ilog2c']
    .map((name) => `%define ${name}(x) __?${name === 'ilog2' ? 'ilog2e' : name}?__(x)`)
    .join('\n'),
  altreg: ['a', 'c', 'd', 'b', 'sp', 'bp', 'si', 'di']
    .flatMap((name, i) => {
      const word = name.length === 1 ? `${name}x` : name;
      const low = name.length === 1 ? `${name}l` : `${name}l`;
      const lines = [`%idefine r${i} r${word}`, `%idefine r${i}d e${word}`, `%idefine r${i}w ${word}`, `%idefine r${i}b ${low}`];
      return i < 4 ? [...lines, `%idefine r${i}h ${name}h`] : lines;
    })
    .join('\n'),
};
