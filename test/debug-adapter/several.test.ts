/** Several processors, each a thread. */
import { resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from './adapter-process';
import { GUESTS } from './transcript';

const program = resolve(GUESTS, 'several.asm');

describe('two processors', () => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start();
  });
  afterEach(() => client.stop());

  const top = async (threadId: number): Promise<P.StackFrame> => {
    const { stackFrames } = await client.ask<P.StackTraceResponse['body']>('stackTrace', { threadId });
    return stackFrames[0];
  };
  const breakAt = (...breakpoints: readonly P.FunctionBreakpoint[]) => client.ask('setFunctionBreakpoints', { breakpoints });
  /** Until the second processor has been started. */
  const begin = () => client.stopAfter(() => client.begin({ program, cpus: 2 }, () => breakAt({ name: 'other.loop' })));
  const next = (command: string, threadId: number, more: object = {}) => client.stopAfter(() => client.ask(command, { threadId, ...more }));

  it('are threads, and a breakpoint stops whichever comes by', async () => {
    const stopped = await begin();
    expect(stopped).toMatchObject({ reason: 'function breakpoint', threadId: 2, allThreadsStopped: true });
    const { threads } = await client.ask<P.ThreadsResponse['body']>('threads');
    expect(threads).toEqual([
      { id: 1, name: 'vCPU 0' },
      { id: 2, name: 'vCPU 1' },
    ]);
    expect((await top(2)).name).toBe('other.loop');
    expect((await top(1)).name).toMatch(/^(first|shared|boot)/);
    await breakAt({ name: 'shared' });
    const seen = new Set<number>();
    for (let i = 0; i < 6000 && seen.size < 2; i++) {
      const { threadId = 0 } = await next('continue', 1);
      seen.add(threadId);
      if (i === 0) await breakAt({ name: 'shared', condition: `$vcpu == ${2 - threadId}` });
    }
    expect(seen).toEqual(new Set([1, 2]));
  });

  it.each([1, 2])('are stepped one by one: thread %i', async (threadId) => {
    await begin();
    await breakAt();
    const other = 3 - threadId;
    for (let i = 0; i < 8; i++) {
      const before = (await top(threadId)).instructionPointerReference;
      const stopped = await next('stepIn', threadId, { granularity: 'instruction' });
      expect(stopped).toMatchObject({ reason: 'step', threadId, allThreadsStopped: true });
      expect((await top(threadId)).instructionPointerReference).not.toBe(before);
    }
    expect((await top(other)).name).toMatch(/^(boot|first|shared|other)/);
  });

  it.each([1, 2])('step over a call that the other makes too: thread %i', async (threadId) => {
    await begin();
    const call = threadId === 1 ? 'first + 5' : 'other.loop + 5';
    await breakAt({ name: call, condition: `$vcpu == ${threadId - 1}` });
    do await next('continue', threadId);
    while ((await top(threadId)).name !== call.replace(' + 5', '+0x5'));
    const stopped = await next('next', threadId);
    expect(stopped).toMatchObject({ reason: 'step', threadId });
    expect((await top(threadId)).name).toBe(call.replace(' + 5', '+0x8'));
  });

  it('end a step of one at a breakpoint that the other meets', async () => {
    await begin();
    expect(await next('stepIn', 1, { granularity: 'instruction' })).toMatchObject({ reason: 'function breakpoint', threadId: 2 });
  });

  it('show registers and page walks of their own', async () => {
    await begin();
    const stacks: string[] = [];
    for (const threadId of [1, 2]) {
      const { id } = await top(threadId);
      const { result } = await client.ask<P.EvaluateResponse['body']>('evaluate', { expression: 'sp', frameId: id, context: 'watch' });
      stacks.push(result);
    }
    expect(stacks[1]).toBe('0x6000');
    expect(['0x7c00', '0x7bfe']).toContain(stacks[0]);
    const state = await client.ask<{ vcpus: { name: string; threadId: number }[] }>('ringside/state');
    expect(state.vcpus.map(({ threadId }) => threadId)).toEqual([1, 2]);
    expect(await client.failure('ringside/pageWalk', { vcpu: 2, address: '0' })).toMatch(/there is no vCPU 2/);
  });
});
