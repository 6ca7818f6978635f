/** Each check on VM entry refuses what breaks it, only that, and lets the nearest legal value pass. */
import { describe, expect, it } from 'vitest';
import type { CheckArea, CheckWorld } from '../../src/engines/cpu/vmx/entry-checks/check';
import { formatFailure } from '../../src/engines/cpu/vmx/entry-checks/format';
import { allFailures, ENTRY_CHECKS, firstFailure } from '../../src/engines/cpu/vmx/entry-checks/index';
import { type FieldKey, VMCS_FIELDS } from '../../src/engines/cpu/vmx/fields';
import { CASES } from './entry-checks-cases';
import { absentControls, KIND_NAMES, sampleWorld, worldOf } from './entry-checks-support';

const AREAS: readonly CheckArea[] = ['controls', 'host state', 'guest state', 'MSR loading'];

const failures = (world: CheckWorld): readonly string[] => allFailures(world).map(({ check }) => check.id);

describe('checks on VM entry', () => {
  it.each(KIND_NAMES)('let a valid VMCS pass: %s', (kind) => {
    const world = worldOf(kind);
    expect(failures(world)).toEqual([]);
    for (const area of AREAS) expect(firstFailure(world, area)).toBeUndefined();
  });

  it('have ids of their own, and a VMCS each that breaks them', () => {
    const ids = ENTRY_CHECKS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...CASES.keys()].sort()).toEqual([...ids].sort());
  });

  it.each([...CASES])('%s refuses only what breaks it', (id, sample) => {
    const bad = sampleWorld(sample, sample.bad);
    expect([...failures(bad)].sort()).toEqual([...new Set([id, ...sample.also, ...absentControls(bad)])].sort());
    const good = sampleWorld(sample, sample.good);
    expect(failures(good)).toEqual(absentControls(good));
    const all = allFailures(bad);
    for (const area of AREAS) expect(firstFailure(bad, area)).toBe(all.find(({ check }) => check.area === area)?.check);
  });

  it('come in the order of the manual', () => {
    const sections = ENTRY_CHECKS.map(({ section }) => section);
    expect(sections.filter((section, i) => section !== sections[i - 1])).toEqual([
      'VM-Execution Control Fields',
      'VM-Exit Control Fields',
      'VM-Entry Control Fields',
      'Checks on Host Control Registers, MSRs, and SSP',
      'Checks on Host Segment and Descriptor-Table Registers',
      'Checks Related to Address-Space Size',
      'Checks on Guest Control Registers, Debug Registers, and MSRs',
      'Checks on Guest Segment Registers',
      'Checks on Guest Descriptor-Table Registers',
      'Checks on Guest RIP, RFLAGS, and SSP',
      'Checks on Guest Non-Register State',
      'Checks on Guest Page-Directory-Pointer-Table Entries',
      'Loading MSRs',
    ]);
  });

  it('say with a qualification what the exit has one for', () => {
    const qualified = ENTRY_CHECKS.filter(({ qualification }) => qualification !== undefined);
    expect(qualified.map(({ id, qualification }) => `${id} ${qualification}`)).toEqual([
      'guest.interruptibility.nmi.sti 3',
      'guest.link-pointer.aligned 4',
      'guest.link-pointer.width 4',
      'guest.link-pointer.revision 4',
      'guest.link-pointer.shadow 4',
      'guest.link-pointer.current 4',
      'guest.pdpte0 2',
      'guest.pdpte1 2',
      'guest.pdpte2 2',
      'guest.pdpte3 2',
    ]);
  });

  it('bear any values: later checks are asked about what earlier ones refuse', () => {
    let state = 12345;
    const random = (): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 8;
    };
    const word = (): number => (((random() & 0xffff) << 16) | (random() & 0xffff)) >>> 0;
    let refused = 0;
    for (let round = 0; round < 2000; round++) {
      const kind = KIND_NAMES[random() % KIND_NAMES.length];
      const share = random() % 8;
      const fields: Partial<Record<FieldKey, bigint>> = {};
      for (const { key } of VMCS_FIELDS) {
        if (random() % 8 > share) continue;
        // Wild values, and such with few bits.
        const few = random() & 1 ? 1n << BigInt(random() % 64) : 0n;
        fields[key] = random() & 1 ? few : (BigInt(word()) << 32n) | BigInt(word());
      }
      const world = worldOf(kind, fields);
      const all = allFailures(world);
      refused += Math.min(all.length, 1);
      for (const failed of all) expect(formatFailure(failed)).not.toContain('undefined');
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

describe('a refusal in words', () => {
  const line = (...args: Parameters<typeof worldOf>): readonly string[] => allFailures(worldOf(...args)).map(formatFailure);

  it('names rule, fields in their width, and section', () => {
    expect(line('64-bit guest', { primaryControls: 0x84006172, secondaryControls: 0x20 })).toEqual([
      'If "enable VPID" is 1, the VPID must not be 0000H. Found: virtual-processor identifier (VPID) = 0x0000, secondary processor-based ' +
        'VM-execution controls = 0x00000020. (VM-Execution Control Fields)',
    ]);
  });

  it('shows the address of the current VMCS', () => {
    const circumstances = { memory: { 0x12_0000_a000: 0x52494e47 }, processor: { currentVmcs: 0x12_0000_a000 } };
    expect(line('64-bit guest', { vmcsLinkPointer: 0x12_0000_a000 }, circumstances)).toEqual([
      'If the VMCS link pointer is not FFFFFFFF_FFFFFFFFH, it must not be the address of the current VMCS. Found: VMCS link pointer = ' +
        '0x000000120000a000, current VMCS = 0x000000120000a000. (Checks on Guest Non-Register State)',
    ]);
  });

  it('shows the mode of the processor', () => {
    expect(line('PAE guest', { exitControls: 0x36dfb, hostRip: 0x1000 })).toEqual([
      'If the processor is in IA-32e mode (IA32_EFER.LMA is 1) at VM entry, "host address-space size" must be 1. Found: VM-exit controls = ' +
        '0x00036dfb, IA32_EFER.LMA = 0x00000001. (Checks Related to Address-Space Size)',
    ]);
  });

  it('tells which entry of a list is wrong', () => {
    const fields = { entryMsrLoadCount: 3, entryMsrLoadAddress: 0x10000 };
    const memory = { 0x10000: 0x174, 0x10010: 0x175, 0x10020: 0xc0000100, 0x10028: 0x1234, 0x1002c: 0xffffffff };
    expect(line('64-bit guest', fields, { memory })).toEqual([
      'No entry of the VM-entry MSR-load area may name IA32_FS_BASE (C0000100H) or IA32_GS_BASE (C0000101H). Found: VM-entry MSR-load ' +
        'address = 0x0000000000010000, VM-entry MSR-load count = 0x00000003, entry, counted from 1 = 0x00000003, MSR index = ' +
        '0x00000000c0000100, value = 0xffffffff00001234. (Loading MSRs)',
    ]);
  });

  it('shows what was found elsewhere', () => {
    expect(line('64-bit guest', { vmcsLinkPointer: 0xa000 }, { memory: { 0xa000: 0x80000001 } })).toEqual([
      "If the VMCS link pointer is not FFFFFFFF_FFFFFFFFH, bits 30:0 of the region's first 4 bytes must be the VMCS revision identifier, " +
        '52494E47H. Found: VMCS link pointer = 0x000000000000a000, first word of the linked VMCS region = 0x80000001. (Checks on Guest ' +
        'Non-Register State)',
      'If the VMCS link pointer is not FFFFFFFF_FFFFFFFFH, bit 31 of the region\'s first 4 bytes (shadow-VMCS indicator) must equal "VMCS ' +
        'shadowing". Found: VMCS link pointer = 0x000000000000a000, secondary processor-based VM-execution controls = 0x00000000, first word ' +
        'of the linked VMCS region = 0x80000001. (Checks on Guest Non-Register State)',
    ]);
  });
});
