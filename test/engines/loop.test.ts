/** What happens between handlers: instructions over two pages, stops inside blocks, RF and shadows, code that repeats over itself. */
import { beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { PREBUILT_HANDLERS } from '../../src/engines/cpu/interpreter/prebuilt';
import { Flag, Reg } from '../../src/engines/cpu/state';
import { CODE, DATA, MODES, OTHER_CODE, PAGE, PAGE_TABLE, World } from '../jit/world';

const MODE = MODES.find(({ name }) => name === '32-ring0-paged')!;
const SECOND = CODE + PAGE;
const TIERS = ['interpreter', 'all'] as const;

function bytesOf(source: string): Uint8Array {
  const text = `bits 32\norg ${CODE}\n${source}`;
  const result = assemble({ path: 'loop.asm', text, read: () => undefined, defines: {} });
  if (!result.ok) throw new Error(result.diagnostics.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return result.image;
}

/** MOV EAX, 0x44332211 with two of its bytes in the second page, over and over. */
const CROSSING = bytesOf(`
    jmp cross
    times 0xffd - ($ - $$) nop
cross:
    mov eax, 0x44332211
    inc ebx
    jmp cross
`);

describe.each(TIERS)('the loop between handlers, %s', (tiers) => {
  let world: World;

  beforeEach(() => {
    world = new World(PREBUILT_HANDLERS, tiers, 3);
  });

  function load(code: Uint8Array, intervals: readonly number[] = [], otherCode = new Uint8Array()): void {
    const registers = Array.from({ length: 16 }, () => 0);
    world.load({ mode: MODE, code, otherCode, data: new Uint8Array(), start: CODE, resumes: [], registers, flags: 2, intervals });
  }

  const reg = (number: number): number => world.cpu.state.reg32(number);
  const run = (instructions: number): string => world.cpus.run(instructions).reason;

  /** Everything a program sees, after so many instructions in slices of a length. */
  function outcome(code: Uint8Array, total: number, slice: number, intervals: readonly number[] = []): unknown {
    load(code, intervals);
    while (world.count < total && run(Math.min(slice, total - world.count)) === 'limit');
    const { state } = world.cpu;
    const memory = world.host.u8.slice(world.ram + CODE, world.ram + CODE + 2 * PAGE);
    return [world.count, state.ip, state.eflags, ...Array.from({ length: 8 }, (_, i) => reg(i)), Buffer.from(memory).toString('hex')];
  }

  describe('an instruction over two pages', () => {
    beforeEach(() => load(CROSSING, [], CROSSING.slice(PAGE)));

    it('is decoded once', () => {
      const { singles } = world.cpu;
      run(1 + 3 * 1000);
      expect([reg(Reg.eax), reg(Reg.ebx)]).toEqual([0x44332211, 1000]);
      expect(world.cpu.singles - singles).toBeLessThan(10);
    });

    it.each([
      ['first', SECOND - 1, 0x44335511],
      ['second', SECOND, 0x44552211],
    ])('changes with the bytes in its %s page', (_, address, value) => {
      run(1 + 3 * 100);
      world.poke(address, Uint8Array.of(0x55));
      run(3);
      expect(reg(Reg.eax)).toBe(value);
    });

    it.each([
      ['INVLPG', () => world.cpu.mmu.invalidate(SECOND as never)],
      ['a load of CR3', () => world.cpu.mmu.flushLocal()],
    ])("follows its second page's mapping after %s", (_, flush) => {
      world.poke(OTHER_CODE, Uint8Array.of(0x66));
      run(1 + 3 * 100);
      const entry = PAGE_TABLE + (SECOND / PAGE) * 4;
      const before = world.memory.read(entry, 4);
      world.memory.write(entry, 4, OTHER_CODE + (before % PAGE));
      run(3 * 100);
      expect(reg(Reg.eax), 'what the TLB holds stays').toBe(0x44332211);
      flush();
      run(3 * 100);
      expect(reg(Reg.eax)).toBe(0x44662211);
      world.memory.write(entry, 4, before);
      flush();
      run(3 * 100);
      expect([reg(Reg.eax), reg(Reg.ebx)]).toEqual([0x44332211, 400]);
    });

    it('faults where its second page is not there', () => {
      run(1 + 3 * 100);
      world.memory.write(PAGE_TABLE + (SECOND / PAGE) * 4, 4, 0);
      world.cpu.mmu.invalidate(SECOND as never);
      const found: (number | undefined)[] = [];
      world.cpu.hooks = { ...world.cpu.hooks!, exception: (fault) => found.push(fault.vector, fault.information) > 0 };
      expect([run(3), found, world.address]).toEqual(['requested', [14, SECOND], SECOND - 3]);
    });
  });

  it('runs on behind IRET with RF, which the next instruction takes away', () => {
    load(
      bytesOf(`
again:
    pushfd
    or dword [esp], 0x10000
    push cs
    push next
    iretd
next:
    inc ebx
    jmp again
`),
    );
    const { singles } = world.cpu;
    run(7 * 100 + 5);
    expect(world.cpu.state.flag(Flag.rf)).toBe(true);
    run(1);
    expect([world.cpu.state.flag(Flag.rf), reg(Reg.ebx)]).toEqual([false, 101]);
    expect(world.cpu.singles - singles).toBeLessThan(10);
  });

  it('holds interrupts back for one instruction behind STI, however it is cut', () => {
    const code = bytesOf(`
again:
    sti
    inc ebx
    cli
    inc edx
    jmp again
`);
    const whole = outcome(code, 3000, Infinity, [7, 11, 1, 2]);
    expect(outcome(code, 3000, 1, [7, 11, 1, 2])).toEqual(whole);
    expect(outcome(code, 3000, 13, [7, 11, 1, 2])).toEqual(whole);
  });

  it('keeps to its blocks when it stops inside them', () => {
    const code = bytesOf(`
again:
    inc ebx
    mov eax, [${DATA}]
    inc edx
    inc esi
    jmp again
`);
    load(code);
    const { built } = world.cpus.blocks;
    run(5 * 100 + 2);
    const once = world.cpus.blocks.built - built;
    load(code);
    world.watch([DATA]);
    const before = world.cpus.blocks.built;
    while (world.count < 5 * 300) run(3);
    expect(world.cpus.blocks.built - before).toBe(once);
    expect([reg(Reg.ebx), reg(Reg.esi)]).toEqual([300, 300]);
  });

  it('fetches a repeated instruction anew when it has written over itself, however it is cut', () => {
    const code = bytesOf(`
    mov edi, over
    mov ecx, 64
    mov al, 0x43
over:
    rep stosb
    times 100 nop
    jmp $
`);
    const whole = outcome(code, 150, Infinity);
    expect(outcome(code, 150, 1)).toEqual(whole);
    expect(outcome(code, 150, 5)).toEqual(whole);
  });

  it('tells the time to the instruction', () => {
    const code = bytesOf(`
again:
    rdtsc
    mov ebx, eax
    nop
    rdtsc
    sub eax, ebx
    add esi, eax
    jmp again
`);
    load(code);
    run(7 * 200);
    expect(reg(Reg.esi)).toBe(3 * 200);
    expect(outcome(code, 1000, 1)).toEqual(outcome(code, 1000, Infinity));
    expect(reg(Reg.ebx) % 7).toBe(0);
  });
});
