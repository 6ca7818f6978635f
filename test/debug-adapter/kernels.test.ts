/** Debian's kernels in the debugger: break at functions by name, step, look at registers and memory, walk pages, read the tables. */
import { resolve } from 'node:path';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DescriptorsBody, PageMapBody, PageWalkBody } from '../../src/shared/panel-protocol';
import { type KernelName, kernelMissing } from '../support/kernels';
import { Client } from './adapter-process';

const file = (name: KernelName, part: string): string => resolve(import.meta.dirname, '../../.cache/kernels', name, part);

describe.each(['amd64', '686'] as const)("Debian's kernel for %s", (name) => {
  let client: Client;
  beforeEach(async () => {
    client = await Client.start();
    client.defaultTimeout = 100_000;
  });
  afterEach(() => client.stop());

  const wide = name === 'amd64';
  const [ip, sp] = wide ? ['rip', 'rsp'] : ['eip', 'esp'];

  const boot = (breakOn: readonly string[]): Promise<P.StoppedEvent['body']> =>
    client.stopAfter(() =>
      client.begin({
        kernel: file(name, 'vmlinuz'),
        initrd: file(name, 'initramfs.cpio'),
        append: 'console=ttyS0 nokaslr nolapic noapic nosmp',
        memory: '256M',
        unpackKernel: true,
        breakOn,
      }),
    );
  const names = async (): Promise<string[]> => (await client.frames()).map((frame) => frame.name.replace(/\+0x[0-9a-f]+/, ''));

  it('is debugged by the names of its functions', { timeout: 120_000 }, async (context) => {
    const missing = kernelMissing(name);
    if (missing) return context.skip(missing);
    expect(await boot(['start_kernel', 'sched_init'])).toMatchObject({ reason: 'function breakpoint' });
    expect((await names())[0]).toBe('start_kernel');

    // Its first instruction calls __fentry__, which returns at once.
    const before = await client.evaluate(sp, 'watch');
    await client.run('next');
    expect(await client.evaluate(`${ip} - start_kernel`, 'watch')).toMatch(/^0x0*5$/);
    expect(await client.evaluate(sp, 'watch')).toBe(before);

    await client.run('continue');
    expect((await names()).slice(0, 2)).toEqual(['sched_init', 'start_kernel']);
    const pc = (await client.frames())[0].instructionPointerReference ?? '';
    const { instructions } = await client.ask<NonNullable<P.DisassembleResponse['body']>>('disassemble', {
      memoryReference: pc,
      instructionOffset: -20,
      instructionCount: 40,
    });
    expect(instructions).toHaveLength(40);
    expect(instructions[20]).toMatchObject({ symbol: 'sched_init', address: pc.replace('linear:', '') });
    expect(instructions.every(({ address }) => address.length === (wide ? 18 : 10))).toBe(true);

    await checkPages(client, ip);
    await checkTables(client, wide);
    await client.run('stepOut');
    expect((await names())[0]).toBe('start_kernel');
    return undefined;
  });

  it('is written to at its own addresses', { timeout: 120_000 }, async (context) => {
    const missing = kernelMissing(name);
    if (missing) return context.skip(missing);
    await boot(['start_kernel']);
    await client.evaluate(`${wide ? 'qword' : 'dword'} [${sp}] = 0x12345678`, 'repl');
    const memoryReference = `linear:${await client.evaluate(sp, 'watch')}`;
    const read = await client.ask<P.ReadMemoryResponse['body']>('readMemory', { memoryReference, count: 4 });
    expect(Buffer.from(read?.data ?? '', 'base64').readUInt32LE()).toBe(0x12345678);
    expect(read?.address).toBe(memoryReference.replace('linear:', ''));
    const { bytesWritten } = await client.ask<{ bytesWritten: number }>('writeMemory', { memoryReference, data: 'AQIDBA==' });
    expect(bytesWritten).toBe(4);
    expect(await client.evaluate(`dword [${sp}]`, 'watch')).toBe('0x04030201');
    return undefined;
  });
});

async function checkPages(client: Client, ip: string): Promise<void> {
  const walk = (address: string) => client.ask<PageWalkBody>('ringside/pageWalk', { vcpu: 0, address });
  const code = await walk(ip);
  const verdict = (body: PageWalkBody, kind: string, user: boolean) =>
    body.verdicts.find((each) => each.kind === kind && each.user === user);
  expect(verdict(code, 'execute', false)).toMatchObject({ allowed: true });
  expect(verdict(code, 'read', true)).toMatchObject({ allowed: false, errorCode: '0x0005', reason: expect.stringMatching(/supervisors/) });
  expect(code.at.symbol).toBe('sched_init');
  // The bytes at the physical address are those at the linear one.
  const bytes = async (memoryReference: string) =>
    (await client.ask<P.ReadMemoryResponse['body']>('readMemory', { memoryReference, count: 16 }))?.data;
  expect(await bytes(code.physical?.memoryReference ?? '')).toBe(await bytes(code.at.memoryReference));

  const nothing = await walk('0');
  expect(nothing.physical).toBeUndefined();
  expect(verdict(nothing, 'write', false)).toMatchObject({
    allowed: false,
    errorCode: '0x0002',
    reason: expect.stringMatching(/not present/),
  });

  const map = await client.ask<PageMapBody>('ringside/pageMap', { vcpu: 0, start: 0, count: 1000 });
  expect(map.rows).toHaveLength(map.total);
  const holding = map.rows.find(({ start, end }) => start <= code.at.address && code.at.address <= end);
  expect(holding).toMatchObject({ executable: true, user: false, pageSize: code.physical?.pageSize });
  for (const [i, { start }] of map.rows.entries())
    if (i > 0 && start >= 0 === map.rows[i - 1].start >= 0) expect(start).toBeGreaterThan(map.rows[i - 1].end);
}

async function checkTables(client: Client, wide: boolean): Promise<void> {
  const body = await client.ask<DescriptorsBody>('ringside/descriptors', { vcpu: 0 });
  const idt = body.tables.find(({ name }) => name === 'IDT');
  const fault = idt?.descriptors.find(({ index }) => index === 14);
  expect(fault).toMatchObject({
    type: `${wide ? 64 : 32}-bit interrupt gate`,
    dpl: 0,
    target: { ring: 0, at: { symbol: 'asm_exc_page_fault' } },
  });
  const gdt = body.tables.find(({ name }) => name === 'GDT');
  expect(gdt?.descriptors.find(({ heldBy }) => heldBy.includes('cs'))?.type).toBe(`${wide ? 64 : 32}-bit code, execute/read`);
  expect(gdt?.descriptors.find(({ heldBy }) => heldBy.includes('tr'))?.base).toBe(body.tss?.base);
  expect(body.tss?.fields.map(({ name }) => name)).toContain(wide ? 'IST7' : 'ESP0');
}
