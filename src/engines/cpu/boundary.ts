/**
 * What happens at an instruction boundary: signals from the local APIC, debug traps, interrupts, and the delivery of whatever the
 * last instruction raised. `execution.ts` is what runs inside an instruction, `processor.ts` what runs between boundaries.
 */
import type { LinearAddress } from '../../shared/addresses';
import { INTERRUPT_NAMES, TRANSITION_KINDS } from '../transition-rows';
import { NANOSECONDS_PER_INSTRUCTION } from '../machine/clock';
import type { LocalApic } from '../machine/devices/local-apic';
import { Execution, type Progress } from './execution';
import type { CpuStop, MachineParts, Seat } from './hooks';
import type { BlockCache } from './interpreter/blocks';
import type { Handlers } from './interpreter/handlers';
import { Activity, CURRENT, MISC_ENABLE, SYS, VECTOR, X87_STATUS } from './layout';
import { Status } from './semantics/x87-unit';
import { Cr0, type CpuState, Flag } from './state';
import { MONITOR_ENABLE } from './system/address-monitor';
import { DR6_BD, DR7_GD, debugException, EXCEPTIONS, GuestFault, Vector } from './system/fault';
import { deliver, type Event, exceptionName } from './system/interrupts';
import { PHYSICAL_ADDRESS_BITS } from './system/paging';
import { exitGuest } from './vmx/exit';
import { ExitReason } from './vmx/exit-reasons';
import { exceptionDetails, leavesGuest } from './vmx/exceptions';
import { reportOf } from './vmx/exit-report';
import { leaveAfterTraps, leaveBeforeTraps, leaveByInit, leaveByStartup } from './vmx/guest-boundary';
import { OWN_EXIT } from './vmx/own-exits';
import { VmExit } from './vmx/vm-exit';
import { Nmi } from './vmx/vmx';
import { initState, resetState, startState } from './system/reset';

/** Of the exceptions that staged semantics raise themselves. */
const OWN_REASONS: Readonly<Record<number, string | undefined>> = {
  [Vector.de]: 'the divisor is 0 or the quotient does not fit',
  [Vector.ud]: 'CR0.EM is set or CR4.OSFXSR is not',
  [Vector.nm]: 'CR0.TS or CR0.EM is set',
  [Vector.mf]: 'an x87 exception is pending that the control word does not mask',
  [Vector.xm]: 'a SIMD floating-point exception that MXCSR does not mask',
};
/** Of #GP by what only some instructions look at. */
const OWN_PROTECTION: Readonly<Record<string, ((state: CpuState) => string) | undefined>> = {
  rdtsc: () => 'CR4.TSD reserves it to ring 0',
  rdtscp: () => 'CR4.TSD reserves it to ring 0',
  cli: ({ cpl, iopl }) => `CLI needs CPL ≤ IOPL: CPL ${cpl}, IOPL ${iopl}`,
  pushf: ({ iopl }) => `PUSHF in virtual-8086 mode needs IOPL 3, or with 16 bits CR4.VME; IOPL is ${iopl}`,
  swapgs: ({ cpl }) => `SWAPGS needs ring 0, CPL is ${cpl}`,
  cmpxchg16b: () => 'the operand of CMPXCHG16B is not aligned to 16 bytes',
};

const KINDS: Readonly<Record<string, number>> = Object.fromEntries(TRANSITION_KINDS.map((kind, number) => [kind, number]));

/** What arrived from a local APIC and is looked at before the next instruction. */
interface Signals {
  nmi: boolean;
  init: boolean;
  /** Vector of a start-up IPI, or -1. */
  startup: number;
}

export abstract class Boundary extends Execution {
  /** An exception that a hook held back, to be delivered when the run goes on. */
  private held: GuestFault | undefined;
  private readonly signals: Signals = { nmi: false, init: false, startup: -1 };
  /** The last run ended with `waiting`; an interrupt would wake it. */
  private waiting: 'no' | 'for interrupt' | 'for signal' = 'no';
  /** The last instruction is a repeated one with iterations to go. */
  protected repeating = false;
  /** Where simple deliveries are made; a processor knows them once it is made. */
  protected deliveries: Pick<Handlers, 'deliver' | 'deliver64'> | undefined;
  /** Exceptions and interrupts delivered from outside an instruction. */
  protected delivered = 0;
  /** Deliveries in a row with no instruction between them, and the count at the last. */
  private barren = 0;
  private deliveredAt = -1;

  /** @param blocks shared by all processors @param count how many there are */
  constructor(parts: MachineParts, seat: Seat, blocks: BlockCache, progress: Progress, index: number, count: number) {
    super(parts, seat, blocks, progress, index, count);
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
    this.ending = undefined;
    if (this.model.has('monitor')) this.parts.host.u32[MISC_ENABLE >> 2] |= MONITOR_ENABLE;
    this.vmx.reset();
  }

  private restart(): void {
    this.mmu.reset();
    this.fault = undefined;
    this.held = undefined;
    this.waiting = 'no';
    this.monitor.clear();
    this.debugRegistersChanged();
  }

  /** While no instruction can run. */
  protected wait(): CpuStop {
    const { state } = this;
    const activity = state.sys(SYS.activity);
    const { vmx, monitor } = this;
    if (activity === Activity.shutdown && !vmx.nonRoot) return { reason: 'shutdown', fault: this.fault, text: this.ending };
    const awaits = state.flag(Flag.if) || vmx.exitsOnInterrupts || monitor.breaksOnInterrupt;
    this.waiting = activity === Activity.halted && awaits ? 'for interrupt' : 'for signal';
    return { reason: 'waiting' };
  }

  /** Whether a run would do something: it does not wait, or what it waits for has come. */
  get ready(): boolean {
    const { signals } = this;
    if (this.waiting === 'no' || signals.nmi || signals.init || signals.startup >= 0 || this.vmx.expired) return true;
    const { pending } = this.seat.interrupts;
    return (this.waiting === 'for interrupt' && pending) || this.monitor.ended(pending, this.progress.completed);
  }

  /** An interrupt or a timer would wake it. */
  get interruptible(): boolean {
    return this.waiting === 'for interrupt' || (this.waiting === 'for signal' && this.vmx.timed);
  }

  /** INIT, start-up IPI and NMI (manual, "Multiple-Processor (MP) Initialization"). */
  private takeSignals(): void {
    const { signals, state, vmx } = this;
    const waits = state.sys(SYS.activity) === Activity.waitForSipi;
    // In root operation INIT waits until VMXOFF or VM entry, and nothing is a guest's that waits for a start-up IPI.
    if (signals.init && vmx.nonRoot && !waits) {
      signals.init = false;
      leaveByInit(this);
    } else if (signals.init && !vmx.operation) {
      signals.init = false;
      initState(state, this.model.signature);
      if (!this.localApic?.bootstrap) state.setSys(SYS.activity, Activity.waitForSipi);
      this.restart();
    }
    if (signals.startup >= 0) {
      const vector = signals.startup;
      signals.startup = -1;
      if (state.sys(SYS.activity) === Activity.waitForSipi) {
        if (vmx.nonRoot) leaveByStartup(this, vector);
        else startState(state, vector);
      }
    }
    if (signals.nmi && state.sys(SYS.activity) !== Activity.waitForSipi) {
      signals.nmi = false;
      state.setSys(SYS.nmi, state.sys(SYS.nmi) | 1);
    }
  }

  /** Delivers what waits at the instruction boundary. @returns false when no instruction can run: halted, shut down or held */
  protected settle(): boolean {
    const { state, signals } = this;
    const { interrupts } = this.seat;
    this.waiting = 'no';
    if (signals.init || signals.nmi || signals.startup >= 0) this.takeSignals();
    if (state.sys(SYS.activity) === Activity.waitForSipi) return false;
    if (this.monitor.ended(interrupts.pending, this.progress.completed)) {
      this.monitor.clear();
      state.setSys(SYS.activity, Activity.active);
    }
    if (this.held) {
      const fault = this.held;
      this.held = undefined;
      this.raise(fault);
    }
    if (this.vmx.nonRoot && this.enterOrLeave()) return this.settle();
    const shadow = state.sys(SYS.shadow);
    const debug = state.sys(SYS.pendingDebug);
    if (debug && shadow !== 2) {
      state.setSys(SYS.pendingDebug, 0);
      // A breakpoint on the next instruction is reported with the trap.
      const next = state.flag(Flag.rf) ? 0 : this.debug.instructionHits(state.instructionAddress);
      state.setSys(SYS.activity, 0);
      if (!this.meet(debugException((debug | next) >>> 0, 'debug trap'))) return false;
    }
    if (this.vmx.nonRoot && this.leaveQuietly()) return this.settle();
    if (!shadow) {
      if ((state.sys(SYS.nmi) & 3) === 1) {
        state.setSys(SYS.nmi, (state.sys(SYS.nmi) & ~Nmi.waits) | Nmi.blocked);
        state.setSys(SYS.activity, 0);
        this.raiseEvent(this.arrival(Vector.nmi, 'NMI'));
      } else if (this.interruptWaits && state.sys(SYS.activity) !== Activity.shutdown) {
        state.setSys(SYS.activity, 0);
        const vector = interrupts.acknowledge();
        this.raiseEvent(this.arrival(vector, INTERRUPT_NAMES[vector]));
      }
    }
    return state.sys(SYS.activity) === 0 && !this.stopping;
  }

  /** In non-root operation: what VM entry left to be done, and exits that come before debug traps. @returns whether the guest was left */
  private enterOrLeave(): boolean {
    const { vmx } = this;
    const event = vmx.injection;
    if (event) {
      vmx.injection = undefined;
      this.raiseEvent(event);
      if (!vmx.nonRoot) return true;
      if (event.vector === Vector.nmi && event.source === 'external') vmx.blockNmis();
      if (vmx.monitorTrap === 'next') vmx.monitorTrap = 'now';
    }
    return leaveBeforeTraps(this);
  }

  /** Exits that come behind debug traps. The instruction that comes now is the one that the monitor trap flag lets run. */
  private leaveQuietly(): boolean {
    if (leaveAfterTraps(this, this.seat.interrupts, this.repeating)) return true;
    const { vmx } = this;
    if (vmx.monitorTrap === 'next') vmx.monitorTrap = 'now';
    return false;
  }

  /** Nothing has to be looked at before the next instruction. */
  protected get quiet(): boolean {
    const { state, signals } = this;
    return (
      !this.stopping &&
      this.fault === undefined &&
      !state.flag(Flag.tf | Flag.rf) &&
      (state.sys(SYS.activity) | state.sys(SYS.shadow) | state.sys(SYS.pendingDebug) | (state.sys(SYS.nmi) & 1)) === 0 &&
      !this.interruptWaits &&
      !(this.vmx.nonRoot && this.vmx.waits) &&
      !(signals.nmi || signals.init || signals.startup >= 0) &&
      !this.staleProbes
    );
  }

  protected get boundaryWaits(): boolean {
    const { state, signals } = this;
    return (
      this.stopping ||
      this.staleProbes ||
      (state.sys(SYS.pendingDebug) | (state.sys(SYS.nmi) & 1)) !== 0 ||
      (this.vmx.nonRoot && this.vmx.waits) ||
      signals.nmi ||
      signals.init ||
      signals.startup >= 0
    );
  }

  /** Nothing waits that the shadow of STI or of a load of SS would hold back. */
  protected get shadowHoldsNothing(): boolean {
    const { state, signals } = this;
    return (
      !this.seat.interrupts.pending &&
      !(this.vmx.nonRoot && this.vmx.watchesBoundaries) &&
      (state.sys(SYS.pendingDebug) | (state.sys(SYS.nmi) & 1)) === 0 &&
      !(signals.nmi || signals.init || signals.startup >= 0)
    );
  }

  /** Meets the exception that staged semantics raised. */
  protected settleOwn(): void {
    const { i32 } = this.parts.host;
    const vector = i32[VECTOR >> 2];
    if (vector >= OWN_EXIT) {
      this.leaveByOwn(vector - OWN_EXIT);
      return;
    }
    const semantics = this.blocks.instructionAt(i32[CURRENT >> 2])?.row.semantics;
    const reason =
      (vector === Vector.gp && semantics !== undefined ? OWN_PROTECTION[semantics]?.(this.state) : undefined) ??
      OWN_REASONS[vector] ??
      'the target lies beyond the limit of CS, or an address is not aligned or canonical';
    this.fault = new GuestFault(vector, 0, reason);
    this.settleFault();
  }

  /** Meets the fault that the last instruction left. @param record its own, where an access of its made it */
  protected settleFault(record?: number): void {
    const fault = this.fault ?? this.mmu.fault;
    if (record !== undefined && fault instanceof VmExit) fault.length ??= this.blocks.instructionAt(record)?.length;
    this.fault = undefined;
    this.mmu.fault = undefined;
    if (fault) this.meet(fault);
  }

  /** Delivers an exception, unless a hook wants to stop before. @returns false when it is held back */
  private meet(fault: GuestFault): boolean {
    if (fault instanceof VmExit) {
      this.leaveGuest(fault, fault.during);
      return true;
    }
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
  reportFloatError(): void {
    const { u32 } = this.parts.host;
    u32[X87_STATUS >> 2] &= ~(Status.summary | Status.busy);
    this.parts.onFloatError?.();
  }

  /** The exception that waits to be delivered while the debugger looks. */
  get heldException(): GuestFault | undefined {
    return this.held;
  }

  /** What comes from outside; between the iterations of a repeated instruction it pushes RF as 1 (manual, "Resume Flag"). */
  private arrival(vector: number, name: string): Event {
    const { ip } = this.state;
    return { vector, source: 'external', errorCode: undefined, returnTo: ip, resume: this.repeating, name, kind: 'interrupt', at: ip };
  }

  private raise(fault: GuestFault): void {
    this.raiseEvent(this.exceptionEvent(fault), fault.during);
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
      information: fault.information,
      name: exceptionName(fault.vector),
      kind: 'exception',
      at: ip,
    };
  }

  /** Delivers; a fault on the way makes a double fault where the manual says so, a third one shuts the processor down. */
  private raiseEvent(event: Event, during?: Event): void {
    let current = event;
    this.delivered++;
    this.monitor.clear();
    this.noteDelivery();
    if (this.leavesByException(event, during)) return;
    this.leaveTraces(event);
    if (this.deliverSimply(event)) return;
    for (;;) {
      this.checkpoint();
      try {
        deliver(this, current);
        return;
      } catch (error) {
        if (!(error instanceof GuestFault)) throw error;
        this.rollback();
        if (error instanceof VmExit) {
          this.leaveGuest(error, current);
          return;
        }
        const nested = this.exceptionEvent(error);
        if (this.leavesByException(nested, current)) return;
        const first = current.source === 'exception' ? (EXCEPTIONS[current.vector]?.severity ?? 'benign') : 'benign';
        const second = EXCEPTIONS[error.vector]?.severity ?? 'benign';
        if (first === 'double fault') {
          this.tripleFault(error);
          return;
        }
        const double =
          (first === 'contributory' && second === 'contributory') ||
          (first === 'page fault' && (second === 'contributory' || second === 'page fault'));
        current = double ? this.exceptionEvent(new GuestFault(Vector.df, 0, error.reason)) : nested;
        this.leaveTraces(nested);
        if (double && this.leavesByException(current, undefined)) return;
      }
    }
  }

  private tripleFault(fault: GuestFault): void {
    if (this.vmx.nonRoot) {
      exitGuest(this, { reason: ExitReason.tripleFault });
      return;
    }
    this.fault = fault;
    this.state.setSys(SYS.activity, Activity.shutdown);
  }

  /** What the delivery of an exception leaves in CR2 or DR6. */
  private leaveTraces({ source, vector, information }: Event): void {
    const { state } = this;
    if (source !== 'exception' || information === undefined) return;
    if (vector === Vector.pf) state.setSys64(SYS.cr2, information);
    else if (vector === Vector.db) {
      state.setSys(SYS.dr6, (state.sys(SYS.dr6) | information) >>> 0);
      if (information & DR6_BD) state.setSys(SYS.dr7, (state.sys(SYS.dr7) & ~DR7_GD) >>> 0);
    }
  }

  // --- leaving a guest

  /** @param during the event in whose delivery it happened */
  private leaveGuest(exit: VmExit, during: Event | undefined): void {
    exitGuest(this, reportOf(exit, during, this.vmx.unblockedNmis));
  }

  /** @returns whether the exception left the guest instead of being delivered */
  private leavesByException(event: Event, during: Event | undefined): boolean {
    if (event.injected === true || !leavesGuest(this, event)) return false;
    const exit = new VmExit(ExitReason.exceptionOrNmi, exceptionDetails(event));
    exit.resume = event.resume === true;
    this.leaveGuest(exit, during);
    return true;
  }

  /** An instruction that emitted code carries out exits: RDTSC, RDTSCP and PAUSE. */
  private leaveByOwn(reason: number): void {
    const length = this.blocks.instructionAt(this.parts.host.i32[CURRENT >> 2])?.length ?? 0;
    const { vmx, state } = this;
    if (reason === ExitReason.pause && !vmx.pauseExits()) {
      state.ip = state.wrapOffset(state.ip + length);
      this.progress.completed++;
      return;
    }
    const exit = new VmExit(reason);
    exit.length = length;
    this.leaveGuest(exit, undefined);
  }

  /** Delivers without TypeScript; see crossings/delivery.ts. @returns false when nothing was done */
  private deliverSimply(event: Event): boolean {
    const { state, deliveries } = this;
    if (!deliveries) return false;
    this.tellWatchers();
    const deliver = state.long ? deliveries.deliver64 : deliveries.deliver;
    const software = event.source === 'software' ? 1 : 0;
    const name = this.parts.log.nameId(event.name);
    const resume = event.resume ? Flag.rf : 0;
    return deliver(event.vector, software, event.errorCode ?? -1, 0, 0, resume, KINDS[event.kind], name, this.instructionCount) === 1;
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

  /** #DB for an instruction breakpoint of the guest's own. */
  protected breakpointFault(address: LinearAddress): boolean {
    if (this.state.flag(Flag.rf)) return false;
    const hit = this.debug.instructionHits(address);
    if (hit === 0) return false;
    this.fault = debugException(hit, 'instruction breakpoint in DR0 to DR3');
    this.settleFault();
    return true;
  }
}
