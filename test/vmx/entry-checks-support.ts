/** Valid VMCSs of several kinds, as plain objects, and the world in which checks see them. */
import { ALLOWED } from '../../src/engines/cpu/vmx/capabilities';
import { SECONDARY_CONTROLS, EXIT_CONTROLS as X, ENTRY_CONTROLS as N } from '../../src/engines/cpu/vmx/control-bits';
import type { CheckWorld, ProcessorFacts } from '../../src/engines/cpu/vmx/entry-checks/check';
import { Field, type FieldKey, fieldByEncoding } from '../../src/engines/cpu/vmx/fields';

export type Values = Readonly<Partial<Record<FieldKey, number | bigint>>>;
/** 32-bit words by physical address; the rest of memory is 0. */
export type Memory = Readonly<Record<number, number>>;

const S = SECONDARY_CONTROLS.mask;

/** As the TRUE capability MSRs of every processor so far: default1 without what may be 0 nevertheless. */
const PIN = 0x16;
export const PRIMARY = 0x04006172;
const EXIT = 0x00036dfb;
const ENTRY = 0x000011fb;
export const WITH_SECONDARY = PRIMARY + 0x80000000;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const PAT = 0x0007_0406_0007_0406n;

const segment = (name: string, selector: number, base: number, limit: number, rights: number): Values => ({
  [`guest${name}Selector`]: selector,
  [`guest${name}Base`]: base,
  [`guest${name}Limit`]: limit,
  [`guest${name}AccessRights`]: rights,
});
const USER = ['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs'];
const allUser = (selector: number, base: number, limit: number, rights: number): Values =>
  Object.assign({}, ...USER.map((name) => segment(name, selector, base, limit, rights)));

const HOST_64: Values = {
  exitControls: EXIT | X.mask.hostAddressSpaceSize | X.mask.loadPat | X.mask.loadEfer,
  hostCr0: 0x80050033,
  hostCr3: 0x1000,
  hostCr4: 0x2020,
  hostPat: PAT,
  hostEfer: 0xd01,
  hostCsSelector: 0x08,
  hostSsSelector: 0x10,
  hostDsSelector: 0x10,
  hostEsSelector: 0x10,
  hostFsSelector: 0x10,
  hostGsSelector: 0x10,
  hostTrSelector: 0x18,
  hostFsBase: 0xffff_8000_0000_0000n,
  hostTrBase: 0x4000,
  hostGdtrBase: 0x5000,
  hostIdtrBase: 0x6000,
  hostRip: 0xffff_ffff_8100_0000n,
  hostSysenterEip: 0xffff_ffff_8100_1000n,
};
const HOST_32: Values = {
  ...HOST_64,
  exitControls: EXIT,
  hostCr4: 0x2000,
  hostFsBase: 0,
  hostRip: 0xc0100000,
  hostSysenterEip: 0xc0101000,
};

const GUEST: Values = {
  pinControls: PIN,
  primaryControls: PRIMARY,
  guestCr0: 0x80050033,
  guestCr3: 0x2000,
  guestCr4: 0x2020,
  guestDr7: 0x400,
  guestPat: PAT,
  guestRflags: 0x2,
  guestRip: 0x100000,
  guestRsp: 0x90000,
  guestGdtrLimit: 0x1f,
  guestIdtrLimit: 0xfff,
  vmcsLinkPointer: ALL_ONES,
  ...allUser(0x10, 0, 0xffffffff, 0xc093),
  ...segment('Tr', 0x18, 0x7000, 0x67, 0x8b),
  ...segment('Ldtr', 0, 0, 0, 0x10000),
};
const ENTRY_LOADS = ENTRY | N.mask.loadDebugControls | N.mask.loadPat | N.mask.loadEfer;
const PAE: Values = { ...GUEST, ...HOST_64, entryControls: ENTRY_LOADS, guestEfer: 0x800, guestCsSelector: 8, guestCsAccessRights: 0xc09b };

const KINDS = {
  '64-bit guest': {
    ...GUEST,
    ...HOST_64,
    entryControls: ENTRY_LOADS | N.mask.ia32eModeGuest,
    guestEfer: 0xd00,
    guestCsSelector: 8,
    guestCsAccessRights: 0xa09b,
  },
  'PAE guest': PAE,
  'PAE guest with EPT': {
    ...PAE,
    primaryControls: WITH_SECONDARY,
    secondaryControls: S.ept,
    eptPointer: 0x8000 | 0x1e,
    guestPdpte0: 0x3001,
    guestPdpte1: 0x4001,
  },
  'unrestricted guest in real mode': {
    ...GUEST,
    ...HOST_64,
    primaryControls: WITH_SECONDARY,
    secondaryControls: S.ept | S.unrestrictedGuest,
    eptPointer: 0x8000 | 0x1e,
    entryControls: ENTRY,
    guestCr0: 0x30,
    guestCr4: 0x2000,
    ...allUser(0, 0, 0xffff, 0x93),
    ...segment('Cs', 0xf000, 0xf0000, 0xffff, 0x93),
    guestRip: 0xfff0,
  },
  'guest in virtual-8086 mode': {
    ...GUEST,
    ...HOST_64,
    entryControls: ENTRY,
    guestCr4: 0x2000,
    ...allUser(0x1000, 0x10000, 0xffff, 0xf3),
    guestRip: 0x100,
    guestRflags: 0x20002,
  },
  '32-bit host': { ...GUEST, ...HOST_32, entryControls: ENTRY, guestCr4: 0x2000, guestCsSelector: 8, guestCsAccessRights: 0xc09b },
} satisfies Readonly<Record<string, Values>>;

export type Kind = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as readonly Kind[];

const PROCESSOR: ProcessorFacts = { longMode: true, cr4Fixed1: 0x00372fff, eferBits: 0xd01, currentVmcs: 0x9000 };
/** PDPTEs where the guest's CR3 points. */
const MEMORY: Memory = { 0x2000: 0x3001, 0x2008: 0x4001 };

export interface Circumstances {
  readonly memory?: Memory;
  readonly processor?: Partial<ProcessorFacts>;
  readonly acceptsMsr?: CheckWorld['acceptsMsr'];
}

/** @throws where a check reads memory at an address that no processor could name */
export function worldOf(kind: Kind, fields: Values = {}, { memory, processor, acceptsMsr }: Circumstances = {}): CheckWorld {
  const words = { ...MEMORY, ...memory };
  const values: Values = { ...KINDS[kind], ...fields };
  const bits = (encoding: number): bigint => {
    const field = fieldByEncoding(encoding);
    if (!field) throw new Error(`no field ${encoding.toString(16)}`);
    return BigInt.asUintN(field.width === 'natural' ? 64 : field.width, BigInt(values[field.key] ?? 0));
  };
  const low = (encoding: number): number => Number(bits(encoding) & 0xffffffffn);
  const primary = low(Field.primaryControls);
  return {
    vmcs: { low, high: (encoding) => Number(bits(encoding) >> 32n), value: (encoding) => Number(BigInt.asIntN(64, bits(encoding))) },
    controls: {
      pin: low(Field.pinControls),
      primary,
      secondary: primary >= 0x80000000 ? low(Field.secondaryControls) : 0,
      exit: low(Field.exitControls),
      entry: low(Field.entryControls),
    },
    acceptsMsr,
    processor: { ...PROCESSOR, longMode: kind !== '32-bit host', ...processor },
    memory: (address) => {
      if (address % 4 !== 0 || address < 0 || address >= 2 ** 40) throw new Error(`read of ${address.toString(16)}`);
      return words[address] ?? 0;
    },
  };
}

/** One VMCS: fields over those of its kind. */
export interface Sample extends Circumstances {
  readonly fields: Values;
}
export interface Case {
  readonly kind: Kind;
  /** Refused by the check. */
  readonly bad: Sample;
  /** Refused by none. */
  readonly good: Sample;
  /** What else must refuse the bad one: there is no value that breaks one rule alone. Bits that the processor lacks are refused besides. */
  readonly also: readonly string[];
}
interface CaseOptions {
  /** Fields and circumstances of both samples. */
  readonly with?: Values;
  readonly both?: Circumstances;
  readonly bad?: Circumstances;
  readonly good?: Circumstances;
  readonly also?: readonly string[];
}

/** The world of a sample. */
export const sampleWorld = ({ kind }: Pick<Case, 'kind'>, { fields, ...circumstances }: Sample): CheckWorld =>
  worldOf(kind, fields, circumstances);

/** Cases by the id of their check. */
export class CaseTable {
  readonly cases = new Map<string, Case>();

  /** @throws for an id that has its case */
  add(kind: Kind, id: string, bad: Values, good: Values, options: CaseOptions = {}): void {
    if (this.cases.has(id)) throw new Error(`two cases for ${id}`);
    this.cases.set(id, {
      kind,
      bad: { fields: { ...options.with, ...bad }, ...options.both, ...options.bad },
      good: { fields: { ...options.with, ...good }, ...options.both, ...options.good },
      also: options.also ?? [],
    });
  }
}

/** Checks that refuse a VMCS because it uses controls that this processor lacks. */
export function absentControls({ controls }: CheckWorld): readonly string[] {
  const words = ['pin', 'primary', 'secondary', 'exit', 'entry'] as const;
  return words.filter((word) => (controls[word] & ~ALLOWED[word].mayBe1) !== 0).map((word) => `controls.${word}.must-be-0`);
}

/** Control words of 64-bit host and guest, without what a kind adds. */
export const PIN_64 = PIN;
export const EXIT_64 = EXIT | X.mask.hostAddressSpaceSize;
export const ENTRY_64 = ENTRY | N.mask.ia32eModeGuest;
/** Four levels, write-back. */
export const EPTP = 0x801e;
/** Lowest address that no processor of 40 address bits can name, and the highest page below it. */
export const TOO_WIDE = 0x100_0000_0000n;
export const LAST_PAGE = 0xff_ffff_f000n;
export const withSecondary = (bits: number): Values => ({ primaryControls: WITH_SECONDARY, secondaryControls: bits });
