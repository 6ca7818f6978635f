/**
 * What runs inside an instruction: accesses that the quick way leaves over, and the TypeScript helpers of rare instructions
 * with what they see of the processor. `processor.ts` is what happens between instructions.
 */
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import type { Place } from '../../shared/transition';
import type { LocalApic } from '../machine/devices/local-apic';
import type { AccessSize } from '../machine/physical-memory';
import type { RawTransition } from '../transitions';
import type { Hooks, MachineParts, Seat } from './hooks';
import type { BlockCache } from './interpreter/blocks';
import { Access, COMPILED } from './staged/code-width';
import type { Host } from './interpreter/handlers';
import { Exit, RECORD } from './interpreter/records';
import {
  Activity,
  BUDGET,
  COUNT_END,
  LOOK,
  Look,
  PROCESSOR,
  SCRATCH,
  SEGMENTS,
  SEGMENT_SIZE,
  SNAPSHOT,
  STATE_END,
  SYS,
  TIME_END,
  TIME_OFFSET,
  UNWATCHED,
} from './layout';
import { CpuState, Flag, highHalf, isCanonical, join, Reg, Seg } from './state';
import { AddressMonitor } from './system/address-monitor';
import type { Cpu } from './system/cpu';
import type { CpuidFacts } from './system/cpuid';
import { DebugRegisters } from './system/debug';
import { placeOf, TransitionDraft } from './system/draft';
import { GuestFault } from './system/fault';
import { ATOMIC_ROWS, HELPER_OF_ROW, INTERCEPT_OF_ROW } from './system/helpers';
import { Mmu } from './system/mmu';
import type { CpuModel } from './system/models';
import type { Halves } from './system/msr';
import { checkAccess, nonCanonical } from './system/segments';
import { VmExit } from './vmx/vm-exit';
import { Vmx } from './vmx/vmx';

/** A count or an offset, exact below 2^53, as 64 bits. */
const halves = (value: number): Halves => [value >>> 0, highHalf(value) >>> 0];
/** The sum modulo 2^64. */
function sum([low, high]: Halves, [otherLow, otherHigh]: Halves): Halves {
  const total = low + otherLow;
  return [total >>> 0, (high + otherHigh + (total >= 2 ** 32 ? 1 : 0)) >>> 0];
}

/** The machine's instruction count, which all its processors drive. */
export interface Progress {
  /** Instructions completed up to the start of the present run of handlers. */
  completed: number;
}

export abstract class Execution implements Cpu, Host {
  readonly index: number;
  readonly state: CpuState;
  readonly mmu: Mmu;
  readonly blocks: BlockCache;
  readonly debug: DebugRegisters;
  readonly model: CpuModel;
  readonly identity: CpuidFacts;
  readonly localApic: LocalApic | undefined;
  readonly vmx: Vmx;
  readonly monitor: AddressMonitor;
  readonly draft = new TransitionDraft();
  hooks: Hooks | undefined;
  protected readonly parts: MachineParts;
  protected readonly seat: Seat;
  protected readonly progress: Progress;
  /** The budget that this run of handlers began with. */
  protected granted = 0;
  /** Instructions behind the stop that this run of handlers has in its first block: they are not paid for. */
  protected unpaid = 0;
  /** The budget was cut while one instruction ran alone. */
  protected cut = false;
  /** The record whose helper or access is being served; 0 outside. */
  private serving = 0;
  /** What the instruction under way raised. */
  protected fault: GuestFault | undefined;
  protected stopping = false;
  /** Decoded blocks no longer have their probes where they should be. */
  protected staleProbes = false;

  /** @param blocks shared by all processors @param count how many there are */
  constructor(parts: MachineParts, seat: Seat, blocks: BlockCache, progress: Progress, index: number, count: number) {
    this.parts = parts;
    this.seat = seat;
    this.blocks = blocks;
    this.progress = progress;
    this.index = index;
    this.state = new CpuState(parts.host, index);
    this.mmu = new Mmu(this.state, parts.memory);
    this.mmu.initialize();
    this.debug = new DebugRegisters(this.state);
    this.model = parts.model;
    this.localApic = seat.localApic;
    this.identity = { model: parts.model, state: this.state, apicId: seat.localApic?.id ?? index, processors: count };
    this.vmx = new Vmx(this, parts.clock);
    this.monitor = new AddressMonitor(parts.memory);
    this.mmu.onTprWrite = () => this.vmx.checkTpr();
    this.mmu.onWatched = (address, size, write) => this.accessed(address, size, write);
  }

  /** A deadline moved: what runs now ends where it has to be looked at. */
  deadlineChanged(): void {
    // Only a device whose register is being touched can do that.
    if (this.granted > 0 && (this.mmu.exact || this.serving !== 0)) this.cutBudget();
  }

  /** Instructions completed since power-on, exact at every moment. */
  get instructionCount(): number {
    if (this.granted === 0) return this.progress.completed;
    const rest = this.serving === 0 ? 0 : this.parts.host.i32[(this.serving + RECORD.rest) >> 2] - this.unpaid;
    return this.progress.completed + this.granted - this.parts.host.i32[BUDGET >> 2] - rest;
  }

  /** Asks `run` to come back before the next instruction. */
  requestStop(): void {
    this.stopping = true;
    // A running block leaves at its next edge.
    if (this.granted > 0) this.cutBudget();
  }

  /** An external interrupt would be taken at this instruction boundary, or leave the guest. */
  protected get interruptWaits(): boolean {
    return this.seat.interrupts.pending && (this.state.flag(Flag.if) || (this.vmx.nonRoot && this.vmx.exitsOnInterrupts));
  }

  protected cutBudget(): void {
    const { i32 } = this.parts.host;
    const left = i32[BUDGET >> 2];
    this.cut = true;
    if (left > 0) {
      this.granted -= left;
      i32[BUDGET >> 2] = 0;
      this.tellTime();
    }
  }

  /** Lets handlers know the time: before they run, and when what they were granted changes. */
  protected tellTime(): void {
    const { i32 } = this.parts.host;
    const end = this.progress.completed + this.granted + this.unpaid + this.parts.clock.idleInstructions;
    i32[TIME_END >> 2] = end;
    i32[(TIME_END >> 2) + 1] = highHalf(end);
    i32[TIME_OFFSET >> 2] = this.shownOffset[0];
    i32[(TIME_OFFSET >> 2) + 1] = this.shownOffset[1];
    const count = this.progress.completed + this.granted + this.unpaid;
    i32[COUNT_END >> 2] = count;
    i32[(COUNT_END >> 2) + 1] = highHalf(count);
    this.tellWatchers();
  }

  /** Lets handlers know who wants to see what they do, and what waits. */
  protected tellWatchers(): void {
    const { i32 } = this.parts.host;
    i32[UNWATCHED >> 2] = this.mmu.watching || this.parts.log.onTransition ? 0 : 1;
    i32[PROCESSOR >> 2] = this.index;
    this.tellWaiting();
  }

  private tellWaiting(): void {
    const { vmx } = this;
    const { pending } = this.seat.interrupts;
    let look = (pending ? Look.interrupt : 0) | (this.boundaryWaits ? Look.boundary : 0);
    if (vmx.nonRoot) look |= (vmx.watchesInterruptFlag ? Look.interrupt : 0) | (pending && vmx.exitsOnInterrupts ? Look.boundary : 0);
    this.parts.host.i32[LOOK >> 2] = look;
  }

  /** Something other than an interrupt has to be looked at before the next instruction. */
  protected abstract readonly boundaryWaits: boolean;

  // --- called by handlers

  memory(record: number, segment: number, offset: number, sizeAndAccess: number): number {
    this.serving = record;
    const size = sizeAndAccess & 0xff;
    const access = (sizeAndAccess >> 8) & 0xff;
    try {
      const linear = checkAccess(this.state, ((segment - SEGMENTS) / SEGMENT_SIZE) as Seg, offset >>> 0, size, access !== Access.read);
      return this.serve(linear, size, access, sizeAndAccess);
    } catch (error) {
      return this.fail(error);
    }
  }

  memory64(record: number, segment: number, low: number, high: number, sizeAndAccess: number): number {
    this.serving = record;
    const size = sizeAndAccess & 0xff;
    const access = (sizeAndAccess >> 8) & 0xff;
    try {
      const linear = join(low, high) as LinearAddress;
      if (!isCanonical(linear) || !isCanonical(linear + size - 1)) this.refuseAddress(linear, size, segment, low, high);
      return this.serve(linear, size, access, sizeAndAccess);
    } catch (error) {
      return this.fail(error);
    }
  }

  /** @throws GuestFault what an access at addresses that are not all canonical raises */
  private refuseAddress(linear: LinearAddress, size: number, segment: number, low: number, high: number): never {
    if (isCanonical(linear)) {
      // Processors look at the alignment before they look at the end.
      this.mmu.checkAlignment(linear, size);
      // Numbers of 10 bytes are read in two parts, of which the first may fault in its own way.
      if (size === 10 && isCanonical(linear + 7)) this.mmu.read(linear, 8, this.state.cpl === 3);
    }
    throw nonCanonical((segment - SEGMENTS) / SEGMENT_SIZE, low, high);
  }

  /** @param linear what segmentation says of the access */
  private serve(linear: LinearAddress, size: number, access: number, sizeAndAccess: number): number {
    const dropped = this.blocks.invalidated;
    this.mmu.checkAlignment(linear, size);
    const pointer = this.mmu.access(linear, size, access);
    this.serving = 0;
    // Compiled code leaves to the interpreter what is not done by one load or store, and stops where itself may have been dropped.
    if (sizeAndAccess & COMPILED && (pointer === SCRATCH || this.blocks.invalidated !== dropped)) {
      this.mmu.retry = true;
      return 0;
    }
    return pointer;
  }

  private fail(error: unknown): number {
    this.serving = 0;
    if (!(error instanceof GuestFault)) throw error;
    this.fault = error;
    return 0;
  }

  commit(record: number): void {
    this.serving = record;
    this.mmu.commit();
    // A repeated instruction that wrote over its own code is fetched anew, however the run is cut into slices.
    if ((this.mmu.exact && this.interruptWaits) || !this.blocks.stands(record)) this.cutBudget();
    this.serving = 0;
  }

  helper(record: number): number {
    const { state } = this;
    const { i32 } = this.parts.host;
    const instruction = this.blocks.instructionAt(record) as Instruction;
    const rowId = instruction.row.id;
    const helper = HELPER_OF_ROW[rowId];
    if (!helper) throw new Error(`not implemented: the semantics of ${instruction.row.mnemonic} (${instruction.row.semantics})`);
    const start = state.ip;
    if (this.mmu.watching && !this.mmu.exact) {
      this.mmu.retry = true;
      return Exit.fault + 1;
    }
    this.instruction = instruction;
    this.here = state.wrapOffset(start + i32[(record + RECORD.here) >> 2]);
    this.after = state.wrapOffset(start + i32[(record + RECORD.next) >> 2]);
    this.serving = record;
    this.partial = false;
    const ends = instruction.row.flow !== 'next';
    if (ends) state.ip = this.after;
    this.atomic = ATOMIC_ROWS[rowId] === 1;
    this.checkpoint();
    this.taskCommitted = false;
    this.refused = false;
    try {
      if (this.vmx.nonRoot) this.intercept(rowId);
      if (!this.refused) helper(this);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      if (error instanceof VmExit) error.length = this.after - this.here;
      this.rollback();
      this.fault = error;
      this.serving = 0;
      if (this.taskCommitted) return Exit.next + 1;
      state.ip = start;
      return Exit.fault + 1;
    }
    this.serving = 0;
    this.tellWaiting();
    if (this.refused) {
      state.ip = start;
      return Exit.fault + 1;
    }
    if (this.partial) {
      state.ip = start;
      return Exit.partial + 1;
    }
    return ends ? Exit.next + 1 : 0;
  }

  /** Looks whether an instruction leaves the guest, or is not there for it. */
  private intercept(rowId: number): void {
    this.vmx.unblockedNmis = false;
    INTERCEPT_OF_ROW[rowId]?.(this);
  }

  portRead(record: number, port: number, size: number): number {
    this.serving = record;
    const value = this.readPort(port, size as AccessSize);
    this.serving = 0;
    this.tellWaiting();
    return value;
  }

  portWrite(record: number, port: number, size: number, value: number): void {
    this.serving = record;
    this.writePort(port, size as AccessSize, value >>> 0);
    this.serving = 0;
    this.tellWaiting();
  }

  // --- Cpu: what helpers see

  instruction!: Instruction;
  here = 0;
  after = 0;
  private partial = false;
  /** A task switch went beyond the point of no return. */
  private taskCommitted = false;

  get timeStamp(): number {
    return this.parts.clock.ticks + this.timeStampOffset;
  }

  private ownOffset = 0;
  /** What RDTSC adds to the count: its own offset, and a VMCS's. */
  private shownOffset: Halves = [0, 0];

  protected get timeStampOffset(): number {
    return this.ownOffset;
  }

  protected set timeStampOffset(value: number) {
    this.ownOffset = value;
    this.shownOffset = sum(halves(value), this.guestTime);
  }
  /** What a VMCS adds. */
  private guestTime: Halves = [0, 0];

  get shownTimeStamp(): Halves {
    return sum(halves(this.timeStamp), this.guestTime);
  }

  setGuestTime(low: number, high: number): void {
    this.guestTime = [low, high];
    this.shownOffset = sum(halves(this.ownOffset), this.guestTime);
    if (this.granted > 0) this.tellTime();
  }

  setTimeStamp(value: number): void {
    this.timeStampOffset += value - this.timeStamp;
    this.localApic?.timeStampChanged();
  }

  place(): Place {
    return placeOf(this.state);
  }

  log(transition: RawTransition): void {
    this.parts.log.record(transition, this.instructionCount, this.index);
  }

  private refused = false;

  refuse(fault: GuestFault): void {
    this.fault = fault;
    this.refused = true;
  }

  /** The helper under way changes nothing that a fault may follow. */
  private atomic = false;
  /** There is a copy of the state to go back to. */
  private kept = false;

  /** Helpers that are atomic and deliveries, which are too or call `keep`, need no copy. */
  checkpoint(): void {
    if (this.serving === 0 || this.atomic) this.kept = false;
    else this.keep();
  }

  keep(): void {
    this.kept = true;
    this.parts.host.u8.copyWithin(SNAPSHOT, 0, STATE_END);
  }

  commitTask(): void {
    this.keep();
    this.taskCommitted = true;
  }

  /** Takes everything back but what is not the guest's: the budget. */
  protected rollback(): void {
    if (!this.kept) return;
    const { u8, i32 } = this.parts.host;
    const budget = i32[BUDGET >> 2];
    u8.copyWithin(0, SNAPSHOT, SNAPSHOT + STATE_END);
    i32[BUDGET >> 2] = budget;
    this.state.refresh();
  }

  /** I/O breakpoints trap after the instruction. */
  private notePort(port: number, size: AccessSize): void {
    const hit = this.debug.portHits(port, size);
    if (hit) this.state.setSys(SYS.pendingDebug, this.state.sys(SYS.pendingDebug) | hit);
  }

  readPort(port: number, size: AccessSize): number {
    const value = this.parts.ports.read(port, size);
    this.notePort(port, size);
    if (this.hooks?.port(port, size, false, value)) this.requestStop();
    return value;
  }

  writePort(port: number, size: AccessSize, value: number): void {
    this.parts.ports.write(port, size, value);
    this.notePort(port, size);
    if (this.hooks?.port(port, size, true, value)) this.requestStop();
  }

  repeat(iteration: () => void): void {
    const { state } = this;
    if (this.instruction.prefixes.repeat === 'none') {
      iteration();
      return;
    }
    const { i32 } = this.parts.host;
    const size = this.instruction.addressSize / 8;
    let left = state.reg(Reg.ecx, size);
    while (left !== 0) {
      iteration();
      left--;
      state.setReg(Reg.ecx, size, left);
      this.checkpoint();
      if (left === 0) return;
      if (i32[BUDGET >> 2] <= 0 || this.stopping || this.interruptWaits || state.sys(SYS.pendingDebug) !== 0) {
        this.partial = true;
        return;
      }
      i32[BUDGET >> 2]--;
    }
  }

  debugRegistersChanged(): void {
    if (!this.debug.update()) return;
    this.staleProbes = true;
    this.refreshWatches();
  }

  /** Linear pages whose accesses the session wants to see. */
  private watchedPages: ReadonlySet<number> = new Set();

  watchPages(pages: ReadonlySet<number>): void {
    this.watchedPages = pages;
    this.refreshWatches();
  }

  private refreshWatches(): void {
    this.mmu.watch([...this.watchedPages, ...this.debug.dataPages()]);
  }

  private accessed(address: LinearAddress, size: number, write: boolean): void {
    const hit = this.debug.dataHits(address, size, write);
    if (hit) this.state.setSys(SYS.pendingDebug, this.state.sys(SYS.pendingDebug) | hit);
    if (this.hooks?.access(address, size, write)) this.requestStop();
  }

  halt(): void {
    this.state.setSys(SYS.activity, Activity.halted);
  }

  blockedByMovSs = false;

  /** Why nothing can run any more, where no fault tells. */
  protected ending: string | undefined;

  shutDown(reason: string): void {
    this.ending = reason;
    this.state.setSys(SYS.activity, Activity.shutdown);
  }

  shadow(kind: 'sti' | 'mov-ss'): void {
    this.state.setSys(SYS.shadow, kind === 'sti' ? 1 : 2);
  }
}
