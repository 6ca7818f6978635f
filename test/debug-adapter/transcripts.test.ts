/** Whole sessions over stdio, held against what was written down: `npx vitest run test/debug-adapter -u` writes anew. */
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
});

async function lastSequence(client: Client): Promise<number> {
  const { total } = await client.ask<{ total: number }>('ringside/transitions', { start: 0, count: 0 });
  return total;
}
