/** What the system-level parts of the processor see of the whole. `Processor` is it. */
import type { Instruction } from '../../../isa/types';
import type { Place } from '../../../shared/transition';
import type { AccessSize } from '../../machine/physical-memory';
import type { RawTransition } from '../../transitions';
import type { AddressMonitor } from './address-monitor';
import type { LocalApic } from '../../machine/devices/local-apic';
import type { CpuState } from '../state';
import type { CpuidFacts } from './cpuid';
import type { CpuModel } from './models';
import type { GuestFault } from './fault';
import type { Mmu } from './mmu';
import type { TransitionDraft } from './draft';
import type { Vmx } from '../vmx/vmx';

export interface Cpu {
  readonly state: CpuState;
  readonly mmu: Mmu;
  readonly model: CpuModel;
  readonly identity: CpuidFacts;
  /** Absent in machines without APICs. */
  readonly localApic: LocalApic | undefined;
  /** The instruction a helper runs for, its offset in CS, and that of the one behind it. */
  readonly instruction: Instruction;
  readonly here: number;
  readonly after: number;
  readonly vmx: Vmx;
  /** What MONITOR has armed. */
  readonly monitor: AddressMonitor;
  /** Instructions completed since power-on. */
  readonly instructionCount: number;
  /** The instruction runs under the shadow of MOV SS. */
  readonly blockedByMovSs: boolean;
  /** The time-stamp counter, without what a VMCS adds to it. */
  readonly timeStamp: number;
  /** Halves of what RDTSC shows: with the offset that a VMCS adds. */
  readonly shownTimeStamp: readonly [low: number, high: number];
  /** Halves of what a VMCS adds to the time-stamp counter. */
  setGuestTime(low: number, high: number): void;
  setTimeStamp(value: number): void;
  place(): Place;
  log(transition: RawTransition): void;
  /** For what happens often: filled and logged, then filled anew. */
  readonly draft: TransitionDraft;
  /** What has happened up to now stays, whatever faults after it. */
  checkpoint(): void;
  /**
   * What a helper that has changed nothing yet does instead of throwing, and returns: an exception of JavaScript takes two
   * microseconds, which monitors of deprivileged guests would pay at every trap.
   */
  refuse(fault: GuestFault): void;
  /** Keeps a copy of the state to go back to: before the first change that a fault may follow, where no copy was made. */
  keep(): void;
  /** The same, and faults from now on belong to the task at the new IP. */
  commitTask(): void;
  readPort(port: number, size: AccessSize): number;
  writePort(port: number, size: AccessSize, value: number): void;
  /** Runs the rest of a repeated string instruction, checkpointing after each iteration, as far as the budget allows. */
  repeat(iteration: () => void): void;
  debugRegistersChanged(): void;
  /** HLT. */
  halt(): void;
  /** Nothing can run any more. */
  shutDown(reason: string): void;
  /** No interrupts (and after a load of SS no debug traps) before the next instruction is done. */
  shadow(kind: 'sti' | 'mov-ss'): void;
}
