/** Steps where interrupts come in between, where sources have lines of many instructions, and over long ways. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { missing } from '../support/programs';
import { Client } from './adapter-process';
import { GUESTS } from './transcript';

let client: Client;
beforeEach(async () => {
  client = await Client.start();
});
afterEach(() => client.stop());

const breakAt = (...names: string[]) => client.ask('setFunctionBreakpoints', { breakpoints: names.map((name) => ({ name })) });

async function place(): Promise<string> {
  return (await client.frames())[0].name;
}

describe('with a timer that interrupts all the time', () => {
  beforeEach(async () => {
    await client.stopAfter(() => client.begin({ program: resolve(GUESTS, 'timer.asm'), stopOnEntry: true }));
    await breakAt('again');
    await client.run('continue');
    await breakAt();
  });

  it('next never ends in the handler, and stepIn does', async () => {
    const ticks = await client.register('dword [ticks]');
    const rounds = await client.register('ebx');
    for (let i = 0; i < 450; i++) {
      await client.run('next');
      expect(await place()).toMatch(/^again/);
    }
    // Three instructions a round.
    expect((await client.register('ebx')) - rounds).toBe(150);
    expect(await client.register('dword [ticks]')).toBeGreaterThan(ticks + 2);
    const seen = new Set<string>();
    for (let i = 0; i < 600 && !seen.has('timer'); i++) {
      await client.run('stepIn');
      seen.add(await place());
    }
    expect(seen).toContain('timer');
    const frames = await client.frames();
    expect(frames[1]).toMatchObject({ presentationHint: 'label', name: 'ring 0 by interrupt 0x20' });
    expect(frames[2].name).toMatch(/^(again|leaf)/);
    await client.run('stepOut');
    expect(await place()).toBe(frames[2].name);
  });

  it('does not stop again at the breakpoint it stands at when an interrupt comes in between', async () => {
    await breakAt('again');
    const hits: string[] = [];
    for (let i = 0; i < 200; i++) {
      const { reason } = await client.run('next');
      hits.push(`${reason} ${await place()}`);
    }
    // Each round: step to CALL, step over it, and the breakpoint again.
    expect(new Set(hits)).toEqual(new Set(['step again+0x1', 'step again+0x6', 'function breakpoint again']));
    hits.forEach((hit, i) => expect(hit === hits[i - 1], `hit ${i}`).toBe(false));
  });

  it('stops at ring changes, returns and gates that are asked for', async () => {
    await client.ask('setExceptionBreakpoints', { filters: [], filterOptions: [{ filterId: 'iret', condition: '$ring == 0' }] });
    expect(await client.run('continue')).toMatchObject({ reason: 'exception', description: 'IRET' });
    expect(await place()).toMatch(/^timer\+/);
  });
});

describe('a procedure that calls itself', () => {
  it('is stepped over and out of at its own depth', async () => {
    await client.stopAfter(() => client.begin({ program: resolve(GUESTS, 'real.asm'), stopOnEntry: true }));
    await breakAt('recurse');
    await client.run('continue');
    await breakAt();
    await client.run('next');
    await client.run('next');
    const depth = (await client.frames()).length;
    const stack = await client.register('sp');
    const before = await client.register('ax');
    await client.run('next');
    expect(await place()).toBe('recurse.out');
    expect([await client.register('sp'), await client.register('ax'), (await client.frames()).length]).toEqual([stack, 0, depth]);
    expect(before).toBe(2);
    await client.run('stepOut');
    expect(await place()).toMatch(/^start\.count/);
  });

  it('is stepped into depth by depth, and out again', async () => {
    await client.stopAfter(() => client.begin({ program: resolve(GUESTS, 'real.asm'), breakOn: ['recurse'] }));
    const depths: number[] = [(await client.frames()).length];
    for (const command of ['continue', 'continue', 'stepOut', 'stepOut', 'stepOut'] as const) {
      await client.run(command);
      depths.push((await client.frames()).length);
    }
    expect(depths).toEqual([2, 3, 4, 3, 2, 1]);
  });
});

describe('a step that takes long', () => {
  it('can be cancelled, and pauses the guest', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-long-'));
    const program = join(folder, 'long.asm');
    writeFileSync(program, 'org 0x7c00\nbits 16\ncall forever\nhlt\nforever:\ninc ecx\njmp forever\n');
    try {
      const initialized = client.waitForEvent('initialized');
      await client.initializeRequest({
        adapterID: 'ringside',
        linesStartAt1: true,
        columnsStartAt1: true,
        supportsProgressReporting: true,
      });
      await client.ask('launch', { program, stopOnEntry: true });
      await initialized;
      await client.stopAfter(() => client.ask('configurationDone', {}));
      const started = client.waitForEvent('progressStart');
      const ended = client.waitForEvent('progressEnd');
      const stop = client.stopAfter(() => client.ask('next', { threadId: 1 }));
      const { progressId, title, cancellable } = (await started).body;
      expect([title, cancellable]).toEqual(['Stepping over', true]);
      await client.ask('cancel', { progressId });
      expect((await ended).body.progressId).toBe(progressId);
      expect((await stop).reason).toBe('pause');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('lines from 0', () => {
  it('are counted as the client does', async () => {
    const initialized = client.waitForEvent('initialized');
    await client.initializeRequest({ adapterID: 'ringside', linesStartAt1: false, columnsStartAt1: false });
    await client.ask('launch', { program: resolve(GUESTS, 'loop.asm') });
    await initialized;
    const { breakpoints } = await client.ask<{ breakpoints: P.Breakpoint[] }>('setBreakpoints', {
      source: { path: resolve(GUESTS, 'loop.asm') },
      breakpoints: [{ line: 7 }],
    });
    expect(breakpoints).toMatchObject([{ verified: true, line: 8 }]);
    await client.stopAfter(() => client.ask('configurationDone', {}));
    expect((await client.frames())[0]).toMatchObject({ line: 8, column: 0 });
  });
});

const KERNEL = `
typedef unsigned int u32;
static volatile u32 seen;

static u32 twice(u32 x)
{
    return x + x;
}

u32 sum(u32 n)
{
    u32 total = 0;
    for (u32 i = 0; i < n; i++)
        total += twice(i);
    return total;
}

void kernel_main(void)
{
    seen = sum(3);
    seen += 1;
    __asm__ volatile("outb %0, $0xf4" : : "a"((unsigned char) seen));
    for (;;)
        __asm__ volatile("hlt");
}
`;
const START = `
.text
.long 0x1badb002, 0, -0x1badb002
.globl _start
_start:
    movl $stack_top, %esp
    call kernel_main
.bss
.skip 4096
stack_top:
`;
const lacking = missing({ gcc: 'gcc', ld: 'binutils' });

describe.skipIf(lacking)(`a kernel in C${lacking ? ` (${lacking})` : ''}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-c-'));
    writeFileSync(join(folder, 'kernel.c'), KERNEL);
    writeFileSync(join(folder, 'start.s'), START);
    const run = (...command: string[]) => execFileSync(command[0], command.slice(1), { cwd: folder });
    run(
      'gcc',
      '-m32',
      '-g',
      '-O0',
      '-ffreestanding',
      '-fno-pic',
      '-fno-stack-protector',
      '-fno-asynchronous-unwind-tables',
      '-c',
      'kernel.c',
    );
    run('gcc', '-m32', '-g', '-c', '-Wa,--noexecstack', 'start.s');
    run('ld', '-m', 'elf_i386', '-Ttext', '0x101000', '-z', 'max-page-size=4096', '-e', '_start', '-o', 'kernel', 'start.o', 'kernel.o');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const line = (text: string): number => KERNEL.split('\n').findIndex((each) => each.includes(text)) + 1;

  it('steps by source lines, in, over and out', async () => {
    await client.stopAfter(() => client.begin({ program: join(folder, 'kernel'), stopOnEntry: true }));
    expect(await place()).toBe('_start');
    const source = { path: join(folder, 'kernel.c') };
    const { breakpoints } = await client.ask<{ breakpoints: P.Breakpoint[] }>('setBreakpoints', {
      source,
      breakpoints: [{ line: line('seen = sum') }],
    });
    expect(breakpoints).toMatchObject([{ verified: true, line: line('seen = sum') }]);
    await client.run('continue');
    const at = async () => (await client.frames()).map((frame) => [frame.name.replace(/\+.*/, ''), frame.line]);
    expect((await at())[0]).toEqual(['kernel_main', line('seen = sum')]);
    expect((await at())[1]?.[0]).toBe('_start');
    await client.run('stepIn');
    expect((await at()).slice(0, 2)).toEqual([
      ['sum', line('u32 sum') + 1],
      ['kernel_main', line('seen = sum')],
    ]);
    await client.run('next');
    await client.run('next');
    await client.run('next');
    expect((await at())[0]).toEqual(['sum', line('total += twice')]);
    await client.run('stepIn');
    expect((await at()).map(([name]) => name)).toEqual(['twice', 'sum', 'kernel_main', '_start']);
    await client.run('stepOut');
    expect((await at())[0]).toEqual(['sum', line('total += twice')]);
    await client.run('next');
    expect((await at())[0][1]).toBe(line('for (u32'));
    await client.run('stepOut');
    expect((await at())[0][0]).toBe('kernel_main');
    await client.run('next');
    expect((await at())[0]).toEqual(['kernel_main', line('seen += 1')]);
    expect(await client.evaluate('dword [seen]')).toBe('0x00000006');
    await client.run('next', { granularity: 'instruction' });
    expect((await at())[0]).toEqual(['kernel_main', line('seen += 1')]);
    const exited = client.waitForEvent('exited');
    await client.ask('continue', { threadId: 1 });
    expect((await exited).body.exitCode).toBe(15);
  });
});
