/** x87 instructions that are rare or intricate: transcendental functions, and saving and restoring the unit's state. */
import { BEFORE_OPERATION, Flag, INDEFINITE } from '../float/kit';
import {
  type Answer,
  type Extended,
  f2xm1 as computeF2xm1,
  fcos as computeFcos,
  fpatan as computeFpatan,
  fptan as computeFptan,
  fsin as computeFsin,
  fsincos as computeFsincos,
  fyl2x as computeFyl2x,
  fyl2xp1 as computeFyl2xp1,
  OUT_OF_RANGE,
} from '../float/transcendental';
import { Status } from '../semantics/x87-unit';
import { Cr0, Cr4 } from '../state';
import type { Cpu } from './cpu';
import { GuestFault, gp, ud, Vector } from './fault';
import type { Helper } from './helpers';
import { areaAddress, checkOperandWrite, effectiveAddress, readOperandAt, segmentNumber, writeOperandAt } from './operands';
import { checkAccess } from './segments';
import { MXCSR_MASK, X87State } from './x87-state';

const INDEFINITE_NUMBER: Extended = { significand: INDEFINITE, signExponent: 0xffff };
const UNDERFLOW = Flag.invalid | Status.stackFault;
const OVERFLOW = UNDERFLOW | Status.c1;

/** Notes exceptions and codes. @returns whether the result is to be written */
function complete(unit: X87State, flags: number, clears: number): boolean {
  const unmasked = flags & ~unit.control & Status.exceptions;
  unit.status = (unit.status & ~clears) | flags;
  unit.setPointers();
  if (unmasked) unit.markOpcode();
  return (unmasked & BEFORE_OPERATION) === 0;
}

/** ST(0) becomes the function of itself; two results push the second. */
const onTop =
  (compute: (control: number, top: Extended) => Answer, clears: number, pushes = false): Helper =>
  (cpu) => {
    const unit = new X87State(cpu);
    unit.enter(true);
    const put = (result: Extended, pushed: Extended | undefined): void => {
      unit.write(0, result);
      if (!pushed) return;
      unit.rotate(-1);
      unit.write(0, pushed);
    };
    const missing = unit.empty(0);
    if (missing || (pushes && !unit.empty(-1))) {
      if (complete(unit, missing ? UNDERFLOW : OVERFLOW, clears)) put(INDEFINITE_NUMBER, pushes ? INDEFINITE_NUMBER : undefined);
      return;
    }
    const { result, pushed, flags } = compute(unit.control, unit.read(0));
    if (!complete(unit, flags, clears) || flags & OUT_OF_RANGE) return;
    put(result, pushes ? (pushed ?? result) : undefined);
  };

/** ST(1) becomes the function of ST(0) and itself, ST(0) is popped. */
const onTopTwo =
  (compute: (control: number, top: Extended, below: Extended) => Answer): Helper =>
  (cpu) => {
    const unit = new X87State(cpu);
    unit.enter(true);
    const answer: Answer =
      unit.empty(0) || unit.empty(1) ? { result: INDEFINITE_NUMBER, flags: UNDERFLOW } : compute(unit.control, unit.read(0), unit.read(1));
    if (!complete(unit, answer.flags, Status.c1)) return;
    unit.write(1, answer.result);
    unit.pop();
  };

const ANGLE_CODES = Status.c1 | Status.c2;
export const f2xm1 = onTop(computeF2xm1, Status.c1);
export const fsin = onTop(computeFsin, ANGLE_CODES);
export const fcos = onTop(computeFcos, ANGLE_CODES);
export const fsincos = onTop(computeFsincos, ANGLE_CODES, true);
export const fptan = onTop(computeFptan, ANGLE_CODES, true);
export const fyl2x = onTopTwo(computeFyl2x);
export const fyl2xp1 = onTopTwo(computeFyl2xp1);
export const fpatan = onTopTwo(computeFpatan);

/** WAIT: pending exceptions are reported (manual, WAIT/FWAIT). */
export function wait(cpu: Cpu): void {
  if ((cpu.state.cr0 & (Cr0.mp | Cr0.ts)) === (Cr0.mp | Cr0.ts)) throw new GuestFault(Vector.nm, 0, 'WAIT with CR0.MP and CR0.TS set');
  new X87State(cpu).checkPending();
}

// --- areas in memory

/** Looks at both ends of an area first, as the silicon does. @param unit bytes, to which it has to be aligned with #AC on */
function touchArea(cpu: Cpu, size: number, unit: 2 | 4, write: boolean): void {
  const { state, mmu } = cpu;
  const [operand] = cpu.instruction.operands;
  if (operand.kind !== 'memory') throw new Error('an area lies in memory');
  const first = checkAccess(state, segmentNumber(operand), effectiveAddress(cpu, operand), unit, write);
  const user = state.cpl === 3;
  if (write) mmu.checkWrite(first, unit, user);
  else mmu.read(first, unit, user);
  const last = state.advance(first, size - 1);
  if (write) mmu.checkWrite(last, 1, user);
  else mmu.read(last, 1, user);
}

/** @param unit bytes in which it is read, 2 or 4 */
function readArea(cpu: Cpu, size: number, unit: 2 | 4): DataView {
  const area = new DataView(new ArrayBuffer(size));
  const [operand] = cpu.instruction.operands;
  let at = 0;
  for (; at + unit <= size; at += unit) {
    const value = readOperandAt(cpu, operand, at, unit);
    if (unit === 2) area.setUint16(at, value, true);
    else area.setUint32(at, value, true);
  }
  if (at < size) area.setUint16(at, readOperandAt(cpu, operand, at, 2), true);
  return area;
}

/** Writes `area` up to `size` once all of it can be. */
function writeArea(cpu: Cpu, area: DataView, size: number, unit: 2 | 4): void {
  const [operand] = cpu.instruction.operands;
  checkOperandWrite(cpu, operand, size);
  let at = 0;
  for (; at + unit <= size; at += unit)
    writeOperandAt(cpu, operand, at, unit, unit === 2 ? area.getUint16(at, true) : area.getUint32(at, true));
  if (at < size) writeOperandAt(cpu, operand, at, 2, area.getUint16(at, true));
}

/** The environment's form follows the operand size, which in 64-bit code is at least 32 bits. */
const formOf = ({ instruction }: Cpu): number => instruction.operandSize;
const unitOf = (cpu: Cpu): 2 | 4 => (formOf(cpu) === 2 ? 2 : 4);
const REGISTERS_SIZE = 80;

export function fnstenv(cpu: Cpu): void {
  const unit = new X87State(cpu);
  unit.enter(false);
  const size = X87State.environmentSize(formOf(cpu));
  const area = new DataView(new ArrayBuffer(size));
  unit.saveEnvironment(area, formOf(cpu));
  touchArea(cpu, size, unitOf(cpu), true);
  writeArea(cpu, area, size, unitOf(cpu));
  // All exceptions are masked afterwards.
  unit.control |= Status.exceptions;
  unit.updateSummary();
}

export function fldenv(cpu: Cpu): void {
  const unit = new X87State(cpu);
  unit.enter(true);
  const size = X87State.environmentSize(formOf(cpu));
  touchArea(cpu, size, unitOf(cpu), false);
  unit.loadEnvironment(readArea(cpu, size, unitOf(cpu)), formOf(cpu));
}

export function fnsave(cpu: Cpu): void {
  const unit = new X87State(cpu);
  unit.enter(false);
  const environment = X87State.environmentSize(formOf(cpu));
  const area = new DataView(new ArrayBuffer(environment + REGISTERS_SIZE));
  unit.saveEnvironment(area, formOf(cpu));
  unit.saveRegisters(area, environment, 10);
  touchArea(cpu, environment + REGISTERS_SIZE, unitOf(cpu), true);
  writeArea(cpu, area, environment + REGISTERS_SIZE, unitOf(cpu));
  unit.initialize();
}

export function frstor(cpu: Cpu): void {
  const unit = new X87State(cpu);
  unit.enter(true);
  const environment = X87State.environmentSize(formOf(cpu));
  touchArea(cpu, environment + REGISTERS_SIZE, unitOf(cpu), false);
  const area = readArea(cpu, environment + REGISTERS_SIZE, unitOf(cpu));
  unit.loadEnvironment(area, formOf(cpu));
  unit.loadRegisters(area, environment, 10);
}

// --- FXSAVE and FXRSTOR

const LEGACY_AREA = 512;
/** Where software may keep what it likes: never written. */
const LEGACY_USED = 416;
const MXCSR_AT = 24;

/** Checks what comes before the area is touched, whose last byte is looked at first, as the silicon does. */
function enterLegacy(cpu: Cpu, write: boolean): X87State {
  const { cr0 } = cpu.state;
  const name = cpu.instruction.row.mnemonic.toUpperCase();
  if (cr0 & Cr0.em) throw ud(`${name} with CR0.EM set`);
  if (cr0 & Cr0.ts) throw new GuestFault(Vector.nm, 0, `${name} with CR0.TS set`);
  const [operand] = cpu.instruction.operands;
  if (operand.kind !== 'memory') throw ud(`${name} needs memory`);
  const { first, at } = areaAddress(cpu, operand, LEGACY_AREA, 16, write);
  const last = at(LEGACY_AREA - 1);
  const user = cpu.state.cpl === 3;
  if (write) cpu.mmu.checkWrite(last, 1, user);
  else cpu.mmu.read(last, 1, user);
  if (write) cpu.mmu.checkWrite(first, 1, user);
  return new X87State(cpu);
}

/** SSE takes part where the operating system has said that it saves it. */
const savesSse = ({ state }: Cpu): boolean => (state.cr4 & Cr4.osfxsr) !== 0;

function saveLegacy(cpu: Cpu, wide: boolean): void {
  const unit = enterLegacy(cpu, true);
  const area = readArea(cpu, LEGACY_USED, 4);
  unit.saveLegacyX87(area, wide);
  area.setUint32(MXCSR_AT, unit.mxcsr, true);
  area.setUint32(MXCSR_AT + 4, MXCSR_MASK, true);
  if (savesSse(cpu)) unit.saveXmm(area, cpu.state.codeBits);
  writeArea(cpu, area, LEGACY_USED, 4);
}

function restoreLegacy(cpu: Cpu, wide: boolean): void {
  const unit = enterLegacy(cpu, false);
  const area = readArea(cpu, LEGACY_USED, 4);
  const mxcsr = area.getUint32(MXCSR_AT, true);
  if (mxcsr & ~MXCSR_MASK) throw gp(0, 'bits of MXCSR that do not exist are set');
  unit.loadLegacyX87(area, wide);
  unit.mxcsr = mxcsr;
  if (savesSse(cpu)) unit.loadXmm(area, cpu.state.codeBits);
}

export const fxsave: Helper = (cpu) => saveLegacy(cpu, false);
export const fxsave64: Helper = (cpu) => saveLegacy(cpu, true);
export const fxrstor: Helper = (cpu) => restoreLegacy(cpu, false);
export const fxrstor64: Helper = (cpu) => restoreLegacy(cpu, true);
