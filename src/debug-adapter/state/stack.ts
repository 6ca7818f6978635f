/** The call stack of one processor: procedures, and the boundaries of rings, modes and interrupts between them. */
import type { Engine, VirtualCpu } from '../../engines/engine';
import type { Bits } from '../../isa/types';
import type { ProcessorMode, Ring, VmxOperation } from '../../shared/transition';
import type { GuestEnvironment } from '../expressions/guest-environment';
import type { Program } from '../sources/program';
import { Boundaries, type Boundary, type StackContext, type StackSpace } from './boundaries';
import { codeBase, frameBase, stackTop } from './cpu-facts';
import { OpenTransitions } from './open-transitions';
import { type CallerEvidence, findCaller } from './unwind';

export type Frame =
  | {
      readonly kind: 'code';
      /** Linear address of the next instruction when execution is back here. */
      readonly address: number;
      /** What the source line is looked up by: the CALL, not what follows it. */
      readonly lookup: number;
      readonly evidence: 'current' | 'interrupted' | CallerEvidence;
      readonly ring: Ring;
      readonly mode: ProcessorMode;
      /** Linear address of the stack's top when execution is back here. */
      readonly stack: number | undefined;
      /** `guest` in the guest that the processor has left by a VM exit. */
      readonly space: StackSpace;
      readonly vmx: VmxOperation;
    }
  | { readonly kind: 'label'; readonly text: string };

/** Deeper stacks than this are a runaway, or not a stack. */
const MAX_FRAMES = 200;

export class CallStacks {
  private readonly engine: Engine;
  private readonly program: Program;
  private readonly open: OpenTransitions;
  private readonly boundaries: Boundaries;
  private readonly cache = new Map<number, readonly Frame[]>();

  constructor(engine: Engine, program: Program, environment: GuestEnvironment) {
    this.engine = engine;
    this.program = program;
    this.open = new OpenTransitions(engine.transitions);
    this.boundaries = new Boundaries(engine, environment);
  }

  /** To be called when anything of the guest has changed. */
  forget(): void {
    this.cache.clear();
  }

  /** Innermost first. */
  of(cpu: VirtualCpu): readonly Frame[] {
    let frames = this.cache.get(cpu.index);
    if (!frames) {
      frames = this.build(cpu);
      this.cache.set(cpu.index, frames);
    }
    return frames;
  }

  private build(cpu: VirtualCpu): Frame[] {
    const frames: Frame[] = [];
    const { ring, mode, vmx } = cpu.place;
    let context: StackContext = { address: cpu.address, codeBase: codeBase(cpu), stack: stackTop(cpu), ring, mode, vmx, space: 'linear' };
    let frame: number | undefined = frameBase(cpu);
    frames.push(codeFrame(context, cpu.address, 'current'));
    for (const boundary of [...this.boundaries.find(cpu, this.open.of(cpu.index)), undefined]) {
      this.callers(cpu, context, frame, boundary, frames);
      if (!boundary || frames.length >= MAX_FRAMES) break;
      frames.push({ kind: 'label', text: boundary.label });
      if (!boundary.outer) break;
      context = boundary.outer;
      frame = undefined;
      frames.push(codeFrame(context, boundary.cause, 'interrupted'));
    }
    return frames;
  }

  /** The procedures between here and the boundary. */
  private callers(cpu: VirtualCpu, start: StackContext, base: number | undefined, boundary: Boundary | undefined, frames: Frame[]): void {
    let { address, stack } = start;
    let frame = base;
    const end = boundary?.end ?? Number.POSITIVE_INFINITY;
    const { space } = start;
    const program = this.program.seenFrom(start.vmx);
    const bits = bitsOf(start.mode, (space === 'guest' ? cpu.savedGuest?.bits : undefined) ?? cpu.bits);
    while (stack !== undefined && frames.length < MAX_FRAMES) {
      const limit = end >= stack ? end : Number.POSITIVE_INFINITY;
      const caller = findCaller(this.engine, program, {
        vcpu: cpu.index,
        space,
        bits,
        address,
        codeBase: start.codeBase,
        stack,
        frame,
        end: limit,
      });
      if (!caller) return;
      ({ address, stack, frame } = caller);
      frames.push(codeFrame({ ...start, address, stack }, address - 1, caller.evidence));
    }
  }
}

function codeFrame(
  { address, ring, mode, stack, space, vmx }: StackContext,
  lookup: number,
  evidence: (Frame & { kind: 'code' })['evidence'],
): Frame {
  return { kind: 'code', address, lookup, evidence, ring, mode, stack, space, vmx };
}

/** Code size of a mode; the present one tells the sizes that a mode leaves open. */
function bitsOf(mode: ProcessorMode, now: Bits): Bits {
  if (mode === 'long') return 64;
  if (mode === 'protected-32') return 32;
  if (mode === 'compatibility') return now === 64 ? 32 : now;
  return 16;
}
