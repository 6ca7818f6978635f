/** What views show of VMX: decoded fields, refusals, history, the trap log's details. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeField } from '../../src/engines/cpu/inspect/vmx-parts';
import { instructionInfoParts, qualificationParts } from '../../src/engines/cpu/inspect/vmx-qualification';
import { ENTRY_CHECKS } from '../../src/engines/cpu/vmx/entry-checks/index';
import { ExitReason } from '../../src/engines/cpu/vmx/exit-reasons';
import { Field, type FieldKey, VMCS_FIELDS } from '../../src/engines/cpu/vmx/fields';
import type { VmcsReader } from '../../src/engines/cpu/vmx/vmcs';
import type { LinearAddress } from '../../src/shared/addresses';
import type { Engine, PageTables, RegisterField } from '../../src/engines/engine';
import { launch } from '../../src/engines/launcher';
import { vmxSummary } from '../../src/engines/vmx-json';
import type { VmxFacts } from '../../src/engines/vmx-facts';

const SAMPLES = join(import.meta.dirname, '../../samples');

function sample(path: string, instructions = 3_000_000): { readonly engine: Engine; readonly vmx: VmxFacts } {
  const read = (name: string): Uint8Array | undefined => {
    try {
      return new Uint8Array(readFileSync(join(SAMPLES, path, '..', basename(name))));
    } catch {
      return undefined;
    }
  };
  const { engine } = launch({ program: basename(path), memory: 32 << 20 }, read);
  engine.run({ instructions });
  return { engine, vmx: engine.cpus[0].vmx as VmxFacts };
}

const vmcsOf = (values: Partial<Record<FieldKey, bigint>> = {}): VmcsReader => {
  const by = new Map(Object.entries(values).map(([key, value]) => [Field[key as FieldKey], value]));
  const of = (field: number): bigint => by.get(field) ?? 0n;
  return {
    low: (field) => Number(of(field) & 0xffffffffn),
    high: (field) => Number(of(field) >> 32n),
    value: (field) => Number(BigInt.asIntN(64, of(field))),
  };
};

/** Parts that are not 0, as `name=value (meaning)`. */
const said = (parts: readonly RegisterField[]): string[] =>
  parts
    .filter(({ value }) => value !== 0n)
    .map(({ name, value, meaning }) => `${name}=${value}${meaning === undefined ? '' : ` (${meaning})`}`);

describe('exit qualifications', () => {
  it.each([
    ['MOV to CR3 from RBX', ExitReason.controlRegister, 0x303n, ['register=3 (CR3)', 'general-purpose register=3 (RBX)']],
    [
      'MOV from CR8 to R9',
      ExitReason.controlRegister,
      0x918n,
      ['register=8 (CR8)', 'access type=1 (MOV from CR)', 'general-purpose register=9 (R9)'],
    ],
    ['CLTS', ExitReason.controlRegister, 0x20n, ['access type=2 (CLTS)']],
    [
      'LMSW of memory',
      ExitReason.controlRegister,
      0xfff10070n,
      ['access type=3 (LMSW)', 'LMSW operand=1 (memory)', 'LMSW source data=65521'],
    ],
    ['IN AL, 71H', ExitReason.io, 0x710048n, ['direction=1 (IN)', 'operand encoding=1 (immediate)', 'port=113']],
    ['REP OUTSD', ExitReason.io, 0x3f80033n, ['size=3 (4 bytes)', 'string=1 (INS or OUTS)', 'REP=1 (with a REP prefix)', 'port=1016']],
    ['MOV DR7, RAX', ExitReason.movDr, 7n, ['register=7 (DR7)']],
    ['MOV RSI, DR6', ExitReason.movDr, 0x616n, ['register=6 (DR6)', 'direction=1 (MOV from DR)', 'general-purpose register=6 (RSI)']],
    [
      'a write that EPT refuses',
      ExitReason.eptViolation,
      0x18an,
      [
        'data write=1 (the access was a data write)',
        'readable=1 (EPT allows reads)',
        'linear address valid=1 (the guest-linear address field is valid)',
        'final translation=1 (the access to the page that the linear address leads to)',
      ],
    ],
    ['a far JMP to a TSS', ExitReason.taskSwitch, 0x80000028n, ['TSS selector=40', 'source=2 (JMP)']],
    [
      'an APIC write',
      ExitReason.apicAccess,
      0x10b0n,
      ['offset=176 (in the APIC-access page)', 'access type=1 (linear access: data write)'],
    ],
    ['a flawed link pointer', ExitReason.invalidGuestState, 4n, ['what=4 (VMCS link pointer)']],
    ['the third MSR', ExitReason.msrLoading, 3n, ['entry=3 (entry 3 of the list, counted from 1, was refused)']],
    ['CPUID', ExitReason.cpuid, 0n, []],
  ])('%s', (_, reason, value, expected) => expect(said(qualificationParts(reason, value))).toEqual(expected));

  it('of an exception depends on which', () => {
    expect(said(qualificationParts(0, 0xffff_8000_0000_1000n, 0x80000b0en))).toEqual(['linear address=18446603336221200384']);
    expect(said(qualificationParts(0, 0x4001n, 0x80000301n)).map((text) => text.split(' ')[0])).toEqual(['B0=1', 'BS=1']);
    expect(qualificationParts(0, 5n, 0x80000306n)).toEqual([]);
  });
});

describe('instruction information', () => {
  it.each([
    // VMREAD [rbx + rcx * 8 - 8], rdx
    [
      'VMREAD to memory',
      ExitReason.vmread,
      0x21858103n,
      [
        'scaling=3 (8)',
        'address size=2 (64 bits)',
        'segment=3 (DS)',
        'index register=1 (RCX)',
        'base register=3 (RBX)',
        'register 2=2 (RDX)',
      ],
    ],
    ['VMWRITE from a register', ExitReason.vmwrite, 0x50000418n, ['operand=1 (register)', 'register 1=3 (RBX)', 'register 2=5 (RBP)']],
    [
      'LIDT',
      ExitReason.gdtrIdtr,
      0x38418900n,
      [
        'address size=2 (64 bits)',
        'segment=3 (DS)',
        'no index register=1',
        'no base register=1',
        'operand size=1 (32 bits)',
        'instruction=3 (LIDT)',
      ],
    ],
    ['RDRAND r10w', ExitReason.rdrand, 0x50n, ['destination register=10 (R10)']],
  ])('%s', (_, reason, value, expected) => expect(said(instructionInfoParts(reason, value, 0n))).toEqual(expected));

  it('is none for IN and OUT', () => {
    expect(instructionInfoParts(ExitReason.io, 0x80n, 0x48n)).toEqual([]);
    expect(said(instructionInfoParts(ExitReason.io, 0x80n, 0x18n))).toEqual(['address size=1 (32 bits)']);
  });
});

describe('fields', () => {
  const decoded = (key: FieldKey, value: bigint, others: Partial<Record<FieldKey, bigint>> = {}) =>
    decodeField(key, value, vmcsOf({ ...others, [key]: value }));

  it('are taken apart by name', () => {
    expect(said(decoded('pinControls', 0x3fn).parts)).toEqual(['external-interrupt exiting=1', 'NMI exiting=1', 'virtual NMIs=1']);
    expect(said(decoded('guestCr4', 0x2020n).parts).map((text) => text.split('=')[0])).toEqual(['PAE', 'VMXE']);
    expect(said(decoded('exceptionBitmap', 0x4002n).parts).map((text) => text.split('=')[0])).toEqual(['#DB', '#PF']);
    expect(said(decoded('eptPointer', 0x1234505en).parts)).toEqual([
      'memory type=6 (WB)',
      'page-walk length − 1=3 (4 levels)',
      'accessed and dirty flags=1 (kept)',
      'PML4 table=74565 (at physical 0x12345000)',
    ]);
  });

  it('tell of reserved bits that are wrong', () => {
    const flaws = decoded('pinControls', 0x100n).parts.filter(({ name }) => name.startsWith('bit '));
    expect(flaws.map(({ name, value, meaning }) => `${name}=${value} ${meaning}`)).toEqual([
      'bit 1=0 reserved: must be 1',
      'bit 2=0 reserved: must be 1',
      'bit 4=0 reserved: must be 1',
      'bit 8=1 reserved: must be 0',
    ]);
  });

  it.each<[FieldKey, bigint, string]>([
    ['exitReason', 0x80000021n, 'VM-entry failure due to invalid guest state'],
    ['entryInterruptionInfo', 0x80000b0dn, 'hardware exception #GP'],
    ['exitInterruptionInfo', 0x80000202n, 'NMI'],
    ['idtVectoringInfo', 0x80000021n, 'external interrupt 0x21'],
    ['idtVectoringInfo', 0x0b0en, 'no event'],
    ['guestActivityState', 1n, 'HLT'],
    ['instructionError', 7n, 'VM entry with invalid control fields'],
    ['guestCsAccessRights', 0xa09bn, 'code, readable, accessed'],
    ['guestLdtrAccessRights', 0x10000n, 'unusable'],
    ['vmcsLinkPointer', 0xffffffffffffffffn, 'none'],
    ['preemptionTimerValue', 10n, '320 ticks of the TSC'],
    ['exitInstructionLength', 3n, '3 bytes'],
  ])('%s of %d means: %s', (key, value, meaning) => expect(decoded(key, value).meaning).toBe(meaning));

  it('never fail, whatever they hold', () => {
    for (const { key } of VMCS_FIELDS) {
      for (const value of [0n, 0xffffn, 0xffffffffn, 0xffffffffffffffffn]) {
        for (let reason = 0n; reason < 70n; reason++)
          expect(decoded(key, value, { exitReason: reason }).parts.length).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

describe('why it failed', () => {
  const failing = (name: string) => sample(`vmx-broken/${name}.asm`).vmx.failure;

  it('names the check that refused, and all that would have', () => {
    const failure = failing('03-controls');
    expect(failure).toMatchObject({
      instruction: 'VMLAUNCH',
      number: 7,
      title: 'VM-instruction error 7: VM entry with invalid control fields',
    });
    expect(failure?.checks.map(({ id }) => id)).toEqual(['controls.pin.must-be-1']);
    expect(failure?.checks[0].values).toMatchObject([
      { name: 'pin-based VM-execution controls', field: 'pinControls', value: 0n, bits: 32 },
    ]);
    expect(failing('08-rflags')?.checks.map(({ values }) => values.map(({ field }) => field))).toEqual([['guestRflags']]);
    expect(failing('05-host-tr')).toMatchObject({
      number: 8,
      checks: [{ area: 'host state', values: [{ field: 'hostTrSelector', value: 0n }] }],
    });
  });

  it('keeps what a failed entry saw, though host state was loaded since', () => {
    expect(failing('06-link-pointer')).toMatchObject({
      number: 33,
      instruction: 'VMLAUNCH',
      title: 'VM exit 33: VM-entry failure due to invalid guest state',
      checks: [{ id: 'guest.link-pointer.revision' }, { id: 'guest.link-pointer.shadow' }],
    });
  });

  it('says what a region lacks, and what the launch state forbids', () => {
    expect(failing('02-revision')).toMatchObject({
      instruction: 'VMXON',
      title: 'VMfailInvalid: CF is set, no error number',
      values: [{ name: 'physical address', value: 0x203000n }, { value: 0n }, { name: 'VMCS revision identifier' }],
    });
    expect(failing('09-vmlaunch-again')).toMatchObject({ number: 4, checks: [] });
    expect(failing('09-vmlaunch-again')?.explanation).toContain('VMRESUME');
  });

  it('is not there when nothing failed', () => expect(failing('10-same-instruction')).toBeUndefined());
});

describe('the view', () => {
  it('has every field, and changes one', () => {
    const { vmx } = sample('vmx-broken/10-same-instruction.asm');
    expect(vmx.operation).toBe('root');
    expect(vmx.region).toMatchObject({ address: 0x204000, launched: true, abortIndicator: 0, shadow: false });
    expect(vmx.fields().map(({ key }) => key)).toEqual(VMCS_FIELDS.map(({ key }) => key));
    const value = (key: string) => vmx.fields().find((field) => field.key === key)?.value;
    expect(value('exitReason')).toBe(BigInt(ExitReason.vmcall));
    vmx.setField('guestRip', 0xffff_8000_0000_1234n);
    expect(value('guestRip')).toBe(0xffff_8000_0000_1234n);
    vmx.setField('guest CS selector', 0x10n);
    expect(value('guestCsSelector')).toBe(0x10n);
    expect(() => vmx.setField('guestCsSelector', 0x10000n)).toThrow('0x10000 does not fit into guest CS selector of 16 bits');
    expect(() => vmx.setField('vpid', -40000n)).toThrow('does not fit');
    expect(() => vmx.setField('nonsense', 0n)).toThrow('there is no VMCS field "nonsense"');
  });

  it('checks the VMCS at any stop', () => {
    const { vmx } = sample('vmx-broken/10-same-instruction.asm');
    expect(vmx.check()).toMatchObject({ total: ENTRY_CHECKS.length, failing: [] });
    vmx.setField('guestRflags', 0n);
    vmx.setField('hostTrSelector', 0n);
    expect(vmx.check()?.failing.map(({ area }) => area)).toEqual(['host state', 'guest state']);
  });

  it('remembers entries and exits with their fields', () => {
    const { vmx } = sample('vmx-broken/10-same-instruction.asm');
    const { history } = vmx;
    // Twenty round trips, and the one that its patience ends with.
    expect(history.total).toBe(42);
    expect(history.moment(0)).toMatchObject({ kind: 'entry', what: 'VMLAUNCH', vmcs: 0x204000 });
    expect(history.moment(1)).toMatchObject({ kind: 'exit', what: 'VMCALL', reason: ExitReason.vmcall });
    expect(history.moment(2)).toMatchObject({ kind: 'entry', what: 'VMRESUME' });
    expect(history.moment(42)).toBeUndefined();
    const reason = (sequence: number) => history.fields(sequence).find(({ key }) => key === 'exitReason')?.value;
    expect([reason(0), reason(1)]).toEqual([0n, BigInt(ExitReason.vmcall)]);
  });

  it('is empty before VMXON, and is no more than JSON can hold', () => {
    const { engine } = sample('boot-sector/boot-sector.asm', 1000);
    const { vmx } = engine.cpus[0];
    expect(vmx).toMatchObject({ operation: 'off', region: undefined, vmxonPointer: undefined, failure: undefined });
    expect(vmxSummary(vmx)).toEqual({ vmx: null, vmcs: null, entryChecks: null });
    const summary = vmxSummary(sample('vmx-broken/08-rflags.asm').vmx);
    expect(summary.vmcs).toMatchObject({ guestRflags: '0x0', exitReason: '0x80000021' });
    expect(summary.entryChecks).toMatchObject([{ area: 'guest state', holds: false, values: { guestRflags: '0x0' } }]);
    expect(JSON.parse(JSON.stringify(summary)).vmx.failure.number).toBe(33);
  });
});

describe('the trap log', () => {
  it('unfolds exits and entries', () => {
    const { engine } = sample('vmx-hello/vmx-hello.asm');
    const { transitions } = engine;
    const all = Array.from({ length: transitions.total }, (_, i) => transitions.get(i));
    const details = (kind: string, cause: string) => all.find((each) => each?.kind === kind && each.cause.name === cause)?.details;
    expect(details('vm-exit', 'VMCALL')?.[0]).toEqual({ name: 'exit reason', value: '18', meaning: 'VMCALL' });
    expect(details('vm-entry', 'VMLAUNCH')).toEqual([]);
  });

  it('tells of the ports that made a guest of the built-in hypervisor exit, and of what was injected', () => {
    const source = readFileSync(join(SAMPLES, 'rings/rings.asm'));
    const { engine } = launch({ program: 'rings.asm', engine: 'vmx', memory: 32 << 20 }, () => new Uint8Array(source));
    engine.run({ instructions: 3_000_000 });
    const { transitions } = engine;
    const all = Array.from({ length: transitions.total }, (_, i) => transitions.get(i)).filter((each) => each !== undefined);
    const io = all.filter(({ kind, cause }) => kind === 'vm-exit' && cause.number === ExitReason.io);
    const ports = new Set(io.map(({ details }) => details.find(({ name }) => name === 'port')?.value));
    // The serial line, the PIT and the port that ends the run.
    for (const port of ['0x3f8', '0x43', '0xf4']) expect(ports).toContain(port);
    const injected = all.filter(({ kind, details }) => kind === 'vm-entry' && details.length > 0).map(({ details }) => details[0]);
    expect(injected.length).toBeGreaterThan(0);
    expect(injected.every(({ name, meaning }) => name === 'injected event' && meaning?.startsWith('external interrupt 0x'))).toBe(true);
  });
});

describe("a guest's page tables", () => {
  const source = readFileSync(join(import.meta.dirname, '../debug-adapter/guests/long.asm'));
  const { engine, debugInfo } = launch({ program: 'long.asm', engine: 'vmx', memory: 32 << 20 }, () => new Uint8Array(source));
  const [cpu] = engine.cpus;
  const { vmx } = cpu;

  it('are the same from the hypervisor as from the guest', () => {
    const shown = (tables: PageTables | undefined) => ({ mode: tables?.mode, walk: tables?.walk(address), facts: tables?.facts() });
    let address = cpu.address;
    let compared = 0;
    engine.probes.add({ kind: 'code', address: debugInfo[0].symbolNamed('kernel')?.address as LinearAddress });
    expect(engine.run({ instructions: 3_000_000 }).reason).toBe('probe');
    engine.passProbes(0);
    for (let i = 0; i < 20_000 && compared < 5; i++) {
      const inside = cpu.place.vmx === 'non-root' && cpu.pageTables.mode === '4-level';
      if (inside) address = cpu.address;
      const before = inside ? shown(cpu.pageTables) : undefined;
      if (engine.run({ instructions: 1 }).reason !== 'slice') break;
      if (!before || cpu.place.vmx !== 'root') continue;
      expect(shown(vmx?.guestTables)).toEqual(before);
      expect(before.walk?.nested?.entries.length).toBeGreaterThan(1);
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
