/** Sessions across the border between a hypervisor and its guest: a hypervisor of the user's own, and the built-in one. */
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client } from './adapter-process';
import { GUESTS, Transcript } from './transcript';

const hello = resolve(import.meta.dirname, '../../samples/vmx-hello/vmx-hello.asm');

let client: Client;
let transcript: Transcript;
beforeEach(async () => {
  client = await Client.start();
  transcript = new Transcript(client);
});
afterEach(() => client.stop());

const matches = (name: string) => expect(transcript.text).toMatchFileSnapshot(`transcripts/${name}.txt`);
const breakAt = (...names: string[]) => client.ask('setFunctionBreakpoints', { breakpoints: names.map((name) => ({ name })) });

describe('a hypervisor of the user', () => {
  beforeEach(async () => {
    await client.stopAfter(() => client.begin({ program: hello, stopOnEntry: true }));
  });

  it('is stepped into by VMCALL and out of to the guest', async () => {
    await breakAt('guest');
    await transcript.run('continue');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('stepIn');
    await breakAt('print');
    await transcript.run('continue');
    await breakAt();
    await transcript.run('stepOut');
    await transcript.run('stepOut');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('next');
    await transcript.run('stepOut');
    await matches('vmx-hello');
  });
});

describe('the built-in hypervisor', () => {
  const begin = (program: string, more: object = {}) =>
    client.stopAfter(() => client.begin({ program: resolve(GUESTS, program), engine: 'vmx', stopOnEntry: true, ...more }));

  it('is out of the way of steps, but for VMCALL', async () => {
    await begin('exits.asm');
    await transcript.stack();
    for (let i = 0; i < 4; i++) await client.run('next');
    await transcript.run('stepIn', { granularity: 'instruction' });
    await transcript.run('stepIn', { granularity: 'instruction' });
    await transcript.run('next');
    await transcript.run('stepIn');
    await transcript.run('stepIn');
    for (let i = 0; i < 3; i++) await client.run('next');
    await transcript.run('stepIn');
    await transcript.run('stepIn');
    await transcript.run('stepOut');
    await transcript.run('stepOut');
    for (let i = 0; i < 3; i++) await client.run('next');
    await transcript.run('stepIn', { granularity: 'instruction' });
    await transcript.run('next');
    await transcript.run('next');
    await matches('vmx-builtin');
  });

  it('is stepped into where that is asked for', async () => {
    await begin('exits.asm', { stepIntoHypervisor: true });
    for (let i = 0; i < 5; i++) await client.run('next');
    await transcript.run('stepIn');
    await transcript.run('stepOut');
    await matches('vmx-builtin-into');
  });

  it("does not let steps end in the guest's interrupt handler", async () => {
    await begin('timer.asm');
    await breakAt('again');
    await client.run('continue');
    await breakAt();
    const ticks = await client.register('dword [ticks]');
    const seen = new Set<string>();
    for (let i = 0; i < 300; i++) {
      await client.run('next');
      seen.add((await client.frames())[0].name.replace(/\+.*/, ''));
    }
    expect([...seen]).toEqual(['again']);
    expect(await client.register('dword [ticks]')).toBeGreaterThan(ticks + 2);
    for (let i = 0; i < 600 && !seen.has('timer'); i++) {
      await client.run('stepIn');
      seen.add((await client.frames())[0].name.replace(/\+.*/, ''));
    }
    expect(seen).toContain('timer');
    const frames = await client.frames();
    expect(frames[1]).toMatchObject({ presentationHint: 'label', name: 'ring 0 by interrupt 0x20' });
    await client.run('stepOut');
    expect((await client.frames())[0].name).toBe(frames[2].name);
  });
});
