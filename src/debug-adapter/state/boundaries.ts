/**
 * Where a ring, mode or interrupt boundary lies in the call stack: the transitions that are still open, each with the
 * frame that the processor pushed for it, found on the stack again.
 */
import type { Engine, VirtualCpu } from '../../engines/engine';
import type { LoggedTransition } from '../../engines/transitions';
import type { Place, ProcessorMode, Ring, VmxOperation } from '../../shared/transition';
import { descriptorAddress, type GuestEnvironment } from '../expressions/guest-environment';
import { addressField, readNumber, wordAt } from './cpu-facts';
import { presentSide, savedSide, type StackSide, type StackSpace } from './stack-sides';

export type { StackSpace };

/** Where execution stands in one stretch of a stack. */
export interface StackContext {
  /** Linear address of the next instruction. */
  readonly address: number;
  /** Linear base of its code segment. */
  readonly codeBase: number;
  /** Linear address of the stack's top; undefined where it is not known. */
  readonly stack: number | undefined;
  readonly ring: Ring;
  readonly mode: ProcessorMode;
  readonly vmx: VmxOperation;
  readonly space: StackSpace;
}

export interface Boundary {
  readonly label: string;
  /** Address on the handler's stack at which its own part ends; undefined where it has a stack of its own that is not known. */
  readonly end: number | undefined;
  /** Who was interrupted; undefined where that is not to be told. */
  readonly outer: StackContext | undefined;
  /** The instruction that caused it: what the outer frame shows as its line. */
  readonly cause: number;
}

/** How far up the stack a pushed frame is looked for, in words. */
const SEARCH = 1024;
const MAX_INSTRUCTION = 15;
/** Bit 3 of a gate's type: 32-bit. */
const WIDE_GATE = 0x800;

export class Boundaries {
  private readonly engine: Engine;
  private readonly environment: GuestEnvironment;

  constructor(engine: Engine, environment: GuestEnvironment) {
    this.engine = engine;
    this.environment = environment;
  }

  /** Those whose frames are still there. @param open innermost first */
  find(cpu: VirtualCpu, open: readonly LoggedTransition[]): Boundary[] {
    this.environment.vcpu = cpu.index;
    const found: Boundary[] = [];
    const tasks = new TaskChain(this.engine, cpu, this.environment);
    let side = presentSide(this.engine, cpu, this.environment);
    let floor = side.stack;
    for (const entry of open) {
      const boundary = entry.kind === 'vm-exit' ? exitBoundary(cpu, entry) : this.locate(side, entry, floor, tasks);
      if (!boundary) continue;
      found.push(boundary);
      if (boundary.outer?.stack === undefined) break;
      floor = boundary.outer.stack;
      if (entry.kind === 'vm-exit' && cpu.savedGuest) side = savedSide(this.engine, cpu, cpu.savedGuest);
    }
    return found;
  }

  private locate(side: StackSide, entry: LoggedTransition, floor: number, tasks: TaskChain): Boundary | undefined {
    if (entry.kind === 'syscall' || entry.kind === 'task-switch') return this.withoutFrame(side, entry, tasks);
    const width = frameWidth(entry);
    const at = entry.toStackSelector >= 0 ? switchedFrame(side, entry, width) : pushedFrame(side, entry, width, floor);
    if (at === undefined) return undefined;
    const ip = side.number(at, width) ?? 0;
    const codeBase = baseOf(side, entry.fromSelector, entry.from.mode);
    if (codeBase === undefined) return undefined;
    const outer: StackContext = {
      address: codeBase + ip,
      codeBase,
      stack: interruptedStack(side, entry, at, width),
      ring: entry.from.ring,
      mode: entry.from.mode,
      vmx: entry.from.vmx,
      space: side.space,
    };
    return { label: labelOf(entry), end: at, outer, cause: entry.address };
  }

  /** SYSENTER saves nothing, and a task switch saves into the TSS: the log alone tells of these. */
  private withoutFrame(side: StackSide, entry: LoggedTransition, tasks: TaskChain): Boundary | undefined {
    const taskSwitch = entry.kind === 'task-switch';
    // Of a guest that has been left, nested tasks are not followed.
    if (taskSwitch && (side.space === 'guest' || this.environment.register('nt')?.value !== 1n)) return undefined;
    if (entry.kind === 'syscall' && side.ring === 3) return undefined;
    const codeBase = baseOf(side, entry.fromSelector, entry.from.mode);
    if (codeBase === undefined) return undefined;
    const saved = taskSwitch ? tasks.outer() : undefined;
    const address = saved === undefined ? entry.address : codeBase + saved;
    const { ring, mode, vmx } = entry.from;
    const outer = { address, codeBase, stack: outerStack(side, entry), ring, mode, vmx, space: side.space };
    return { label: labelOf(entry), end: undefined, outer, cause: entry.address };
  }
}

/** What the interrupted code's stack pointer was. */
function interruptedStack(side: StackSide, entry: LoggedTransition, at: number, width: FrameWidth): number | undefined {
  const isCall = entry.kind === 'gate' && entry.causeName === 'CALL';
  // 64-bit gates push SS and RSP always.
  if (width === 8 && !isCall) return side.number(at + 3 * width, width);
  if (entry.toStackSelector < 0) return at + (isCall ? 2 : 3) * width;
  return entry.fromStackSelector >= 0 ? outerStack(side, entry) : undefined;
}

/** The frame on the stack that the transition switched to, if it still holds the return address. */
function switchedFrame(side: StackSide, entry: LoggedTransition, width: FrameWidth): number | undefined {
  const base = baseOf(side, entry.toStackSelector, entry.to.mode);
  if (base === undefined) return undefined;
  const hasCode = entry.kind === 'exception' && entry.errorCode >= 0;
  const at = base + entry.toStackOffset + (hasCode ? width : 0);
  return isFrame(side, entry, at, width) ? at : undefined;
}

/** The frame on the same stack, somewhere above its top. */
function pushedFrame(side: StackSide, entry: LoggedTransition, width: FrameWidth, floor: number): number | undefined {
  const bytes = side.read(floor, SEARCH * width);
  const word = (at: number): number => wordAt(bytes, at, width);
  for (let at = 0; at + 2 * width <= bytes.length; at += width) {
    if ((word(at + width) & 0xffff) === entry.fromSelector && returnsTo(entry, word(at))) return floor + at;
  }
  return undefined;
}

function isFrame(side: StackSide, entry: LoggedTransition, at: number, width: FrameWidth): boolean {
  const ip = side.number(at, width);
  const cs = side.number(at + width, width);
  return ip !== undefined && cs !== undefined && (cs & 0xffff) === entry.fromSelector && returnsTo(entry, ip);
}

function outerStack(side: StackSide, entry: LoggedTransition): number | undefined {
  if (entry.fromStackSelector < 0) return undefined;
  const base = entry.from.mode === 'long' ? 0 : baseOf(side, entry.fromStackSelector, entry.from.mode);
  if (base === undefined) return undefined;
  const narrow = isReal(entry.from.mode) || entry.from.mode === 'protected-16';
  return base + (narrow ? entry.fromStackOffset & 0xffff : entry.fromStackOffset);
}

function baseOf(side: StackSide, selector: number, mode: ProcessorMode): number | undefined {
  if (isReal(mode)) return selector << 4;
  if (mode === 'long') return 0;
  try {
    return side.selectorBase(selector);
  } catch {
    return undefined;
  }
}

/** Bit 3 of a TSS's type: 32-bit. */
const WIDE_TSS = 8;
const EIP = 0x20;
const IP = 0x0e;

/** Follows the back links of nested tasks outwards (manual, "Task Linking"). */
class TaskChain {
  private readonly engine: Engine;
  private readonly cpu: VirtualCpu;
  private readonly environment: GuestEnvironment;
  /** Linear address of the task state segment that is next to be left. */
  private base: number | undefined;

  constructor(engine: Engine, cpu: VirtualCpu, environment: GuestEnvironment) {
    this.engine = engine;
    this.cpu = cpu;
    this.environment = environment;
    this.base = addressField(cpu, 'tr', 'base');
  }

  /** The instruction pointer that the next outer task will go on at; undefined where the chain is broken. */
  outer(): number | undefined {
    const { engine, cpu } = this;
    if (this.base === undefined) return undefined;
    const link = readNumber(engine, cpu.index, 'linear', this.base, 2);
    const descriptor = link === undefined ? undefined : descriptorAddress(cpu, link);
    const type = descriptor === undefined ? undefined : readNumber(engine, cpu.index, 'linear', descriptor + 5, 1);
    if (link === undefined || type === undefined) return undefined;
    this.base = this.environment.selectorBase(link);
    const wide = (type & WIDE_TSS) !== 0;
    return readNumber(engine, cpu.index, 'linear', this.base + (wide ? EIP : IP), wide ? 4 : 2);
  }
}

/** Bytes of each thing that a transition pushes. */
type FrameWidth = 2 | 4 | 8;

function frameWidth({ to, gateHigh }: LoggedTransition): FrameWidth {
  if (to.mode === 'long') return 8;
  return isReal(to.mode) || gateHigh < 0 || !(gateHigh & WIDE_GATE) ? 2 : 4;
}

const isReal = (mode: ProcessorMode): boolean => mode === 'real' || mode === 'virtual-8086';

/** Whether a saved instruction pointer is that of this transition: behind a software interrupt, else at the instruction. */
function returnsTo({ kind, fromOffset }: LoggedTransition, ip: number): boolean {
  const behind = ip - fromOffset;
  return kind === 'gate' ? behind > 0 && behind <= MAX_INSTRUCTION : behind >= 0 && behind <= (kind === 'exception' ? MAX_INSTRUCTION : 0);
}

/** From a hypervisor to the guest that it has interrupted: frames go on in the guest's own memory. */
function exitBoundary(cpu: VirtualCpu, entry: LoggedTransition): Boundary {
  const { savedGuest: guest, vmx } = cpu;
  const last = vmx?.history.moment(vmx.history.total - 1);
  const label = labelOf(entry);
  if (!guest || (last?.kind === 'exit' && last.vmcs !== guest.vmcs)) {
    return { label: `${label}; its VMCS is not the current one`, end: undefined, outer: undefined, cause: entry.address };
  }
  const { address, codeBase, stack, place } = guest;
  const outer: StackContext = { address, codeBase, stack, ring: place.ring, mode: place.mode, vmx: 'non-root', space: 'guest' };
  return { label, end: guest.exitStack, outer, cause: entry.address };
}

/** `ring 3 → ring 0 by INT 0x80`, `VM exit 18, VMCALL`. */
export function labelOf({ from, to, cause: number, causeName, kind }: LoggedTransition): string {
  if (kind === 'vm-exit') return `VM exit ${number}, ${causeName}`;
  if (kind === 'vm-entry') return `VM entry by ${causeName}`;
  const cause =
    kind === 'gate' && causeName === 'CALL' ? 'CALL through a gate' : kind === 'task-switch' ? `task switch, ${causeName}` : causeName;
  const modes = from.mode !== to.mode;
  if (!modes && from.ring === to.ring) return `${placeText(from, false)} by ${cause}`;
  return `${placeText(from, modes)} → ${placeText(to, modes)} by ${cause}`;
}

function placeText({ ring, mode }: Place, withMode: boolean): string {
  if (mode === 'real') return 'real mode';
  return withMode ? `ring ${ring} (${mode})` : `ring ${ring}`;
}
