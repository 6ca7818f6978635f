/**
 * Who called whom, without unwind tables: the stack is searched upwards for a word that follows a CALL which leads to
 * the present function. Where that fails, the frame pointer is asked.
 */
import { decode, isFailure } from '../../isa/decoder';
import { branchTarget } from '../../isa/formatter';
import type { Bits, Instruction } from '../../isa/types';
import type { AddressSpace, Engine } from '../../engines/engine';
import type { Program } from '../sources/program';
import { wordAt } from './cpu-facts';

export interface UnwindContext {
  readonly vcpu: number;
  /** Whose linear addresses these are: the processor's, or those of the guest that it has left. */
  readonly space: AddressSpace;
  readonly bits: Bits;
  /** Linear. */
  readonly address: number;
  readonly codeBase: number;
  readonly stack: number;
  /** Linear address where the frame pointer points; undefined where it is not known. */
  readonly frame: number | undefined;
  /** The stack belongs to someone else from here on. */
  readonly end: number;
}

/**
 * How sure a caller is:
 * - call: the return address follows a CALL to this very function
 * - frame-pointer: the frame pointer leads to a word that follows a CALL
 * - guess: a word on the stack follows a CALL that may have led here
 */
export type CallerEvidence = 'call' | 'frame-pointer' | 'guess';

export interface Caller {
  /** Return address, linear. */
  readonly address: number;
  /** Linear address of the stack's top after the return. */
  readonly stack: number;
  readonly frame: number | undefined;
  readonly evidence: CallerEvidence;
}

/** Words of stack that are looked at for each frame, and in 64-bit code, where functions have more registers to save. */
const SEARCH = 128;
const SEARCH_WIDE = 256;
/** Functions that jump to wherever a register says. */
const THUNK = /^(__x86_indirect_(call_|jump_)?thunk|__SCT__)/;
/** A function without symbols is taken to be at most so long. */
const FUNCTION_SIZE = 4096;

export function findCaller(engine: Engine, program: Program, context: UnwindContext): Caller | undefined {
  const { vcpu, space, bits, codeBase, stack, end, frame } = context;
  const width = bits / 8;
  const reach = (bits === 64 ? SEARCH_WIDE : SEARCH) * width;
  const bytes = engine.readMemory(vcpu, space, stack, Math.max(0, Math.min(reach, end - stack)));
  let guess: Caller | undefined;
  for (let at = 0; at + width <= bytes.length; at += width) {
    const address = codeBase + wordAt(bytes, at, width);
    const call = callBefore(engine, context, address);
    if (!call) continue;
    const evidence = judge(call, address, context, program);
    if (!evidence) continue;
    const caller: Caller = {
      address,
      stack: stack + at + width * (call.row.flow === 'call' ? 1 : 2),
      frame: outerFrame(engine, context, stack + at),
      evidence,
    };
    if (evidence === 'call') return caller;
    guess ??= caller;
  }
  const pointed = frame === undefined ? undefined : byFramePointer(engine, context, frame);
  // Before a function has made its frame, the pointer is that of its caller, and leads past it.
  if (pointed && guess && guess.stack < pointed.stack && !hasFrame(engine, program, context)) return guess;
  return pointed ?? guess;
}

/** Instructions of a prologue that are looked through. */
const PROLOGUE = 8;

/** Whether a function has set the frame pointer where it stands. Where its beginning is not known it is taken to have. */
function hasFrame(engine: Engine, program: Program, { vcpu, space, bits, address }: UnwindContext): boolean {
  const found = program.symbolAt(address);
  if (!found) return true;
  const bytes = engine.readMemory(vcpu, space, found.symbol.address, Math.min(found.offset, PROLOGUE * 15));
  for (let at = 0, count = 0; at < bytes.length && count < PROLOGUE; count++) {
    const instruction = decode(bytes, at, bits);
    if (isFailure(instruction)) return false;
    if (setsFrame(instruction)) return true;
    at += instruction.length;
  }
  return false;
}

const STACK_POINTER = 4;
const FRAME_POINTER = 5;

/** `mov rbp, rsp`, `enter`. */
function setsFrame({ row, operands: [to, from] }: Instruction): boolean {
  if (row.semantics === 'enter') return true;
  return row.semantics === 'mov' && isGeneral(to, FRAME_POINTER) && isGeneral(from, STACK_POINTER);
}

const isGeneral = (operand: Instruction['operands'][number] | undefined, index: number): boolean =>
  operand?.kind === 'register' && operand.index === index && operand.size > 1;

/** The CALL that ends at an address, if one does. */
function callBefore(engine: Engine, { vcpu, space, bits }: UnwindContext, address: number): Instruction | undefined {
  const bytes = engine.readMemory(vcpu, space, address - 7, 7);
  if (bytes.length < 7) return undefined;
  for (let length = 2; length <= 7; length++) {
    const first = bytes[7 - length];
    // E8 near, 9A far, FF /2 and /3 indirect, or one of these behind a prefix.
    if (first !== 0xe8 && first !== 0x9a && first !== 0xff && first !== 0x66 && first !== 0x67 && first !== 0x2e) continue;
    const instruction = decode(bytes, 7 - length, bits);
    if (isFailure(instruction) || instruction.length !== length) continue;
    if (instruction.row.flow === 'call' || instruction.row.semantics === 'callFar') return instruction;
  }
  return undefined;
}

/** Whether that CALL can have led to the present function. */
function judge(call: Instruction, returnAddress: number, context: UnwindContext, program: Program): CallerEvidence | undefined {
  const [operand] = call.operands;
  const indirect = program.symbolAt(returnAddress) || program.parts.length === 0 ? 'guess' : undefined;
  if (operand?.kind !== 'relative') return indirect;
  const target = context.codeBase + branchTarget(call, operand, returnAddress - call.length - context.codeBase);
  // Compilers let a thunk make the jump, and kernels a trampoline: where it led is not seen in the CALL.
  if (THUNK.test(program.symbolAt(target)?.symbol.name ?? '')) return indirect;
  const here = rootName(program, context.address);
  if (here !== undefined && here === rootName(program, target) && target <= context.address) return 'call';
  return target <= context.address && context.address - target < FUNCTION_SIZE ? 'guess' : undefined;
}

/** The function's name: a local label belongs to the one before it. */
function rootName(program: Program, address: number): string | undefined {
  return program.symbolAt(address)?.symbol.name.replace(/(?<=.)\..*$/, '');
}

/** What the frame pointer was before this function's frame, if it has saved it directly below its return address. */
function outerFrame(engine: Engine, { vcpu, space, bits, frame, stack }: UnwindContext, returnAt: number): number | undefined {
  const width = bits / 8;
  if (frame === undefined || frame !== returnAt - width) return frame;
  const bytes = engine.readMemory(vcpu, space, frame, width);
  if (bytes.length < width) return undefined;
  const saved = wordAt(bytes, 0, width);
  const base = bits === 16 ? stack - (stack % 0x10000) : 0;
  return base + saved;
}

function byFramePointer(engine: Engine, context: UnwindContext, frame: number): Caller | undefined {
  const { vcpu, space, bits, codeBase, stack, end } = context;
  const width = bits / 8;
  if (frame < stack || frame + 2 * width > end || frame - stack > 0x10000) return undefined;
  const bytes = engine.readMemory(vcpu, space, frame, 2 * width);
  if (bytes.length < 2 * width) return undefined;
  const address = codeBase + wordAt(bytes, width, width);
  if (!callBefore(engine, context, address)) return undefined;
  return { address, stack: frame + 2 * width, frame: outerFrame(engine, context, frame + width), evidence: 'frame-pointer' };
}
