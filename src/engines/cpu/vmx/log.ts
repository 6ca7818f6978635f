/** Entries and exits in the transition log. */
import type { Place } from '../../../shared/transition';
import { Seg } from '../state';
import type { Cpu } from '../system/cpu';
import type { ExitReport } from './exit';
import { exitReasonName } from './exit-reasons';
import { INTERRUPTION_VALID } from './interruption';

export interface Origin {
  readonly from: Place;
  readonly address: number;
  readonly fromSelector: number;
  readonly fromOffset: number;
}

/** @param injected VM-entry interruption information */
export function logEntry(cpu: Cpu, how: 'vmlaunch' | 'vmresume', origin: Origin, injected: number): void {
  const { state } = cpu;
  cpu.log({
    kind: 'vm-entry',
    ...origin,
    to: cpu.place(),
    cause: -1,
    causeName: how.toUpperCase(),
    toSelector: state.selector(Seg.cs),
    toOffset: state.ip,
    errorCode: injected & INTERRUPTION_VALID ? injected : undefined,
  });
}

export function logExit(cpu: Cpu, report: ExitReport, origin: Origin): void {
  const { state } = cpu;
  cpu.log({
    kind: 'vm-exit',
    ...origin,
    to: cpu.place(),
    cause: report.reason,
    causeName: exitReasonName(report.reason),
    toSelector: state.selector(Seg.cs),
    toOffset: state.ip,
    // Signed: exact where it is a canonical address.
    extra: ((report.qualificationHigh ?? 0) | 0) * 2 ** 32 + ((report.qualification ?? 0) >>> 0),
    errorCode: report.interruption === undefined ? undefined : report.interruption >>> 0,
    gateLow: report.instructionInfo === undefined ? undefined : report.instructionInfo >>> 0,
    fromStackOffset: report.physical,
    toStackOffset: report.linear,
  });
}
