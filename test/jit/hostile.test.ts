/** Guests that are hard on the cache of compiled code: they write into it, flood it, and change what pages it lies in. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { RECORD_SIZE } from '../../src/engines/cpu/interpreter/records';
import { RECORDS, RECORDS_END } from '../../src/engines/cpu/layout';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { makeRom } from '../system/harness';

const MEMORY = 32 << 20;
const RESULT = 0x90000;
const MOST_INSTRUCTIONS = 200e6;

/** A flat 32-bit guest at 1 MiB with its stack below; EAX is its result where it says `finish`. */
const FRAME = `
bits 32
org 0x100000
%macro finish 0
  mov [${RESULT}], eax
  mov dx, 0xf4
  xor eax, eax
  out dx, al
  jmp $
%endmacro
times 28 db 0
dd start
`;

interface Ending {
  readonly result: number;
  readonly instructions: number;
  readonly stats: Readonly<Record<string, number>>;
}

function run(text: string, tiers: 'all' | 'interpreter', heat?: number): Ending {
  const assembled = assemble({ path: 'guest.asm', text: FRAME + text, read: () => undefined });
  if (!assembled.ok) throw new Error(assembled.diagnostics.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  const engine = new EmulatorEngine({ memory: MEMORY, bios: makeRom(assembled.image), tiers, heat });
  const stop = engine.run({ instructions: MOST_INSTRUCTIONS });
  if (stop.reason !== 'exited') throw new Error(`${stop.reason} at 0x${stop.address.toString(16)} ${stop.text ?? ''}`);
  const [b0, b1, b2, b3] = engine.readMemory(0, 'physical', RESULT, 4);
  return {
    result: (b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)) >>> 0,
    instructions: engine.instructionCount,
    stats: engine.stats() as Ending['stats'],
  };
}

/** Both tiers take as many instructions to the same result. @returns the compiled side's statistics */
function same(text: string, expected: number, heat: number): Ending['stats'] {
  const plain = run(text, 'interpreter');
  const compiled = run(text, 'all', heat);
  expect(plain.result).toBe(expected >>> 0);
  expect(compiled.result).toBe(expected >>> 0);
  expect(compiled.instructions).toBe(plain.instructions);
  return compiled.stats;
}

const sum = (count: number, term: (i: number) => number): number =>
  Array.from({ length: count }, (_, i) => term(i)).reduce((total, value) => (total + value) | 0, 0);

const ROUNDS = 200;
/** A loop of ECX from ROUNDS down to 1, with the total in EAX. */
const loop = (body: string, more = ''): string => `
start:
  mov esp, 0x80000
  xor eax, eax
  mov ecx, ${ROUNDS}
.again:
  ${body}
  dec ecx
  jnz .again
  finish
  ${more}
`;
/** Of the values that ECX has had. */
const rounds = (term: (ecx: number) => number): number => sum(ROUNDS, (i) => term(ROUNDS - i));

interface SelfModifying {
  readonly what: string;
  readonly text: string;
  readonly expected: number;
  /** It changes no block: an instruction over a page's edge always runs alone. */
  readonly alone?: boolean;
  /** What it changes is soon read from the code each time, so that nothing has to be dropped for it. */
  readonly soft?: boolean;
  /** Code that was there before comes back, and what was made of it. */
  readonly revived?: boolean;
}

const byteOf = (ecx: number): number => ecx & 0xff;

const SELF_MODIFYING: readonly SelfModifying[] = [
  {
    what: 'the immediate of the next instruction',
    soft: true,
    text: loop('mov [.next + 1], cl\n.next: mov edx, 0\n add eax, edx'),
    expected: rounds(byteOf),
  },
  {
    what: 'the opcode of the next instruction',
    revived: true,
    // INC EAX or DEC EAX.
    text: loop('mov dl, cl\n and dl, 8\n or dl, 0x40\n mov [.next], dl\n.next: inc eax'),
    expected: rounds((ecx) => (ecx & 8 ? -1 : 1)),
  },
  {
    what: 'an instruction before it in the same block',
    soft: true,
    text: loop('.first: mov edx, 7\n add eax, edx\n mov [.first + 1], ecx'),
    expected: 7 + rounds((ecx) => (ecx === 1 ? 0 : ecx)),
  },
  {
    what: 'another block of the region',
    soft: true,
    text: loop('test cl, 1\n jz .even\n mov byte [.even + 2], 5\n jmp .join\n.even: add eax, byte 3\n mov byte [.even + 2], 3\n.join:'),
    expected: rounds((ecx) => (ecx & 1 ? 0 : ecx === ROUNDS ? 3 : 5)),
  },
  {
    what: 'a function in another page',
    soft: true,
    text: loop('mov [away + 1], ecx\n call away', 'times 0x3000 - ($ - $$) db 0x90\naway: mov edx, 0\n add eax, edx\n ret'),
    expected: rounds((ecx) => ecx),
  },
  {
    what: 'the target of a direct jump',
    text: loop(
      'mov edx, ecx\n and edx, 1\n shl edx, 2\n mov [.jump + 1], dl\n.jump: jmp short .one\n.one: add eax, byte 1\n nop\n.two: add eax, byte 2',
    ),
    expected: rounds((ecx) => (ecx & 1 ? 2 : 3)),
  },
  {
    what: 'itself by REP STOSB',
    soft: true,
    text: loop(
      'mov ebx, ecx\n push eax\n mov al, cl\n mov edi, .next + 1\n mov ecx, 2\n rep stosb\n pop eax\n mov ecx, ebx\n.next: mov edx, 0\n add eax, edx',
    ),
    expected: rounds((ecx) => byteOf(ecx) * 0x101),
  },
  {
    what: 'code over a page edge with one store',
    text: loop(
      'mov [edge], ecx\n call caller',
      'times 0x3ff0 - ($ - $$) db 0x90\ncaller: mov edx, 0\ntimes 0x3ffd - ($ - $$) db 0x90\ndb 0xba\nedge: dd 0\n add eax, edx\n ret',
    ),
    expected: rounds((ecx) => ecx),
    alone: true,
  },
  {
    what: 'the displacement of a load',
    soft: true,
    text: loop(
      'mov edx, ecx\n and edx, 7\n mov [0x50000 + edx], cl\n mov [.load + 2], dl\n.load: movzx edx, byte [dword 0x50000]\n add eax, edx',
    ).replace('[.load + 2]', '[.load + 3]'),
    expected: rounds(byteOf),
  },
  {
    what: 'both fields of an instruction, which is never soft',
    text: loop(
      'mov [.store + 6], cl\n mov edx, ecx\n and edx, 4\n mov [.store + 2], dl\n.store: mov dword [dword 0x50000], 0\n add eax, [0x50000 + edx]',
    ),
    expected: rounds(byteOf),
  },
  {
    what: 'an immediate, and with it the opcode now and then',
    // ADD EAX or SUB EAX.
    text: loop(
      'mov edx, ecx\n shl edx, 8\n mov dl, 0x05\n test cl, 0x1f\n jnz .write\n mov dl, 0x2d\n.write: mov [.next], edx\n.next: add eax, strict dword 0',
    ),
    expected: rounds((ecx) => (ecx & 0x1f ? ecx : -ecx)),
  },
  {
    what: 'an immediate that is the opcode in another block, too',
    // The constant holds INC EAX or DEC EAX; RET.
    text: loop('mov dl, cl\n and dl, 8\n or dl, 0x40\n mov [.next + 1], dl\n.next: mov edx, 0xc340\n call .next + 1'),
    expected: rounds((ecx) => (ecx & 8 ? -1 : 1)),
  },
  {
    what: 'an immediate, by stores of other sizes and to its parts',
    text: loop(
      'mov [.next + 1], ecx\n mov byte [.next + 2], 1\n mov word [.next + 3], 0x0200\n inc byte [.next + 4]\n.next: mov edx, 0\n add eax, edx',
    ),
    soft: true,
    expected: rounds((ecx) => byteOf(ecx) + 0x03000100),
  },
  {
    what: 'its own immediate in memory',
    soft: true,
    text: loop('.self: add dword [.self + 6], strict dword 3\n add eax, [.self + 6]'),
    expected: sum(ROUNDS, (i) => (3 * 2 ** (i + 1)) | 0),
  },
  {
    what: 'what REP MOVSD copies over the running loop, the same bytes',
    text: loop('mov ebx, ecx\n mov esi, .again\n mov edi, .again\n mov ecx, 8\n rep movsd\n mov ecx, ebx\n add eax, ecx'),
    expected: rounds((ecx) => ecx),
  },
];

describe('self-modifying code', () => {
  it.each(SELF_MODIFYING.map((each) => [each.what, each] as const))('changes %s', (_what, { text, expected, alone, soft, revived }) => {
    for (const heat of [1, 20]) {
      const stats = same(text, expected, heat);
      if (alone) continue;
      if (soft) {
        expect(stats.softFields).toBeGreaterThan(0);
        expect(stats.invalidatedBlocks).toBeLessThan(ROUNDS / 4);
        continue;
      }
      expect(stats.invalidatedBlocks).toBeGreaterThan(ROUNDS / 4);
      if (revived) expect(stats.revivedBlocks).toBeGreaterThan(ROUNDS / 4);
      if (revived && heat === 1) expect(stats.revivedRegions).toBeGreaterThan(0);
      // What changes in each round never runs often enough to be compiled later.
      if (heat === 1) expect(stats.invalidatedRegions).toBeGreaterThan(0);
    }
  });

  it('does not take data beside the code for code', () => {
    const text = loop('add [data], ecx\n add eax, [data]', 'times 0x400 - ($ - $$) db 0x90\ndata: dd 0');
    let total = 0;
    const stats = same(
      text,
      rounds((ecx) => (total += ecx)),
      2,
    );
    expect(stats.regions).toBeGreaterThan(0);
    expect(stats.invalidatedRegions).toBe(0);
  });
});

/** Functions made at 4 MiB, all different, each called so many times, pass by pass. */
const flood = (functions: number, size: number, body: string, calls: number, passes: number): string => `
start:
  mov esp, 0x80000
  mov edi, 0x400000
  xor ecx, ecx
.make:
  ${body}
  add edi, ${size}
  inc ecx
  cmp ecx, ${functions}
  jne .make
  xor eax, eax
  mov ebp, ${passes}
.pass:
  mov edi, 0x400000
  mov ecx, ${functions}
.call:
  mov esi, ${calls}
.again:
  call edi
  dec esi
  jnz .again
  add edi, ${size}
  dec ecx
  jnz .call
  dec ebp
  jnz .pass
  finish
`;
/** ADD EAX, number of the function; NOP; RET. */
const SMALL = 'mov byte [edi], 0x05\n mov [edi + 1], ecx\n mov word [edi + 5], 0xc390';
/** 120 times RCL [data], CL, then ADD EAX, number; RET. */
const LARGE = `mov edx, 120
.fill:
  mov word [edi], 0x15d3
  mov dword [edi + 2], 0x300000
  add edi, 6
  dec edx
  jnz .fill
  mov byte [edi], 0x05
  mov [edi + 1], ecx
  mov byte [edi + 5], 0xc3
  sub edi, 720`;

describe('functions in other pages, called by their addresses', () => {
  /** Each in a page of its own: adds its number. */
  const functions = 5;
  const more = Array.from(
    { length: functions },
    (_, i) => `times ${0x2000 + i * 0x1000} - ($ - $$) db 0x90\nadd eax, byte ${i + 1}\nret`,
  ).join('\n');
  const calls = 20_000;
  const text = `
start:
  mov esp, 0x80000
  xor eax, eax
  mov ecx, ${calls}
  mov esi, 0x102000
.again:
  call esi
  add esi, 0x1000
  cmp esi, ${0x102000 + functions * 0x1000}
  jne .next
  mov esi, 0x102000
.next:
  dec ecx
  jnz .again
  finish
  ${more}`;

  it('become part of the loop that calls them', () => {
    for (const heat of [5, 100]) {
      const stats = same(
        text,
        sum(calls, (i) => (i % functions) + 1),
        heat,
      );
      expect(stats.regions).toBeGreaterThan(functions);
      // All that is left is the one that holds them all.
      expect(stats.liveRegions).toBeLessThan(functions);
    }
  });
});

describe('a cache that is too small', () => {
  it('spends no time on compiling code that runs once', () => {
    const functions = 150_000;
    const stats = same(
      flood(functions, 16, SMALL, 1, 1),
      sum(functions, (i) => i),
      400,
    );
    expect(stats.blocks).toBeGreaterThan(functions);
    expect(stats.regions).toBeLessThan(50);
  });

  it('goes on when decoded records fill their room, again and again', () => {
    // Four records each: ENTER, two instructions, FALL.
    const functions = Math.ceil(((RECORDS_END - RECORDS) / (4 * RECORD_SIZE)) * 1.1);
    const passes = 3;
    const stats = same(
      flood(functions, 16, SMALL, 2, passes),
      sum(functions, (i) => i * 2 * passes),
      400,
    );
    // All were decoded again in each pass.
    expect(stats.blocks).toBeGreaterThan(functions * 2);
    expect(stats.liveRegions).toBeLessThanOrEqual(stats.regions);
  });

  it('drops the oldest regions when there is too much compiled code', () => {
    const functions = 700;
    const stats = same(
      flood(functions, 4096, LARGE, 3, 2),
      sum(functions, (i) => i * 6),
      2,
    );
    expect(stats.regions).toBeGreaterThan(functions);
    expect(stats.compiledBytes).toBeGreaterThan(8 << 20);
    expect(stats.evictedRegions).toBeGreaterThan(0);
    expect(stats.liveRegions).toBeLessThan(stats.regions);
  });
});

/** Page tables at 2 MiB for the first 8 MiB; what lies at 3 MiB is shown at 0x500000 by turns with what lies behind it. */
const PAGED = `
start:
  mov esp, 0x80000
  mov edi, 0x200000
  mov ecx, 2048
  mov eax, 3
.table:
  mov [edi + 0x1000], eax
  add eax, 0x1000
  add edi, 4
  loop .table
  mov dword [0x200000], 0x201003
  mov dword [0x200004], 0x202003
  mov dword [0x300000], 0xc3c201   ; ADD EDX, EAX; RET
  mov dword [0x301000], 0xc3c229   ; SUB EDX, EAX; RET
  mov eax, 0x200000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  xor edx, edx
  mov ecx, ${ROUNDS}
.again:
  mov eax, ecx
  and eax, 1
  shl eax, 12
  add eax, 0x300003
  mov [0x201000 + 0x500 * 4], eax
  TELL
  mov eax, ecx
  call 0x500000
  dec ecx
  jnz .again
  mov eax, edx
  finish
`;

describe('page tables that change under compiled code', () => {
  const expected = rounds((ecx) => (ecx & 1 ? -ecx : ecx));

  it.each([
    ['INVLPG', 'invlpg [0x500000]'],
    ['MOV CR3', 'mov eax, cr3\n mov cr3, eax'],
    ['MOV CR0', 'mov eax, cr0\n and eax, 0x7fffffff\n mov cr0, eax\n or eax, 0x80000000\n mov cr0, eax'],
  ])('shows other code after %s, and drops nothing', (_name, tell) => {
    for (const heat of [1, 20]) {
      const stats = same(PAGED.replace('TELL', tell), expected, heat);
      expect(stats.regions).toBeGreaterThan(1);
      expect(stats.invalidatedRegions).toBe(0);
    }
  });

  it('follows indirect calls to where pages are now, in regions that hold what they led to before', () => {
    const text = PAGED.replace('TELL', 'invlpg [0x500000]').replace('call 0x500000', 'mov esi, 0x500000\n call esi');
    for (const heat of [1, 5, 20]) expect(same(text, expected, heat).regions).toBeGreaterThan(1);
  });

  it('runs what was stored through another mapping', () => {
    // 0x500000 and 0x300000 are one page; the number that is added changes each round.
    const text = PAGED.replace('0xc3c201 ', '0x000000b8 ')
      .replace('mov dword [0x301000], 0xc3c229', 'mov dword [0x300004], 0xc3c20100')
      .replace('and eax, 1', 'xor eax, eax')
      .replace('TELL', 'invlpg [0x500000]\n mov [0x300001], cx');
    const stats = same(
      text,
      rounds((ecx) => ecx),
      1,
    );
    expect(stats.invalidatedRegions).toBeGreaterThan(0);
  });
});
