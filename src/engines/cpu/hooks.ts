/** What a processor is made of, what a session may look at while it runs, and why a run ends. */
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import type { LocalApic } from '../machine/devices/local-apic';
import type { Clock } from '../machine/clock';
import type { InterruptSource } from '../machine/device';
import type { HostMemory } from '../machine/host-memory';
import type { AccessSize, PhysicalMemory } from '../machine/physical-memory';
import type { PortBus } from '../machine/ports';
import type { TransitionLog } from '../transitions';
import type { HandlerSet } from './interpreter/handlers';
import type { GuestFault } from './system/fault';
import type { CpuModel } from './system/models';

/** Why one processor's run came back. */
export type CpuStop =
  | { readonly reason: 'limit' }
  /** It cannot run before something outside happens: halted, or waiting for a start-up IPI. */
  | { readonly reason: 'waiting' }
  /** By a third fault, or by what `text` says. */
  | { readonly reason: 'shutdown'; readonly fault?: GuestFault; readonly text?: string }
  /** A probe or hook asked for it; what it was is known to who asked. */
  | { readonly reason: 'requested' };

/** What the session may look at. Every hook is optional; without them nothing is paid. */
export interface Hooks {
  /** Linear pages in which `probe` wants to see instructions. */
  probedPage(page: number): boolean;
  /** Opcodes that `probe` wants to see anywhere. */
  probesOpcodes: boolean;
  /** Whether to come to `probe` before an instruction. Asked once, when the instruction is decoded. */
  wants(address: LinearAddress, instruction: Instruction): boolean;
  /** Before such an instruction. @returns true to stop before it */
  probe(address: LinearAddress, instruction: Instruction | undefined): boolean;
  /** Before an exception is delivered. @returns true to stop before that */
  exception(fault: GuestFault): boolean;
  /** After a port access. @returns true to stop after the instruction */
  port(port: number, size: AccessSize, write: boolean, value: number): boolean;
  /** After an access to a watched page. @returns true to stop after the instruction */
  access(address: LinearAddress, size: number, write: boolean): boolean;
}

/** What all processors of a machine share. */
export interface MachineParts {
  readonly host: HostMemory;
  readonly memory: PhysicalMemory;
  readonly ports: PortBus;
  readonly clock: Clock;
  readonly log: TransitionLog;
  readonly handlers: HandlerSet;
  readonly model: CpuModel;
  /** Which tiers run the guest: the interpreter alone, or hot code compiled (the default). */
  readonly tiers?: 'all' | 'interpreter';
  /** Times that a block runs before it is compiled; for tests. */
  readonly heat?: number;
  /** Count what runs where, for `engineStats`. */
  readonly profile?: boolean;
  /** Carries out each compilation: for whoever measures it, since nothing in here knows the time. */
  readonly onCompile?: (compile: () => void) => void;
  /** Where RDRAND's numbers begin. */
  readonly seed?: number;
  /** Told which processor's accesses come next. */
  readonly onSwitch?: (index: number) => void;
  /** FERR#: an x87 exception is pending while CR0.NE is clear. */
  readonly onFloatError?: () => void;
}

/** What each processor has of its own. */
export interface Seat {
  readonly interrupts: InterruptSource;
  /** Absent in machines without APICs. */
  readonly localApic?: LocalApic;
}
