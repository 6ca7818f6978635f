/** What a technique puts between the machine and its guest. */
import type { Statistics } from '../shared/statistics';
import type { Technique } from '../shared/technique';
import type { DebugInfo } from '../symbols/debug-info';
import type { Processors } from './cpu/processors';
import type { Pc } from './machine/pc';

/** A machine that has been switched on or reset, before its first instruction. */
export interface FreshMachine {
  readonly pc: Pc;
  readonly cpus: Processors;
  /** False after a reset: memory holds what it held. */
  readonly switchedOn: boolean;
  /** The run ends: something is not implemented, or cannot be gone on from. */
  fail(message: string): void;
}

export interface Monitor {
  readonly technique: Technique;
  /** Takes the machine over: what its processors would have done becomes the guest. */
  install(machine: FreshMachine): void;
  statistics(): Statistics;
  /** What a debugger may know of its own code. */
  readonly debugInfo: readonly DebugInfo[];
}

/** Nothing of ours is in between: a hypervisor of the user's own is what the machine runs. */
export class BareMonitor implements Monitor {
  readonly technique: Technique;
  readonly debugInfo = [];

  constructor(technique: Technique) {
    this.technique = technique;
  }

  install(): void {}

  statistics(): Statistics {
    return {};
  }
}
