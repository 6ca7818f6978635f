/** VM-exit and VM-entry controls, their lists of MSRs, and the event that an entry delivers. */
import { Cr0 } from '../../state';
import { ALLOWED } from '../capabilities';
import { Field, type FieldKey } from '../fields';
import { InterruptionType } from '../interruption';
import type { CheckWorld, EntryCheck } from './check';
import { checks, control, excludes, msrList, needs, not, or, type Predicate, type Row, reservedBits, some, when, zero } from './predicates';

const EXIT: readonly Row[] = [
  ...reservedBits('controls.exit', 'exitControls', ({ controls }) => controls.exit, ALLOWED.exit),
  needs('controls.save-preemption-timer', control('exit', 'savePreemptionTimer'), control('pin', 'preemptionTimer')),
  ...msrList('controls.exit-msr-store', 'exitMsrStoreCount', 'exitMsrStoreAddress'),
  ...msrList('controls.exit-msr-load', 'exitMsrLoadCount', 'exitMsrLoadAddress'),
];

const NMI_VECTOR = 2;
const LAST_EXCEPTION = 31;
/** "Other event" with this vector: a pending MTF VM exit. */
const PENDING_MTF = 0;
const DELIVER_ERROR_CODE = 1 << 11;
const VALID = 0x80000000;
/** #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
const WITH_ERROR_CODE = (1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) | (1 << 17);
const LONGEST_INSTRUCTION = 15;

const info = ({ vmcs }: CheckWorld): number => vmcs.low(Field.entryInterruptionInfo);
const typeOf = (event: number): number => (event >>> 8) & 7;
const vectorOf = (event: number): number => event & 0xff;

/** The entry delivers an event of this type. */
export const injects =
  (type: number): Predicate =>
  (world) =>
    (info(world) & (VALID | 0x700)) === (VALID | (type << 8));
const valid: Predicate = (world) => (info(world) & VALID) !== 0;
const deliversErrorCode: Predicate = (world) => (info(world) & (VALID | DELIVER_ERROR_CODE)) === (VALID | DELIVER_ERROR_CODE);
const vectorNormallyHasErrorCode = (event: number): boolean => {
  const vector = vectorOf(event);
  return vector < 32 && ((WITH_ERROR_CODE >>> vector) & 1) === 1;
};
const isException: Predicate = injects(InterruptionType.hardwareException);
/** Only an unrestricted guest may be in real mode; for any other, bit PE of its CR0 is looked at among its state. */
const protectedMode = or(not(control('secondary', 'unrestrictedGuest').on), some('guestCr0', Cr0.pe));

const INFO: readonly FieldKey[] = ['entryInterruptionInfo'];
const vectorRule = (id: string, type: number, rule: string, fits: (vector: number) => boolean): Row => [
  `controls.injection.${id}`,
  rule,
  INFO,
  when(injects(type), (world) => fits(vectorOf(info(world)))),
];

const INJECTION: readonly Row[] = [
  [
    'controls.injection.type',
    'If an event is injected, its interruption type (bits 10:8 of the VM-entry interruption information) must not be 1, which is reserved.',
    INFO,
    (world) => !valid(world) || typeOf(info(world)) !== InterruptionType.reserved,
  ],
  vectorRule('nmi-vector', InterruptionType.nmi, 'If an NMI (type 2) is injected, its vector must be 2.', (v) => v === NMI_VECTOR),
  vectorRule(
    'exception-vector',
    InterruptionType.hardwareException,
    'If a hardware exception (type 3) is injected, its vector must be at most 31.',
    (vector) => vector <= LAST_EXCEPTION,
  ),
  vectorRule(
    'other-event-vector',
    InterruptionType.other,
    'If an "other event" (type 7) is injected, its vector must be 0 (pending MTF VM exit).',
    (vector) => vector === PENDING_MTF,
  ),
  [
    'controls.injection.error-code.needed',
    'If a hardware exception with vector 8, 10 to 14 or 17 is injected, and "unrestricted guest" is 0 or bit 0 (PE) of the guest CR0 is 1, ' +
      'deliver-error-code (bit 11 of the VM-entry interruption information) must be 1.',
    ['entryInterruptionInfo', 'guestCr0', 'secondaryControls'],
    (world) => !isException(world) || !vectorNormallyHasErrorCode(info(world)) || deliversErrorCode(world) || !protectedMode(world),
  ],
  [
    'controls.injection.error-code.type',
    'If deliver-error-code (bit 11 of the VM-entry interruption information) is 1, the interruption type must be 3 (hardware exception).',
    INFO,
    when(deliversErrorCode, isException),
  ],
  [
    'controls.injection.error-code.real-mode',
    'If deliver-error-code (bit 11 of the VM-entry interruption information) is 1, "unrestricted guest" must be 0 or bit 0 (PE) of the guest ' +
      'CR0 must be 1.',
    ['entryInterruptionInfo', 'guestCr0', 'secondaryControls'],
    when(deliversErrorCode, protectedMode),
  ],
  [
    'controls.injection.error-code.vector',
    'If deliver-error-code (bit 11 of the VM-entry interruption information) is 1, the vector must be 8, 10 to 14 or 17.',
    INFO,
    (world) => !deliversErrorCode(world) || vectorNormallyHasErrorCode(info(world)),
  ],
  [
    'controls.injection.reserved',
    'If an event is injected, reserved bits 30:12 of the VM-entry interruption information must be 0.',
    INFO,
    when(valid, zero('entryInterruptionInfo', 0x7ffff000)),
  ],
  [
    'controls.injection.error-code.reserved',
    'If deliver-error-code (bit 11 of the VM-entry interruption information) is 1, bits 31:16 of the VM-entry exception error code must be 0.',
    ['entryExceptionErrorCode', 'entryInterruptionInfo'],
    when(deliversErrorCode, zero('entryExceptionErrorCode', 0xffff0000)),
  ],
  [
    'controls.injection.instruction-length',
    'If a software interrupt or exception (type 4, 5 or 6) is injected, the VM-entry instruction length must be in the range 0 to 15.',
    ['entryInstructionLength', 'entryInterruptionInfo'],
    (world) => {
      const type = typeOf(info(world));
      if (!valid(world) || type < InterruptionType.softwareInterrupt || type > InterruptionType.softwareException) return true;
      return world.vmcs.low(Field.entryInstructionLength) <= LONGEST_INSTRUCTION;
    },
  ],
];

/** There is no SMM here, so no entry comes from it; the reserved bits refuse these first. */
const entryToSmm = control('entry', 'entryToSmm');
const deactivateDualMonitor = control('entry', 'deactivateDualMonitor');
const outsideSmm = ({ name, field, on }: typeof entryToSmm, id: string): Row => [
  id,
  `If the processor is not in SMM, ${name} must be 0.`,
  [field],
  (world) => !on(world),
];

const ENTRY: readonly Row[] = [
  ...reservedBits('controls.entry', 'entryControls', ({ controls }) => controls.entry, ALLOWED.entry),
  ...INJECTION,
  ...msrList('controls.entry-msr-load', 'entryMsrLoadCount', 'entryMsrLoadAddress'),
  outsideSmm(entryToSmm, 'controls.entry-to-smm'),
  outsideSmm(deactivateDualMonitor, 'controls.deactivate-dual-monitor'),
  excludes('controls.entry-to-smm.dual-monitor', entryToSmm, deactivateDualMonitor),
];

export const EXIT_CONTROL_CHECKS: readonly EntryCheck[] = checks('controls', 'VM-Exit Control Fields', EXIT);
export const ENTRY_CONTROL_CHECKS: readonly EntryCheck[] = checks('controls', 'VM-Entry Control Fields', ENTRY);
