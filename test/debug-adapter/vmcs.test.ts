/** The VMCS panel's requests, over the samples. */
import { resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StateEvent } from '../../src/shared/panel-protocol';
import type { VmcsBody, VmcsChecksBody, VmcsDiffBody } from '../../src/shared/vmcs-protocol';
import { Client } from './adapter-process';

const SAMPLES = resolve(import.meta.dirname, '../../samples');
const vcpu = 0;

let client: Client;
beforeEach(async () => {
  client = await Client.start();
});
afterEach(() => client.stop());

/** Runs a sample up to a symbol. */
async function stopAt(sample: string, symbol: string): Promise<void> {
  const program = resolve(SAMPLES, sample);
  await client.stopAfter(() => client.begin({ program, stopOnEntry: false, breakOn: [symbol] }));
}

const vmcs = () => client.ask<VmcsBody>('ringside/vmcs', { vcpu });
const field = async (key: string) => (await vmcs()).fields.find((each) => each.key === key);

describe('a hypervisor that fails', () => {
  beforeEach(() => stopAt('vmx-broken/06-link-pointer.asm', 'stop'));

  it('is told why, and what else would have refused', async () => {
    const { failure, region, operation } = await vmcs();
    expect(operation).toBe('root');
    expect(region).toMatchObject({ address: '0x00204000', memoryReference: 'phys:0x204000', launched: false });
    expect(failure).toMatchObject({ instruction: 'VMLAUNCH', number: 33, at: { path: expect.stringContaining('base.inc') } });
    expect(failure?.checks.map(({ id }) => id)).toEqual(['guest.link-pointer.revision', 'guest.link-pointer.shadow']);
    expect(failure?.checks[0].values[0]).toEqual({ name: 'VMCS link pointer', value: '0x0000000000000000', field: 'vmcsLinkPointer' });
    const state = await client.ask<StateEvent>('ringside/state');
    expect(state.vcpus[0].usesVmx).toBe(true);
  });

  it('is checked again after a field was changed', async () => {
    const failing = async () => (await client.ask<VmcsChecksBody>('ringside/vmcsChecks', { vcpu })).failing.length;
    expect(await failing()).toBe(2);
    await client.ask('ringside/setVmcsField', { vcpu, field: 'vmcsLinkPointer', value: '-1' });
    expect(await field('vmcsLinkPointer')).toMatchObject({
      value: '0xffffffffffffffff',
      meaning: 'none',
      previous: '0x0000000000000000',
    });
    expect(await failing()).toBe(0);
    await client.ask('ringside/setVmcsField', { vcpu, field: 'guestRip', value: 'rip + 2 * 8' });
    expect(await field('exitReason')).toMatchObject({ value: '0x80000021', readOnly: true });
  });

  it('says what cannot be set', async () => {
    const refused = (name: string, value: unknown) => client.failure('ringside/setVmcsField', { vcpu, field: name, value });
    expect(await refused('vpid', '0x10000')).toBe('0x10000 does not fit into virtual-processor identifier (VPID) of 16 bits');
    expect(await refused('vpid', 'nowhere')).toMatch(/nowhere/);
    expect(await refused('nothing', '1')).toBe('there is no VMCS field "nothing"');
    expect(await refused('vpid', 7)).toMatch(/expression/);
    expect(await client.failure('ringside/vmcs', { vcpu: 3 })).toMatch(/there is no vCPU/);
  });

  it('is exported', async () => {
    const { text } = await client.ask<{ text: string }>('ringside/exportVmcs', { vcpu, format: 'text' });
    expect(text).toMatch(/^VMLAUNCH: VM exit 33: VM-entry failure due to invalid guest state$/m);
    expect(text).toMatch(/^ {2}0x681e {2}guest RIP +0x[0-9a-f]{16}/m);
    const json = await client.ask<{ text: string }>('ringside/exportVmcs', { vcpu, format: 'json' });
    expect(JSON.parse(json.text)).toMatchObject({ vmx: { failure: { number: 33 } }, vmcs: { exitReason: '0x80000021' } });
    expect(await client.failure('ringside/exportVmcs', { vcpu, format: 'xml' })).toMatch(/text or json/);
  });
});

describe('a hypervisor that works', () => {
  beforeEach(() => stopAt('vmx-broken/10-same-instruction.asm', 'stop'));

  it('has its entries and exits, with what differs between any two', async () => {
    const { history, moments } = await vmcs();
    expect(moments).toBe(42);
    expect(history.slice(-2)).toMatchObject([
      { sequence: 1, kind: 'exit', what: 'VMCALL', reason: 18 },
      { sequence: 0, kind: 'entry', what: 'VMLAUNCH', vmcs: '0x00204000' },
    ]);
    const diff = await client.ask<VmcsDiffBody>('ringside/vmcsDiff', { vcpu, from: 0, to: 1 });
    expect(diff.fields.find(({ key }) => key === 'exitReason')).toMatchObject({
      before: '0x00000000',
      after: '0x00000012',
      meaning: 'VMCALL',
    });
    expect(diff.fields.map(({ group }) => group)).not.toContain('host state');
    const same = await client.ask<VmcsDiffBody>('ringside/vmcsDiff', { vcpu, from: 39, to: 41 });
    expect(same.fields).toEqual([]);
    expect(await client.failure('ringside/vmcsDiff', { vcpu, from: 0, to: 99 })).toBe('entry or exit 99 is not kept; 0 to 41 are');
  });

  it('marks what was changed since the last exit', async () => {
    expect((await vmcs()).since).toMatchObject({ sequence: 40, kind: 'entry' });
    await client.ask('ringside/setVmcsField', { vcpu, field: 'guestRflags', value: '0x202' });
    const { since, fields } = await vmcs();
    expect(since).toMatchObject({ sequence: 41, kind: 'exit' });
    expect(fields.filter(({ previous }) => previous !== undefined)).toMatchObject([{ key: 'guestRflags', previous: '0x0000000000000002' }]);
  });
});

it('is empty where no VMX is used', async () => {
  await stopAt('boot-sector/boot-sector.asm', '0x7c00');
  expect(await vmcs()).toMatchObject({ available: true, operation: 'off', fields: [], history: [] });
  expect(await client.failure('ringside/vmcsChecks', { vcpu })).toBe('there is no current VMCS to check');
});
