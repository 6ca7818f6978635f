/** The encoder: its interface, and every row of the table in every operand form, size and mode against nasm. */
import { describe, expect, test } from 'vitest';
import { encode, type InstructionRequest, isMnemonic, mnemonics, NO_PREFIXES, type OperandRequest } from '../../src/isa/encoder';
import { type Form, FORMS } from '../../src/isa/encoder/forms';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Bits } from '../../src/isa/types';
import { type Lines, nasmLines, NO_NASM, ourLines } from '../assembler/line-oracle';
import { errorsOf, hex, ours, program } from '../assembler/nasm';

const EAX: OperandRequest = { kind: 'register', register: { class: 'gpr', size: 4, index: 0, high: false, name: 'eax' } };
const immediate = (value: number, relocatable = false): OperandRequest => ({
  kind: 'immediate',
  value,
  relocatable,
  unknown: false,
  size: 0,
  strict: false,
  distance: undefined,
  offset: undefined,
});
const request = (mnemonic: string, operands: readonly OperandRequest[], bits: Bits = 32): InstructionRequest => ({
  mnemonic,
  operands,
  prefixes: NO_PREFIXES,
  bits,
});

describe('the interface', () => {
  test('bytes of an instruction', () => {
    expect(encode(request('add', [EAX, immediate(5)]))).toMatchObject({ bytes: [0x83, 0xc0, 5], fixups: [], warnings: [] });
  });

  test('a relocatable operand leaves its field to the caller', () => {
    const result = encode(request('mov', [EAX, immediate(0, true)]));
    expect(result).toMatchObject({
      bytes: [0xb8, 0, 0, 0, 0],
      fixups: [{ at: 1, size: 4, operand: 1, part: 'immediate', relative: false }],
    });
  });

  test('a branch without a known distance is left to the caller, relative to its end', () => {
    expect(encode(request('call', [immediate(0, true)]))).toMatchObject({
      bytes: [0xe8, 0, 0, 0, 0],
      fixups: [{ at: 1, size: 4, part: 'branch', relative: true }],
    });
  });

  test('failures say why', () => {
    expect(encode(request('frobnicate', []))).toEqual({ error: "unknown instruction 'frobnicate'" });
    expect(encode(request('add', [EAX]))).toHaveProperty('error');
    expect(encode(request('cdqe', []))).toEqual({ error: 'instruction not supported in 32-bit mode' });
  });

  test('every spelling of the table is a mnemonic', () => {
    const known = new Set(mnemonics());
    for (const { mnemonic, aliases, redundant } of INSTRUCTIONS) {
      for (const spelling of redundant ? [] : [mnemonic, ...aliases])
        expect(known.has(spelling) && isMnemonic(spelling), spelling).toBe(true);
    }
  });
});

const SIZES = ['byte', 'word', 'dword', 'qword'];
const VECTORS = 'xmm0 xmm3 mm1 st0 st3'.split(' ');
const ADDRESSES: Readonly<Record<Bits, readonly string[]>> = {
  16: ['[bx]', '[bx+si+5]', '[0x1234]', '[eax+ecx*4]'],
  32: ['[ebx]', '[esi+ecx*2+300]', '[0x12345678]', '[bx+si]'],
  64: ['[rbx]', '[r9+rcx*2+300]', '[0x1234]', '[eax]', '[rel x]'],
};
const REGISTERS = 'al cl bl ah ax cx dx bx eax ecx ebx es cs ss ds fs cr0 cr3 dr7 tr6 rax'.split(' ');
const REGISTERS_64 = 'rbx rcx r8 r9d r10w r11b sil cr8 rsp'.split(' ');
const NUMBERS = '1 5 127 128 -128 -129 255 256 0xff80 0xffff 65536 0x7fffffff 0x80000000 0xffffffff 0xffffff80 -1 0x123456789abc'.split(
  ' ',
);
const SIZED = [
  'byte 5',
  'byte 1',
  'word 5',
  'word 500',
  'dword 5',
  'dword 500',
  'qword 5',
  'strict 5',
  'strict byte 5',
  'strict word 5',
  'strict dword 5',
  'strict qword 5',
];
const LABELS = [
  'x',
  'byte x',
  'word x',
  'dword x',
  'strict x',
  'qword x',
  'short x',
  'near x',
  'far x',
  'word near x',
  'dword near x',
  '8:5',
  'word 8:5',
  'dword 8:5',
];

function memory(bits: Bits): string[] {
  const [first, ...others] = ADDRESSES[bits];
  return [
    first,
    ...SIZES.map((size) => `${size} ${first}`),
    ...others,
    ...others.map((address, i) => `${SIZES[i % 4]} ${address}`),
    `tword ${first}`,
    `oword ${first}`,
    ...['far', 'dword far', 'word far', 'near', 'qword far'].map((distance) => `${distance} ${first}`),
  ];
}

/** What nasm takes though the table has no row for it. */
const LEFT_OUT: readonly RegExp[] = [
  /^pop cs$/, // the 8086's, removed since
  /^(syscall|sysret)$/, // outside 64-bit mode, as on AMD's processors
  /^ud[01]$/, // without their operands
  /^salc$/, // in 64-bit mode, where it is no instruction
  /^bextr .*, [^[\]]*$/, // with an immediate, of AMD's trailing bit manipulation
  /^movd .*qword \[/, // 64 bits of memory, for which MOVQ is there
  /^(cmpsd|cmp\w+sd|pshufw|vmxon|vmptr(ld|st)|vmclear) .*qword \[/, // the size that the operand has, and which nasm refuses to be told
  /^punpckl(bw|wd|dq) mm.*word \[/, // its half of an MMX register, which nasm takes for the whole
  /^prefetchw \w+ \[/, // a size where there is none to tell
  /^mov (qword .*, [c-gs]s|[c-gs]s, qword .*)$/, // REX.W before a selector in memory
];

/** Instructions that differ in nothing but a number are tried with all operands once, then with few. */
function shapeOf(name: string): string {
  const family = /^(cmov|set|hint_nop)/.exec(name)?.[0] ?? (/^j[^cemr]/.test(name) && name !== 'jmp' ? 'jcc' : undefined);
  if (family !== undefined) return family;
  // Vector and x87 instructions: those with the same prefixes, sizes and operands.
  const forms = FORMS().get(name) ?? [];
  if (!forms.some(isOfVectors)) return name;
  const shapes = forms.map(({ pattern, size, operands, variant, waits }) =>
    [pattern.mandatory, JSON.stringify(pattern.vex), size, ...operands.map(({ code }) => code), variant, waits].join(),
  );
  return shapes.join(' ');
}

const isOfVectors = ({ operands, pattern, row }: Form): boolean =>
  pattern.vex !== undefined || row.feature === 'fpu' || operands.some(({ class: group }) => /^(xmm|mmx|x87)$/.test(group));

/** Source lines of one mode: each mnemonic with all operands of the pools that its forms could have. */
function linesFor(bits: Bits, share: number): string[] {
  const registers = [...REGISTERS, ...VECTORS, ...(bits === 64 ? [...REGISTERS_64, 'xmm9'] : [])];
  const pool = [...registers, ...memory(bits), ...NUMBERS, ...SIZED, ...LABELS];
  const few = [...registers.slice(0, 9), ...memory(bits).slice(0, 6), '1', '5', 'x'];
  const fewVectors = ['ecx', ...VECTORS, ...(bits === 64 ? ['rcx', 'xmm9'] : []), ...memory(bits).slice(0, 7), '5'];
  const lines = new Set<string>();
  const seen = new Set<string>();
  let turn = 0;
  for (const name of mnemonics()) {
    const shape = shapeOf(name);
    const ofVectors = (FORMS().get(name) ?? []).some(isOfVectors);
    const operands = !seen.has(shape) ? pool : ofVectors ? fewVectors : few;
    seen.add(shape);
    const counts = new Set(
      FORMS()
        .get(name)
        ?.map((form) => form.operands.length),
    );
    lines.add(name);
    for (const a of operands) lines.add(`${name} ${a}`);
    if (ofVectors) lines.add(`${name} to st3`);
    if (counts.has(2) || counts.has(3)) {
      for (const a of operands.filter((each) => !/x$|:/.test(each) || registers.includes(each))) {
        for (const b of operands) if (turn++ % share === 0) lines.add(`${name} ${a}, ${b}`);
      }
    }
    if (counts.has(3)) {
      const wide = [...registers, ...memory(bits).slice(0, 6), '5'];
      for (const a of wide)
        for (const b of wide)
          for (const c of ['cl', 'al', '1', '300', 'byte 5', 'word 5', '-1', 'x', ...memory(bits).slice(0, 1)]) {
            if (turn++ % share === 0) lines.add(`${name} ${a}, ${b}, ${c}`);
          }
    }
  }
  // Branches and RIP-relative addresses must not depend on how long the lines before them are.
  return [...lines]
    .filter((line) => !LEFT_OUT.some((pattern) => pattern.test(line)))
    .map((line) => (/^(j|call|loop)|rel x/.test(line) ? line.replace(/short x$/, 'short ($+5)').replace(/\bx\b/, '($+4096)') : line));
}

/** One of so many lines; RINGSIDE_FUZZ makes it all. */
const SHARE = process.env.RINGSIDE_FUZZ ? 1 : 7;

describe.skipIf(NO_NASM)('every row in every form against nasm', () => {
  test.each([16, 32, 64] as const)('%i-bit', (bits) => {
    const lines = linesFor(bits, SHARE);
    expect(lines.length).toBeGreaterThan(20_000);
    const differences: string[] = [];
    const count = { encoded: 0, refused: 0 };
    for (let at = 0; at < lines.length; at += 40_000) {
      const part = lines.slice(at, at + 40_000);
      const [theirs, mine]: [Lines, Lines] = [nasmLines(part, bits), ourLines(part, bits)];
      for (const [i, line] of part.entries()) {
        if (theirs[i] !== mine[i]) differences.push(`${line}: nasm ${theirs[i]}, ours ${mine[i]}`);
        else if (mine[i] === 'error') count.refused++;
        else count.encoded++;
      }
    }
    expect(differences.slice(0, 30), `${differences.length} differences`).toEqual([]);
    // Both outcomes were really tried.
    expect(count.encoded).toBeGreaterThan(3000);
    expect(count.refused).toBeGreaterThan(3000);
  });
});

const PREFIXES =
  'a16,a32,o16,o32,o64,rep,lock,es,fs,ds,wait,osp,asp,a32 o32,es rep,lock rep,o16 a16,fs a32,repe es o32,xacquire lock,xrelease'.split(',');
const PREFIXED =
  `nop;movsb;movsd;lodsw;stosb;ret;retf;iret;iretd;pushf;popf;pusha;popad;enter 1,2;leave;mov ax,[bx];mov ax,[ebx];mov eax,[5]
mov al,[5];mov [5],ax;mov [dword 5],ax;mov [word 5],eax;push 5;push ax;push word [bx];push dword [ebx];pop bx;push es;push fs
call $+50;jmp $+50;jmp short $+5;jz $+5;jz near $+50;loop $+5;jcxz $;call [bx];jmp dword [ebx];call far [bx];jmp far dword [ebx]
call 8:5;lgdt [bx];sgdt [ebx];lea ax,[bx];lea eax,[ebx];inc word [bx];add eax,5;add ax,[bx+si];in al,dx;in eax,dx;insb;insd;outsw
xlatb;mov ds,ax;bound ax,[bx];les ax,[bx];lfs eax,[ebx];arpl ax,bx;lar eax,bx;sldt ax;sldt eax;smsw ax;str [bx];cbw;cwde;cwd;int 5
int3;into;hlt;cli;bswap eax;xchg ax,bx;xchg eax,ebx;cmpxchg [bx],ax;cmpxchg8b [bx];rdtsc;cpuid;clts;mov rax,[rbx];push rax;movsq
stosq;cdqe;mov eax,[rel 5];mov eax,[r8];iretq;pushfq;call [rbx];push qword [rbx];retf 5;ret 5;mov rax,5;mov rax,cr0;lgdt [rbx]
invlpg [bx];lldt ax;verr [bx];nop word [bx];pause;shld ax,bx,5;bt word [bx],5;imul ax,bx,5;setz [bx];movzx eax,byte [bx]`.split(/[;\n]/);

describe.skipIf(NO_NASM)('every prefix before many instructions against nasm', () => {
  test.each([16, 32, 64] as const)('%i-bit', (bits) => {
    const lines = PREFIXES.flatMap((prefix) => PREFIXED.map((instruction) => `${prefix} ${instruction}`));
    const [theirs, mine] = [nasmLines(lines, bits), ourLines(lines, bits)];
    const differences = lines.flatMap((line, i) => (theirs[i] === mine[i] ? [] : [`${line}: nasm ${theirs[i]}, ours ${mine[i]}`]));
    expect(differences).toEqual([]);
    expect(mine.filter((bytes) => bytes !== 'error').length).toBeGreaterThan(1000);
  });
});

test('high byte registers and REX exclude each other', () => {
  expect(errorsOf(ours(program('bits 64\nmov ah, sil\n')))).toHaveLength(1);
  expect(hex(ours(program('bits 64\nmov ah, bl\n')).image)).toBe('88dc');
});
