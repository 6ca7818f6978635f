/** What a profiled machine counts, against guests whose instructions are known. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { PREBUILT_HANDLERS } from '../../src/engines/cpu/interpreter/prebuilt';
import { EmulatorEngine, type MachineOptions } from '../../src/engines/emulator/engine';
import type { LinearAddress } from '../../src/shared/addresses';
import type { Statistics } from '../../src/shared/statistics';
import { layOut, makeCase } from '../jit/program';
import { MODES, World } from '../jit/world';
import { makeRom } from '../system/harness';

const ORIGIN = 0x100000;
const LIMIT = 10e6;
type Table = Readonly<Record<string, number>>;
const tableOf = (stats: Statistics, name: string): Table => (stats[name] ?? {}) as Table;

/** What has been added to a table. */
function added(after: Table, before: Table): Record<string, number> {
  const changes = Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)] as const);
  return Object.fromEntries(changes.filter(([, change]) => change !== 0));
}

interface Profile {
  readonly mnemonics: Table;
  readonly classes: Table;
  readonly tiers: Table;
  readonly iterations: number;
  readonly instructions: number;
  readonly stats: Statistics;
}

/** The profile of a flat 32-bit guest at 1 MiB, from `start` to the write to port 0xF4 that ends it. */
function profile(text: string, options: Partial<MachineOptions>, slice = LIMIT): Profile {
  const source = `bits 32\norg ${ORIGIN}\ntimes 28 db 0\ndd start\nstart:\n${text}\nmov al, 0\nout 0xf4, al\n`;
  const assembled = assemble({ path: 'guest.asm', text: source, read: () => undefined });
  if (!assembled.ok) throw new Error(assembled.diagnostics.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  const engine = new EmulatorEngine({ memory: 32 << 20, bios: makeRom(assembled.image), profile: true, ...options });
  const start = engine.probes.add({ kind: 'code', address: (ORIGIN + 32) as LinearAddress });
  if (engine.run({ instructions: LIMIT }).reason !== 'probe') throw new Error('the guest does not start');
  engine.probes.remove(start);
  const before = { stats: engine.stats(), count: engine.instructionCount };
  for (;;) {
    const { reason } = engine.run({ instructions: slice });
    if (reason === 'exited') break;
    if (reason !== 'slice' || engine.instructionCount > LIMIT) throw new Error(`ends by ${reason}`);
  }
  const stats = engine.stats();
  const of = (name: string): Table => added(tableOf(stats, name), tableOf(before.stats, name));
  return {
    mnemonics: of('instructionsByMnemonic'),
    classes: of('instructionsByClass'),
    tiers: of('instructionsByTier'),
    iterations: (stats.repeatedIterations as number) - (before.stats.repeatedIterations as number),
    instructions: engine.instructionCount - before.count,
    stats,
  };
}

const ROUNDS = 1000;
const LOOP = `
  mov esp, 0x80000
  mov ecx, ${ROUNDS}
.again:
  add eax, ecx
  push eax
  call .inside
  pop ebx
  test cl, 1
  jz .even
  xor edx, ebx
.even:
  dec ecx
  jnz .again
  jmp .end
.inside:
  lea esi, [esi + 4]
  ret
.end:
`;
const LOOP_MIX = {
  mov: 3,
  add: ROUNDS,
  push: ROUNDS,
  call: ROUNDS,
  lea: ROUNDS,
  ret: ROUNDS,
  pop: ROUNDS,
  test: ROUNDS,
  je: ROUNDS,
  xor: ROUNDS / 2,
  dec: ROUNDS,
  jne: ROUNDS,
  jmp: 1,
  out: 1,
};

const WAYS: readonly (readonly [string, Partial<MachineOptions>, number])[] = [
  ['interpreted', { tiers: 'interpreter' }, LIMIT],
  ['compiled late', { heat: 100 }, LIMIT],
  ['compiled at once', { heat: 1 }, LIMIT],
  ['compiled, in slices of 7', { heat: 1 }, 7],
  ['interpreted, in slices of 1', { tiers: 'interpreter' }, 1],
];

describe('the instruction mix', () => {
  it.each(WAYS)('of a loop with a call, %s', (_name, options, slice) => {
    const { mnemonics, classes, iterations, instructions } = profile(LOOP, options, slice);
    expect(mnemonics).toEqual(LOOP_MIX);
    expect(classes).toEqual({
      arithmetic: 2 * ROUNDS,
      logic: 1.5 * ROUNDS,
      stack: 2 * ROUNDS,
      moves: ROUNDS + 3,
      control: 4 * ROUNDS + 1,
      'strings and ports': 1,
    });
    expect(iterations).toBe(0);
    expect(instructions).toBe(Object.values(LOOP_MIX).reduce((a, b) => a + b));
  });

  it('has the most frequent first', () => {
    const { stats } = profile(LOOP, {});
    for (const name of ['instructionsByMnemonic', 'instructionsByClass']) {
      const counts = Object.values(tableOf(stats, name));
      expect(counts).toEqual([...counts].sort((a, b) => b - a));
    }
  });

  it.each(WAYS)('counts a repeated instruction once, %s', (_name, options, slice) => {
    const text = 'mov edi, 0x200000\n mov ecx, 5000\n rep stosd\n mov ecx, 100\n mov esi, 0x200000\n rep movsb';
    const { mnemonics, iterations } = profile(text, options, slice);
    expect(mnemonics).toEqual({ mov: 5, stosd: 1, movsb: 1, out: 1 });
    expect(iterations).toBe(4999 + 99);
  });

  it.each(WAYS)('counts what a changed block was and has become, %s', (_name, options, slice) => {
    const text = `mov ecx, 100\n.again: mov byte [.next], 0x40\n.next: nop\n dec edx\n mov byte [.next], 0x90\n dec ecx\n jnz .again`;
    expect(profile(text, options, slice).mnemonics).toEqual({ mov: 202, inc: 100, dec: 200, jne: 100, out: 1 });
  });

  it.each(WAYS)('does not count what faults, %s', (_name, options, slice) => {
    const text = `
  lidt [table]
  mov word [idt], handler
  mov word [idt + 2], cs
  mov word [idt + 4], 0x8e00
  mov word [idt + 6], ${ORIGIN >> 16}
  mov esp, 0x80000
  mov ecx, 50
  mov edi, 0
.again:
  inc ebx
  div edi
  inc ebx
  loop .again
  jmp end
handler:
  add dword [esp], 2
  iretd
align 4
idt: dq 0
table: dw 7
  dd idt
end:`;
    const { mnemonics, iterations } = profile(text, options, slice);
    expect(mnemonics).toEqual({ lidt: 1, mov: 8, inc: 100, loop: 50, jmp: 1, add: 50, iretd: 50, out: 1 });
    expect(iterations).toBe(0);
  });
});

/** Programs of each mode; in steps of one instruction nothing but the instruction itself is counted. */
const CASES = 2;

describe.each(MODES)('random programs in the mode $name', (mode) => {
  it('have the same mix in steps, in slices and compiled', () => {
    for (let seed = 1; seed <= CASES; seed++) {
      const test = makeCase(mode, seed);
      const [plain, sliced, compiled] = (['interpreter', 'interpreter', 'all'] as const).map((tiers, way) => {
        const world = new World(PREBUILT_HANDLERS, tiers, test.heat, true);
        world.load(layOut(test));
        const before = world.cpus.statistics();
        for (const { instructions } of test.slices) {
          const end = world.count + instructions;
          while (world.count < end) {
            const stop = way === 0 ? world.cpus.step(0, end - world.count) : world.cpus.run(end - world.count);
            if (stop.reason !== 'limit') break;
          }
        }
        const after = world.cpus.statistics();
        return { ran: added(tableOf(after, 'instructionsByMnemonic'), tableOf(before, 'instructionsByMnemonic')), count: world.count };
      });
      expect(sliced, `seed ${seed}`).toEqual(plain);
      expect(compiled, `seed ${seed}`).toEqual(plain);
    }
  });
});

describe('the tiers', () => {
  it('share the instructions', () => {
    const { tiers, instructions } = profile(LOOP, { heat: 10 });
    expect(tiers.compiled + tiers.interpreter).toBe(instructions);
    expect(tiers.compiled).toBeGreaterThan(0.9 * instructions);
    expect(profile(LOOP, { tiers: 'interpreter' }).tiers).toEqual({ interpreter: instructions });
  });

  it('say why compiled code was left', () => {
    // CPUID is the interpreter's affair.
    const { stats } = profile('mov esi, 500\n.again: mov eax, 0\n cpuid\n dec esi\n jnz .again', { heat: 1 });
    const exits = tableOf(stats, 'regionExits');
    expect(exits.interpreter).toBeGreaterThan(400);
    expect(Object.values(exits).reduce((a, b) => a + b)).toBe(stats.regionEntries);
  });

  it('count pages with probes as demoted', () => {
    expect(profile(LOOP, {}).stats).toMatchObject({ demotedBlocks: 1, demotedPages: 1 });
  });
});

describe('memory', () => {
  it('counts walks, misses and page faults', () => {
    const pages = 64;
    const text = `
  mov edi, 0x201000
  mov eax, 3
.fill:
  mov [edi], eax
  add eax, 0x1000
  add edi, 4
  cmp eax, 0x400003
  jne .fill
  mov dword [0x200000], 0x201003
  mov eax, 0x200000
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  mov esi, 0x300000
  mov ecx, ${pages}
.touch:
  mov edx, [esi]
  mov edx, [esi + 4]
  add esi, 0x1000
  loop .touch`;
    const { stats } = profile(text, {});
    expect(stats.pageFaults).toBe(0);
    // One for each page of data, and one for the code.
    expect(stats.pageWalks).toBe(pages + 1);
  });
});

describe('without a profile', () => {
  it('none of the tables is there', () => {
    const { stats } = profile(LOOP, { profile: false });
    expect(Object.values(stats).every((value) => typeof value === 'number')).toBe(true);
  });
});
