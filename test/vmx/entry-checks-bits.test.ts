/** Reserved bits bit by bit, and codes value by value: the sets are the manual's. */
import { describe, expect, it } from 'vitest';
import { PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from '../../src/engines/cpu/vmx/control-bits';
import type { CheckWorld } from '../../src/engines/cpu/vmx/entry-checks/check';
import { allFailures, ENTRY_CHECKS } from '../../src/engines/cpu/vmx/entry-checks/index';
import { isLoadable } from '../../src/engines/cpu/vmx/entry-checks/msr-loading';
import { type FieldKey, fieldByKey } from '../../src/engines/cpu/vmx/fields';
import { EPTP, type Kind, PRIMARY, type Values, withSecondary, worldOf } from './entry-checks-support';

const S = SECONDARY_CONTROLS.mask;
const C = PRIMARY_CONTROLS.mask;

/** A bit of a bit string, or a run of them. */
type Bits = readonly (number | readonly [first: number, last: number])[];
const expand = (bits: Bits): readonly number[] =>
  bits.flatMap((bit) => (typeof bit === 'number' ? [bit] : Array.from({ length: bit[1] - bit[0] + 1 }, (_, i) => bit[0] + i)));

const holds = (id: string, kind: Kind, fields: Values): boolean =>
  ENTRY_CHECKS.find((check) => check.id === id)?.holds(worldOf(kind, fields)) ?? expect.fail(`there is no check ${id}`);

interface BitCase {
  readonly kind?: Kind;
  readonly with?: Values;
  readonly field: FieldKey;
  /** Value whose bits are turned over, one at a time. */
  readonly from?: number | bigint;
  /** Those that the check refuses then. */
  readonly bits: Bits;
}

const PAGE: Bits = [[0, 11]];
const WIDTH: Bits = [[40, 63]];
const HIGH: Bits = [[32, 63]];
const NON_CANONICAL: Bits = [[47, 63]];
const WITH_EPT = { ...withSecondary(S.ept), eptPointer: EPTP };
const page = (id: string, field: FieldKey, fields: Values): [string, BitCase][] => [
  [`${id}.aligned`, { field, with: fields, bits: PAGE }],
  [`${id}.width`, { field, with: fields, bits: WIDTH }],
];
const list = (id: string, field: FieldKey, count: FieldKey): [string, BitCase][] => [
  [`${id}.aligned`, { field, with: { [count]: 1 }, bits: [[0, 3]] }],
  [`${id}.width`, { field, with: { [count]: 1 }, bits: WIDTH }],
  [`${id}.end`, { field: count, with: { [field]: 0xff_0000_0000n }, from: 0, bits: [[29, 31]] }],
];
const canonical = (id: string, field: FieldKey): [string, BitCase][] => [[id, { field, from: 0, bits: NON_CANONICAL }]];
const CR4_ABSENT: Bits = [12, 14, 15, 19, [22, 63]];

const BIT_CASES: readonly [id: string, BitCase][] = [
  ['controls.pin.must-be-1', { field: 'pinControls', bits: [1, 2, 4] }],
  ['controls.pin.must-be-0', { field: 'pinControls', bits: [[7, 31]] }],
  ['controls.primary.must-be-1', { field: 'primaryControls', bits: [1, 4, 5, 6, 8, 13, 14, 26] }],
  ['controls.primary.must-be-0', { field: 'primaryControls', bits: [0, 17, 18] }],
  ['controls.secondary.must-be-0', { field: 'secondaryControls', with: withSecondary(0), bits: [4, 8, 9, 15, 18, 19, [21, 31]] }],
  ...page('controls.io-bitmap-a', 'ioBitmapA', { primaryControls: PRIMARY | C.ioBitmaps }),
  ...page('controls.io-bitmap-b', 'ioBitmapB', { primaryControls: PRIMARY | C.ioBitmaps }),
  ...page('controls.msr-bitmaps', 'msrBitmaps', { primaryControls: PRIMARY | C.msrBitmaps }),
  ...page('controls.virtual-apic', 'virtualApicAddress', { primaryControls: PRIMARY | C.tprShadow }),
  ...page('controls.apic-access', 'apicAccessAddress', withSecondary(S.apicAccesses)),
  ...page('controls.pml', 'pmlAddress', { ...WITH_EPT, secondaryControls: S.ept | S.pml }),
  ...page('controls.eptp-list', 'eptpListAddress', { ...WITH_EPT, secondaryControls: S.ept | S.vmFunctions, vmFunctionControls: 1 }),
  ...page('controls.vmread-bitmap', 'vmreadBitmap', withSecondary(S.vmcsShadowing)),
  ...page('controls.vmwrite-bitmap', 'vmwriteBitmap', withSecondary(S.vmcsShadowing)),
  ['controls.tpr-threshold.reserved', { field: 'tprThreshold', with: { primaryControls: PRIMARY | C.tprShadow }, bits: [[4, 31]] }],
  ['controls.eptp.reserved', { field: 'eptPointer', from: EPTP, with: WITH_EPT, bits: [[7, 11]] }],
  ['controls.eptp.width', { field: 'eptPointer', from: EPTP, with: WITH_EPT, bits: WIDTH }],
  ['controls.vm-functions.reserved', { field: 'vmFunctionControls', with: withSecondary(S.vmFunctions), bits: [[1, 63]] }],
  ['controls.exit.must-be-1', { field: 'exitControls', bits: [0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14, 16, 17] }],
  ['controls.exit.must-be-0', { field: 'exitControls', bits: [12, [23, 31]] }],
  ['controls.entry.must-be-1', { field: 'entryControls', bits: [0, 1, 3, 4, 5, 6, 7, 8, 12] }],
  ['controls.entry.must-be-0', { field: 'entryControls', bits: [10, 11, 13, [16, 31]] }],
  ...list('controls.exit-msr-store', 'exitMsrStoreAddress', 'exitMsrStoreCount'),
  ...list('controls.exit-msr-load', 'exitMsrLoadAddress', 'exitMsrLoadCount'),
  ...list('controls.entry-msr-load', 'entryMsrLoadAddress', 'entryMsrLoadCount'),
  ['controls.injection.reserved', { field: 'entryInterruptionInfo', from: 0x80000020, bits: [[12, 30]] }],
  [
    'controls.injection.error-code.reserved',
    { field: 'entryExceptionErrorCode', with: { entryInterruptionInfo: 0x80000b0d }, bits: [[16, 31]] },
  ],
  ['host.cr0.must-be-1', { field: 'hostCr0', bits: [0, 5, 31] }],
  ['host.cr0.must-be-0', { field: 'hostCr0', bits: HIGH }],
  ['host.cr4.must-be-1', { field: 'hostCr4', bits: [13] }],
  ['host.cr4.must-be-0', { field: 'hostCr4', bits: CR4_ABSENT }],
  ['host.cr3', { field: 'hostCr3', bits: WIDTH }],
  ...canonical('host.sysenter-esp', 'hostSysenterEsp'),
  ...canonical('host.sysenter-eip', 'hostSysenterEip'),
  ['host.efer.reserved', { field: 'hostEfer', bits: [[1, 7], 9, [12, 63]] }],
  ['host.cs.rpl-ti', { field: 'hostCsSelector', bits: [[0, 2]] }],
  ['host.tr.rpl-ti', { field: 'hostTrSelector', bits: [[0, 2]] }],
  ...canonical('host.fs.base', 'hostFsBase'),
  ...canonical('host.gdtr.base', 'hostGdtrBase'),
  ['host.rip.high', { kind: '32-bit host', field: 'hostRip', bits: HIGH }],
  ...canonical('host.rip.canonical', 'hostRip'),
  ['guest.cr0.must-be-0', { field: 'guestCr0', bits: HIGH }],
  ['guest.cr0.must-be-1', { kind: 'unrestricted guest in real mode', field: 'guestCr0', bits: [5] }],
  ['guest.cr0.restricted', { field: 'guestCr0', bits: [0, 31] }],
  ['guest.cr4.must-be-0', { field: 'guestCr4', bits: CR4_ABSENT }],
  ['guest.cr3', { field: 'guestCr3', bits: WIDTH }],
  [
    'guest.debugctl',
    {
      field: 'guestDebugctl',
      bits: [
        [2, 5],
        [16, 63],
      ],
    },
  ],
  ['guest.dr7', { field: 'guestDr7', bits: HIGH }],
  ['guest.efer.reserved', { field: 'guestEfer', bits: [[1, 7], 9, [12, 63]] }],
  ['guest.gdtr.limit', { field: 'guestGdtrLimit', bits: [[16, 31]] }],
  ['guest.idtr.limit', { field: 'guestIdtrLimit', bits: [[16, 31]] }],
  ...canonical('guest.tr.base.canonical', 'guestTrBase'),
  ['guest.cs.base.high', { field: 'guestCsBase', bits: HIGH }],
  ['guest.es.base.high', { field: 'guestEsBase', bits: HIGH }],
  ['guest.rip.high', { kind: 'PAE guest', field: 'guestRip', bits: HIGH }],
  ['guest.rip.linear-width', { field: 'guestRip', bits: [[48, 63]] }],
  ['guest.rip.linear-width', { field: 'guestRip', from: 0xffff_ffff_ffff_ffffn, bits: [[48, 63]] }],
  ['host.rip.canonical', { field: 'hostRip', bits: [[47, 63]] }],
  ['guest.rflags.reserved', { field: 'guestRflags', bits: [3, 5, 15, [22, 63]] }],
  ['guest.rflags.must-be-1', { field: 'guestRflags', bits: [1] }],
  ['guest.interruptibility.reserved', { field: 'guestInterruptibilityState', bits: [[5, 31]] }],
  ['guest.pending-debug.reserved', { field: 'guestPendingDebugExceptions', bits: [[4, 11], 13, 15, [17, 63]] }],
  [
    'guest.pending-debug.rtm.reserved',
    {
      field: 'guestPendingDebugExceptions',
      from: 0x11000,
      bits: [
        [0, 11],
        [13, 15],
        [17, 63],
      ],
    },
  ],
  ['guest.link-pointer.aligned', { field: 'vmcsLinkPointer', from: 0, bits: PAGE }],
  ['guest.link-pointer.aligned', { field: 'vmcsLinkPointer', bits: [[0, 63]] }],
  ['guest.tr.ti', { field: 'guestTrSelector', bits: [2] }],
  ['guest.ldtr.ti', { field: 'guestLdtrSelector', with: { guestLdtrAccessRights: 0x82 }, bits: [2] }],
  ['guest.link-pointer.width', { field: 'vmcsLinkPointer', from: 0, bits: WIDTH }],
  ...[0, 1, 2, 3].map((n): [string, BitCase] => [
    `guest.pdpte${n}`,
    { kind: 'PAE guest with EPT', field: `guestPdpte${n}` as FieldKey, from: 0x3001, bits: [1, 2, 5, 6, 7, 8, [40, 63]] },
  ]),
  ...(['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs', 'Tr', 'Ldtr'] as const).flatMap((name): [string, BitCase][] => {
    const id = `guest.${name.toLowerCase()}`;
    const field: FieldKey = `guest${name}AccessRights`;
    const from = { Cs: 0xa09b, Tr: 0x8b, Ldtr: 0x82 }[name as string] ?? 0xc093;
    const limit: FieldKey = `guest${name}Limit`;
    return [
      [`${id}.reserved-11-8`, { field, from, bits: [[8, 11]] }],
      [`${id}.reserved-31-17`, { field, from, bits: [[17, 31]] }],
      [`${id}.p`, { field, from, bits: [7] }],
      [`${id}.s`, { field, from, bits: [4] }],
      [`${id}.g.bytes`, { field: limit, from: 0xffffffff, with: { [field]: from | 0x8000 }, bits: [[0, 11]] }],
      [`${id}.g.pages`, { field: limit, from: 0, with: { [field]: from & 0x7fff }, bits: [[20, 31]] }],
    ];
  }),
];

describe('reserved bits', () => {
  it.each(BIT_CASES)('%s', (id, { kind = '64-bit guest', with: fields = {}, field, from, bits }) => {
    const base = BigInt(from ?? fields[field] ?? 0);
    const { vmcs } = worldOf(kind, fields);
    const encoding = fieldByKey(field).encoding;
    const start = from === undefined ? (BigInt(vmcs.high(encoding)) << 32n) | BigInt(vmcs.low(encoding)) : base;
    const { width } = fieldByKey(field);
    const size = width === 'natural' ? 64 : width;
    expect(holds(id, kind, { ...fields, [field]: start })).toBe(true);
    const refused = Array.from({ length: size }, (_, bit) => bit).filter(
      (bit) => !holds(id, kind, { ...fields, [field]: start ^ (1n << BigInt(bit)) }),
    );
    expect(refused).toEqual(expand(bits));
  });
});

/** Values of a code, of 0 to `count` - 1, with which no check refuses the VMCS. */
const legal = (count: number, kind: Kind, fields: (value: number) => Values): readonly number[] =>
  Array.from({ length: count }, (_, value) => value).filter((value) => allFailures(worldOf(kind, fields(value))).length === 0);

describe('codes', () => {
  const CODE = [9, 11, 13, 15];
  const READABLE_OR_DATA = [1, 3, 5, 7, 11, 15];

  it('of segment types', () => {
    expect(legal(16, '64-bit guest', (type) => ({ guestCsAccessRights: 0xa090 | type }))).toEqual(CODE);
    expect(legal(16, 'unrestricted guest in real mode', (type) => ({ guestCsAccessRights: 0x90 | type }))).toEqual([3, ...CODE]);
    expect(legal(16, '64-bit guest', (type) => ({ guestSsAccessRights: 0xc090 | type }))).toEqual([3, 7]);
    expect(legal(16, '64-bit guest', (type) => ({ guestDsAccessRights: 0xc090 | type }))).toEqual(READABLE_OR_DATA);
    expect(legal(16, '64-bit guest', (type) => ({ guestGsAccessRights: 0xc090 | type }))).toEqual(READABLE_OR_DATA);
    expect(legal(16, '64-bit guest', (type) => ({ guestTrAccessRights: 0x80 | type }))).toEqual([11]);
    expect(legal(16, 'PAE guest', (type) => ({ guestTrAccessRights: 0x80 | type }))).toEqual([3, 11]);
    expect(legal(16, '64-bit guest', (type) => ({ guestLdtrAccessRights: 0x80 | type }))).toEqual([2]);
  });

  it('of memory types', () => {
    for (let shift = 0n; shift < 64n; shift += 8n) {
      const rest = 0x0606_0606_0606_0606n & ~(0xffn << shift);
      expect(legal(256, '64-bit guest', (type) => ({ guestPat: rest | (BigInt(type) << shift) }))).toEqual([0, 1, 4, 5, 6, 7]);
      expect(legal(256, '64-bit guest', (type) => ({ hostPat: rest | (BigInt(type) << shift) }))).toEqual([0, 1, 4, 5, 6, 7]);
    }
    expect(legal(64, '64-bit guest', (low) => ({ ...WITH_EPT, eptPointer: 0x8000 | low }))).toEqual([0x18, 0x1e]);
  });

  it('of LMA and LME', () => {
    const efer = (bits: number): number => ((bits & 1) << 8) | ((bits & 2) << 9);
    expect(legal(4, '64-bit guest', (bits) => ({ hostEfer: efer(bits) }))).toEqual([3]);
    expect(legal(4, '64-bit guest', (bits) => ({ guestEfer: efer(bits) }))).toEqual([3]);
    expect(legal(4, 'PAE guest', (bits) => ({ guestEfer: efer(bits) }))).toEqual([0]);
    // Without paging LME may be 1 already.
    const REAL = 'unrestricted guest in real mode';
    const loads = (bits: number): Values => ({ entryControls: 0x000091fb, guestEfer: efer(bits) });
    expect(legal(4, REAL, loads)).toEqual([0, 1]);
  });

  it('of vectors', () => {
    const event = (type: number, deliver: number, vector: number): Values => ({
      entryInterruptionInfo: 0x80000000 + ((type << 8) | (deliver << 11) | vector),
      guestRflags: 0x202,
    });
    const vectors = (type: number, deliver = 0): readonly number[] => legal(256, '64-bit guest', (vector) => event(type, deliver, vector));
    const all = Array.from({ length: 256 }, (_, i) => i);
    const withErrorCode = [8, 10, 11, 12, 13, 14, 17];
    expect(vectors(0)).toEqual(all);
    expect(vectors(1)).toEqual([]);
    expect(vectors(2)).toEqual([2]);
    expect(vectors(3)).toEqual(all.filter((vector) => vector < 32 && !withErrorCode.includes(vector)));
    expect(vectors(3, 1)).toEqual(withErrorCode);
    for (const type of [4, 5, 6]) expect(vectors(type)).toEqual(all);
    expect(vectors(7)).toEqual([0]);
    for (const type of [0, 1, 2, 4, 5, 6, 7]) expect(vectors(type, 1)).toEqual([]);
    // Without "unrestricted guest" it is CR0 that is wrong, not the event.
    const injected = (deliver: number): readonly string[] =>
      allFailures(worldOf('PAE guest', { ...event(3, deliver, 13), guestCr0: 0x30 })).map(({ check }) => check.id);
    expect(injected(1)).toEqual(['guest.cr0.restricted']);
    expect(injected(0)).toEqual(['controls.injection.error-code.needed', 'guest.cr0.restricted']);
    // In real mode exceptions have no error codes.
    const REAL = 'unrestricted guest in real mode';
    expect(legal(256, REAL, (vector) => event(3, 0, vector))).toEqual(all.slice(0, 32));
    expect(legal(256, REAL, (vector) => event(3, 1, vector))).toEqual([]);
  });

  it('of an event that is not valid', () => {
    const rest: Values = { entryExceptionErrorCode: 0xffffffff, entryInstructionLength: 99, guestActivityState: 3 };
    for (let type = 0; type < 8; type++) {
      const fields = (bits: number): Values => ({
        ...rest,
        entryInterruptionInfo: (bits * 0x7ffff000) | (type << 8) | (bits << 11) | 0x55,
      });
      expect(legal(2, '64-bit guest', fields)).toEqual([0, 1]);
    }
  });

  it('of instruction lengths', () => {
    const longest = (type: number, vector: number): readonly number[] =>
      legal(32, '64-bit guest', (entryInstructionLength) => ({
        entryInstructionLength,
        entryInterruptionInfo: 0x80000000 + ((type << 8) | vector),
        guestRflags: 0x202,
      }));
    for (const type of [4, 5, 6]) expect(longest(type, 3)).toHaveLength(16);
    for (const [type, vector] of [
      [0, 32],
      [2, 2],
      [3, 1],
      [7, 0],
    ]) {
      expect(longest(type, vector)).toHaveLength(32);
    }
  });

  it('of activity states and events', () => {
    const events = (guestActivityState: number): readonly string[] =>
      Array.from({ length: 8 * 32 }, (_, i) => [i >> 5, i & 31])
        .filter(
          ([type, vector]) =>
            allFailures(
              worldOf('64-bit guest', {
                guestActivityState,
                guestRflags: 0x202,
                entryInterruptionInfo: 0x80000000 + ((type << 8) | vector),
              }),
            ).length === 0,
        )
        .filter(([type, vector]) => type !== 0 || vector === 31)
        .map(([type, vector]) => `${type}.${vector}`);
    expect(events(1)).toEqual(['0.31', '2.2', '3.1', '3.18', '7.0']);
    expect(events(2)).toEqual(['2.2', '3.18']);
    expect(events(3)).toEqual([]);
  });

  it('of single steps that HLT or a shadow delays', () => {
    const [HLT, MOV_SS, STI] = [{ guestActivityState: 1 }, { guestInterruptibilityState: 2 }, { guestInterruptibilityState: 1 }];
    // Bits: TF, BTF, LBR (which has no say), BS.
    const steps = (state: Values): readonly number[] =>
      legal(16, '64-bit guest', (bits) => ({
        ...state,
        guestRflags: 0x202 | (bits & 1 ? 0x100 : 0),
        guestDebugctl: (bits & 2) | (bits & 4 ? 1 : 0),
        guestPendingDebugExceptions: bits & 8 ? 0x4000 : 0,
      }));
    const stepIsDue = Array.from({ length: 16 }, (_, bits) => bits).filter((bits) => ((bits & 3) === 1) === bits > 7);
    for (const state of [HLT, MOV_SS, STI]) expect(steps(state)).toEqual(stepIsDue);
    expect(steps({})).toHaveLength(16);
    expect(steps({ guestActivityState: 2 })).toHaveLength(16);
  });

  it('of what an unusable register may hold', () => {
    const wild = 0xfffffff0;
    for (const name of ['Ss', 'Ds', 'Es', 'Fs', 'Gs', 'Ldtr']) {
      const fields = {
        [`guest${name}AccessRights`]: wild & ~0x60,
        [`guest${name}Limit`]: 0x12345678,
        [`guest${name}Selector`]: name === 'Ss' ? 0x14 : 0x17,
        [`guest${name}Base`]: 0x7fff_ffff_ffffn,
      };
      expect({ name, failures: allFailures(worldOf('64-bit guest', fields)).map(({ check }) => check.id) }).toEqual({ name, failures: [] });
    }
    // CS and TR are always in use.
    const unusable = { guestCsAccessRights: 0x1a09b, guestCsBase: 2n ** 32n };
    expect(holds('guest.cs.base.high', '64-bit guest', unusable)).toBe(false);
    expect(holds('guest.cs.type', '64-bit guest', { guestCsAccessRights: 0x10000 })).toBe(false);
    expect(holds('guest.tr.type', '64-bit guest', { guestTrAccessRights: 0x10000 })).toBe(false);
  });

  it('of privilege levels', () => {
    const halted = { guestActivityState: 1, guestCsAccessRights: 0xa09f };
    const ss = (dpl: number): Values => ({
      ...halted,
      guestSsAccessRights: 0xc093 | (dpl << 5),
      guestSsSelector: dpl,
      guestCsSelector: dpl,
    });
    expect(legal(4, '64-bit guest', ss)).toEqual([0]);
    // DPL of CS and of SS, and the RPL of both selectors: all are the same unless CS conforms.
    const levels = (type: number): readonly string[] =>
      Array.from({ length: 64 }, (_, i) => [i >> 4, (i >> 2) & 3, i & 3])
        .filter(
          ([cs, ss, rpl]) =>
            allFailures(
              worldOf('64-bit guest', {
                guestCsAccessRights: 0xa090 | type | (cs << 5),
                guestSsAccessRights: 0xc093 | (ss << 5),
                guestCsSelector: 8 | rpl,
                guestSsSelector: 16 | rpl,
              }),
            ).length === 0,
        )
        .map((digits) => digits.join(''));
    expect(levels(11)).toEqual(['000', '111', '222', '333']);
    expect(levels(15)).toEqual(['000', '011', '022', '033', '111', '122', '133', '222', '233', '333']);
    const data = (type: number): readonly number[] =>
      legal(16, '64-bit guest', (bits) => ({
        guestDsAccessRights: 0xc090 | type | ((bits >> 2) << 5),
        guestDsSelector: 0x10 | (bits & 3),
      }));
    const dplAtLeastRpl = Array.from({ length: 16 }, (_, bits) => bits).filter((bits) => bits >> 2 >= (bits & 3));
    expect(data(3)).toEqual(dplAtLeastRpl);
    expect(data(11)).toEqual(dplAtLeastRpl);
    expect(data(15)).toHaveLength(16);
  });

  it('of NMI controls', () => {
    const P = PIN_CONTROLS.mask;
    expect(
      legal(8, '64-bit guest', (bits) => ({
        pinControls: 0x16 | (bits & 1 ? P.nmiExiting : 0) | (bits & 2 ? P.virtualNmis : 0),
        primaryControls: PRIMARY | (bits & 4 ? C.nmiWindowExiting : 0),
      })),
    ).toEqual([0, 1, 3, 7]);
  });

  it('of where PDPTEs lie', () => {
    // Bits 4:0 and 63:32 of CR3 are no part of the address.
    const memory = { 0x2020: 3 };
    for (const guestCr3 of [0x2020, 0x203f, 0x1_0000_2020n]) {
      expect(allFailures(worldOf('PAE guest', { guestCr3 }, { memory })).map(({ check }) => check.id)).toEqual(['guest.pdpte0']);
    }
    for (const guestCr3 of [0x2000, 0x201f]) {
      expect(allFailures(worldOf('PAE guest', { guestCr3 }, { memory }))).toHaveLength(0);
    }
    // No PAE paging: not paged, not PAE, or 4-level.
    const flawed = { memory: { 0x2000: 3 } };
    expect(allFailures(worldOf('PAE guest', {}, flawed))).toHaveLength(1);
    expect(allFailures(worldOf('PAE guest', { guestCr4: 0x2000 }, flawed))).toHaveLength(0);
    expect(allFailures(worldOf('64-bit guest', {}, flawed))).toHaveLength(0);
    const real = { guestCr4: 0x2020, guestPdpte0: 3 };
    expect(allFailures(worldOf('unrestricted guest in real mode', real))).toHaveLength(0);
  });

  it('of MSRs that an entry loads', () => {
    const list = (index: number): CheckWorld =>
      worldOf('64-bit guest', { entryMsrLoadCount: 1, entryMsrLoadAddress: 0x10000 }, { memory: { 0x10000: index } });
    const refused = [0x79, 0x7a, 0x9b, 0x9e, 0x7ff, 0x800, 0x900, 0xc0000080, 0xc0000100, 0xc0000102].filter(
      (index) => allFailures(list(index)).length > 0,
    );
    expect(refused).toEqual([0x79, 0x9b, 0x9e, 0x800, 0xc0000100]);
    for (const index of refused) expect(isLoadable(index, 0)).toBe(false);
    expect([isLoadable(0x277, 0), isLoadable(0x277, 1)]).toEqual([true, false]);
    // A list that cannot be where it is said to be is not looked at.
    const astray = { entryMsrLoadCount: 1, entryMsrLoadAddress: 0x10008 };
    expect(allFailures(worldOf('64-bit guest', astray, { memory: { 0x10008: 0x79 } })).map(({ check }) => check.id)).toEqual([
      'controls.entry-msr-load.aligned',
    ]);
  });

  it('of the TPR threshold', () => {
    const fields =
      (controls: Values): ((tprThreshold: number) => Values) =>
      (tprThreshold) => ({
        primaryControls: PRIMARY | C.tprShadow,
        virtualApicAddress: 0x10000,
        tprThreshold,
        ...controls,
      });
    // VTPR is 0 in a page of zeros.
    expect(legal(32, '64-bit guest', fields({}))).toEqual([0]);
    expect(legal(32, '64-bit guest', fields({ primaryControls: PRIMARY }))).toHaveLength(32);
    const accesses = { primaryControls: 0x80000000 + PRIMARY + C.tprShadow, secondaryControls: S.apicAccesses };
    expect(legal(32, '64-bit guest', fields(accesses))).toEqual(Array.from({ length: 16 }, (_, i) => i));
  });
});
