/** Exceptions on their way to delivery. */
import type { Event } from './interrupts';

export const Vector = {
  de: 0,
  db: 1,
  nmi: 2,
  bp: 3,
  of: 4,
  br: 5,
  ud: 6,
  nm: 7,
  df: 8,
  ts: 10,
  np: 11,
  ss: 12,
  gp: 13,
  pf: 14,
  mf: 16,
  ac: 17,
  mc: 18,
  xm: 19,
} as const;

export interface ExceptionInfo {
  readonly mnemonic: string;
  readonly name: string;
  readonly kind: 'fault' | 'trap' | 'fault or trap' | 'abort' | 'interrupt';
  readonly errorCode: boolean;
  /** For the rule of double faults (manual, "Conditions for Generating a Double Fault"). */
  readonly severity: 'benign' | 'contributory' | 'page fault' | 'double fault';
}

const info = (
  mnemonic: string,
  name: string,
  kind: ExceptionInfo['kind'],
  errorCode = false,
  severity: ExceptionInfo['severity'] = 'benign',
): ExceptionInfo => ({ mnemonic, name, kind, errorCode, severity });

/** Manual, "Protected-Mode Exceptions and Interrupts"; index is the vector. */
export const EXCEPTIONS: readonly (ExceptionInfo | undefined)[] = [
  info('#DE', 'Divide Error', 'fault', false, 'contributory'),
  info('#DB', 'Debug Exception', 'fault or trap'),
  info('NMI', 'NMI Interrupt', 'interrupt'),
  info('#BP', 'Breakpoint', 'trap'),
  info('#OF', 'Overflow', 'trap'),
  info('#BR', 'BOUND Range Exceeded', 'fault'),
  info('#UD', 'Invalid Opcode', 'fault'),
  info('#NM', 'Device Not Available', 'fault'),
  info('#DF', 'Double Fault', 'abort', true, 'double fault'),
  info('#MF', 'Coprocessor Segment Overrun', 'fault'),
  info('#TS', 'Invalid TSS', 'fault', true, 'contributory'),
  info('#NP', 'Segment Not Present', 'fault', true, 'contributory'),
  info('#SS', 'Stack-Segment Fault', 'fault', true, 'contributory'),
  info('#GP', 'General Protection', 'fault', true, 'contributory'),
  info('#PF', 'Page Fault', 'fault', true, 'page fault'),
  undefined,
  info('#MF', 'x87 FPU Floating-Point Error', 'fault'),
  info('#AC', 'Alignment Check', 'fault', true),
  info('#MC', 'Machine Check', 'abort'),
  info('#XM', 'SIMD Floating-Point Exception', 'fault'),
];

/** Thrown by helpers; whatever they had changed by then is taken back by the processor. */
export class GuestFault {
  readonly vector: number;
  /** Pushed where the vector has one. */
  readonly errorCode: number;
  private text: string | (() => string);
  /** What delivering it leaves behind: CR2 of a page fault, DR6's bits of a debug exception. */
  information: number | undefined;
  /** The event in whose delivery it happened. */
  during: Event | undefined;

  /** @param reason which check failed, or how to tell before the guest goes on */
  constructor(vector: number, errorCode = 0, reason: string | (() => string) = '') {
    this.vector = vector;
    this.errorCode = errorCode;
    this.text = reason;
  }

  /** Which check failed, in the user's words. */
  get reason(): string {
    if (typeof this.text !== 'string') this.text = this.text();
    return this.text;
  }
}

/** Error code naming a selector (manual, "Error Code"): RPL dropped, EXT added at delivery. */
export const selectorCode = (selector: number): number => selector & 0xfffc;

export const gp = (errorCode: number, reason: string | (() => string) = ''): GuestFault => new GuestFault(Vector.gp, errorCode, reason);
export const ud = (reason = ''): GuestFault => new GuestFault(Vector.ud, 0, reason);

export const DR7_GD = 0x2000;
/** DR6: a debug register was accessed while DR7.GD was set. */
export const DR6_BD = 0x2000;

/** @param bits of DR6 that its delivery sets */
export function debugException(bits: number, reason: string): GuestFault {
  const fault = new GuestFault(Vector.db, 0, reason);
  fault.information = bits;
  return fault;
}
