/** One launched program with everything the debugger keeps about it. A restart makes a new one. */
import type { Engine, VirtualCpu } from '../engines/engine';
import type { Launched } from '../engines/launch';
import { BreakpointSet } from './breakpoints/breakpoint-set';
import type { Log } from './breakpoints/guard';
import type { ResolveParts } from './breakpoints/resolve';
import { ExceptionBreakpoints } from './exceptions/exception-breakpoints';
import { GuestEnvironment } from './expressions/guest-environment';
import type { AdapterHost } from './host';
import type { Hypercall } from './hypercalls/table';
import type { LaunchAttributes } from './launch/attributes';
import { GuestOutput } from './panels/output';
import { unknownThread } from './protocol/errors';
import { ProbeOwners } from './run/probe-owners';
import { Runner, type RunnerListener, type StopReport } from './run/runner';
import { Program } from './sources/program';
import { CallStacks, type Frame } from './state/stack';
import { References } from './state/references';
import type { Container } from './state/variables';

export interface GuestParts {
  readonly launched: Launched;
  readonly attributes: LaunchAttributes;
  readonly hypercalls: ReadonlyMap<number, Hypercall>;
  readonly host: AdapterHost;
  readonly listener: RunnerListener;
  /** Lines for the debug console. */
  readonly log: Log;
}

/** A frame that was shown. */
export interface ShownFrame {
  readonly vcpu: number;
  readonly frame: Frame;
  /** Position in its stack, the innermost being 0. */
  readonly level: number;
}

export class Guest {
  readonly engine: Engine;
  readonly attributes: LaunchAttributes;
  readonly program: Program;
  /** Linear address of the program's first own instruction. */
  readonly entry: number;
  readonly environment: GuestEnvironment;
  /** What the user says of the hypervisor's calls, by number. */
  readonly hypercalls: ReadonlyMap<number, Hypercall>;
  readonly owners: ProbeOwners;
  readonly runner: Runner;
  readonly stacks: CallStacks;
  readonly output: GuestOutput;
  readonly frames = new References<ShownFrame>();
  readonly containers = new References<Container>();
  readonly exceptions: ExceptionBreakpoints;
  /** By source path, and `function`, `instruction`, `data`, `breakOn`. */
  readonly breakpoints = new Map<string, BreakpointSet>();
  readonly resolveParts: ResolveParts;
  /** Grows whenever what was read of the guest may be no longer true. */
  generation = 0;
  /** Why it stands; undefined while it runs. */
  lastStop: StopReport | undefined;

  constructor({ launched, attributes, hypercalls, host, listener, log }: GuestParts) {
    this.engine = launched.engine;
    this.hypercalls = hypercalls;
    this.attributes = attributes;
    this.entry = launched.entry;
    this.program = new Program(launched.debugInfo, attributes.symbolSides);
    this.environment = new GuestEnvironment(this.engine, this.program);
    this.owners = new ProbeOwners(this.engine);
    this.runner = new Runner(this.engine, this.owners, host, listener);
    this.stacks = new CallStacks(this.engine, this.program, this.environment);
    this.output = new GuestOutput(this.engine);
    this.exceptions = new ExceptionBreakpoints(this.owners, this.runner, this.environment);
    this.resolveParts = { program: this.program, environment: this.environment, side: attributes.breakpointsIn, log };
  }

  breakpointSet(key: string): BreakpointSet {
    let set = this.breakpoints.get(key);
    if (!set) {
      set = new BreakpointSet(this.owners);
      this.breakpoints.set(key, set);
    }
    return set;
  }

  /** @throws UserError */
  cpuOfThread(threadId: number): VirtualCpu {
    const cpu = this.engine.cpus[threadId - 1];
    if (!cpu) throw unknownThread(threadId);
    return cpu;
  }

  /** Whose registers an expression means: those of the frame's processor, else of the first. */
  cpuOfFrame(frameId: number | undefined): VirtualCpu {
    const vcpu = (frameId === undefined ? undefined : this.frames.get(frameId)?.vcpu) ?? this.lastStop?.vcpu ?? 0;
    return this.engine.cpus[vcpu];
  }

  /** The guest moves: what was shown of this stop is no longer true. */
  moved(): void {
    this.lastStop = undefined;
    this.generation++;
    this.frames.clear();
    this.containers.clear();
    this.stacks.forget();
  }

  /** Something was changed by hand: the stop stands, the stack may be another. */
  changed(): void {
    this.generation++;
    this.stacks.forget();
  }
}
