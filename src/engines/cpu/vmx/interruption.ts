/** Interruption information as the VMCS has it (manual, "VM-Exit Interruption Information", "VM-Entry Interruption-Information Field"). */
import type { Event } from '../system/interrupts';
import { EXCEPTIONS, Vector } from '../system/fault';

/** Interruption types. */
export const InterruptionType = {
  external: 0,
  reserved: 1,
  nmi: 2,
  hardwareException: 3,
  softwareInterrupt: 4,
  privilegedSoftwareException: 5,
  softwareException: 6,
  other: 7,
} as const;

export const INTERRUPTION_VALID = 0x80000000;
export const INTERRUPTION_ERROR_CODE = 1 << 11;
/** In exits' information: IRET that had unblocked NMIs met the fault. */
export const NMI_UNBLOCKING = 1 << 12;

function typeOf({ source, vector }: Event): number {
  switch (source) {
    case 'exception':
      return InterruptionType.hardwareException;
    case 'external':
      return vector === Vector.nmi ? InterruptionType.nmi : InterruptionType.external;
    case 'privileged-software':
      return InterruptionType.privilegedSoftwareException;
    default:
      return InterruptionType.softwareInterrupt;
  }
}

/** An event in the form of the VMCS. */
export function interruptionOf(event: Event): number {
  const type = event.softwareException ? InterruptionType.softwareException : typeOf(event);
  const code = event.errorCode === undefined ? 0 : INTERRUPTION_ERROR_CODE;
  return (INTERRUPTION_VALID | (type << 8) | code | event.vector) >>> 0;
}

const SOURCES: Readonly<Record<number, Event['source']>> = {
  [InterruptionType.external]: 'external',
  [InterruptionType.nmi]: 'external',
  [InterruptionType.hardwareException]: 'exception',
  [InterruptionType.softwareInterrupt]: 'software',
  [InterruptionType.privilegedSoftwareException]: 'privileged-software',
  [InterruptionType.softwareException]: 'software',
};

/** Types that an instruction makes: they return behind it. */
const BY_INSTRUCTION: readonly number[] = [
  InterruptionType.softwareInterrupt,
  InterruptionType.privilegedSoftwareException,
  InterruptionType.softwareException,
];

/**
 * The event that VM entry injects (manual, "Vectored-Event Injection").
 * @param info VM-entry interruption information, valid and not of type 7
 * @param ip guest RIP @param length VM-entry instruction length
 */
export function injectedEvent(info: number, errorCode: number, ip: number, length: number, interruptName: string): Event {
  const vector = info & 0xff;
  const type = (info >>> 8) & 7;
  const byInstruction = BY_INSTRUCTION.includes(type);
  return {
    vector,
    source: SOURCES[type],
    softwareException: type === InterruptionType.softwareException,
    errorCode: info & INTERRUPTION_ERROR_CODE ? errorCode : undefined,
    returnTo: byInstruction ? ip + length : ip,
    resume: false,
    name: type === InterruptionType.hardwareException ? (EXCEPTIONS[vector]?.mnemonic ?? interruptName) : interruptName,
    kind: byInstruction ? 'gate' : type === InterruptionType.hardwareException ? 'exception' : 'interrupt',
    at: ip,
    injected: true,
  };
}
