/** Sessions across the border between a hypervisor and its guest: a hypervisor of the user's own, and the built-in one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { Client } from './adapter-process';
import { GUESTS, Transcript } from './transcript';

const hello = resolve(import.meta.dirname, '../../samples/vmx-hello/vmx-hello.asm');

const broken = resolve(import.meta.dirname, '../../samples/vmx-broken');

let client: Client;
let transcript: Transcript;
beforeEach(async () => {
  client = await Client.start();
  transcript = new Transcript(client);
});
afterEach(() => client.stop());

/** The sample's hypervisor with a guest of its own file: at the same linear address as its handler, and at another physical one. */
function writeTwoSpaces(folder: string): { host: string; guest: string } {
  const changes: readonly (readonly [from: string, to: string])[] = [
    // The module that the boot loader has loaded goes to 8 MiB and its linear address.
    [
      '    cld\n',
      '    cld\n    mov esi, [ebx + 24]\n    mov ecx, [esi + 4]\n    mov esi, [esi]\n    sub ecx, esi\n    mov edi, 0x900000\n    rep movsb\n',
    ],
    [
      '    mov dword [PML4], PDPT | 3\n',
      '    mov dword [0x300000], 0x301003\n    mov dword [0x301000], 0x302003\n    mov dword [0x302000], 0x800083\n    mov dword [PML4], PDPT | 3\n',
    ],
    ['    mov edx, 0x6802                 ; guest CR3\n', '    mov edx, 0x6802\n    mov eax, 0x300000\n'],
    ['dq 0x681c, GUEST_STACK', 'dq 0x681c, 0x108000'],
    ['dq 0x681e, guest ', 'dq 0x681e, 0x100000 '],
  ];
  const host = join(folder, 'host.asm');
  const text = changes.reduce(
    (source, [from, to]) => {
      expect(source).toContain(from);
      return source.replace(from, to);
    },
    readFileSync(hello, 'utf8'),
  );
  writeFileSync(host, text);
  const guest = join(folder, 'guest.asm');
  writeFileSync(
    guest,
    `    bits 64
    org 0x100000
main:
    call asks
    mov eax, 3
    xor ebx, ebx
    vmcall
    times ${addressOf(host, 'vm_exit')} - 0x100000 - ($ - $$) nop
asks:
    mov eax, 2
    mov ebx, 7
    vmcall
    ret
`,
  );
  return { host, guest };
}

function addressOf(path: string, name: string): number {
  const { symbols } = assemble({ path, text: readFileSync(path, 'utf8'), read: () => undefined });
  return Number(symbols.find((each) => each.name === name)?.value ?? -1);
}

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

  it('is stopped in by exits, by their reasons and what the guest asked for', async () => {
    const stopAt = async (condition?: string) => {
      transcript.heading(`vm-exit: ${condition ?? 'any'}`);
      const { breakpoints } = await client.ask<P.SetExceptionBreakpointsResponse['body'] & object>('setExceptionBreakpoints', {
        filters: [],
        filterOptions: [{ filterId: 'vm-exit', condition }],
      });
      for (const { verified, message } of breakpoints ?? []) if (!verified) transcript.say(`  refused: ${message}`);
    };
    await stopAt('vmcall && eax == 2 && rbx == 12');
    await transcript.run('continue');
    await transcript.ask('exceptionInfo', { threadId: 1 });
    await stopAt('reason == 12 || nonsense');
    await stopAt('10-18');
    await transcript.run('continue');
    await stopAt("eax == 3 && $vmx == 'root' && !ept_violation");
    await transcript.run('continue');
    await matches('vmx-exits');
  });

  it('shows a hypercall before, while and after it is handled, and lets it be changed', async () => {
    await breakAt('guest+0xa');
    await transcript.run('continue');
    await transcript.scopes(['Hypercall']);
    for (let i = 0; i < 3; i++) await client.run('next');
    transcript.heading('at the second call');
    await transcript.scopes(['Hypercall']);
    await change('of', '5');
    await transcript.run('stepIn');
    await transcript.scopes(['Hypercall']);
    await client.run('next');
    transcript.heading('where the hypervisor may have changed registers');
    await transcript.scopes(['Hypercall']);
    await transcript.run('stepOut');
    await transcript.scopes(['Hypercall']);
    await change('result', '144');
    expect(await client.register('eax')).toBe(144);
    await client.run('next');
    transcript.heading('further on');
    await transcript.scopes(['Hypercall']);
    await matches('vmx-hypercalls');
  });

  it('breaks in the guest alone, or in the hypervisor alone', async () => {
    const places = async (condition: string) => {
      await client.ask('setFunctionBreakpoints', { breakpoints: ['guest', 'vm_exit'].map((name) => ({ name, condition })) });
      await client.run('continue');
      return (await client.frames())[0].name;
    };
    expect(await places("$vmx == 'root'")).toBe('vm_exit');
    await client.ask('restart');
    expect(await places('$nonroot')).toBe('guest');
    expect(await client.evaluate("$vmx == 'non-root'", 'repl')).toMatch(/^1/);
  });
});

describe('a hypervisor with a guest in an address space of its own', () => {
  let folder: string;
  let files: { host: string; guest: string };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-two-spaces-'));
    files = writeTwoSpaces(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const begin = (more: object = {}) =>
    client.stopAfter(() =>
      client.begin({ program: files.guest, hypervisor: files.host, engine: 'vmx', cpu: 'max', stopOnEntry: true, ...more }),
    );

  it('shows each with its own symbols and memory, though both have code at one address', async () => {
    await begin();
    await breakAt('asks');
    await transcript.run('continue');
    await transcript.run('next');
    await transcript.run('stepIn');
    await transcript.run('stepIn');
    const frames = await client.frames();
    const waiting = frames.find(({ instructionPointerReference: at }) => at?.startsWith('guest:'));
    await transcript.ask('disassemble', {
      memoryReference: waiting?.instructionPointerReference,
      instructionOffset: -1,
      instructionCount: 3,
    });
    await transcript.run('stepOut');
    await transcript.run('stepOut');
    await breakAt('vm_exit');
    await transcript.run('continue');
    await matches('vmx-two-spaces');
  });

  it('breaks at an address on one side alone', async () => {
    const reference = `0x${addressOf(files.host, 'vm_exit').toString(16)}`;
    const stops = async (more: object): Promise<string> => {
      await begin(more);
      await breakAt(reference);
      await client.run('continue');
      return (await client.frames())[0].name;
    };
    expect(await stops({})).toBe('asks');
    await client.stop();
    client = await Client.start();
    expect(await stops({ breakpointsIn: 'root' })).toBe('vm_exit');
  });
});

describe('symbol files of one side', () => {
  it('bind breakpoints on their symbols to it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-side-'));
    try {
      const map = join(folder, 'System.map');
      const line = (name: string, at: string) => `${addressOf(hello, at).toString(16).padStart(16, '0')} T ${name}\n`;
      // The second is never come by in non-root operation.
      writeFileSync(map, line('in_guest', 'guest') + line('in_handler', 'vm_exit'));
      const symbolFiles = [{ path: map, operation: 'non-root' }];
      await client.stopAfter(() => client.begin({ program: hello, symbolFiles, breakOn: ['in_handler', 'in_guest'] }));
      expect((await client.frames())[0].name).toMatch(/^(in_)?guest$/);
      await expect(client.run('continue')).rejects.toThrow('the guest ended');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a hypervisor that makes a mistake', () => {
  // The first two get no further than VMXON and VMPTRLD, and the last one enters its guest.
  const failing = readdirSync(broken).filter((name) => /^0[3-9].*\.asm$/.test(name));

  it('is stopped before the entry that fails', async () => {
    expect(failing).toHaveLength(7);
    for (const name of failing) {
      const other = await Client.start();
      try {
        const program = join(broken, name);
        transcript.heading(name);
        transcript.stopped(await other.stopAfter(() => other.begin({ program, breakOn: ['vm-entry-failure'] })));
        const { details } = await other.ask<P.ExceptionInfoResponse['body']>('exceptionInfo', { threadId: 1 });
        transcript.say(details?.message ?? '');
      } finally {
        await other.stop();
      }
    }
    await matches('vmx-broken');
  });
});

/** Sets a line of the scope Hypercall. */
async function change(name: string, value: string): Promise<void> {
  const [frame] = await client.frames();
  const { scopes } = await client.ask<P.ScopesResponse['body']>('scopes', { frameId: frame.id });
  const variablesReference = scopes.find((scope) => scope.name === 'Hypercall')?.variablesReference;
  const answer = await client.ask<P.SetVariableResponse['body']>('setVariable', { variablesReference, name, value });
  transcript.say(`  ${name} set to ${answer.value}`);
}

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

  it('keeps what the guest asked for while it handles a hypercall', async () => {
    await begin('exits.asm');
    await breakAt('asks');
    await client.run('continue');
    for (let i = 0; i < 3; i++) await client.run('next');
    await transcript.scopes(['Hypercall']);
    await transcript.run('stepIn');
    for (let i = 0; i < 16; i++) await client.run('stepIn');
    transcript.heading('with the registers on its stack');
    await transcript.scopes(['Hypercall']);
    await transcript.run('stepOut');
    await transcript.scopes(['Hypercall']);
    await matches('vmx-builtin-hypercall');
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
