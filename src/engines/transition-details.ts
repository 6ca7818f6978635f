/** A logged transition made readable: its fields decoded and the checks that let it pass. */
import { formatLinear } from '../shared/addresses';
import type { Transition, TransitionCheck, TransitionDetail } from '../shared/transition';
import { eventText, interruptionParts } from './cpu/inspect/vmx-parts';
import { instructionInfoParts, qualificationParts } from './cpu/inspect/vmx-qualification';
import { ExitReason } from './cpu/vmx/exit-reasons';
import { PageFault } from './cpu/system/paging';
import type { RegisterField } from './engine';
import type { LoggedTransition } from './transitions';

const hex = (value: number, digits: number): string => `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;
const far = (selector: number, offset: number): string => `${hex(selector, 4)}:${formatLinear(offset)}`;

export function describeTransition(raw: LoggedTransition): Transition {
  return {
    sequence: raw.sequence,
    count: raw.count,
    vcpu: raw.vcpu,
    kind: raw.kind,
    from: raw.from,
    to: raw.to,
    cause: raw.cause >= 0 ? { number: raw.cause, name: raw.causeName } : { name: raw.causeName },
    address: raw.address,
    source: { selector: raw.fromSelector, offset: raw.fromOffset },
    target: { selector: raw.toSelector, offset: raw.toOffset },
    details: details(raw),
    checks: checks(raw),
  };
}

const PAGE_FAULT_BITS: readonly (readonly [bit: number, name: string, set: string, clear: string])[] = [
  [PageFault.present, 'P', 'the page is present: a protection violation', 'the page is not present'],
  [PageFault.write, 'W/R', 'by a write', 'by a read'],
  [PageFault.user, 'U/S', 'in user mode', 'in supervisor mode'],
  [PageFault.reserved, 'RSVD', 'a reserved bit was set in a paging entry', ''],
  [PageFault.fetch, 'I/D', 'by an instruction fetch', ''],
];

const PAGE_FAULT = 14;
/** Vectors whose error code names a selector or an IDT entry. */
const SELECTOR_CODES = new Set([10, 11, 12, 13]);

const NO_ADDRESS = -1;
const WITH_PHYSICAL: readonly number[] = [ExitReason.eptViolation, ExitReason.eptMisconfiguration];
const WITH_LINEAR: readonly number[] = [ExitReason.eptViolation, ExitReason.controlRegister, ExitReason.io];

const partDetail = ({ name, value, low = 0, high = low, meaning }: RegisterField): TransitionDetail => ({
  name,
  value: high === low ? String(value) : `0x${value.toString(16)}`,
  ...(meaning !== undefined && { meaning }),
});
const word = (value: number): bigint => BigInt(Math.max(0, value));

/** An exit's fields, part by part; those that are 0 and say nothing are left out. */
function exitDetails(raw: LoggedTransition): TransitionDetail[] {
  const { cause, extra, errorCode, gateLow, fromStackOffset, toStackOffset } = raw;
  const qualification = BigInt.asUintN(64, BigInt(extra));
  const list: TransitionDetail[] = [{ name: 'exit reason', value: String(cause), meaning: raw.causeName }];
  const parts = qualificationParts(cause, qualification, word(errorCode));
  if (qualification !== 0n || parts.length > 0) list.push({ name: 'exit qualification', value: `0x${qualification.toString(16)}` });
  list.push(...parts.filter(telling).map(partDetail));
  if (errorCode >= 0) {
    list.push({ name: 'interruption information', value: hex(errorCode, 8), meaning: eventText(word(errorCode)) });
  }
  if (WITH_PHYSICAL.includes(cause)) list.push({ name: 'guest-physical address', value: formatLinear(fromStackOffset) });
  if (WITH_LINEAR.includes(cause) && toStackOffset !== NO_ADDRESS) {
    list.push({ name: 'guest-linear address', value: formatLinear(toStackOffset), address: toStackOffset });
  }
  const information = gateLow < 0 ? [] : instructionInfoParts(cause, word(gateLow), qualification);
  if (information.length > 0) {
    list.push({ name: 'instruction information', value: hex(gateLow, 8) }, ...information.filter(telling).map(partDetail));
  }
  return list;
}

const telling = ({ value, meaning }: RegisterField): boolean => value !== 0n || meaning !== undefined;

function entryDetails({ errorCode }: LoggedTransition): TransitionDetail[] {
  if (errorCode < 0) return [];
  const information = word(errorCode);
  return [
    { name: 'injected event', value: hex(errorCode, 8), meaning: eventText(information) },
    ...interruptionParts(information, false).filter(telling).map(partDetail),
  ];
}

function details(raw: LoggedTransition): TransitionDetail[] {
  if (raw.kind === 'vm-exit') return exitDetails(raw);
  if (raw.kind === 'vm-entry') return entryDetails(raw);
  const list: TransitionDetail[] = [];
  if (raw.kind === 'exception' && raw.errorCode >= 0) list.push(...errorCodeDetails(raw));
  if (raw.kind === 'exception' && raw.cause === PAGE_FAULT) {
    list.push({ name: 'CR2', value: formatLinear(raw.extra), meaning: 'linear address that faulted', address: raw.extra });
  }
  if (raw.gateHigh >= 0) list.push(...gateDetails(raw));
  if (raw.toStackSelector >= 0) {
    list.push({
      name: 'stack switch',
      value: `${far(raw.fromStackSelector, raw.fromStackOffset)} → ${far(raw.toStackSelector, raw.toStackOffset)}`,
    });
  }
  return list;
}

function errorCodeDetails(raw: LoggedTransition): TransitionDetail[] {
  const code = raw.errorCode;
  const list: TransitionDetail[] = [{ name: 'error code', value: hex(code, 4) }];
  if (raw.cause === PAGE_FAULT) {
    for (const [bit, name, set, clear] of PAGE_FAULT_BITS) {
      const meaning = code & bit ? set : clear;
      if (meaning) list.push({ name, value: code & bit ? '1' : '0', meaning });
    }
  } else if (SELECTOR_CODES.has(raw.cause) && code !== 0) {
    list.push({ name: 'EXT', value: String(code & 1), meaning: code & 1 ? 'while delivering another event' : 'by the program itself' });
    const table = code & 2 ? 'IDT' : code & 4 ? 'LDT' : 'GDT';
    list.push({ name: 'index', value: hex(code >> 3, 4), meaning: `entry ${code >> 3} of the ${table}` });
  }
  return list;
}

const GATE_TYPES: Readonly<Record<number, string>> = {
  1: '16-bit TSS (available)',
  3: '16-bit TSS (busy)',
  4: '16-bit call gate',
  5: 'task gate',
  6: '16-bit interrupt gate',
  7: '16-bit trap gate',
  9: '32-bit TSS (available)',
  11: '32-bit TSS (busy)',
  12: '32-bit call gate',
  14: '32-bit interrupt gate',
  15: '32-bit trap gate',
};

const LONG_GATE_TYPES: Readonly<Record<number, string>> = { 12: '64-bit call gate', 14: '64-bit interrupt gate', 15: '64-bit trap gate' };

function gateDetails({ gateHigh, to }: LoggedTransition): TransitionDetail[] {
  const type = (gateHigh >> 8) & 15;
  return [
    { name: 'gate', value: (to.mode === 'long' ? LONG_GATE_TYPES[type] : undefined) ?? GATE_TYPES[type] ?? 'unknown' },
    { name: 'gate DPL', value: String((gateHigh >> 13) & 3) },
  ];
}

const PRIVILEGE_MANUAL = 'Privilege Level Checking When Transferring Program Control Between Code Segments';
const INTERRUPT_MANUAL = 'Protection of Exception- and Interrupt-Handler Procedures';

/** The privilege checks that a passed transfer went through, with their values. */
function checks(raw: LoggedTransition): TransitionCheck[] {
  const list: TransitionCheck[] = [];
  const cpl = raw.from.ring;
  const add = (id: string, manual: string, passed: boolean, text: string): void => {
    list.push({ id, manual, passed, text });
  };
  if (raw.gateHigh >= 0) {
    const dpl = (raw.gateHigh >> 13) & 3;
    const software = raw.kind === 'gate' || raw.kind === 'task-switch';
    const manual = raw.causeName.startsWith('INT') ? INTERRUPT_MANUAL : PRIVILEGE_MANUAL;
    if (software) add('cpl-gate-dpl', manual, cpl <= dpl, `CPL ${cpl} ≤ gate DPL ${dpl}`);
    else add('gate-dpl-ignored', INTERRUPT_MANUAL, true, `gate DPL ${dpl} is not looked at: not caused by INT n`);
  }
  if (raw.targetHigh >= 0) {
    const dpl = (raw.targetHigh >> 13) & 3;
    const conforming = (raw.targetHigh & 0x400) !== 0;
    if (raw.kind === 'return') add('return-outward', PRIVILEGE_MANUAL, raw.to.ring >= cpl, `return RPL ${raw.to.ring} ≥ CPL ${cpl}`);
    else if (conforming) add('conforming', PRIVILEGE_MANUAL, dpl <= cpl, `conforming code: DPL ${dpl} ≤ CPL ${cpl}, CPL stays`);
    else add('code-dpl', PRIVILEGE_MANUAL, dpl <= cpl, `code segment DPL ${dpl} ≤ CPL ${cpl}`);
  }
  return list;
}
