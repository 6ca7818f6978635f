/**
 * The processor: runs handlers over decoded blocks and does everything that happens between instructions.
 *
 * One turn of `run` looks at the clock, traps and interrupts, then lets handlers run as many instructions as may pass
 * before the next of them is due. A block that does not fit, and whatever must be watched closely (TF, shadows, devices
 * in memory, data breakpoints), runs one instruction at a time through the very same handlers: the two ways cannot differ.
 */
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import { NANOSECONDS_PER_INSTRUCTION } from '../machine/clock';
import type { LocalApic } from '../machine/devices/local-apic';
import { FRAME_SIZE, FrameKind } from '../machine/physical-memory';
import { Execution, type Progress } from './execution';
import { Fetcher } from './fetch';
import type { CpuStop, MachineParts, Seat } from './hooks';
import type { BlockCache } from './interpreter/blocks';
import { type Handlers, jumpCacheSlot } from './interpreter/handlers';
import { Exit, RECORD, RECORD_SIZE } from './interpreter/records';
import type { Compiler } from './jit/compiler';
import { Activity, BUDGET, CURRENT, JUMP64_ENTRY, JUMP_BASE, JUMP_ENTRY, RECORDS, SYS, VECTOR, X87_STATUS } from './layout';
import { Status } from './semantics/x87-unit';
import { Cr0, Flag, isCanonical, Seg } from './state';
import { EXCEPTIONS, GuestFault, Vector } from './system/fault';
import { deliver, type Event, exceptionName } from './system/interrupts';
import { PHYSICAL_ADDRESS_BITS } from './system/paging';
import { initState, resetState, startState } from './system/reset';

/** Compiled code is left now and then, since engines replace a function by a better one only while it does not run. */
const MAX_SLICE = 1 << 22;
/** After which TF, as it was before, makes no trap: SYSCALL and SYSRET look at the new one themselves. */
const INT_SEMANTICS = new Set(['int', 'int1', 'int3', 'into', 'syscall', 'sysret']);
const DR6_BS = 0x4000;

/** Of the exceptions that staged semantics raise themselves. */
const OWN_REASONS: Readonly<Record<number, string | undefined>> = {
  [Vector.de]: 'the divisor is 0 or the quotient does not fit',
  [Vector.ud]: 'CR0.EM is set or CR4.OSFXSR is not',
  [Vector.nm]: 'CR0.TS or CR0.EM is set',
  [Vector.mf]: 'an x87 exception is pending that the control word does not mask',
  [Vector.xm]: 'a SIMD floating-point exception that MXCSR does not mask',
};
/** The linear page that holds an address. */
const pageOf = (address: number): number => Math.floor(address / FRAME_SIZE);

/** What all processors of a machine run on. */
export interface Engine {
  readonly handlers: Handlers;
  readonly blocks: BlockCache;
  compiler?: Compiler;
}

/** What arrived from a local APIC and is looked at before the next instruction. */
interface Signals {
  nmi: boolean;
  init: boolean;
  /** Vector of a start-up IPI, or -1. */
  startup: number;
}

export class Processor extends Execution {
  private readonly handlers: Handlers;
  private readonly compiler: Compiler | undefined;
  private readonly fetcher: Fetcher;
  /** All processors of the machine: they share decoded blocks, so a block has the probes that any of them wants. */
  peers: readonly Processor[] = [this];
  /** An exception that a hook held back, to be delivered when the run goes on. */
  private held: GuestFault | undefined;
  /** Address of an instruction whose probe has been looked at; -1 for none. */
  private passProbe = -1;
  private readonly signals: Signals = { nmi: false, init: false, startup: -1 };
  /** The last run ended with `waiting`; an interrupt would wake it. */
  private waiting: 'no' | 'for interrupt' | 'for signal' = 'no';
  /** The last instruction is a repeated one with iterations to go. */
  private repeating = false;
  /** Exceptions and interrupts delivered from outside an instruction. */
  private delivered = 0;
  /** Deliveries in a row with no instruction between them, and the count at the last. */
  private barren = 0;
  private deliveredAt = -1;
  /** For the statistics. */
  singles = 0;
  runs = 0;

  /** @param engine shared by all processors @param count how many there are */
  constructor(parts: MachineParts, seat: Seat, engine: Engine, progress: Progress, index = 0, count = 1) {
    super(parts, seat, engine.blocks, progress, index, count);
    this.handlers = engine.handlers;
    this.compiler = engine.compiler;
    this.fetcher = new Fetcher(this.state, this.mmu, parts.memory, engine.blocks);
    if (seat.localApic) this.connect(seat.localApic);
    this.reset();
  }

  private connect(apic: LocalApic): void {
    const nothing = (): void => {};
    apic.signals = {
      interruptChanged: nothing,
      apicBaseChanged: nothing,
      smi: nothing,
      nmi: () => {
        this.signals.nmi = true;
      },
      init: () => {
        this.signals.init = true;
      },
      startup: (vector) => {
        this.signals.startup = vector;
      },
    };
    apic.physicalBits = PHYSICAL_ADDRESS_BITS;
    apic.timeStamp = {
      read: () => this.timeStamp,
      timeOf: (value) => (value - this.timeStampOffset) * NANOSECONDS_PER_INSTRUCTION,
    };
  }

  /** As after RESET#. */
  reset(): void {
    resetState(this.state, this.model.signature);
    this.state.setSys(SYS.random, ((this.parts.seed ?? 0) + this.index) >>> 0);
    if (this.localApic && !this.localApic.bootstrap) this.state.setSys(SYS.activity, Activity.waitForSipi);
    this.restart();
    this.timeStampOffset = 0;
    Object.assign(this.signals, { nmi: false, init: false, startup: -1 });
  }

  private restart(): void {
    this.mmu.flush();
    this.fault = undefined;
    this.held = undefined;
    this.waiting = 'no';
    this.debugRegistersChanged();
  }

  // --- the loop

  /**
   * Runs until something stops it. The state in place must be this processor's.
   * @param instructions at most so many
   */
  run(instructions: number): CpuStop {
    const { clock } = this.parts;
    const { progress } = this;
    const end = progress.completed + instructions;
    this.stopping = false;
    for (;;) {
      if (this.stopping) return { reason: 'requested' };
      if (clock.nextDeadline <= clock.now) clock.fire();
      if (!this.settle()) return this.stopping ? { reason: 'requested' } : this.wait();
      const left = end - progress.completed;
      if (left <= 0) return { reason: 'limit' };
      this.turn(Math.min(left, clock.instructionsToDeadline, MAX_SLICE));
    }
  }

  /** While no instruction can run. */
  private wait(): CpuStop {
    const { state } = this;
    const activity = state.sys(SYS.activity);
    if (activity === Activity.shutdown) return { reason: 'shutdown', fault: this.fault };
    this.waiting = activity === Activity.halted && state.flag(Flag.if) ? 'for interrupt' : 'for signal';
    return { reason: 'waiting' };
  }

  /** Whether a run would do something: it does not wait, or what it waits for has come. */
  get ready(): boolean {
    const { signals } = this;
    if (this.waiting === 'no' || signals.nmi || signals.init || signals.startup >= 0) return true;
    return this.waiting === 'for interrupt' && this.seat.interrupts.pending;
  }

  /** An interrupt would wake it. */
  get interruptible(): boolean {
    return this.waiting === 'for interrupt';
  }

  /** INIT, start-up IPI and NMI (manual, "Multiple-Processor (MP) Initialization"). */
  private takeSignals(): void {
    const { signals, state } = this;
    if (signals.init) {
      signals.init = false;
      initState(state, this.model.signature);
      if (!this.localApic?.bootstrap) state.setSys(SYS.activity, Activity.waitForSipi);
      this.restart();
    }
    if (signals.startup >= 0) {
      if (state.sys(SYS.activity) === Activity.waitForSipi) startState(state, signals.startup);
      signals.startup = -1;
    }
    if (signals.nmi && state.sys(SYS.activity) !== Activity.waitForSipi) {
      signals.nmi = false;
      state.setSys(SYS.nmi, state.sys(SYS.nmi) | 1);
    }
  }

  /** Delivers what waits at the instruction boundary. @returns false when no instruction can run: halted, shut down or held */
  private settle(): boolean {
    const { state, signals } = this;
    const { interrupts } = this.seat;
    this.waiting = 'no';
    if (signals.init || signals.nmi || signals.startup >= 0) this.takeSignals();
    if (state.sys(SYS.activity) === Activity.waitForSipi) return false;
    if (this.held) {
      const fault = this.held;
      this.held = undefined;
      this.raise(fault);
    }
    const shadow = state.sys(SYS.shadow);
    const debug = state.sys(SYS.pendingDebug);
    if (debug && shadow !== 2) {
      state.setSys(SYS.pendingDebug, 0);
      // A breakpoint on the next instruction is reported with the trap.
      const next = state.flag(Flag.rf) ? 0 : this.debug.instructionHits(state.instructionAddress);
      state.setSys(SYS.dr6, (state.sys(SYS.dr6) | debug | next) >>> 0);
      state.setSys(SYS.activity, 0);
      if (!this.meet(new GuestFault(Vector.db, 0, 'debug trap'))) return false;
    }
    if (!shadow) {
      if ((state.sys(SYS.nmi) & 3) === 1) {
        state.setSys(SYS.nmi, 2);
        state.setSys(SYS.activity, 0);
        this.raiseEvent({ ...this.arrival(Vector.nmi), name: 'NMI' });
      } else if (this.interruptWaits && state.sys(SYS.activity) !== Activity.shutdown) {
        state.setSys(SYS.activity, 0);
        const vector = interrupts.acknowledge();
        const name = `interrupt 0x${vector.toString(16).padStart(2, '0')}`;
        this.raiseEvent({ ...this.arrival(vector), name });
      }
    }
    return state.sys(SYS.activity) === 0 && !this.stopping;
  }

  /** Runs handlers for at most `budget` instructions, or one alone. */
  private turn(budget: number): void {
    const { state } = this;
    if (this.staleProbes) {
      this.staleProbes = false;
      this.blocks.dropProbed();
    }
    if (this.mmu.retry || state.sys(SYS.shadow) !== 0 || state.flag(Flag.tf | Flag.rf) || budget === 0) {
      this.single(budget);
      return;
    }
    const record = this.findBlock();
    if (record === undefined) {
      if (!this.fault) this.single();
      else this.settleFault();
      return;
    }
    this.runs++;
    this.execute(record, budget);
  }

  /** The ENTER record for the next instruction, entered into the jump cache. Sets `fault` when fetching faults. */
  private findBlock(): number | undefined {
    const { state, mmu } = this;
    if (state.long ? !isCanonical(state.ip) : state.ip > state.segLimit(Seg.cs)) return undefined;
    const linear = state.instructionAddress;
    let frame: number;
    try {
      frame = mmu.codeFrame(linear, state.cpl === 3);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      this.fault = error;
      return undefined;
    }
    const kind = this.parts.memory.kindOf(frame);
    if (kind !== FrameKind.ram && kind !== FrameKind.rom) return undefined;
    const { hooks } = this;
    const page = pageOf(linear);
    const probed =
      this.peers.some(({ debug }) => debug.breaksOnPage(page)) || (hooks !== undefined && (hooks.probesOpcodes || hooks.probedPage(page)));
    const place = { frame, offset: linear & 0xfff, bits: state.codeBits, flat: state.flat, probed };
    const record = this.blocks.find(place) ?? this.blocks.build(place, this.probeFrom(linear));
    if (record !== undefined) {
      const { u32 } = this.parts.host;
      const size = state.long ? JUMP64_ENTRY : JUMP_ENTRY;
      const entry = (u32[JUMP_BASE >> 2] + jumpCacheSlot(linear) * size) >> 2;
      u32[entry] = linear;
      if (state.long) u32[entry + 1] = Math.floor(linear / 2 ** 32);
      u32[entry + (state.long ? 2 : 1)] = record;
      mmu.noteJump(entry);
    }
    return record;
  }

  /** Says which instructions of a block that starts at an address want a PROBE record in front. */
  private probeFrom(start: LinearAddress) {
    return (distance: number, instruction: Instruction): boolean => {
      const address = this.state.advance(start, distance);
      return this.peers.some(({ debug }) => debug.breaksAt(address)) || (this.hooks?.wants(address, instruction) ?? false);
    };
  }

  /** Enters the handlers and settles accounts when they come back. */
  private execute(start: number, budget: number): void {
    const { i32 } = this.parts.host;
    this.granted = budget;
    i32[BUDGET >> 2] = budget;
    let record = start;
    for (;;) {
      const exit = this.handlers.run(record);
      if (exit === Exit.hot) {
        record = i32[CURRENT >> 2];
        this.compile(record);
        continue;
      }
      if (exit === Exit.lookup && !this.stopping) {
        const from = i32[CURRENT >> 2];
        const found = this.findBlock();
        if (found !== undefined) {
          if (from >= RECORDS) this.blocks.link(from, found);
          record = found;
          continue;
        }
      }
      this.leave(exit);
      return;
    }
  }

  /** Compiles the block at IP. */
  private compile(record: number): void {
    const { state, mmu } = this;
    const here = state.instructionAddress;
    const user = state.cpl === 3;
    this.compiler?.compile(record, (page) => {
      const frame = mmu.knownCodeFrame((here + page * FRAME_SIZE) as LinearAddress, user);
      return frame < 0 ? undefined : frame;
    });
  }

  /** Takes back what was paid for and not run, and sets IP to the instruction that did not complete. */
  private leave(exit: Exit): void {
    const { i32 } = this.parts.host;
    const record = i32[CURRENT >> 2];
    const unfinished =
      exit === Exit.fault || exit === Exit.exception || exit === Exit.stale || exit === Exit.probe || exit === Exit.partial;
    this.repeating = exit === Exit.partial;
    let refund = 0;
    if (unfinished) {
      refund = i32[(record + RECORD.rest) >> 2] - (exit === Exit.partial ? 1 : 0);
      this.state.ip = this.state.wrapOffset(this.state.ip + i32[(record + RECORD.here) >> 2]);
    }
    this.progress.completed += this.granted - i32[BUDGET >> 2] - refund;
    this.granted = 0;
    if (exit === Exit.next) {
      // A task switch may fault when it is over: the fault is the new task's.
      if (this.fault) this.settleFault();
    } else if (exit === Exit.fault) {
      if (!this.mmu.retry) this.settleFault();
    } else if (exit === Exit.exception) {
      this.fault = new GuestFault(i32[VECTOR >> 2], 0, this.describeOwn(i32[VECTOR >> 2]));
      this.settleFault();
    } else if (exit === Exit.probe) {
      this.probed();
    } else if (exit === Exit.budget || exit === Exit.lookup) {
      if (this.fault) this.settleFault();
      else if (exit === Exit.budget && i32[BUDGET >> 2] > 0) this.mmu.retry = true;
    }
  }

  private describeOwn(vector: number): string {
    return OWN_REASONS[vector] ?? 'the target lies beyond the limit of CS, or an address is not aligned or canonical';
  }

  /** Meets the fault that the last instruction left. */
  private settleFault(): void {
    const fault = this.fault ?? this.mmu.fault;
    this.fault = undefined;
    this.mmu.fault = undefined;
    if (fault) this.meet(fault);
  }

  /** Delivers an exception, unless a hook wants to stop before. @returns false when it is held back */
  private meet(fault: GuestFault): boolean {
    if (fault.vector === Vector.mf && (this.state.cr0 & Cr0.ne) === 0) {
      this.reportFloatError();
      return true;
    }
    if (this.hooks?.exception(fault)) {
      this.held = fault;
      this.stopping = true;
      return false;
    }
    this.raise(fault);
    return true;
  }

  /**
   * With CR0.NE clear an x87 error is the interrupt controller's affair (manual, "MS-DOS Compatibility Sub-mode"). The instruction
   * that met it runs behind the interrupt: the error counts as reported, so that it does so too where the interrupt is masked.
   */
  private reportFloatError(): void {
    const { u32 } = this.parts.host;
    u32[X87_STATUS >> 2] &= ~(Status.summary | Status.busy);
    this.parts.onFloatError?.();
  }

  /** The exception that waits to be delivered while the debugger looks. */
  get heldException(): GuestFault | undefined {
    return this.held;
  }

  /** What comes from outside; between the iterations of a repeated instruction it pushes RF as 1 (manual, "Resume Flag"). */
  private arrival(vector: number): Omit<Event, 'name'> {
    const { ip } = this.state;
    return { vector, source: 'external', returnTo: ip, resume: this.repeating, kind: 'interrupt', at: ip };
  }

  private raise(fault: GuestFault): void {
    this.raiseEvent(this.exceptionEvent(fault));
  }

  private exceptionEvent(fault: GuestFault): Event {
    const info = EXCEPTIONS[fault.vector];
    const { ip } = this.state;
    return {
      vector: fault.vector,
      source: 'exception',
      errorCode: info?.errorCode && this.state.protectedMode ? fault.errorCode : undefined,
      returnTo: ip,
      resume: info?.kind === 'fault',
      name: exceptionName(fault.vector),
      kind: 'exception',
      at: ip,
    };
  }

  /** Delivers; a fault on the way makes a double fault where the manual says so, a third one shuts the processor down. */
  private raiseEvent(event: Event): void {
    let current = event;
    this.delivered++;
    this.noteDelivery();
    for (;;) {
      this.checkpoint();
      try {
        deliver(this, current);
        return;
      } catch (error) {
        if (!(error instanceof GuestFault)) throw error;
        this.rollback();
        const first = current.source === 'exception' ? (EXCEPTIONS[current.vector]?.severity ?? 'benign') : 'benign';
        const second = EXCEPTIONS[error.vector]?.severity ?? 'benign';
        if (first === 'double fault') {
          this.fault = error;
          this.state.setSys(SYS.activity, Activity.shutdown);
          return;
        }
        const double =
          (first === 'contributory' && second === 'contributory') ||
          (first === 'page fault' && (second === 'contributory' || second === 'page fault'));
        current = this.exceptionEvent(double ? new GuestFault(Vector.df, 0, error.reason) : error);
      }
    }
  }

  /**
   * Deliveries with no instruction between them, as where fetching the handler itself faults, would never end and stop the
   * clock: from the fifth on each counts as one.
   */
  private noteDelivery(): void {
    const { progress } = this;
    if (progress.completed !== this.deliveredAt) this.barren = 0;
    else if (++this.barren > 4) progress.completed++;
    this.deliveredAt = progress.completed;
  }

  private probed(): void {
    const { state } = this;
    const address = state.instructionAddress;
    if (this.breakpointFault(address)) return;
    const instruction = this.blocks.instructionAt(this.parts.host.i32[CURRENT >> 2] + RECORD_SIZE);
    if (this.hooks?.probe(address, instruction)) {
      this.stopping = true;
      return;
    }
    this.passProbe = address;
    this.single();
  }

  /** #DB for an instruction breakpoint of the guest's own. */
  private breakpointFault(address: LinearAddress): boolean {
    if (this.state.flag(Flag.rf)) return false;
    const hit = this.debug.instructionHits(address);
    if (hit === 0) return false;
    this.state.setSys(SYS.dr6, (this.state.sys(SYS.dr6) | hit) >>> 0);
    this.fault = new GuestFault(Vector.db, 0, 'instruction breakpoint in DR0 to DR3');
    this.settleFault();
    return true;
  }

  /** Runs the next instruction without looking at probes: what a debugger does to leave one. */
  passProbes(): void {
    this.passProbe = this.state.instructionAddress;
    this.mmu.retry = true;
  }

  /** To be called after the answers of `Hooks.wants` changed. */
  probesChanged(): void {
    this.staleProbes = true;
  }

  /** Executes one instruction, or delivers one event. */
  step(): CpuStop {
    const delivered = this.delivered;
    this.stopping = false;
    const { clock } = this.parts;
    if (clock.nextDeadline <= clock.now) clock.fire();
    const ready = this.settle();
    if (this.stopping) return { reason: 'requested' };
    if (this.delivered !== delivered) return { reason: 'limit' };
    if (!ready) return this.wait();
    this.single();
    return this.stopping ? { reason: 'requested' } : { reason: 'limit' };
  }

  // --- one instruction alone

  /** @param budget instructions that may pass before something is due: what a repeated string instruction may use */
  private single(budget = 1): void {
    const { state, mmu } = this;
    const { i32 } = this.parts.host;
    const address = state.instructionAddress;
    const passProbe = this.passProbe === address;
    this.passProbe = -1;
    mmu.retry = false;
    // MOV SS holds back the breakpoint on the next instruction, too.
    if (state.sys(SYS.shadow) !== 2 && this.debug.breaksAt(address) && this.breakpointFault(address)) return;
    const instruction = this.fetch();
    if (!instruction) return;
    if (!passProbe && this.hooks?.wants(address, instruction) && this.hooks.probe(address, instruction)) {
      this.stopping = true;
      return;
    }
    const shadow = state.sys(SYS.shadow);
    const trap = state.flag(Flag.tf);
    const resume = state.flag(Flag.rf);
    state.setSys(SYS.shadow, 0);
    mmu.exact = true;
    this.singles++;
    // A repeated access to a device goes on until the device wants something, or a trap has to come between.
    const alone = trap || mmu.watching || instruction.prefixes.repeat === 'none';
    this.granted = alone ? 1 : Math.max(1, budget);
    i32[BUDGET >> 2] = this.granted - 1;
    const exit = this.handlers.run(this.blocks.single(instruction));
    mmu.exact = false;
    if (exit === Exit.fault || exit === Exit.exception) {
      // The instruction did not happen, so the shadow over it stays.
      state.setSys(SYS.shadow, shadow);
      this.leave(exit);
      return;
    }
    const { semantics } = instruction.row;
    if (resume && exit !== Exit.partial && semantics !== 'iret') state.setFlag(Flag.rf, false);
    // INTO that does nothing is an instruction like any other.
    const interrupted = INT_SEMANTICS.has(semantics) && (semantics !== 'into' || (state.eflags & Flag.of) !== 0);
    if (trap && !interrupted) state.setSys(SYS.pendingDebug, state.sys(SYS.pendingDebug) | DR6_BS);
    this.leave(exit);
  }

  /** The instruction at IP; undefined when fetching it faulted, which is settled then. */
  private fetch(): Instruction | undefined {
    try {
      return this.fetcher.atIp();
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      this.fault = error;
      this.settleFault();
      return undefined;
    }
  }

  /** The instruction at a linear address as it would be decoded in the present code size, without any effect on the guest. */
  decodeAt(address: LinearAddress): Instruction | undefined {
    return this.fetcher.at(address);
  }
}
