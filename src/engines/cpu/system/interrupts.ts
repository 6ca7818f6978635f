/** Delivery of exceptions and interrupts through the IDT (manual, "Interrupt and Exception Handling", INT n). */
import type { LinearAddress } from '../../../shared/addresses';
import type { TransitionKind } from '../../../shared/transition';
import { SYS } from '../layout';
import { Attr, Flag, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { placeOf } from './draft';
import { EXCEPTIONS, GuestFault, gp, selectorCode, Vector } from './fault';
import { deliverLong } from './long-mode';
import { checkStackSegment, markAccessed, nullSegment, registerFrom } from './segments';
import { StackCursor } from './stack';
import { switchTask, taskDescriptor } from './tasks';
import { deliverRedirected, redirects } from './virtual-8086';

export interface Event {
  readonly vector: number;
  /**
   * - exception: raised by the processor
   * - external: from an interrupt controller, or NMI
   * - software: INT n, INT3, INTO, whose gate's DPL is checked
   * - privileged-software: INT1, which is not checked
   */
  readonly source: 'exception' | 'external' | 'software' | 'privileged-software';
  readonly errorCode?: number;
  /** Offset in CS to return to. */
  readonly returnTo: number;
  /** The pushed EFLAGS carry RF, so that the instruction's own breakpoint does not hit again. */
  readonly resume?: boolean;
  /** By VM entry: no exception bitmap is asked. */
  readonly injected?: boolean;
  /** INT3 or INTO rather than INT n. */
  readonly softwareException?: boolean;
  /** Bytes of the instruction that made it. */
  readonly length?: number;
  /** What it leaves behind: CR2 of a page fault, DR6's bits of a debug exception. */
  readonly information?: number;
  /** For the log. */
  readonly name: string;
  readonly kind: TransitionKind;
  /** Offset in CS of the instruction that caused it. */
  readonly at: number;
}

/** Name of an exception's cause in the log. */
export const exceptionName = (vector: number): string => EXCEPTIONS[vector]?.mnemonic ?? `vector ${vector}`;

/**
 * Delivers one event; the state is committed only at the end.
 * @throws GuestFault when delivery itself faults
 */
export function deliver(cpu: Cpu, event: Event): void {
  cpu.mmu.delivering = true;
  try {
    deliverByMode(cpu, event);
  } finally {
    cpu.mmu.delivering = false;
  }
}

function deliverByMode(cpu: Cpu, event: Event): void {
  if (cpu.state.virtual8086 && event.source === 'software' && !event.softwareException) {
    if (redirects(cpu, event.vector)) return deliverRedirected(cpu, event);
    // INT n has looked before; one that VM entry injects does it here.
    if (cpu.state.iopl !== 3) throw gp(0, `INT n in virtual-8086 mode needs IOPL 3, it is ${cpu.state.iopl}`);
  }
  if (cpu.state.longMode) deliverLong(cpu, event);
  else if (cpu.state.protectedMode) deliverProtected(cpu, event);
  else deliverReal(cpu, event);
}

function deliverReal(cpu: Cpu, event: Event): void {
  const { state, mmu } = cpu;
  before(cpu, event);
  const entry = event.vector * 4;
  if (entry + 3 > state.sys(SYS.idtrLimit)) throw gp(event.vector * 8 + 2, 'the vector lies outside the interrupt table');
  const at = ((state.sys(SYS.idtrBase) + entry) >>> 0) as LinearAddress;
  const offset = mmu.read(at, 2, false);
  const selector = mmu.read(((at + 2) >>> 0) as LinearAddress, 2, false);
  const stack = StackCursor.current(state, mmu);
  stack.push(2, state.eflags);
  stack.push(2, state.selector(Seg.cs));
  stack.push(2, event.returnTo);
  if (offset > state.segLimit(Seg.cs)) throw gp(0, "the handler's offset lies beyond the limit of CS");
  state.setRegAddress(Reg.esp, stack.pointer);
  state.setFlag(Flag.if | Flag.tf | Flag.ac | Flag.rf, false);
  state.setRealSegment(Seg.cs, selector);
  state.ip = offset;
  state.refresh();
  report(cpu, selector, offset);
}

/** Takes down what the log needs from before the transition. */
export function before({ state, draft }: Cpu, event: Event): void {
  draft.begin(state, event.kind, event.vector, event.name, event.at);
  if (event.errorCode !== undefined) draft.errorCode = event.errorCode;
  if (event.source === 'exception' && event.vector === Vector.pf) draft.extra = state.sys64(SYS.cr2);
}

/** Logs the delivery. */
export function report(cpu: Cpu, toSelector: number, toOffset: number, gate?: Descriptor, target?: Descriptor): void {
  const { draft } = cpu;
  draft.to = placeOf(cpu.state);
  draft.toSelector = toSelector;
  draft.toOffset = toOffset;
  if (gate) {
    draft.gateLow = gate.low;
    draft.gateHigh = gate.high;
  }
  if (target) draft.targetHigh = target.high;
  cpu.log(draft);
}

const GATE_TYPES: ReadonlySet<number> = new Set([
  SystemType.taskGate,
  SystemType.interruptGate16,
  SystemType.trapGate16,
  SystemType.interruptGate32,
  SystemType.trapGate32,
]);

function deliverProtected(cpu: Cpu, event: Event): void {
  const { state, mmu } = cpu;
  const software = event.source === 'software';
  const ext = software ? 0 : 1;
  const idtCode = event.vector * 8 + 2 + ext;
  const entry = event.vector * 8;
  if (entry + 7 > state.sys(SYS.idtrLimit)) throw gp(idtCode, `vector ${event.vector} lies outside the IDT`);
  const at = ((state.sys(SYS.idtrBase) + entry) >>> 0) as LinearAddress;
  const gateDescriptor = mmu.descriptors.parse(at, mmu.read(at, 4, false), mmu.read(((at + 4) >>> 0) as LinearAddress, 4, false));
  if (gateDescriptor.isSegment || !GATE_TYPES.has(gateDescriptor.type)) throw gp(idtCode, `IDT entry ${event.vector} is no gate`);
  if (software && gateDescriptor.dpl < state.cpl) throw gp(idtCode, `CPL ${state.cpl} > gate DPL ${gateDescriptor.dpl}`);
  if (!gateDescriptor.present) throw new GuestFault(Vector.np, idtCode, `IDT entry ${event.vector} is not present`);
  if (gateDescriptor.type === SystemType.taskGate) throughTaskGate(cpu, event, gateDescriptor, ext);
  else throughGate(cpu, event, gateDescriptor, ext);
}

function throughTaskGate(cpu: Cpu, event: Event, gateDescriptor: Descriptor, ext: number): void {
  const { selector } = gateDescriptor.gate;
  const descriptor = taskDescriptor(cpu, selector, Vector.gp, ext);
  switchTask(cpu, {
    selector,
    descriptor,
    how: 'call',
    ext,
    errorCode: event.errorCode,
    resume: event.resume,
    returnTo: event.returnTo,
    cause: { number: event.vector, name: event.name },
    gate: gateDescriptor,
    at: event.at,
    byEvent: true,
  });
}

const DATA_SEGMENTS = [Seg.gs, Seg.fs, Seg.ds, Seg.es];

function throughGate(cpu: Cpu, event: Event, gateDescriptor: Descriptor, ext: number): void {
  const { state, mmu } = cpu;
  const { gate } = gateDescriptor;
  if (isNull(gate.selector)) throw gp(ext, "the gate's selector is null");
  const code = selectorCode(gate.selector) + ext;
  const target = fetchDescriptor(state, mmu, gate.selector);
  if (!target) throw gp(code, "the gate's selector lies outside its descriptor table");
  if (!target.isCode || target.dpl > state.cpl) throw gp(code, `handler code DPL ${target.dpl} > CPL ${state.cpl}, or not code`);
  if (!target.present) throw new GuestFault(Vector.np, code, "the handler's segment is not present");

  before(cpu, event);
  const fromVm = state.virtual8086;
  const inward = !target.conforming && target.dpl < state.cpl;
  if (fromVm && !(inward && target.dpl === 0)) throw gp(code, 'from virtual-8086 mode a handler must run at DPL 0, nonconforming');

  const newCpl = inward ? target.dpl : state.cpl;
  const size = gate.wide ? 4 : 2;
  let stack: StackCursor;
  let newStack: ReturnType<typeof privilegedStack> | undefined;
  if (inward) {
    newStack = privilegedStack(cpu, target.dpl, ext);
    stack = new StackCursor(
      mmu,
      registerFrom(newStack.selector, newStack.descriptor),
      newStack.pointer,
      newCpl === 3,
      selectorCode(newStack.selector) + ext,
    );
  } else stack = StackCursor.current(state, mmu, ext);

  if (gate.offset > target.limit) throw gp(ext, "the handler's offset lies beyond its segment's limit");
  if (fromVm) for (const seg of DATA_SEGMENTS) stack.push(size, state.selector(seg));
  if (inward) {
    stack.push(size, state.selector(Seg.ss));
    stack.push(size, state.reg32(Reg.esp));
  }
  stack.push(size, (state.eflags | (event.resume ? Flag.rf : 0)) >>> 0);
  stack.push(size, state.selector(Seg.cs));
  stack.push(size, event.returnTo);
  if (event.errorCode !== undefined) stack.push(size, event.errorCode);

  if (newStack) {
    markAccessed(cpu, newStack.descriptor);
    cpu.draft.leaveStack(state.selector(Seg.ss), state.reg32(Reg.esp));
  }
  markAccessed(cpu, target);
  // Nothing faults from here on.
  if (newStack) state.setSegment(Seg.ss, registerFrom(newStack.selector, newStack.descriptor));
  const selector = (gate.selector & 0xfffc) | newCpl;
  state.setRegAddress(Reg.esp, stack.pointer);
  if (fromVm) for (const seg of DATA_SEGMENTS) state.setSegment(seg, nullSegment(0));
  state.setFlag(Flag.tf | Flag.nt | Flag.rf | Flag.vm, false);
  if ((gateDescriptor.type & 1) === 0) state.setFlag(Flag.if, false);
  state.setCpl(newCpl);
  state.setSegment(Seg.cs, registerFrom(selector, target));
  state.ip = gate.offset;
  state.refresh();
  if (newStack) {
    cpu.draft.toStackSelector = newStack.selector;
    cpu.draft.toStackOffset = stack.pointer;
  }
  report(cpu, selector, gate.offset, gateDescriptor, target);
}

/**
 * The stack that the TSS holds for a privilege level, checked (manual, "Stack Switching").
 * @param ext added to error codes
 */
export function privilegedStack(cpu: Cpu, level: number, ext: number) {
  const { state, mmu } = cpu;
  const wide = (state.segAttributes(Seg.tr) & 8) !== 0;
  const offset = wide ? level * 8 + 4 : level * 4 + 2;
  if (offset + (wide ? 5 : 3) > state.segLimit(Seg.tr)) {
    throw new GuestFault(Vector.ts, selectorCode(state.selector(Seg.tr)) + ext, `the TSS has no room for the stack of ring ${level}`);
  }
  const at = ((state.segBase(Seg.tr) + offset) >>> 0) as LinearAddress;
  const pointer = mmu.read(at, wide ? 4 : 2, false);
  const selector = mmu.read(((at + (wide ? 4 : 2)) >>> 0) as LinearAddress, 2, false);
  try {
    const descriptor = checkStackSegment(cpu, selector, level, Vector.ts);
    // A 16-bit stack leaves the upper half of ESP as it was.
    const big = (descriptor.attributes & Attr.big) !== 0;
    return { selector, pointer: big ? pointer : ((state.reg32(Reg.esp) & 0xffff0000) | (pointer & 0xffff)) >>> 0, descriptor };
  } catch (error) {
    if (error instanceof GuestFault && error.vector >= 0 && error.vector !== Vector.pf)
      throw new GuestFault(error.vector, error.errorCode + ext, error.reason);
    throw error;
  }
}
