/** Whole sessions over stdio, held against what was written down: `npx vitest run test/debug-adapter -u` writes anew. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { Client } from './adapter-process';
import { GUESTS, Transcript } from './transcript';

const real = resolve(GUESTS, 'real.asm');
const rings = resolve(GUESTS, 'rings.asm');

describe('sessions', () => {
  let client: Client;
  let transcript: Transcript;
  beforeEach(async () => {
    client = await Client.start();
    transcript = new Transcript(client);
  });
  afterEach(() => client.stop());

  const matches = (name: string) => expect(transcript.text).toMatchFileSnapshot(`transcripts/${name}.txt`);

  async function enter(program: string): Promise<void> {
    transcript.heading('launch, stopping on entry');
    transcript.stopped(await client.stopAfter(() => client.begin({ program, stopOnEntry: true })));
    await transcript.stack();
  }

  it('steps through real mode', async () => {
    await enter(real);
    await transcript.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'outer' }] });
    await transcript.run('continue');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('stepIn');
    await transcript.run('stepOut');
    await transcript.run('stepOut');
    for (let i = 0; i < 3; i++) await transcript.run('next');
    await transcript.run('stepIn', { granularity: 'instruction' });
    await transcript.run('stepIn');
    await transcript.run('next', { granularity: 'line' });
    await transcript.run('stepIn');
    await transcript.run('next');
    await transcript.run('stepOut');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.scopes(['Registers', 'Flags', 'Segments']);
    await matches('real-mode-steps');
  });

  it('goes from ring 0 to ring 3 and back', async () => {
    await enter(rings);
    await transcript.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'program' }] });
    await transcript.run('continue');
    await transcript.run('next');
    await transcript.run('stepIn');
    await transcript.run('next');
    await transcript.run('stepIn');
    await transcript.scopes(['Registers', 'Flags', 'Segments', 'Control', 'Debug', 'System', 'MSRs']);
    await transcript.run('stepOut');
    await transcript.run('stepOut');
    await transcript.run('stepIn');
    await transcript.run('stepOut');
    await transcript.run('stepIn');
    await transcript.run('stepOut');
    await transcript.run('next');
    transcript.heading('trap log');
    await transcript.evaluate('trap log 9', 'repl');
    await transcript.ask('ringside/transition', { sequence: (await lastSequence(client)) - 1 });
    await matches('rings');
  });

  it('stops at exceptions', async () => {
    await enter(rings);
    await transcript.ask('setExceptionBreakpoints', {
      filters: ['#GP', 'control-register'],
      filterOptions: [
        { filterId: 'int', condition: '0x80' },
        { filterId: 'opcode', condition: 'ltr, retf' },
        { filterId: 'port', condition: '0xe0-0xe9' },
        { filterId: 'opcode', condition: 'wibble' },
        { filterId: '#PF', condition: '$error ==' },
        { filterId: 'nothing' },
      ],
    });
    while (await transcript.run('continue')) await transcript.ask('exceptionInfo', { threadId: 1 });
    await matches('exceptions');
  });

  it('sees tasks and virtual-8086 mode', async () => {
    await enter(resolve(GUESTS, '../../../samples/tasks/tasks.asm'));
    await transcript.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'helper' }, { name: 'fault_task' }] });
    await transcript.run('continue');
    await transcript.run('next');
    await transcript.run('stepOut');
    await transcript.run('continue');
    await transcript.run('stepOut');
    await transcript.ask('setExceptionBreakpoints', { filters: ['ring-change', 'int'] });
    while (await transcript.run('continue'));
    await matches('tasks');
  });

  it('evaluates, changes and completes', async () => {
    await enter(real);
    await transcript.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'start.count' }] });
    await transcript.run('continue');
    transcript.heading('expressions');
    for (const [context, expressions] of Object.entries({
      watch: [
        'ax',
        'cx + 1',
        'copy',
        'byte [copy]',
        '[counter]',
        'dword [counter]',
        '[ss:sp]',
        'es:di',
        'LIMIT * 2',
        'zf',
        'cs.base',
        '.count',
        'nothing',
        '1 +',
      ],
      hover: ['text', 'LIMIT', 'si'],
      clipboard: ['bx'],
      repl: [
        'bx',
        "byte 'A'",
        'text',
        'bx = 0x1234',
        'bl = 300',
        'byte [copy] = 0x48',
        'x/6xb copy',
        'x/s copy',
        'x/2xd phys:0x7c00',
        'd/3',
        'x/3zz copy',
        'registers',
        'cf = 1',
        'cr0.wp = 1',
        'cr0',
        'cr0.xy = 1',
        'es.base = 1',
        '$ring',
        'help',
      ],
    })) {
      for (const expression of expressions) await transcript.evaluate(expression, context);
    }
    await transcript.ask('setExpression', { expression: 'cx', value: '2' });
    await transcript.ask('completions', { text: 'count', column: 6 });
    await transcript.ask('completions', { text: 'cs.', column: 4 });
    await transcript.ask('dataBreakpointInfo', { name: 'counter' });
    await transcript.ask('setDataBreakpoints', { breakpoints: [{ dataId: 'linear:0x7c9e/4', accessType: 'write' }] });
    await matches('console');
  });

  it('disassembles both ways', async () => {
    await enter(real);
    await transcript.ask('disassemble', { memoryReference: 'linear:0x7c00', instructionOffset: 0, instructionCount: 50 });
    await transcript.ask('disassemble', { memoryReference: 'linear:0x7c30', instructionOffset: -8, instructionCount: 10 });
    await transcript.ask('disassemble', { memoryReference: 'linear:0x0', instructionOffset: -3, instructionCount: 5 });
    await transcript.ask('disassemble', { memoryReference: 'linear:0xffffffff', instructionOffset: 0, instructionCount: 5 });
    await matches('disassembly');
  });

  it('goes through long mode, in the upper half and in ring 3', async () => {
    const program = resolve(GUESTS, 'long.asm');
    const folder = mkdtempSync(join(tmpdir(), 'ringside-map-'));
    const map = join(folder, 'System.map');
    writeFileSync(map, upperHalf(program));
    try {
      transcript.heading('launch, stopping at a function of System.map');
      transcript.stopped(
        await client.stopAfter(() => client.begin({ program, symbolFiles: [map], breakOn: ['k_indirect', 'k_work', '#PF'] })),
      );
      await transcript.stack();
      await transcript.run('next');
      await transcript.run('next');
      await transcript.scopes(['Registers', 'Flags', 'Segments', 'Control', 'System']);
      transcript.heading('expressions');
      for (const expression of [
        'rip',
        'eax',
        'r15b',
        'sil',
        '[rsp]',
        'qword [rsp+0x28]',
        'k_work',
        'k_work - k_indirect',
        'rsp & 0xfff',
        'signed(rsp)',
        'linear:0xffffffff80007c00',
        'byte [linear:0xffffffff80007c00]',
        'gs.base',
        'gs_base',
        'efer.lma',
        'ia32_lstar',
        'd/4',
        'd/2 k_work',
        'x/8xb k_work',
        'st0',
        'st1',
        'st0.tag',
        'fsw.top',
        'st1 = -2.5',
        'st1',
        'st1.exponent',
        'xmm0',
        'xmm0.f32.0',
        'xmm0.f32.1 = 1.25',
        'xmm0.f32.1 = 0x40000000',
        'xmm0.f32.1',
        'xmm0.f64.1 = nan',
        'xmm0.u16.7',
        'xmm0 = 1.5',
        'mm1.u32.1',
        'mxcsr.rc = 3',
        'mxcsr.rc',
        'mxcsr = 0x10000',
        'rip = 0x800000000000',
        'cr4.pae = 0',
        'rbx = 0x123456789abcdef0',
        'ebx = 1',
        'rbx',
        '1.5 + 1',
        'constructor',
        'xmm0.constructor',
        'toString = 1',
      ]) {
        await transcript.evaluate(expression, 'repl');
      }
      await transcript.ask('setVariable', await variableOf(client, 'SSE', 'xmm3', 'f64', { name: 'f64.0', value: '0.1' }));
      await transcript.ask('setVariable', await variableOf(client, 'x87', undefined, undefined, { name: 'st0', value: '-infinity' }));
      await transcript.ask('disassemble', { memoryReference: 'linear:0xffffffff80007e6b', instructionOffset: -3, instructionCount: 6 });
      await transcript.ask('readMemory', { memoryReference: 'linear:0xffffffff80007dfe', count: 4 });
      await transcript.ask('readMemory', { memoryReference: 'linear:0xfffffffffffffffe', count: 4 });
      await transcript.run('stepOut');
      await transcript.run('stepOut');
      await transcript.run('continue');
      await transcript.run('stepOut');
      await transcript.run('continue');
      for (const address of ['rip', 'program', '0x200123', '0x400000', '0x600000'])
        await transcript.ask('ringside/pageWalk', { vcpu: 0, address });
      await transcript.ask('ringside/pageMap', { vcpu: 0, start: 0, count: 50 });
      await transcript.ask('ringside/descriptors', { vcpu: 0 });
      await transcript.run('continue');
      await transcript.ask('exceptionInfo', { threadId: 1 });
      transcript.heading('trap log');
      await transcript.evaluate('trap log 7', 'repl');
      await transcript.ask('ringside/transition', { sequence: (await lastSequence(client)) - 2 });
      await matches('long-mode');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

async function lastSequence(client: Client): Promise<number> {
  const { total } = await client.ask<{ total: number }>('ringside/transitions', { start: 0, count: 0 });
  return total;
}

/** The program's labels where the upper half has them, with a letter in front. */
function upperHalf(program: string): string {
  const result = assemble({ path: program, text: readFileSync(program, 'utf8'), read: () => undefined });
  if (!result.ok) throw new Error('the guest does not assemble');
  return result.symbols
    .filter(({ kind }) => kind === 'label')
    .map(({ name, value }) => `${(0xffffffff80000000n + BigInt(value)).toString(16)} T k_${name}\n`)
    .join('');
}

/** Arguments for a change in the variables view, in the register `name` of a scope, or in its elements of a kind. */
async function variableOf(
  client: Client,
  scope: string,
  name: string | undefined,
  lane: string | undefined,
  change: { name: string; value: string },
): Promise<object> {
  const [frame] = await client.frames();
  const { scopes } = await client.ask<P.ScopesResponse['body']>('scopes', { frameId: frame.id });
  let variablesReference = scopes.find((each) => each.name === scope)?.variablesReference ?? 0;
  for (const wanted of [name, lane]) {
    if (wanted === undefined) continue;
    const { variables } = await client.ask<P.VariablesResponse['body']>('variables', { variablesReference });
    variablesReference = variables.find((each) => each.name === wanted)?.variablesReference ?? 0;
  }
  return { variablesReference, ...change };
}
