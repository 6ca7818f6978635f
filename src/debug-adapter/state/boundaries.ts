/**
 * Where a ring, mode or interrupt boundary lies in the call stack: the transitions that are still open, each with the
 * frame that the processor pushed for it, found on the stack again.
 */
import type { Engine, VirtualCpu } from '../../engines/engine';
import type { LoggedTransition } from '../../engines/transitions';
import type { Place, ProcessorMode, Ring } from '../../shared/transition';
import { descriptorAddress, type GuestEnvironment } from '../expressions/guest-environment';
import { addressField, readNumber, stackTop, wordAt } from './cpu-facts';

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
}

export interface Boundary {
  readonly label: string;
  /** Address on the handler's stack at which its own part ends; undefined where it has a stack of its own that is not known. */
  readonly end: number | undefined;
  /** Who was interrupted. */
  readonly outer: StackContext;
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
    let floor = stackTop(cpu);
    for (const entry of open) {
      const boundary = this.locate(cpu, entry, floor, tasks);
      if (!boundary) continue;
      found.push(boundary);
      const { stack } = boundary.outer;
      if (stack === undefined) break;
      floor = stack;
    }
    return found;
  }

  private locate(cpu: VirtualCpu, entry: LoggedTransition, floor: number, tasks: TaskChain): Boundary | undefined {
    if (entry.kind === 'syscall' || entry.kind === 'task-switch') return this.withoutFrame(cpu, entry, tasks);
    const width = frameWidth(entry);
    const at = entry.toStackSelector >= 0 ? this.switchedFrame(entry, width) : this.pushedFrame(cpu, entry, width, floor);
    if (at === undefined) return undefined;
    const ip = readNumber(this.engine, cpu.index, 'linear', at, width) ?? 0;
    const codeBase = this.baseOf(entry.fromSelector, entry.from.mode);
    if (codeBase === undefined) return undefined;
    const outer: StackContext = {
      address: codeBase + ip,
      codeBase,
      stack: this.interruptedStack(cpu, entry, at, width),
      ring: entry.from.ring,
      mode: entry.from.mode,
    };
    return { label: labelOf(entry), end: at, outer, cause: entry.address };
  }

  /** What the interrupted code's stack pointer was. */
  private interruptedStack(cpu: VirtualCpu, entry: LoggedTransition, at: number, width: FrameWidth): number | undefined {
    const isCall = entry.kind === 'gate' && entry.causeName === 'CALL';
    // 64-bit gates push SS and RSP always.
    if (width === 8 && !isCall) return readNumber(this.engine, cpu.index, 'linear', at + 3 * width, width);
    if (entry.toStackSelector < 0) return at + (isCall ? 2 : 3) * width;
    return entry.fromStackSelector >= 0 ? this.outerStack(entry) : undefined;
  }

  /** The frame on the stack that the transition switched to, if it still holds the return address. */
  private switchedFrame(entry: LoggedTransition, width: FrameWidth): number | undefined {
    const base = this.baseOf(entry.toStackSelector, entry.to.mode);
    if (base === undefined) return undefined;
    const hasCode = entry.kind === 'exception' && entry.errorCode >= 0;
    const at = base + entry.toStackOffset + (hasCode ? width : 0);
    return this.isFrame(entry, at, width) ? at : undefined;
  }

  /** The frame on the same stack, somewhere above its top. */
  private pushedFrame(cpu: VirtualCpu, entry: LoggedTransition, width: FrameWidth, floor: number): number | undefined {
    const bytes = this.engine.readMemory(cpu.index, 'linear', floor, SEARCH * width);
    const word = (at: number): number => wordAt(bytes, at, width);
    for (let at = 0; at + 2 * width <= bytes.length; at += width) {
      if ((word(at + width) & 0xffff) === entry.fromSelector && returnsTo(entry, word(at))) return floor + at;
    }
    return undefined;
  }

  private isFrame(entry: LoggedTransition, at: number, width: FrameWidth): boolean {
    const ip = readNumber(this.engine, entry.vcpu, 'linear', at, width);
    const cs = readNumber(this.engine, entry.vcpu, 'linear', at + width, width);
    return ip !== undefined && cs !== undefined && (cs & 0xffff) === entry.fromSelector && returnsTo(entry, ip);
  }

  /** SYSENTER saves nothing, and a task switch saves into the TSS: the log alone tells of these. */
  private withoutFrame(cpu: VirtualCpu, entry: LoggedTransition, tasks: TaskChain): Boundary | undefined {
    if (entry.kind === 'task-switch' && this.environment.register('nt')?.value !== 1n) return undefined;
    if (entry.kind === 'syscall' && cpu.place.ring === 3) return undefined;
    const codeBase = this.baseOf(entry.fromSelector, entry.from.mode);
    if (codeBase === undefined) return undefined;
    const saved = entry.kind === 'task-switch' ? tasks.outer() : undefined;
    const address = saved === undefined ? entry.address : codeBase + saved;
    const outer = { address, codeBase, stack: this.outerStack(entry), ring: entry.from.ring, mode: entry.from.mode };
    return { label: labelOf(entry), end: undefined, outer, cause: entry.address };
  }

  private outerStack(entry: LoggedTransition): number | undefined {
    if (entry.fromStackSelector < 0) return undefined;
    const base = entry.from.mode === 'long' ? 0 : this.baseOf(entry.fromStackSelector, entry.from.mode);
    if (base === undefined) return undefined;
    const narrow = isReal(entry.from.mode) || entry.from.mode === 'protected-16';
    return base + (narrow ? entry.fromStackOffset & 0xffff : entry.fromStackOffset);
  }

  private baseOf(selector: number, mode: ProcessorMode): number | undefined {
    if (isReal(mode)) return selector << 4;
    if (mode === 'long') return 0;
    try {
      return this.environment.selectorBase(selector);
    } catch {
      return undefined;
    }
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

/** `ring 3 → ring 0 by INT 0x80`. */
export function labelOf({ from, to, causeName, kind }: LoggedTransition): string {
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
