/** Fields of a VMCS taken apart, with what their values mean (manual, "VMCS Data" and the chapters behind it). */
import type { RegisterField } from '../../engine';
import { exitReasonName } from '../vmx/exit-reasons';
import {
  type ControlWord,
  ENTRY_CONTROLS,
  EXIT_CONTROLS,
  PIN_CONTROLS,
  PRIMARY_CONTROLS,
  SECONDARY_CONTROLS,
  VM_FUNCTIONS,
} from '../vmx/control-bits';
import { PREEMPTION_TIMER_SHIFT } from '../vmx/capabilities';
import { MEMORY_TYPES } from '../vmx/ept';
import { Field, type FieldKey } from '../vmx/fields';
import { INSTRUCTION_ERRORS } from '../vmx/instruction-errors';
import type { VmcsReader } from '../vmx/vmcs';
import { EXCEPTIONS } from '../system/fault';
import { registerFields } from './fields';
import { describeType } from './segments';
import { instructionInfoParts, qualificationParts, takeApart } from './vmx-qualification';

/** What of the VMCS a value's reading depends on. */
export interface Decoded {
  readonly parts: readonly RegisterField[];
  readonly meaning?: string;
}

type Decode = (value: bigint, vmcs: VmcsReader) => Decoded;

const parts = (list: readonly RegisterField[], meaning?: string): Decoded => ({ parts: list, ...(meaning !== undefined && { meaning }) });
const means =
  (text: (value: bigint) => string | undefined): Decode =>
  (value) =>
    parts([], text(value));

export const wholeOf = (vmcs: VmcsReader, field: number): bigint => (BigInt(vmcs.high(field)) << 32n) | BigInt(vmcs.low(field));

/** Bits that have names; then bits that are set and have none. */
const control =
  ({ bits, default1 }: ControlWord): Decode =>
  (value) => {
    const named = Object.values(bits).map(
      ({ bit, name, supported }): RegisterField => ({
        name,
        value: (value >> BigInt(bit)) & 1n,
        low: bit,
        high: bit,
        ...(!supported && { meaning: 'this processor does not have it: must be 0' }),
      }),
    );
    const known = new Set(Object.values(bits).map(({ bit }) => bit));
    const reserved = Array.from({ length: 32 }, (_, i) => i).filter((i) => !known.has(i));
    const wrong = reserved.filter((i) => Number((value >> BigInt(i)) & 1n) !== ((default1 >>> i) & 1));
    const flaws = wrong.map(
      (i): RegisterField => ({
        name: `bit ${i}`,
        value: (value >> BigInt(i)) & 1n,
        low: i,
        high: i,
        meaning: `reserved: must be ${(default1 >>> i) & 1}`,
      }),
    );
    return parts([...flaws, ...named.sort((a, b) => (a.low ?? 0) - (b.low ?? 0))]);
  };

const register =
  (name: string): Decode =>
  (value) =>
    parts(registerFields(name, value, true));

const selector: Decode = (value) =>
  value === 0n
    ? parts([], 'null')
    : parts(
        takeApart(value, [
          { name: 'index', low: 3, high: 15 },
          { name: 'TI', low: 2, meaning: ['GDT', 'LDT'] },
          { name: 'RPL', low: 0, high: 1 },
        ]),
      );

const UNUSABLE = 1n << 16n;
const LONG_MODE_GUEST = ENTRY_CONTROLS.mask.ia32eModeGuest;

const accessRights: Decode = (value, vmcs) => {
  const long = (vmcs.low(Field.entryControls) & LONG_MODE_GUEST) !== 0;
  const type = describeType(Number(value & 0xffffn), long);
  return parts(
    takeApart(value, [
      { name: 'type', low: 0, high: 3, meaning: type },
      { name: 'S', low: 4, meaning: ['system descriptor', 'code or data'] },
      { name: 'DPL', low: 5, high: 6 },
      { name: 'P', low: 7, meaning: ['not present', 'present'] },
      { name: 'AVL', low: 12 },
      { name: 'L', low: 13, meaning: [undefined, '64-bit code'] },
      { name: 'D/B', low: 14, meaning: ['16-bit', '32-bit'] },
      { name: 'G', low: 15, meaning: ['limit in bytes', 'limit in 4 KiB units'] },
      { name: 'unusable', low: 16, meaning: [undefined, 'any use faults'] },
    ]),
    value & UNUSABLE ? 'unusable' : type,
  );
};

const TYPES = [
  'external interrupt',
  'reserved type',
  'NMI',
  'hardware exception',
  'software interrupt',
  'privileged software exception',
  'software exception',
  'other event',
];
/** Of an event's type and vector: `hardware exception #PF`. */
export function eventText(information: bigint): string {
  const vector = Number(information & 0xffn);
  const type = Number((information >> 8n) & 7n);
  const exception = type === 3 || type === 5 || type === 6 ? EXCEPTIONS[vector]?.mnemonic : undefined;
  if (type === 2) return 'NMI';
  if (type === 7) return vector === 0 ? 'monitor trap flag' : `other event ${vector}`;
  return `${TYPES[type]} ${exception ?? `0x${vector.toString(16).padStart(2, '0')}`}`;
}

export function interruptionParts(information: bigint, unblocking: boolean): RegisterField[] {
  return takeApart(information, [
    { name: 'valid', low: 31, meaning: ['no event', undefined] },
    {
      name: 'vector',
      low: 0,
      high: 7,
      meaning: (vector, whole) => (((whole >> 8n) & 7n) === 3n ? EXCEPTIONS[Number(vector)]?.mnemonic : undefined),
    },
    { name: 'type', low: 8, high: 10, meaning: TYPES },
    { name: 'error code', low: 11, meaning: ['none', 'there is one'] },
    ...(unblocking ? [{ name: 'NMI unblocking', low: 12, meaning: [undefined, 'an IRET had let NMIs in again'] }] : []),
  ]);
}

const VALID = 1n << 31n;
const interruption =
  (unblocking: boolean): Decode =>
  (value) =>
    value & VALID ? parts(interruptionParts(value, unblocking), eventText(value)) : parts([], 'no event');

const bitmap: Decode = (value) => {
  const vectors = Array.from({ length: 32 }, (_, i) => i);
  const named = vectors.filter((i) => EXCEPTIONS[i] !== undefined && i !== 2);
  const all = named.map(
    (i): RegisterField => ({
      name: EXCEPTIONS[i]?.mnemonic ?? '',
      value: (value >> BigInt(i)) & 1n,
      low: i,
      high: i,
      meaning: EXCEPTIONS[i]?.name,
    }),
  );
  return parts(all, value === 0n ? 'no exception exits (page faults may, by mask and match)' : undefined);
};

const PAGE_FAULT_CODE: Decode = (value) =>
  parts(
    takeApart(value, [
      { name: 'P', low: 0, meaning: 'protection violation' },
      { name: 'W/R', low: 1, meaning: 'write' },
      { name: 'U/S', low: 2, meaning: 'user mode' },
      { name: 'RSVD', low: 3, meaning: 'reserved bit' },
      { name: 'I/D', low: 4, meaning: 'instruction fetch' },
    ]),
  );

const ACTIVITY = ['active', 'HLT', 'shutdown', 'wait for SIPI'];

const basicReason = (vmcs: VmcsReader): number => vmcs.low(Field.exitReason) & 0xffff;

/** What is written back by an exit. */
const qualification: Decode = (value, vmcs) =>
  parts(qualificationParts(basicReason(vmcs), value, wholeOf(vmcs, Field.exitInterruptionInfo)));

const exitReason: Decode = (value) =>
  parts(
    takeApart(value, [
      { name: 'basic exit reason', low: 0, high: 15, meaning: (reason) => exitReasonName(Number(reason)) },
      { name: 'pending MTF', low: 28, meaning: [undefined, 'an MTF VM exit was pending'] },
      { name: 'from root operation', low: 29, meaning: [undefined, 'the exit came from VMX root operation'] },
      { name: 'VM-entry failure', low: 31, meaning: [undefined, 'the entry failed: nothing of the guest ran'] },
    ]),
    exitReasonName(Number(value & 0xffffn)),
  );

const NO_POINTER = 0xffffffff_ffffffffn;

const eptPointer: Decode = (value) =>
  parts(
    takeApart(value, [
      { name: 'memory type', low: 0, high: 2, meaning: (type) => MEMORY_TYPES[Number(type)] ?? 'reserved' },
      { name: 'page-walk length − 1', low: 3, high: 5, meaning: (length) => `${length + 1n} levels` },
      { name: 'accessed and dirty flags', low: 6, meaning: ['not kept', 'kept'] },
      { name: 'PML4 table', low: 12, high: 51, meaning: (frame) => `at physical 0x${(frame << 12n).toString(16)}` },
    ]),
  );

const pdpte: Decode = (value) =>
  parts(
    takeApart(value, [
      { name: 'P', low: 0, meaning: ['not present', 'present'] },
      { name: 'page directory', low: 12, high: 51, meaning: (frame) => `at physical 0x${(frame << 12n).toString(16)}` },
    ]),
  );

const signed = means((value) => (value >> 63n ? BigInt.asIntN(64, value).toLocaleString('en') : undefined));
const decimal = means((value) => (value > 9n ? value.toLocaleString('en') : undefined));
const bytes = means((value) => (value === 1n ? '1 byte' : `${value} bytes`));

/** Every bit of a register that a mask has. */
const owned =
  (name: string): Decode =>
  (value) => {
    const all = registerFields(name, value, true);
    return parts(all, value === 0n ? 'the guest owns every bit' : undefined);
  };

const SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
const HOST_SEGMENTS = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Tr'] as const;
const each = <K extends string>(keys: readonly K[], decode: Decode): Record<K, Decode> =>
  Object.fromEntries(keys.map((key) => [key, decode])) as Record<K, Decode>;

const DECODERS: Readonly<Partial<Record<FieldKey, Decode>>> = {
  ...each(['guestCr0', 'hostCr0', 'cr0Shadow'], register('cr0')),
  ...each(['guestCr3', 'hostCr3', 'cr3Target0', 'cr3Target1', 'cr3Target2', 'cr3Target3'], register('cr3')),
  ...each(['guestCr4', 'hostCr4', 'cr4Shadow'], register('cr4')),
  cr0Mask: owned('cr0'),
  cr4Mask: owned('cr4'),
  ...each(['guestEfer', 'hostEfer'], register('efer')),
  ...each(['guestPat', 'hostPat'], register('ia32_pat')),
  guestDr7: register('dr7'),
  guestDebugctl: register('ia32_debugctl'),
  guestRflags: register('rflags'),
  ...each(
    SEGMENTS.map((name) => `guest${name}Selector` as const),
    selector,
  ),
  ...each(
    HOST_SEGMENTS.map((name) => `host${name}Selector` as const),
    selector,
  ),
  ...each(
    SEGMENTS.map((name) => `guest${name}AccessRights` as const),
    accessRights,
  ),
  ...each(['guestPdpte0', 'guestPdpte1', 'guestPdpte2', 'guestPdpte3'], pdpte),
  guestActivityState: means((value) => ACTIVITY[Number(value)] ?? 'no such state'),
  guestInterruptibilityState: (value) =>
    parts(
      takeApart(value, [
        { name: 'blocking by STI', low: 0 },
        { name: 'blocking by MOV SS', low: 1 },
        { name: 'blocking by SMI', low: 2 },
        { name: 'blocking by NMI', low: 3 },
        { name: 'enclave interruption', low: 4 },
      ]),
      value === 0n ? 'nothing is blocked' : undefined,
    ),
  guestPendingDebugExceptions: (value) =>
    parts(
      takeApart(value, [
        ...[0, 1, 2, 3].map((n) => ({ name: `B${n}`, low: n, meaning: `breakpoint ${n} was met` })),
        { name: 'enabled breakpoint', low: 12, meaning: 'one that was met is enabled in DR7' },
        { name: 'BS', low: 14, meaning: 'single step' },
        { name: 'RTM', low: 16, meaning: 'inside a transactional region' },
      ]),
      value === 0n ? 'none' : undefined,
    ),
  vmcsLinkPointer: means((value) => (value === NO_POINTER ? 'none' : undefined)),
  preemptionTimerValue: means((value) => `${(value << BigInt(PREEMPTION_TIMER_SHIFT)).toLocaleString('en')} ticks of the TSC`),
  pmlIndex: means((value) => (value > 511n ? 'the log is full' : `next entry ${value}`)),
  pinControls: control(PIN_CONTROLS),
  primaryControls: control(PRIMARY_CONTROLS),
  secondaryControls: control(SECONDARY_CONTROLS),
  exitControls: control(EXIT_CONTROLS),
  entryControls: control(ENTRY_CONTROLS),
  vmFunctionControls: control(VM_FUNCTIONS),
  exceptionBitmap: bitmap,
  pageFaultMask: PAGE_FAULT_CODE,
  pageFaultMatch: PAGE_FAULT_CODE,
  tscOffset: signed,
  cr3TargetCount: means((value) => (value > 4n ? 'more than the four that there are' : undefined)),
  tprThreshold: (value) => parts(takeApart(value, [{ name: 'TPR threshold', low: 0, high: 3 }])),
  executiveVmcsPointer: means((value) => (value === 0n ? undefined : 'used in SMM alone')),
  eptPointer,
  vpid: means((value) => (value === 0n ? 'that of the host: not for a guest with VPID enabled' : undefined)),
  ...each(['pleGap', 'pleWindow', 'exitMsrStoreCount', 'exitMsrLoadCount', 'entryMsrLoadCount'], decimal),
  entryInterruptionInfo: interruption(false),
  entryExceptionErrorCode: () => parts([]),
  entryInstructionLength: bytes,
  exitReason,
  exitQualification: qualification,
  exitInterruptionInfo: interruption(true),
  idtVectoringInfo: interruption(false),
  exitInstructionLength: bytes,
  exitInstructionInfo: (value, vmcs) => parts(instructionInfoParts(basicReason(vmcs), value, wholeOf(vmcs, Field.exitQualification))),
  instructionError: means((value) => (value === 0n ? 'none yet' : (INSTRUCTION_ERRORS[Number(value)] ?? 'no such error'))),
};

/** @param vmcs what other fields say decides about some */
export const decodeField = (key: FieldKey, value: bigint, vmcs: VmcsReader): Decoded => DECODERS[key]?.(value, vmcs) ?? { parts: [] };
