/** Far transfers of control (manual, CALL, JMP, RET, IRET, SYSENTER, SYSEXIT). */
import type { TransitionKind } from '../../../shared/transition';
import type { Operand } from '../../../isa/types';
import { Attr, Flag, isCanonical, Reg, Seg, type SegmentRegister } from '../state';
import type { Cpu } from './cpu';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { placeOf } from './draft';
import { GuestFault, gp, selectorCode, Vector } from './fault';
import { privilegedStack } from './interrupts';
import * as longMode from './long-mode';
import { enter, innerStack, isLongCode } from './long-mode';
import { readOperandAt } from './operands';
import { markAccessed, nullSegment, registerFrom } from './segments';
import { StackCursor } from './stack';
import { switchTask, taskDescriptor } from './tasks';
import { hasVirtualFlag, takeVirtualFlags } from './virtual-8086';

interface Target {
  readonly selector: number;
  readonly offset: number;
}

/** The far pointer of a direct or indirect transfer. */
function farTarget(cpu: Cpu, operand: Operand): Target {
  if (operand.kind === 'far') return { selector: operand.selector, offset: operand.offset };
  const size = cpu.instruction.operandSize;
  return { offset: readOperandAt(cpu, operand, 0, size), selector: readOperandAt(cpu, operand, size, 2) };
}

const isReal = ({ state }: Cpu): boolean => !state.protectedMode || state.virtual8086;

/** Takes down what the log needs from before a transfer. */
function origin({ state, draft, here }: Cpu, kind: TransitionKind, causeName: string): void {
  draft.begin(state, kind, -1, causeName, here);
  draft.leaveStack(state.selector(Seg.ss), state.regAddress(Reg.esp));
}

/** Which transfers are logged: those that change the ring or the mode, those through a gate, and all that say so. */
const Log = { changes: 0, always: 1 } as const;

/** Logs a transfer once it is done. */
function report(cpu: Cpu, target: Descriptor | undefined, stackSwitched: boolean, log: number, gate?: Descriptor): void {
  const { state, draft } = cpu;
  const to = placeOf(state);
  const { from } = draft;
  if (log !== Log.always && !gate && to.ring === from.ring && to.mode === from.mode) return;
  draft.to = to;
  draft.toSelector = state.selector(Seg.cs);
  draft.toOffset = state.ip;
  if (stackSwitched) {
    draft.toStackSelector = state.selector(Seg.ss);
    draft.toStackOffset = state.regAddress(Reg.esp);
  } else draft.keepStack();
  if (gate) {
    draft.gateLow = gate.low;
    draft.gateHigh = gate.high;
  }
  if (target) draft.targetHigh = target.high;
  cpu.log(draft);
}

/** The same for a transfer to another code segment, which is worth it where the mode changes. */
function reportDirect(cpu: Cpu, target: Descriptor): void {
  cpu.draft.kind = 'mode-change';
  report(cpu, target, false, Log.changes);
}

/** All 64 bits of an offset where it leads to 64-bit code, else the low 32 (manual, IRET: EIP is what is checked). */
const offsetIn = ({ state }: Cpu, target: Descriptor, offset: number): number =>
  state.longMode && !isLongCode(target) ? (offset % 2 ** 32) >>> 0 : offset;

function enterCode(cpu: Cpu, target: Descriptor, selector: number, offset: number, cpl: number): void {
  markAccessed(cpu, target);
  enter(cpu.state, cpl, registerFrom((selector & 0xfffc) | cpl, target));
  cpu.state.ip = offsetIn(cpu, target, offset);
}

/** #GP(0) for an offset beyond its segment's limit, or in 64-bit code not canonical. */
function checkOffset(cpu: Cpu, target: Descriptor, offset: number, whose: string): void {
  if (cpu.state.longMode && isLongCode(target) ? !isCanonical(offset) : offsetIn(cpu, target, offset) > target.limit) {
    throw gp(0, `${whose} lies beyond its segment's limit or is not canonical`);
  }
}

/** In IA-32e mode L and D may not both be set. */
function checkWidth({ state }: Cpu, target: Descriptor, code: number): void {
  if (state.longMode && target.attributes & Attr.long && target.attributes & Attr.big) throw gp(code, 'the code segment has L and D set');
}

// --- JMP and CALL

export function jmpFar(cpu: Cpu): void {
  const { selector, offset } = farTarget(cpu, cpu.instruction.operands[0]);
  if (isReal(cpu)) {
    jumpReal(cpu, selector, offset);
    return;
  }
  origin(cpu, 'gate', 'JMP');
  const descriptor = namedDescriptor(cpu, selector);
  if (descriptor.isSegment) {
    checkDirect(cpu, descriptor, selector);
    checkOffset(cpu, descriptor, offset, 'the target');
    enterCode(cpu, descriptor, selector, offset, cpu.state.cpl);
    reportDirect(cpu, descriptor);
    return;
  }
  const gate = checkSystem(cpu, descriptor, selector);
  if (gate === 'task') return taskTransfer(cpu, descriptor, selector, 'jump', 'JMP');
  const { gateFields, target } = callGateTarget(cpu, descriptor);
  const { cpl } = cpu.state;
  if (target.conforming ? target.dpl > cpl : target.dpl !== cpl) {
    throw gp(selectorCode(gateFields.selector), `JMP through a gate keeps the CPL: code DPL ${target.dpl}, CPL ${cpl}`);
  }
  checkGateTargetPresent(gateFields.selector, target);
  checkOffset(cpu, target, gateFields.offset, "the gate's offset");
  enterCode(cpu, target, gateFields.selector, gateFields.offset, cpl);
  report(cpu, target, false, Log.changes, descriptor);
}

function jumpReal(cpu: Cpu, selector: number, offset: number): void {
  const { state } = cpu;
  if (offset > state.segLimit(Seg.cs)) throw gp(0, 'the target lies beyond the limit of CS');
  state.setRealSegment(Seg.cs, selector);
  state.ip = offset;
  state.refresh();
}

export function callFar(cpu: Cpu): void {
  const { state, mmu } = cpu;
  const { selector, offset } = farTarget(cpu, cpu.instruction.operands[0]);
  const size = cpu.instruction.operandSize;
  const stack = StackCursor.current(state, mmu);
  if (isReal(cpu)) {
    stack.push(size, state.selector(Seg.cs));
    stack.push(size, cpu.after);
    jumpReal(cpu, selector, offset);
    state.setRegAddress(Reg.esp, stack.pointer);
    return;
  }
  origin(cpu, 'gate', 'CALL');
  const descriptor = namedDescriptor(cpu, selector);
  if (descriptor.isSegment) {
    checkDirect(cpu, descriptor, selector);
    // From 64-bit code to other the stack is already the other's, as the silicon has it: in SS, by ESP.
    const leaves = state.long && !isLongCode(descriptor);
    const used = leaves ? new StackCursor(mmu, state.segment(Seg.ss), state.reg32(Reg.esp), state.cpl === 3) : stack;
    used.push(size, state.selector(Seg.cs));
    used.push(size, cpu.after);
    checkOffset(cpu, descriptor, offset, 'the target');
    enterCode(cpu, descriptor, selector, offset, state.cpl);
    state.setRegAddress(Reg.esp, used.pointer);
    reportDirect(cpu, descriptor);
    return;
  }
  if (checkSystem(cpu, descriptor, selector) === 'task') return taskTransfer(cpu, descriptor, selector, 'call', 'CALL');
  callThroughGate(cpu, descriptor);
}

function callThroughGate(cpu: Cpu, gate: Descriptor): void {
  const { state, mmu } = cpu;
  const { gateFields, target } = callGateTarget(cpu, gate);
  if (target.dpl > state.cpl) throw gp(selectorCode(gateFields.selector), `code DPL ${target.dpl} > CPL ${state.cpl}`);
  checkGateTargetPresent(gateFields.selector, target);
  if (state.longMode) return callThroughLongGate(cpu, gate, target);
  const size = gateFields.wide ? 4 : 2;
  const current = StackCursor.current(state, mmu);
  if (target.conforming || target.dpl === state.cpl) {
    current.push(size, state.selector(Seg.cs));
    current.push(size, cpu.after);
    checkOffset(cpu, target, gateFields.offset, "the gate's offset");
    enterCode(cpu, target, gateFields.selector, gateFields.offset, state.cpl);
    state.setRegAddress(Reg.esp, current.pointer);
    report(cpu, target, false, Log.changes, gate);
    return;
  }
  const inner = privilegedStack(cpu, target.dpl, 0);
  const segment = registerFrom(inner.selector, inner.descriptor);
  const stack = new StackCursor(mmu, segment, inner.pointer, target.dpl === 3, selectorCode(inner.selector));
  const parameters = Array.from({ length: gateFields.parameters }, (_, i) => current.peek(size, i * size));
  stack.push(size, state.selector(Seg.ss));
  stack.push(size, state.reg32(Reg.esp));
  for (const parameter of parameters.reverse()) stack.push(size, parameter);
  stack.push(size, state.selector(Seg.cs));
  stack.push(size, cpu.after);
  checkOffset(cpu, target, gateFields.offset, "the gate's offset");
  markAccessed(cpu, inner.descriptor);
  state.setSegment(Seg.ss, segment);
  enterCode(cpu, target, gateFields.selector, gateFields.offset, target.dpl);
  state.setRegAddress(Reg.esp, stack.pointer);
  report(cpu, target, true, Log.changes, gate);
}

/** A 64-bit call gate: no parameters, and a null selector for the inner stack segment. */
function callThroughLongGate(cpu: Cpu, gate: Descriptor, target: Descriptor): void {
  const { state, mmu } = cpu;
  const { gate: gateFields } = gate;
  const inward = !target.conforming && target.dpl < state.cpl;
  const cpl = inward ? target.dpl : state.cpl;
  const pointer = inward ? innerStack(cpu, cpl, 0) : state.regAddress(Reg.esp);
  const stack = new StackCursor(mmu, undefined, pointer, cpl === 3);
  if (inward) {
    stack.push(8, state.selector(Seg.ss));
    stack.pushHalves(state.reg32(Reg.esp), state.long ? state.regHigh(Reg.esp) : 0);
  }
  stack.push(8, state.selector(Seg.cs));
  stack.push(8, cpu.after);
  checkOffset(cpu, target, gateFields.offset, "the gate's offset");
  if (inward) state.setSegment(Seg.ss, nullSegment(cpl));
  enterCode(cpu, target, gateFields.selector, gateFields.offset, cpl);
  state.setReg64(Reg.esp, stack.pointer);
  report(cpu, target, inward, Log.changes, gate);
}

function namedDescriptor(cpu: Cpu, selector: number): Descriptor {
  if (isNull(selector)) throw gp(0, 'a null selector as target');
  const descriptor = fetchDescriptor(cpu.state, cpu.mmu, selector);
  if (!descriptor) throw gp(selectorCode(selector), `selector 0x${selector.toString(16)} lies outside its descriptor table`);
  return descriptor;
}

/** A direct transfer to a code segment keeps the CPL. */
function checkDirect(cpu: Cpu, descriptor: Descriptor, selector: number): void {
  const { state } = cpu;
  const code = selectorCode(selector);
  const rpl = selector & 3;
  if (!descriptor.isCode) throw gp(code, 'the target is no code segment');
  checkWidth(cpu, descriptor, code);
  if (descriptor.conforming ? descriptor.dpl > state.cpl : rpl > state.cpl || descriptor.dpl !== state.cpl) {
    throw gp(code, `${descriptor.conforming ? 'conforming' : 'nonconforming'} code DPL ${descriptor.dpl}, RPL ${rpl}, CPL ${state.cpl}`);
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'the code segment is not present');
}

const TASKS: ReadonlySet<number> = new Set([SystemType.taskGate, SystemType.tss16, SystemType.tss32]);
const isTask = ({ type }: Descriptor): boolean => TASKS.has(type);

/** What a system descriptor leads to; its privilege and presence checked. */
function checkSystem({ state }: Cpu, descriptor: Descriptor, selector: number): 'call' | 'task' {
  const code = selectorCode(selector);
  const { longMode } = state;
  const call = descriptor.type === SystemType.callGate32 || (descriptor.type === SystemType.callGate16 && !longMode);
  const task = !longMode && isTask(descriptor);
  if (!call && !task) throw gp(code, 'the descriptor is neither code, gate nor available TSS');
  if (descriptor.dpl < state.cpl || descriptor.dpl < (selector & 3)) {
    throw gp(code, `CPL ${state.cpl} or RPL ${selector & 3} > DPL ${descriptor.dpl}`);
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'the gate or TSS is not present');
  return call ? 'call' : 'task';
}

function callGateTarget(cpu: Cpu, descriptor: Descriptor) {
  const { gate: gateFields } = descriptor;
  if (isNull(gateFields.selector)) throw gp(0, "the gate's selector is null");
  const code = selectorCode(gateFields.selector);
  const target = fetchDescriptor(cpu.state, cpu.mmu, gateFields.selector);
  if (!target) throw gp(code, "the gate's selector lies outside its descriptor table");
  if (!target.isCode || target.dpl > cpu.state.cpl) throw gp(code, `code DPL ${target.dpl} > CPL ${cpu.state.cpl}, or not code`);
  if (cpu.state.longMode && !isLongCode(target)) throw gp(code, "the gate's segment is not 64-bit code (L set, D clear)");
  return { gateFields, target };
}

function checkGateTargetPresent(selector: number, target: Descriptor): void {
  if (!target.present) throw new GuestFault(Vector.np, selectorCode(selector), "the gate's code segment is not present");
}

function taskTransfer(cpu: Cpu, descriptor: Descriptor, selector: number, how: 'jump' | 'call', name: string): void {
  const throughGate = descriptor.type === SystemType.taskGate;
  const tssSelector = throughGate ? descriptor.gate.selector : selector;
  switchTask(cpu, {
    selector: tssSelector,
    descriptor: throughGate ? taskDescriptor(cpu, tssSelector, Vector.gp, 0) : descriptor,
    how,
    ext: 0,
    returnTo: cpu.after,
    cause: { number: -1, name },
    gate: throughGate ? descriptor : undefined,
    at: cpu.here,
  });
}

// --- RET far

export function retFar(cpu: Cpu): void {
  const { state, mmu } = cpu;
  const size = cpu.instruction.operandSize;
  const [operand] = cpu.instruction.operands;
  const release = operand?.kind === 'immediate' ? operand.value : 0;
  const stack = StackCursor.current(state, mmu);
  // Processors read the selector first, which a fault shows.
  const selector = stack.peek(2, size);
  const offset = stack.pop(size);
  stack.skip(size);
  if (isReal(cpu)) {
    jumpReal(cpu, selector, offset);
    stack.skip(release);
    state.setRegAddress(Reg.esp, stack.pointer);
    return;
  }
  origin(cpu, 'return', 'RETF');
  const target = returnTarget(cpu, selector);
  stack.skip(release);
  if ((selector & 3) === state.cpl) {
    checkOffset(cpu, target, offset, RETURN_OFFSET);
    enterCode(cpu, target, selector, offset, state.cpl);
    state.setRegAddress(Reg.esp, stack.pointer);
    reportDirect(cpu, target);
    return;
  }
  const outerPointer = stack.popHalves(size);
  const outerSelector = stack.peek(2, 0);
  stack.skip(size);
  returnOutward(cpu, { target, selector, offset }, { selector: outerSelector, pointer: outerPointer, size, release });
  report(cpu, target, true, Log.changes);
}

const RETURN_OFFSET = 'the return offset';

/** The checks on the code segment that RET and IRET go back to; the offset's turn is after the outer stack's. */
function returnTarget(cpu: Cpu, selector: number): Descriptor {
  const { state, mmu } = cpu;
  if (isNull(selector)) throw gp(0, 'a null selector to return to');
  const code = selectorCode(selector);
  const target = fetchDescriptor(state, mmu, selector);
  if (!target) throw gp(code, `return selector 0x${selector.toString(16)} lies outside its descriptor table`);
  const rpl = selector & 3;
  if (!target.isCode) throw gp(code, 'the return selector is no code segment');
  checkWidth(cpu, target, code);
  if (rpl < state.cpl) throw gp(code, `return RPL ${rpl} < CPL ${state.cpl}`);
  if (target.conforming ? target.dpl > rpl : target.dpl !== rpl) throw gp(code, `return code DPL ${target.dpl}, RPL ${rpl}`);
  if (!target.present) throw new GuestFault(Vector.np, code, 'the code segment to return to is not present');
  return target;
}

interface OuterStack {
  readonly selector: number;
  /** Its low and high 32 bits. */
  readonly pointer: readonly [low: number, high: number];
  readonly size: 2 | 4 | 8;
  readonly release: number;
}

/** Goes to an outer ring with its own stack; data segments that it may not use become null. */
function returnOutward(cpu: Cpu, code: Target & { readonly target: Descriptor }, outer: OuterStack): void {
  const segment = outerStack(cpu, outer.selector, code.selector & 3, code.target);
  checkOffset(cpu, code.target, code.offset, RETURN_OFFSET);
  goOutward(cpu, code, segment, outer);
}

const DATA_SEGMENTS = [Seg.es, Seg.ds, Seg.fs, Seg.gs];

/** The same once all is checked. */
function goOutward(cpu: Cpu, code: Target & { readonly target: Descriptor }, stack: SegmentRegister, outer: OuterStack): void {
  const cpl = code.selector & 3;
  enterCode(cpu, code.target, code.selector, code.offset, cpl);
  setOuterStack(cpu, stack, outer);
  for (const segment of DATA_SEGMENTS) dropIfInner(cpu, segment, cpl);
  cpu.state.refresh();
}

/** The outer stack segment, checked and marked; 64-bit code outside ring 3 may have none. */
function outerStack(cpu: Cpu, selector: number, cpl: number, code: Descriptor): SegmentRegister {
  if (isNull(selector) && cpu.state.longMode && isLongCode(code) && cpl !== 3) return nullSegment(selector);
  const descriptor = outerStackDescriptor(cpu, selector, cpl);
  markAccessed(cpu, descriptor);
  return registerFrom(selector, descriptor);
}

function setOuterStack({ state }: Cpu, segment: SegmentRegister, outer: OuterStack): void {
  if (state.long) {
    state.setSegment(Seg.ss, segment);
    const low = outer.pointer[0] + outer.release;
    state.setRegHalves(Reg.esp, low, outer.pointer[1] + (low >= 2 ** 32 ? 1 : 0));
    return;
  }
  const wide = (segment.attributes & Attr.big) !== 0;
  state.setSegment(Seg.ss, segment);
  const moved = outer.pointer[0] + outer.release;
  const pointer = wide ? moved : moved & 0xffff;
  // A 16-bit stack leaves the upper half of ESP as it was.
  state.setReg32(Reg.esp, wide ? pointer >>> 0 : ((state.reg32(Reg.esp) & 0xffff0000) | pointer) >>> 0);
}

function outerStackDescriptor({ state, mmu }: Cpu, selector: number, cpl: number): Descriptor {
  if (isNull(selector)) throw gp(0, 'a null selector for the outer stack');
  const code = selectorCode(selector);
  const descriptor = fetchDescriptor(state, mmu, selector);
  if (!descriptor) throw gp(code, 'the outer SS lies outside its descriptor table');
  if ((selector & 3) !== cpl || descriptor.dpl !== cpl || !descriptor.isSegment || descriptor.isCode || !descriptor.readWrite) {
    throw gp(code, `outer SS: RPL ${selector & 3}, DPL ${descriptor.dpl}, returning to ring ${cpl}, or not writable data`);
  }
  if (!descriptor.present) throw new GuestFault(Vector.ss, code, 'the outer stack segment is not present');
  return descriptor;
}

function dropIfInner({ state }: Cpu, segment: Seg, cpl: number): void {
  if (state.unusable(segment)) {
    // Of a null selector nothing remains either, as processors have it; FS and GS keep their bases.
    if (state.longMode && state.selector(segment) !== 0) state.setSegment(segment, { ...state.segment(segment), selector: 0 });
    return;
  }
  const attributes = state.segAttributes(segment);
  const conforming = (attributes & (Attr.code | Attr.expandConform)) === (Attr.code | Attr.expandConform);
  if (!conforming && ((attributes >> Attr.dplShift) & 3) < cpl) state.setSegment(segment, nullSegment(0));
}

// --- IRET

export function iret(cpu: Cpu): void {
  const { state, mmu } = cpu;
  const size = cpu.instruction.operandSize;
  // NMIs are let in again even where IRET faults on the way.
  cpu.vmx.unblockNmis();
  if (!state.protectedMode) return iretReal(cpu, size === 2 ? 2 : 4);
  if (state.virtual8086) {
    if (size === 2 && hasVirtualFlag(state)) return iretReal(cpu, 2, takeVirtualFlags);
    if (state.iopl !== 3) throw gp(0, `IRET in virtual-8086 mode needs IOPL 3, it is ${state.iopl}`);
    return iretReal(cpu, size === 2 ? 2 : 4);
  }
  if (state.flag(Flag.nt)) {
    if (state.longMode) throw gp(0, 'IRET with NT set in IA-32e mode');
    return iretTask(cpu);
  }

  origin(cpu, 'return', 'IRET');
  const stack = StackCursor.current(state, mmu);
  // Processors read from the top down, which a fault shows.
  const flags = stack.peekLow(size, size * 2);
  const selector = stack.peek(2, size);
  const offset = stack.pop(size);
  stack.skip(size * 2);
  if (size === 4 && flags & Flag.vm && state.cpl === 0 && !state.longMode) {
    iretToVirtual(cpu, stack, selector, offset, flags);
    return;
  }
  const target = returnTarget(cpu, selector);
  const oldCpl = state.cpl;
  // 64-bit code always pops its stack, too.
  if ((selector & 3) === oldCpl && !state.long) {
    checkOffset(cpu, target, offset, RETURN_OFFSET);
    markAccessed(cpu, target);
    setReturnFlags(cpu, flags, size, oldCpl);
    enterCode(cpu, target, selector, offset, oldCpl);
    state.setRegAddress(Reg.esp, stack.pointer);
    report(cpu, target, false, Log.always);
    return;
  }
  const pointer = stack.popHalves(size);
  const outerSelector = stack.peek(2, 0);
  stack.skip(size);
  const outer = outerStack(cpu, outerSelector, selector & 3, target);
  checkOffset(cpu, target, offset, RETURN_OFFSET);
  markAccessed(cpu, target);
  setReturnFlags(cpu, flags, size, oldCpl);
  goOutward(cpu, { target, selector, offset }, outer, { selector: outerSelector, pointer, size, release: 0 });
  report(cpu, target, true, Log.always);
}

/** @param takeFlags what becomes of the flags, where they are not simply loaded */
function iretReal(cpu: Cpu, size: 2 | 4, takeFlags = loadRealFlags): void {
  const { state, mmu } = cpu;
  origin(cpu, 'return', 'IRET');
  const stack = StackCursor.current(state, mmu);
  const offset = stack.pop(size);
  const selector = stack.popLow(size) & 0xffff;
  const flags = stack.popLow(size);
  if (offset > state.segLimit(Seg.cs)) throw gp(0, 'the return offset lies beyond the limit of CS');
  takeFlags(cpu, flags, size);
  state.setRegAddress(Reg.esp, stack.pointer);
  state.setRealSegment(Seg.cs, selector);
  state.ip = offset;
  state.refresh();
  report(cpu, undefined, false, Log.always);
}

function loadRealFlags({ state }: Cpu, flags: number, size: 2 | 4): void {
  const changeable = (size === 4 ? 0x257fd5 : 0x7fd5) & ~(state.virtual8086 ? Flag.iopl : 0);
  state.eflags = ((state.eflags & ~changeable) | (flags & changeable)) >>> 0;
}

/** IF needs CPL at or below IOPL, IOPL and VM need ring 0 (manual, IRET). */
function setReturnFlags({ state }: Cpu, flags: number, size: 2 | 4 | 8, cpl: number): void {
  let changeable: number = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.tf | Flag.df | Flag.of | Flag.nt;
  if (size !== 2) changeable |= Flag.rf | Flag.ac | Flag.id;
  if (cpl <= state.iopl) changeable |= Flag.if;
  if (cpl === 0) changeable |= Flag.iopl | (size !== 2 ? Flag.vif | Flag.vip : 0);
  state.eflags = ((state.eflags & ~changeable) | (flags & changeable)) >>> 0;
}

function iretTask(cpu: Cpu): void {
  const { state, mmu } = cpu;
  const link = mmu.read(state.linear(Seg.tr, 0), 2, false);
  switchTask(cpu, {
    selector: link,
    descriptor: taskDescriptor(cpu, link, Vector.ts, 0, true),
    how: 'return',
    ext: 0,
    returnTo: cpu.after,
    cause: { number: -1, name: 'IRET' },
    at: cpu.here,
  });
}

function iretToVirtual(cpu: Cpu, stack: StackCursor, selector: number, offset: number, flags: number): void {
  const { state } = cpu;
  const pointer = stack.pop(4);
  const [ss, es, ds, fs, gs] = Array.from({ length: 5 }, () => stack.pop(4) & 0xffff);
  state.eflags = (flags & 0x3f7fd5) >>> 0;
  state.setCpl(3);
  const loads: readonly (readonly [Seg, number])[] = [
    [Seg.cs, selector],
    [Seg.ss, ss],
    [Seg.es, es],
    [Seg.ds, ds],
    [Seg.fs, fs],
    [Seg.gs, gs],
  ];
  for (const [segment, value] of loads) state.setRealSegment(segment, value);
  state.ip = offset & 0xffff;
  state.setReg32(Reg.esp, pointer);
  state.refresh();
  report(cpu, undefined, true, Log.changes);
}

// --- fast system calls

const fastCall =
  (name: string, kind: TransitionKind, run: (cpu: Cpu) => void) =>
  (cpu: Cpu): void => {
    origin(cpu, kind, name);
    run(cpu);
    report(cpu, undefined, true, Log.always);
  };

export const sysenter = fastCall('SYSENTER', 'syscall', longMode.sysenter);
export const sysexit = fastCall('SYSEXIT', 'return', longMode.sysexit);
export const syscall = fastCall('SYSCALL', 'syscall', longMode.syscall);
export const sysret = fastCall('SYSRET', 'return', longMode.sysret);
