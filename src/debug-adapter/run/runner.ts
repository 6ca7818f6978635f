/**
 * Lets the guest run in slices of a few milliseconds inside the adapter's event loop, so that requests are always
 * answered. An idle guest waits in real time until its next timer or an input.
 */
import type { Engine, EngineStop } from '../../engines/engine';
import type { AdapterHost } from '../host';
import { type Motion, RunOn } from './motion';
import type { ExceptionText, ProbeOwners } from './probe-owners';

export interface StopReport {
  readonly vcpu: number;
  /** Of DAP's stopped event. */
  readonly reason: string;
  readonly description?: string;
  readonly text?: string;
  readonly hitBreakpointIds?: readonly number[];
  /** For exceptionInfo. */
  readonly exception?: ExceptionText;
}

export interface RunnerListener {
  stopped(report: StopReport): void;
  /** The guest ended by itself. */
  exited(code: number, text: string | undefined): void;
  /** A slice is over: output and panels can be brought up to date. */
  sliced(): void;
  /** The adapter itself failed. */
  failed(error: unknown): void;
}

export type RunnerState = 'stopped' | 'running' | 'ended';

/** Milliseconds that a slice should take. */
const SLICE_TIME = 5;
const FIRST_SLICE = 20_000;
const SMALLEST_SLICE = 1000;
const LARGEST_SLICE = 20_000_000;
const NANOSECONDS = 1e6;
/** Timers of JavaScript reach no further. */
const LONGEST_WAIT = 0x7fffffff;
const TRIPLE_FAULT_CODE = 3;

export class Runner {
  private readonly engine: Engine;
  private readonly owners: ProbeOwners;
  private readonly host: AdapterHost;
  private readonly listener: RunnerListener;
  private motion: Motion = new RunOn();
  private sliceLength = FIRST_SLICE;
  private pauseWanted = false;
  private pausedVcpu = 0;
  /** Not started yet. */
  private fresh = true;
  private stopWaiting: (() => void) | undefined;
  private current: RunnerState = 'stopped';
  /** Whether a triple fault is to be looked at, rather than ending the run at once. */
  stopOnTripleFault = true;
  /** The guest can go no further. */
  private final: EngineStop | undefined;

  constructor(engine: Engine, owners: ProbeOwners, host: AdapterHost, listener: RunnerListener) {
    this.engine = engine;
    this.owners = owners;
    this.host = host;
    this.listener = listener;
  }

  get state(): RunnerState {
    return this.current;
  }

  /** Goes on from a stop. */
  start(motion: Motion): void {
    if (this.current !== 'stopped') return;
    this.current = 'running';
    this.pauseWanted = false;
    this.motion = motion;
    if (this.final) {
      this.exit(this.final);
      return;
    }
    this.guard(() => {
      // Of what stands where the guest stands the user knows already, but not before it has ever run.
      if (!this.fresh) for (const { index } of this.engine.cpus) this.engine.passProbes(index);
      this.fresh = false;
      motion.begin();
      this.slice();
    });
  }

  /** @param vcpu the processor that is to be shown */
  pause(vcpu = 0): void {
    this.pauseWanted = true;
    this.pausedVcpu = vcpu;
    this.wake();
  }

  /** Something arrived from outside: a guest that waits may go on. */
  wake(): void {
    const wake = this.stopWaiting;
    if (!wake) return;
    this.stopWaiting = undefined;
    wake();
    this.again();
  }

  /** Ends the run for good, without telling. */
  end(): void {
    if (this.current === 'ended') return;
    if (this.current === 'running') this.motion.end();
    this.current = 'ended';
    this.stopWaiting?.();
    this.stopWaiting = undefined;
  }

  private again(): void {
    this.host.soon(() => this.guard(() => this.slice()));
  }

  private guard(action: () => void): void {
    if (this.current !== 'running') return;
    try {
      action();
    } catch (error) {
      this.current = 'stopped';
      this.listener.failed(error);
    }
  }

  /** Pieces of the motion until the slice's time is over. */
  private slice(): void {
    const started = this.host.now();
    do {
      if (this.pauseWanted) {
        this.stop({ vcpu: this.pausedVcpu, reason: 'pause' });
        return;
      }
      const before = this.host.now();
      const request = this.motion.next(this.sliceLength);
      const stop = this.engine.run(request);
      if (stop.reason === 'slice' && !request.step && request.instructions === this.sliceLength) this.adapt(this.host.now() - before);
      if (!this.settle(stop)) return;
    } while (this.host.now() - started < SLICE_TIME);
    this.listener.sliced();
    this.again();
  }

  private adapt(milliseconds: number): void {
    const factor = Math.min(4, Math.max(0.25, SLICE_TIME / Math.max(milliseconds, 0.1)));
    this.sliceLength = Math.round(Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, this.sliceLength * factor)));
  }

  /** Deals with what the engine said. @returns whether to go on at once */
  private settle(stop: EngineStop): boolean {
    switch (stop.reason) {
      case 'slice':
        return !this.arrive(stop);
      case 'probe':
        return this.met(stop);
      case 'pause':
        return true;
      case 'idle':
        this.idle();
        return false;
      case 'halted':
        this.stop({
          vcpu: stop.vcpu,
          reason: 'halted',
          description: 'Halted',
          text: stop.text ?? 'HLT with nothing to wake it: interrupts are off, or none will come',
        });
        return false;
      case 'triple-fault':
        this.tripleFault(stop);
        return false;
      case 'error':
        this.final = stop;
        this.stop({
          vcpu: stop.vcpu,
          reason: 'exception',
          description: 'The engine cannot go on',
          text: stop.text,
          exception: engineError(stop),
        });
        return false;
      case 'exited':
        this.exit(stop);
        return false;
    }
  }

  private arrive(stop: EngineStop): boolean {
    if (!this.motion.arrived(stop)) return false;
    this.land(stop);
    return true;
  }

  /** The motion is at its end. What stands there is asked now: when the guest goes on from a stop, it passes it by. */
  private land(stop: EngineStop): void {
    const vcpu = this.motion.vcpu ?? stop.vcpu;
    const cpu = this.engine.cpus[vcpu];
    const { address } = cpu;
    const instruction = cpu.heldException ? undefined : cpu.decode(address);
    const event = { cpu: vcpu, address, instruction };
    const hits = this.engine.probes
      .before(address, instruction)
      .filter((probe) => probe.decide(event))
      .map((probe) => ({ probe, event }));
    this.stop(this.report({ ...stop, vcpu }, hits) ?? { vcpu, reason: this.motion.reason });
  }

  /** Probes said stop. @returns whether to go on all the same */
  private met(stop: EngineStop): boolean {
    const own = stop.hits.filter((hit) => this.owners.ownerOf(hit)?.kind === 'motion');
    const here = own.length > 0 && !this.motion.arrived(stop);
    // A step that passes through the place it started from does not stop at the breakpoint there once more.
    const others = stop.hits.filter((hit) => !own.includes(hit) && !(here && hit.probe.place.kind === 'code'));
    const report = this.report(stop, others);
    const asked = stop.hits.some(({ probe }) => probe.place.kind === 'code' || probe.place.kind === 'opcode');
    if (report) this.stop(report);
    else if (own.length > 0 && !here) {
      if (asked) this.stop({ vcpu: stop.vcpu, reason: this.motion.reason });
      else this.land(stop);
    } else {
      if (asked) this.engine.passProbes(stop.vcpu);
      return true;
    }
    return false;
  }

  /** What the user's own probes among the hits amount to. */
  private report({ vcpu }: EngineStop, hits: EngineStop['hits']): StopReport | undefined {
    const ids: number[] = [];
    let reason: string | undefined;
    let exception: ExceptionText | undefined;
    for (const hit of hits) {
      const owner = this.owners.ownerOf(hit);
      if (owner?.kind === 'breakpoint') {
        ids.push(owner.id);
        reason ??= owner.reason;
      } else if (owner?.kind === 'exception') exception ??= owner.describe(hit);
    }
    if (reason !== undefined) return { vcpu, reason, hitBreakpointIds: ids };
    if (exception) return { vcpu, reason: 'exception', description: exception.id, text: exception.description, exception };
    return undefined;
  }

  /** Waits in real time for what virtual time brings next. */
  private idle(): void {
    this.listener.sliced();
    const { untilTimer } = this.engine;
    const go = (): void => {
      // Where no timer will ever wake it, an input still may.
      this.stopWaiting = () => {};
      if (this.engine.skipIdle()) this.wake();
    };
    if (Number.isFinite(untilTimer)) this.stopWaiting = this.host.later(Math.min(untilTimer / NANOSECONDS, LONGEST_WAIT), go);
    else this.stopWaiting = () => {};
  }

  private tripleFault(stop: EngineStop): void {
    this.final = stop;
    if (!this.stopOnTripleFault) {
      this.exit(stop);
      return;
    }
    const text = stop.text ?? 'an exception could not be delivered, nor the double fault for it';
    this.stop({
      vcpu: stop.vcpu,
      reason: 'exception',
      description: 'Triple fault',
      text,
      exception: { id: 'triple fault', description: text, details: [text, 'A processor shuts down here, and a PC resets it.'] },
    });
  }

  private exit(stop: EngineStop): void {
    this.motion.end();
    this.current = 'ended';
    this.listener.sliced();
    const code = stop.reason === 'exited' ? (stop.code ?? 0) : stop.reason === 'triple-fault' ? TRIPLE_FAULT_CODE : 1;
    this.listener.exited(code, stop.reason === 'triple-fault' ? `triple fault: ${stop.text ?? 'the processor shut down'}` : stop.text);
  }

  private stop(report: StopReport): void {
    this.motion.end();
    this.current = 'stopped';
    this.pauseWanted = false;
    this.listener.sliced();
    this.listener.stopped(report);
  }
}

function engineError({ text = 'unknown' }: EngineStop): ExceptionText {
  return { id: 'engine', description: text, details: [text] };
}
