/**
 * The x87 and SSE state as TypeScript sees it, and its images in memory (manual, "x87 FPU State Image" figures of FSTENV and FSAVE,
 * "FXSAVE—Save x87 FPU, MMX Technology, and SSE State").
 *
 * As on processors that say so in CPUID (leaf 7, EBX bits 6 and 13), the data pointer and the opcode are those of the last
 * instruction that raised an unmasked exception.
 */
import type { Bits } from '../../../isa/types';
import type { Extended } from '../float/transcendental';
import {
  MXCSR,
  X87_CONTROL,
  X87_CS,
  X87_DP,
  X87_DS,
  X87_GATE,
  X87_IP,
  X87_OPCODE,
  X87_REGISTERS,
  X87_STATUS,
  X87_STRIDE,
  X87_TAGS,
  XMM,
  XMM_STRIDE,
} from '../layout';
import { OPCODE_UNREAD, Status } from '../semantics/x87-unit';
import { Seg } from '../state';
import type { Cpu } from './cpu';
import { GuestFault, Vector } from './fault';
import { readSegment } from './operands';

const TOP_SHIFT = 11;
/** Bits of the control word that exist; bit 6 is always 1. */
const CONTROL_BITS = 0x1f3f;
const ALWAYS_ONE = 0x40;
/** Bits of MXCSR that exist. */
export const MXCSR_MASK = 0xffff;

const Tag = { valid: 0, zero: 1, special: 2, empty: 3 } as const;

export class X87State {
  private readonly cpu: Cpu;
  private readonly view: DataView;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    const { buffer } = cpu.state.host.memory;
    this.view = new DataView(buffer);
  }

  private word(offset: number): number {
    return this.view.getUint32(offset, true);
  }

  private setWord(offset: number, value: number): void {
    this.view.setUint32(offset, value, true);
  }

  /** Faults when the unit must not be used now, or when an exception is pending and the instruction waits for it. */
  enter(waits: boolean): void {
    const vector = this.word(X87_GATE);
    if (vector !== 0) throw new GuestFault(vector, 0, 'CR0.TS or CR0.EM is set');
    if (waits) this.checkPending();
  }

  checkPending(): void {
    if (this.status & Status.summary) throw new GuestFault(Vector.mf, 0, 'an x87 exception is pending that the control word does not mask');
  }

  get control(): number {
    return this.word(X87_CONTROL);
  }

  set control(value: number) {
    this.setWord(X87_CONTROL, (value & CONTROL_BITS) | ALWAYS_ONE);
  }

  get status(): number {
    return this.word(X87_STATUS);
  }

  /** Sets the summary bits by what is not masked. */
  set status(value: number) {
    const pending = value & ~this.control & Status.exceptions;
    const summary = Status.summary | Status.busy;
    this.setWord(X87_STATUS, pending ? value | summary : value & ~summary);
  }

  /** After a change of the masks. */
  updateSummary(): void {
    const { status } = this;
    this.status = status;
  }

  /** One bit a physical register. */
  get tags(): number {
    return this.word(X87_TAGS);
  }

  set tags(value: number) {
    this.setWord(X87_TAGS, value & 0xff);
  }

  get top(): number {
    return (this.status >> TOP_SHIFT) & 7;
  }

  rotate(count: number): void {
    const top = (this.top + count) & 7;
    this.setWord(X87_STATUS, (this.status & ~(7 << TOP_SHIFT)) | (top << TOP_SHIFT));
  }

  private physical(distance: number): number {
    return (this.top + distance) & 7;
  }

  empty(distance: number): boolean {
    return ((this.tags >> this.physical(distance)) & 1) === 0;
  }

  read(distance: number): Extended {
    const at = X87_REGISTERS + this.physical(distance) * X87_STRIDE;
    return { significand: this.view.getBigUint64(at, true), signExponent: this.view.getUint16(at + 8, true) };
  }

  write(distance: number, { significand, signExponent }: Extended): void {
    const at = X87_REGISTERS + this.physical(distance) * X87_STRIDE;
    this.view.setBigUint64(at, significand, true);
    this.view.setUint16(at + 8, signExponent, true);
    this.tags |= 1 << this.physical(distance);
  }

  pop(): void {
    this.tags &= ~(1 << this.physical(0));
    this.rotate(1);
  }

  /** FNINIT's state. */
  initialize(): void {
    this.control = 0x37f;
    this.status = 0;
    this.tags = 0;
    for (const offset of [X87_OPCODE, X87_CS, X87_DS]) this.setWord(offset, 0);
    for (const offset of [X87_IP, X87_DP]) this.view.setBigUint64(offset, 0n, true);
  }

  /** Remembers the instruction that a helper runs for. */
  setPointers(): void {
    this.view.setBigInt64(X87_IP, BigInt(this.cpu.here), true);
    this.setWord(X87_CS, this.cpu.state.selector(Seg.cs));
  }

  /** Says that the opcode is that of the instruction at the pointer, to be read when someone wants it. */
  markOpcode(): void {
    this.setWord(X87_OPCODE, OPCODE_UNREAD);
  }

  /** The last two opcode bytes' eleven bits that count. */
  get opcode(): number {
    const kept = this.word(X87_OPCODE);
    if ((kept & OPCODE_UNREAD) === 0) return kept;
    const opcode = this.readOpcode();
    this.setWord(X87_OPCODE, opcode);
    return opcode;
  }

  private readOpcode(): number {
    const start = Number(this.view.getBigInt64(X87_IP, true));
    try {
      for (let i = 0; i < 14; i++) {
        const byte = readSegment(this.cpu, Seg.cs, start + i, 1);
        if ((byte & 0xf8) === 0xd8) return ((byte & 7) << 8) | readSegment(this.cpu, Seg.cs, start + i + 1, 1);
      }
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
    }
    return 0;
  }

  // --- the environment

  private get tagWord(): number {
    let word = 0;
    for (let number = 0; number < 8; number++) word |= this.tagOf(number) << (2 * number);
    return word;
  }

  private tagOf(number: number): number {
    if (((this.tags >> number) & 1) === 0) return Tag.empty;
    const { significand, signExponent } = this.read((number - this.top) & 7);
    const exponent = signExponent & 0x7fff;
    if (exponent === 0) return significand === 0n ? Tag.zero : Tag.special;
    return exponent === 0x7fff || significand >> 63n === 0n ? Tag.special : Tag.valid;
  }

  private setTagWord(word: number): void {
    let tags = 0;
    for (let number = 0; number < 8; number++) if (((word >> (2 * number)) & 3) !== Tag.empty) tags |= 1 << number;
    this.tags = tags;
  }

  /** In real and virtual-8086 mode the pointers are linear. */
  private get linearPointers(): boolean {
    const { state } = this.cpu;
    return !state.protectedMode || state.virtual8086;
  }

  /** Bytes of the environment at an operand size. */
  static environmentSize(operandSize: number): 14 | 28 {
    return operandSize === 2 ? 14 : 28;
  }

  saveEnvironment(into: DataView, operandSize: number): void {
    const wide = operandSize !== 2;
    const put = (index: number, value: number, high = 0): void => {
      if (wide) into.setUint32(index * 4, ((value & 0xffff) | (high << 16)) >>> 0, true);
      else into.setUint16(index * 2, value & 0xffff, true);
    };
    [this.control, this.status, this.tagWord].forEach((value, i) => put(i, value, 0xffff));
    const ip = this.word(X87_IP);
    const dp = this.word(X87_DP);
    const { opcode } = this;
    if (this.linearPointers) {
      const linear = (this.word(X87_CS) * 16 + ip) >>> 0;
      const data = (this.word(X87_DS) * 16 + dp) >>> 0;
      put(3, linear);
      put(4, opcode | ((linear >>> 16) << 12), wide ? linear >>> 20 : 0);
      put(5, data);
      put(6, (data >>> 16) << 12, wide ? data >>> 20 : 0);
      return;
    }
    put(3, ip, ip >>> 16);
    put(4, this.selectors ? this.word(X87_CS) : 0, opcode);
    put(5, dp, dp >>> 16);
    put(6, this.selectors ? this.word(X87_DS) : 0, 0xffff);
  }

  /** Whether the selectors are saved (CPUID.(7,0).EBX bit 13 deprecates them). */
  private get selectors(): boolean {
    return !this.cpu.model.has('fcs-fds-deprecated');
  }

  loadEnvironment(from: DataView, operandSize: number): void {
    const wide = operandSize !== 2;
    const low = (index: number): number => from.getUint16(index * (wide ? 4 : 2), true);
    const high = (index: number): number => (wide ? from.getUint16(index * 4 + 2, true) : 0);
    this.control = low(0);
    this.setTagWord(low(2));
    this.status = low(1);
    let ip = low(3) | (high(3) << 16);
    let dp = low(5) | (high(5) << 16);
    if (this.linearPointers) {
      const upper = (index: number): number => (wide ? ((low(index) >>> 12) | (high(index) << 4)) << 16 : (low(index) >>> 12) << 16);
      ip = low(3) | upper(4);
      dp = low(5) | upper(6);
      this.setWord(X87_OPCODE, low(4) & 0x7ff);
      this.setWord(X87_CS, 0);
      this.setWord(X87_DS, 0);
    } else {
      if (wide) this.setWord(X87_OPCODE, high(4) & 0x7ff);
      this.setWord(X87_CS, low(4));
      this.setWord(X87_DS, low(6));
    }
    this.view.setBigUint64(X87_IP, BigInt(ip >>> 0), true);
    this.view.setBigUint64(X87_DP, BigInt(dp >>> 0), true);
  }

  /** The eight registers, ST(0) first, 10 bytes each. */
  saveRegisters(into: DataView, at: number, stride: number): void {
    for (let i = 0; i < 8; i++) {
      const { significand, signExponent } = this.read(i);
      into.setBigUint64(at + i * stride, significand, true);
      into.setUint16(at + i * stride + 8, signExponent, true);
    }
  }

  /** Loads them without touching the tags. */
  loadRegisters(from: DataView, at: number, stride: number): void {
    const { tags } = this;
    for (let i = 0; i < 8; i++) {
      this.write(i, { significand: from.getBigUint64(at + i * stride, true), signExponent: from.getUint16(at + i * stride + 8, true) });
    }
    this.tags = tags;
  }

  // --- the legacy area of FXSAVE and XSAVE

  /** Bytes 0 to 23 and the registers. @param wide 64-bit pointers (REX.W) */
  saveLegacyX87(into: DataView, wide: boolean): void {
    into.setUint16(0, this.control, true);
    into.setUint16(2, this.status, true);
    into.setUint16(4, this.tags, true);
    into.setUint16(6, this.opcode, true);
    for (const [at, pointer, selector] of [
      [8, X87_IP, X87_CS],
      [16, X87_DP, X87_DS],
    ]) {
      if (wide) into.setBigUint64(at, this.view.getBigUint64(pointer, true), true);
      else {
        into.setUint32(at, this.word(pointer), true);
        into.setUint32(at + 4, this.selectors ? this.word(selector) : 0, true);
      }
    }
    for (let i = 0; i < 8; i++) into.setBigUint64(32 + i * 16 + 8, 0n, true);
    this.saveRegisters(into, 32, 16);
  }

  loadLegacyX87(from: DataView, wide: boolean): void {
    this.control = from.getUint16(0, true);
    this.status = from.getUint16(2, true);
    this.tags = from.getUint8(4);
    this.setWord(X87_OPCODE, from.getUint16(6, true) & 0x7ff);
    for (const [at, pointer, selector] of [
      [8, X87_IP, X87_CS],
      [16, X87_DP, X87_DS],
    ]) {
      this.view.setBigUint64(pointer, wide ? from.getBigUint64(at, true) : BigInt(from.getUint32(at, true)), true);
      this.setWord(selector, wide ? 0 : from.getUint16(at + 4, true));
    }
    this.loadRegisters(from, 32, 16);
  }

  get mxcsr(): number {
    return this.word(MXCSR);
  }

  set mxcsr(value: number) {
    this.setWord(MXCSR, value);
  }

  /** XMM registers at offset 160: sixteen in 64-bit code, else eight. */
  saveXmm(into: DataView, bits: Bits): void {
    for (let i = 0; i < xmmCount(bits); i++) {
      for (const half of [0, 8]) into.setBigUint64(160 + i * 16 + half, this.view.getBigUint64(XMM + i * XMM_STRIDE + half, true), true);
    }
  }

  loadXmm(from: DataView, bits: Bits): void {
    for (let i = 0; i < xmmCount(bits); i++) {
      for (const half of [0, 8]) this.view.setBigUint64(XMM + i * XMM_STRIDE + half, from.getBigUint64(160 + i * 16 + half, true), true);
    }
  }
}

const xmmCount = (bits: Bits): number => (bits === 64 ? 16 : 8);
