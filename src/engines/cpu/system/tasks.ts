/** Hardware task switching (manual, "Task Management"). */
import type { LinearAddress } from '../../../shared/addresses';
import type { AccessSize } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Cr0, Flag, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { GuestFault, selectorCode, Vector } from './fault';
import { checkStackSegment, loadLdtr, markAccessed, nullSegment, registerFrom, setBusy } from './segments';
import { StackCursor } from './stack';
import { taskSwitchExit } from '../vmx/task-switch';

/** Byte offsets in a TSS (manual, "32-Bit Task-State Segment", "16-Bit Task-State Segment"). */
interface TssLayout {
  readonly size: AccessSize;
  readonly minimumLimit: number;
  readonly cr3: number;
  readonly eip: number;
  readonly eflags: number;
  /** Eight general registers in encoding order. */
  readonly registers: number;
  /** ES, CS, SS, DS and, in 32-bit ones, FS and GS. */
  readonly segments: number;
  readonly segmentCount: number;
  readonly segmentStep: number;
  readonly ldtr: number;
  /** Word whose bit 0 is T; -1 for none. */
  readonly trap: number;
}

const TSS32: TssLayout = {
  size: 4,
  minimumLimit: 0x67,
  cr3: 0x1c,
  eip: 0x20,
  eflags: 0x24,
  registers: 0x28,
  segments: 0x48,
  segmentCount: 6,
  segmentStep: 4,
  ldtr: 0x60,
  trap: 0x64,
};

const TSS16: TssLayout = {
  size: 2,
  minimumLimit: 0x2b,
  cr3: -1,
  eip: 0x0e,
  eflags: 0x10,
  registers: 0x12,
  segments: 0x22,
  segmentCount: 4,
  segmentStep: 2,
  ldtr: 0x2a,
  trap: -1,
};

const layoutOf = (type: number): TssLayout => (type & 8 ? TSS32 : TSS16);

export interface TaskSwitch {
  readonly selector: number;
  readonly descriptor: Descriptor;
  /** `call` nests: CALL, INT n, exceptions and interrupts. */
  readonly how: 'jump' | 'call' | 'return';
  /** EXT bit of error codes. */
  readonly ext: number;
  /** Pushed on the new task's stack. */
  readonly errorCode?: number;
  /** The old task's saved EFLAGS carry RF: it goes on at an instruction that faulted. */
  readonly resume?: boolean;
  /** Offset in CS that the old task goes on at. */
  readonly returnTo: number;
  readonly cause: { readonly number: number; readonly name: string };
  readonly gate?: Descriptor;
  /** Offset in CS of the instruction that caused the switch. */
  readonly at: number;
  /** Through a task gate in the IDT. */
  readonly byEvent?: boolean;
}

/**
 * The descriptor of an available TSS that a gate or far pointer names.
 * @param vector #GP, or #TS on return
 */
export function taskDescriptor(cpu: Cpu, selector: number, vector: number, ext: number, busy = false): Descriptor {
  const code = selectorCode(selector) + ext;
  const descriptor = selector & 4 || isNull(selector) ? undefined : fetchDescriptor(cpu.state, cpu.mmu, selector);
  if (!descriptor) throw new GuestFault(vector, code, 'a TSS selector must lie in the GDT');
  const wanted: readonly number[] = busy ? [SystemType.busyTss16, SystemType.busyTss32] : [SystemType.tss16, SystemType.tss32];
  if (descriptor.isSegment || !wanted.includes(descriptor.type)) {
    throw new GuestFault(vector, code, busy ? 'the descriptor is no busy TSS' : 'the descriptor is no available TSS');
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'the TSS is not present');
  return descriptor;
}

interface NewTask {
  readonly cr3: number;
  readonly eip: number;
  readonly eflags: number;
  readonly registers: readonly number[];
  readonly segments: readonly number[];
  readonly ldtr: number;
  readonly trap: boolean;
}

/**
 * Switches tasks; the order of the checks is that of the manual's "Exception Conditions Checked During a Task Switch". Up to the checkpoint a fault belongs to the old task, after it to the new one. */
export function switchTask(cpu: Cpu, task: TaskSwitch): void {
  const { state, mmu } = cpu;
  const { descriptor } = task;
  if (cpu.vmx.nonRoot && !cpu.vmx.letsTaskSwitch) throw taskSwitchExit(task);
  cpu.vmx.letsTaskSwitch = false;
  cpu.keep();
  const next = layoutOf(descriptor.type);
  if (descriptor.limit < next.minimumLimit) {
    throw new GuestFault(
      Vector.ts,
      selectorCode(task.selector) + task.ext,
      `the TSS limit 0x${descriptor.limit.toString(16)} is too small`,
    );
  }
  const old = state.segment(Seg.tr);
  const oldLayout = layoutOf(old.attributes & 15);
  const from = {
    kind: 'task-switch' as const,
    from: cpu.place(),
    cause: task.cause.number,
    causeName: task.cause.name,
    address: state.linear(Seg.cs, task.at),
    fromSelector: state.selector(Seg.cs),
    fromOffset: task.at,
    fromStackSelector: state.selector(Seg.ss),
    fromStackOffset: state.reg32(Reg.esp),
  };
  const incoming = readTask(cpu, descriptor, next);
  mmu.checkWrite(old.base as LinearAddress, oldLayout.minimumLimit + 1, false);
  if (task.how === 'call') mmu.checkWrite(descriptor.base as LinearAddress, 2, false);

  let oldFlags = (state.eflags | (task.resume ? Flag.rf : 0)) >>> 0;
  if (task.how === 'return') oldFlags &= ~Flag.nt;
  saveTask(cpu, old.base, oldLayout, oldFlags, task.returnTo);
  if (task.how !== 'call') {
    const oldDescriptor = fetchDescriptor(state, mmu, old.selector);
    if (oldDescriptor) setBusy(mmu, oldDescriptor, false);
  }
  if (task.how === 'call') mmu.write(descriptor.base as LinearAddress, 2, old.selector, false);
  if (task.how !== 'return') setBusy(mmu, descriptor, true);

  state.setSegment(Seg.tr, registerFrom(task.selector, { ...descriptor, attributes: descriptor.attributes | 2 }));
  state.setSys(SYS.cr0, (state.cr0 | Cr0.ts) >>> 0);
  loadTask(cpu, incoming, next, task);
  cpu.commitTask();
  if (incoming.trap) state.setSys(SYS.pendingDebug, state.sys(SYS.pendingDebug) | 0x8000);
  cpu.log({
    ...from,
    to: cpu.place(),
    toSelector: state.selector(Seg.cs),
    toOffset: state.ip,
    toStackSelector: state.selector(Seg.ss),
    toStackOffset: state.reg32(Reg.esp),
    gateLow: (task.gate ?? descriptor).low,
    gateHigh: (task.gate ?? descriptor).high,
    errorCode: task.errorCode,
  });
  if (task.errorCode !== undefined) {
    const stack = StackCursor.current(state, mmu, task.ext);
    stack.push(next.size, task.errorCode);
    state.setReg32(Reg.esp, stack.pointer);
  }
  if (state.ip > state.segLimit(Seg.cs)) throw new GuestFault(Vector.gp, 0, "the new task's EIP lies beyond the limit of CS");
}

function readTask({ mmu }: Cpu, descriptor: Descriptor, layout: TssLayout): NewTask {
  const at = (offset: number): LinearAddress => ((descriptor.base + offset) >>> 0) as LinearAddress;
  const word = (offset: number): number => mmu.read(at(offset), layout.size, false);
  // The upper halves that a 16-bit TSS does not hold read as ones, as processors do.
  const fill = layout.size === 2 ? 0xffff0000 : 0;
  return {
    cr3: layout.cr3 < 0 ? -1 : word(layout.cr3),
    eip: word(layout.eip),
    eflags: word(layout.eflags),
    registers: Array.from({ length: 8 }, (_, i) => (word(layout.registers + i * layout.size) | fill) >>> 0),
    segments: Array.from({ length: layout.segmentCount }, (_, i) => mmu.read(at(layout.segments + i * layout.segmentStep), 2, false)),
    ldtr: mmu.read(at(layout.ldtr), 2, false),
    trap: layout.trap >= 0 && (mmu.read(at(layout.trap), 2, false) & 1) !== 0,
  };
}

function saveTask({ state, mmu }: Cpu, base: number, layout: TssLayout, eflags: number, eip: number): void {
  const put = (offset: number, size: AccessSize, value: number): void => {
    mmu.write(((base + offset) >>> 0) as LinearAddress, size, size === 2 ? value & 0xffff : value >>> 0, false);
  };
  put(layout.eip, layout.size, eip);
  put(layout.eflags, layout.size, eflags);
  for (let i = 0; i < 8; i++) put(layout.registers + i * layout.size, layout.size, state.reg32(i));
  for (let i = 0; i < layout.segmentCount; i++) put(layout.segments + i * layout.segmentStep, 2, state.selector(i as Seg));
}

function loadTask(cpu: Cpu, task: NewTask, layout: TssLayout, how: TaskSwitch): void {
  const { state, mmu } = cpu;
  if (task.cr3 >= 0 && state.paging) {
    state.setSys(SYS.cr3, task.cr3);
    mmu.flushLocal();
  }
  let flags = layout.size === 2 ? (task.eflags & 0xffff) | Flag.one : task.eflags;
  flags &= 0x3f7fd7;
  if (how.how === 'call') flags |= Flag.nt;
  state.eflags = flags >>> 0;
  state.ip = task.eip;
  task.registers.forEach((value, i) => state.setReg32(i, value));
  const virtual = (flags & Flag.vm) !== 0;
  const [es, cs, ss, ds, fs = 0, gs = 0] = task.segments;
  // While there is no stack of the new task its faults are taken as from ring 3, on the stack that its TSS holds for the handler.
  state.setCpl(3);
  // Selectors first: a fault from here on finds the new task, with what is not loaded yet unusable.
  const loads: readonly (readonly [Seg, number])[] = [
    [Seg.cs, cs],
    [Seg.ss, ss],
    [Seg.ds, ds],
    [Seg.es, es],
    [Seg.fs, fs],
    [Seg.gs, gs],
  ];
  for (const [segment, selector] of loads) state.setSegment(segment, nullSegment(selector));
  state.setSegment(Seg.ldtr, nullSegment(task.ldtr));
  // T switches and breakpoints of the old task end with it (manual, "Debug Control Register": L0 to L3, LE).
  state.setSys(SYS.dr7, state.sys(SYS.dr7) & ~0x155);
  state.refresh();
  cpu.commitTask();

  loadLdtr(cpu, task.ldtr, Vector.ts);
  if (virtual) {
    for (const [segment, selector] of loads) state.setRealSegment(segment, selector);
  } else {
    const cpl = cs & 3;
    const code = isNull(cs) ? undefined : fetchDescriptor(state, mmu, cs);
    if (code?.isCode) checkTaskCodePrivilege(code, cs);
    const stack = checkStackSegment(cpu, ss, cpl, Vector.ts);
    markAccessed(cpu, stack);
    state.setCpl(cpl);
    state.setSegment(Seg.ss, registerFrom(ss, stack));
    state.refresh();
    cpu.commitTask();
    loadTaskCode(cpu, code, cs);
    state.refresh();
    cpu.commitTask();
    for (const [segment, selector] of loads.slice(2)) loadTaskData(cpu, segment, selector);
  }
  state.refresh();
}

function checkTaskCodePrivilege(descriptor: Descriptor, selector: number): void {
  const rpl = selector & 3;
  if (descriptor.conforming ? descriptor.dpl > rpl : descriptor.dpl !== rpl) {
    throw new GuestFault(Vector.ts, selectorCode(selector), `the new task's CS has DPL ${descriptor.dpl}, RPL ${rpl}`);
  }
}

function loadTaskCode(cpu: Cpu, descriptor: Descriptor | undefined, selector: number): void {
  const code = selectorCode(selector);
  if (!descriptor?.isCode) throw new GuestFault(Vector.ts, code, "the new task's CS is no code segment");
  if (!descriptor.present) throw new GuestFault(Vector.np, code, "the new task's code segment is not present");
  markAccessed(cpu, descriptor);
  cpu.state.setSegment(Seg.cs, registerFrom(selector, descriptor));
}

function loadTaskData(cpu: Cpu, segment: Seg, selector: number): void {
  const { state, mmu } = cpu;
  if (isNull(selector)) return;
  const code = selectorCode(selector);
  const descriptor = fetchDescriptor(state, mmu, selector);
  if (!descriptor?.isSegment || (descriptor.isCode && !descriptor.readWrite)) {
    throw new GuestFault(Vector.ts, code, "a data selector of the new task is no readable segment's");
  }
  if (!descriptor.conforming && Math.max(selector & 3, state.cpl) > descriptor.dpl) {
    throw new GuestFault(Vector.ts, code, `a data segment of the new task has DPL ${descriptor.dpl}`);
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'a data segment of the new task is not present');
  markAccessed(cpu, descriptor);
  state.setSegment(segment, registerFrom(selector, descriptor));
}
