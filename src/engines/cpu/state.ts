/** Typed access to the active processor's state in host memory. */
import type { Bits } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import type { ProcessorMode, Ring } from '../../shared/transition';
import type { HostMemory } from '../machine/host-memory';
import {
  ALL_FLAT,
  CROSSING,
  KERNEL_TLB,
  OWN_TRANSLATIONS,
  USER_TLB,
  EFLAGS,
  FLAG_ADJUST,
  FLAG_CARRY,
  FLAG_SIGN,
  FLAG_ZERO,
  FLAT_SEGMENTS,
  IP,
  JUMP64_CACHES,
  JUMP64_SIZE,
  JUMP_BASE,
  JUMP_CACHES,
  JUMP_SIZE,
  MMX_GATE,
  REGISTERS,
  SEG,
  SEGMENTS,
  SEGMENT_SIZE,
  SSE_GATE,
  STACK_MASK,
  STATE_END,
  SYS,
  SYSTEM,
  TLB_BASE,
  TLB_EMPTY,
  TLBS,
  TLBS64,
  Tlb,
  TRANSLATIONS,
  TRANSLATIONS_SIZE,
  VECTOR_STATE,
  VECTOR_STATE_END,
  WIDEST_ACCESS,
  X87_GATE,
} from './layout';

/** What `SEG.readSpan` is of a segment of 4 GiB. */
const FLAT_SPAN = 2 ** 32 - (WIDEST_ACCESS - 1);

/** Numbers of the segment registers, LDTR and TR included. */
export const Seg = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7 } as const;
export type Seg = (typeof Seg)[keyof typeof Seg];

export const Reg = { eax: 0, ecx: 1, edx: 2, ebx: 3, esp: 4, ebp: 5, esi: 6, edi: 7 } as const;

/** EFLAGS bits (manual, "EFLAGS Register"). */
export const Flag = {
  cf: 1 << 0,
  one: 1 << 1,
  pf: 1 << 2,
  af: 1 << 4,
  zf: 1 << 6,
  sf: 1 << 7,
  tf: 1 << 8,
  if: 1 << 9,
  df: 1 << 10,
  of: 1 << 11,
  iopl: 3 << 12,
  nt: 1 << 14,
  rf: 1 << 16,
  vm: 1 << 17,
  ac: 1 << 18,
  vif: 1 << 19,
  vip: 1 << 20,
  id: 1 << 21,
} as const;
const STATUS = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of;

export const Cr0 = {
  pe: 1,
  mp: 2,
  em: 4,
  ts: 8,
  et: 16,
  ne: 32,
  wp: 1 << 16,
  am: 1 << 18,
  nw: 1 << 29,
  cd: 1 << 30,
  pg: 0x80000000,
} as const;
export const Cr4 = {
  vme: 1,
  pvi: 2,
  tsd: 4,
  de: 8,
  pse: 16,
  pae: 32,
  mce: 64,
  pge: 128,
  pce: 1 << 8,
  osfxsr: 1 << 9,
  osxmmexcpt: 1 << 10,
  umip: 1 << 11,
  la57: 1 << 12,
  vmxe: 1 << 13,
  fsgsbase: 1 << 16,
  pcide: 1 << 17,
  osxsave: 1 << 18,
  smep: 1 << 20,
  smap: 1 << 21,
} as const;
export const Efer = { sce: 1, lme: 1 << 8, lma: 1 << 10, nxe: 1 << 11 } as const;

/** Access byte and flags of a descriptor; see SEG.attributes. */
export const Attr = {
  accessed: 1,
  /** Data: writable. Code: readable. */
  readWrite: 2,
  /** Data: expands down. Code: conforming. */
  expandConform: 4,
  code: 8,
  /** Code or data, not a system descriptor. */
  segment: 0x10,
  dplShift: 5,
  present: 0x80,
  /** Code: runs in 64-bit mode when IA32_EFER.LMA is set. */
  long: 0x2000,
  big: 0x4000,
  granular: 0x8000,
} as const;

const INVALID_OPCODE = 6;
const DEVICE_NOT_AVAILABLE = 7;

/** See SEG.attributes. */
const UNUSABLE = 0x10000;

/** A signed number from the halves of 64 bits: exact for every canonical address, and never canonical where it is not exact. */
export const join = (low: number, high: number): number => (high | 0) * 2 ** 32 + (low >>> 0);
/** The same, but with the low 32 bits exact whatever the high ones are; those above 2^52 are not kept. */
export const joinLow = (low: number, high: number): number => {
  const signed = high | 0;
  return join(low, Math.abs(signed) < 2 ** 20 ? signed : Math.sign(signed) * 2 ** 20);
};
export const highHalf = (value: number): number => Math.floor(value / 2 ** 32);
/** Bits 48 to 63 all equal bit 47 (manual, "Canonical Addressing"). */
export const isCanonical = (address: number): boolean => address >= -(2 ** 47) && address < 2 ** 47;

/** A segment register with its hidden part. */
export interface SegmentRegister {
  selector: number;
  /** Linear address: unsigned, or of FS and GS canonical in long mode. */
  base: number;
  /** Highest valid offset (of an expand-down segment: the highest invalid one), in bytes. */
  limit: number;
  attributes: number;
  /** Null or unusable: any use faults. */
  unusable: boolean;
}

export const REAL_MODE_DATA = Attr.present | Attr.segment | Attr.readWrite | Attr.accessed;

export class CpuState {
  readonly host: HostMemory;
  /** Host offset of the TLBs and jump caches in force: this processor's own, or those for its guests. */
  translations: number;
  /** 64-bit code runs. Follows from CS and EFER; see `refresh`. */
  long = false;

  /** @param processor number among its machine's, from 0 */
  constructor(host: HostMemory, processor = 0) {
    this.host = host;
    this.translations = TRANSLATIONS + processor * TRANSLATIONS_SIZE;
  }

  // --- general registers

  /** Register by number, low 32 bits unsigned. */
  reg32(number: number): number {
    return this.host.u32[(REGISTERS >> 2) + number * 2];
  }

  setReg32(number: number, value: number): void {
    this.host.u32[(REGISTERS >> 2) + number * 2] = value;
    this.host.u32[(REGISTERS >> 2) + number * 2 + 1] = 0;
  }

  /** All 64 bits, signed: exact where the value is a canonical address. */
  reg64(number: number): number {
    const at = (REGISTERS >> 2) + number * 2;
    return join(this.host.u32[at], this.host.u32[at + 1]);
  }

  setReg64(number: number, value: number): void {
    this.setRegHalves(number, value, highHalf(value));
  }

  regHigh(number: number): number {
    return this.host.u32[(REGISTERS >> 2) + number * 2 + 1];
  }

  setRegHalves(number: number, low: number, high: number): void {
    const at = (REGISTERS >> 2) + number * 2;
    this.host.u32[at] = low;
    this.host.u32[at + 1] = high;
  }

  /** A register as an address: 64 bits in 64-bit code, else the low 32 unsigned. */
  regAddress(number: number): number {
    return this.long ? this.reg64(number) : this.reg32(number);
  }

  setRegAddress(number: number, value: number): void {
    if (this.long) this.setReg64(number, value);
    else this.setReg32(number, value);
  }

  /** A register of 1, 2, 4 or 8 bytes; numbers 4 to 7 of size 1 with `high` are AH, CH, DH, BH at 0 to 3. */
  reg(number: number, size: number, high = false): number {
    const offset = REGISTERS + number * 8 + (high ? 1 : 0);
    if (size === 8) return this.reg64(number);
    return size === 1 ? this.host.u8[offset] : size === 2 ? this.host.view.getUint16(offset, true) : this.host.u32[offset >> 2];
  }

  setReg(number: number, size: number, value: number, high = false): void {
    const offset = REGISTERS + number * 8 + (high ? 1 : 0);
    if (size === 1) this.host.u8[offset] = value;
    else if (size === 2) this.host.view.setUint16(offset, value, true);
    else if (size === 8) this.setReg64(number, value);
    else this.setReg32(number, value);
  }

  /** Offset of the current instruction in CS, while no handler runs: signed in 64-bit code, else unsigned. */
  get ip(): number {
    const { u32 } = this.host;
    return this.long ? join(u32[IP >> 2], u32[(IP >> 2) + 1]) : u32[IP >> 2];
  }

  set ip(value: number) {
    this.host.u32[IP >> 2] = value;
    this.host.u32[(IP >> 2) + 1] = this.long ? highHalf(value) : 0;
  }

  /** An offset in CS brought into the code's width. */
  wrapOffset(offset: number): number {
    return this.long ? offset : offset >>> 0;
  }

  // --- flags

  /** EFLAGS as PUSHFD would see it, VM and RF included. */
  get eflags(): number {
    const { i32 } = this.host;
    const carry = i32[FLAG_CARRY >> 2];
    const sign = i32[FLAG_SIGN >> 2];
    let flags = i32[EFLAGS >> 2] | Flag.one;
    if (carry < 0) flags |= Flag.cf;
    if ((carry ^ (carry << 1)) < 0) flags |= Flag.of;
    if (sign < 0) flags |= Flag.sf;
    if (i32[FLAG_ZERO >> 2] === 0) flags |= Flag.zf;
    if (evenParity(sign)) flags |= Flag.pf;
    return (flags | (i32[FLAG_ADJUST >> 2] & Flag.af)) >>> 0;
  }

  set eflags(value: number) {
    const { i32 } = this.host;
    i32[EFLAGS >> 2] = value & ~STATUS & ~Flag.one;
    i32[FLAG_ZERO >> 2] = ~value & Flag.zf;
    i32[FLAG_SIGN >> 2] = ((value & Flag.sf) << 24) | (value & Flag.pf ? 0 : 1);
    i32[FLAG_ADJUST >> 2] = value & Flag.af;
    const carry = (value & Flag.cf) << 31;
    const overflow = (value & Flag.of) << 20;
    i32[FLAG_CARRY >> 2] = carry | ((carry ^ overflow) >>> 1);
  }

  /** One of the flags that no arithmetic writes. */
  flag(bit: number): boolean {
    return (this.host.i32[EFLAGS >> 2] & bit) !== 0;
  }

  setFlag(bit: number, on: boolean): void {
    if (on) this.host.i32[EFLAGS >> 2] |= bit;
    else this.host.i32[EFLAGS >> 2] &= ~bit;
  }

  setZero(on: boolean): void {
    this.host.i32[FLAG_ZERO >> 2] = on ? 0 : 1;
  }

  get iopl(): number {
    return (this.host.i32[EFLAGS >> 2] >> 12) & 3;
  }

  // --- system registers

  sys(index: number): number {
    return this.host.u32[(SYSTEM >> 2) + index * 2];
  }

  setSys(index: number, value: number): void {
    this.host.u32[(SYSTEM >> 2) + index * 2] = value;
  }

  /** All 64 bits as a signed number; see `join`. */
  sys64(index: number): number {
    const at = (SYSTEM >> 2) + index * 2;
    return join(this.host.u32[at], this.host.u32[at + 1]);
  }

  setSys64(index: number, value: number): void {
    this.setSysHalves(index, value, highHalf(value));
  }

  sysHigh(index: number): number {
    return this.host.u32[(SYSTEM >> 2) + index * 2 + 1];
  }

  setSysHalves(index: number, low: number, high: number): void {
    const at = (SYSTEM >> 2) + index * 2;
    this.host.u32[at] = low;
    this.host.u32[at + 1] = high;
  }

  get cr0(): number {
    return this.sys(SYS.cr0);
  }

  get cr3(): number {
    return this.sys(SYS.cr3);
  }

  get cr4(): number {
    return this.sys(SYS.cr4);
  }

  get cpl(): Ring {
    return this.sys(SYS.cpl) as Ring;
  }

  // --- modes

  get protectedMode(): boolean {
    return (this.cr0 & Cr0.pe) !== 0;
  }

  get virtual8086(): boolean {
    return this.flag(Flag.vm);
  }

  get paging(): boolean {
    return this.cr0 >= Cr0.pg;
  }

  get efer(): number {
    return this.sys(SYS.efer);
  }

  /** IA-32e mode: 64-bit or compatibility. */
  get longMode(): boolean {
    return (this.efer & Efer.lma) !== 0;
  }

  get mode(): ProcessorMode {
    if (!this.protectedMode) return 'real';
    if (this.virtual8086) return 'virtual-8086';
    if (this.long) return 'long';
    if (this.longMode) return 'compatibility';
    return this.codeBits === 32 ? 'protected-32' : 'protected-16';
  }

  /** Default operand and address size of the code segment; 64 in 64-bit mode. */
  get codeBits(): Bits {
    if (this.long) return 64;
    return this.segAttributes(Seg.cs) & Attr.big ? 32 : 16;
  }

  // --- segments

  private seg(number: number, field: number): number {
    return (SEGMENTS + number * SEGMENT_SIZE + field) >> 2;
  }

  selector(number: Seg): number {
    return this.host.u32[this.seg(number, SEG.selector)];
  }

  segBase(number: Seg): number {
    const at = this.seg(number, SEG.base);
    return join(this.host.u32[at], this.host.u32[at + 1]);
  }

  /** Sets the base alone: WRFSBASE and its kin. */
  setSegBaseHalves(number: Seg, low: number, high: number): void {
    const at = this.seg(number, SEG.base);
    this.host.u32[at] = low;
    this.host.u32[at + 1] = high;
  }

  segLimit(number: Seg): number {
    return this.host.u32[this.seg(number, SEG.limit)];
  }

  segAttributes(number: Seg): number {
    return this.host.u32[this.seg(number, SEG.attributes)] & 0xffff;
  }

  unusable(number: Seg): boolean {
    return (this.host.u32[this.seg(number, SEG.attributes)] & UNUSABLE) !== 0;
  }

  /** An access lies within the ranges that handlers check against; others may be allowed, too. */
  surelyAllowed(number: Seg, offset: number, size: number, write: boolean): boolean {
    const { u32 } = this.host;
    const span = u32[this.seg(number, write ? SEG.writeSpan : SEG.readSpan)];
    return size <= WIDEST_ACCESS && (offset - u32[this.seg(number, SEG.low)]) >>> 0 < span;
  }

  segment(number: Seg): SegmentRegister {
    return {
      selector: this.selector(number),
      base: this.segBase(number),
      limit: this.segLimit(number),
      attributes: this.segAttributes(number),
      unusable: this.unusable(number),
    };
  }

  /** Loads a segment register and the ranges that handlers check against. */
  setSegment(number: Seg, value: SegmentRegister): void {
    const { u32 } = this.host;
    const { attributes } = value;
    const usable = !value.unusable && (attributes & Attr.present) !== 0;
    const isCode = (attributes & Attr.code) !== 0;
    const down = !isCode && (attributes & Attr.expandConform) !== 0;
    const top = attributes & Attr.big ? 0xffffffff : 0xffff;
    const low = down ? value.limit + 1 : 0;
    const count = down ? Math.max(0, top - value.limit) : value.limit + 1;
    const span = usable ? Math.max(0, count - (WIDEST_ACCESS - 1)) : 0;
    u32[this.seg(number, SEG.selector)] = value.selector;
    u32[this.seg(number, SEG.base)] = value.base;
    u32[this.seg(number, SEG.base) + 1] = highHalf(value.base);
    u32[this.seg(number, SEG.limit)] = value.limit;
    u32[this.seg(number, SEG.attributes)] = (attributes | (value.unusable ? UNUSABLE : 0)) >>> 0;
    u32[this.seg(number, SEG.low)] = low;
    u32[this.seg(number, SEG.readSpan)] = !isCode || attributes & Attr.readWrite ? span : 0;
    u32[this.seg(number, SEG.writeSpan)] = !isCode && attributes & Attr.readWrite ? span : 0;
    if (number <= Seg.ds) this.noteFlat(number, value.base === 0 && low === 0 && span === FLAT_SPAN && this.allows(number, attributes));
  }

  /** Of flat segments all accesses are allowed that their kind is used for. */
  private allows(number: Seg, attributes: number): boolean {
    const { readWrite, code, big } = Attr;
    if (number === Seg.cs) return (attributes & code) !== 0;
    return (attributes & readWrite) !== 0 && (attributes & code) === 0 && (number !== Seg.ss || (attributes & big) !== 0);
  }

  private noteFlat(number: Seg, flat: boolean): void {
    const { u32 } = this.host;
    const before = u32[FLAT_SEGMENTS >> 2];
    const now = flat ? before | (1 << number) : before & ~(1 << number);
    u32[FLAT_SEGMENTS >> 2] = now;
    if ((before === ALL_FLAT) !== (now === ALL_FLAT)) this.chooseJumps();
  }

  /** All of CS, DS, ES and SS cover 4 GiB from 0, in 32-bit code with a 32-bit stack. */
  get flat(): boolean {
    return this.host.u32[FLAT_SEGMENTS >> 2] === ALL_FLAT && this.codeBits === 32;
  }

  /** Which jump cache serves the code that runs; changes with everything that makes blocks of one kind unfit for another. */
  private chooseJumps(): void {
    const user = this.cpl === 3 ? 1 : 0;
    const kind = this.codeBits === 16 ? 0 : this.flat ? 2 : 1;
    const jumps = this.long ? JUMP64_CACHES + user * JUMP64_SIZE : JUMP_CACHES + (kind * 2 + user) * JUMP_SIZE;
    this.host.u32[JUMP_BASE >> 2] = this.translations + jumps;
  }

  /**
   * A selector loaded in real or virtual-8086 mode. In real mode limit and size bits stay from before (what is called
   * unreal mode rests on that), while the type becomes writable data, for CS too.
   */
  setRealSegment(number: Seg, selector: number): void {
    const keep = !this.virtual8086;
    this.setSegment(number, {
      selector,
      base: selector << 4,
      limit: keep ? this.segLimit(number) : 0xffff,
      attributes: REAL_MODE_DATA | (keep ? this.segAttributes(number) & (Attr.big | Attr.granular) : 3 << Attr.dplShift),
      unusable: false,
    });
  }

  /**
   * Linear address of an offset: modulo 4 GiB; in 64-bit code without a base but for FS and GS, and as a signed number that
   * may turn out not to be canonical.
   */
  linear(segment: Seg, offset: number): LinearAddress {
    if (!this.long) return ((this.segBase(segment) + offset) >>> 0) as LinearAddress;
    return (segment < Seg.fs ? offset : this.segBase(segment) + offset) as LinearAddress;
  }

  /** The linear address of the next instruction. */
  get instructionAddress(): LinearAddress {
    return this.linear(Seg.cs, this.ip);
  }

  /** A linear address some bytes on, wrapping as the mode has it. */
  advance(linear: LinearAddress, bytes: number): LinearAddress {
    return (this.longMode ? linear + bytes : (linear + bytes) >>> 0) as LinearAddress;
  }

  /** Chooses TLB, jump cache, code and stack width after CPL, CS, SS, CR0, CR4, EFER or the AC flag changed. */
  refresh(): void {
    const { u32 } = this.host;
    this.long = this.longMode && (this.segAttributes(Seg.cs) & Attr.long) !== 0;
    const user = this.cpl === 3;
    u32[TLB_BASE >> 2] = this.translations + this.chooseTlb(user);
    this.chooseJumps();
    u32[STACK_MASK >> 2] = this.segAttributes(Seg.ss) & Attr.big ? 0xffffffff : 0xffff;
    this.setGates();
    this.setCrossing();
  }

  /** Puts other TLBs and jump caches in force. @param base host offset */
  useTranslations(base: number): void {
    this.translations = base;
    this.refresh();
  }

  /** What crossings need to know, as long as AC does not decide what may be touched. */
  private setCrossing(): void {
    const { u32 } = this.host;
    const { long } = this;
    const narrow = !this.longMode && this.protectedMode && !this.virtual8086 && this.codeBits === 32;
    u32[CROSSING >> 2] = this.flag(Flag.ac) ? 0 : long ? 64 : narrow ? 32 : 0;
    const tlbs = long ? TLBS64 : TLBS;
    u32[KERNEL_TLB >> 2] = this.translations + tlbs[this.cr4 & Cr4.smap ? Tlb.guarded : Tlb.supervisor];
    u32[USER_TLB >> 2] = this.translations + tlbs[Tlb.user];
    u32[OWN_TRANSLATIONS >> 2] = this.translations;
  }

  /** Manual, "Task Switching and the x87 FPU, MMX, SSE …", and the exception tables of those instructions. */
  private setGates(): void {
    const { u32 } = this.host;
    const { cr0 } = this;
    const switched = cr0 & Cr0.ts ? DEVICE_NOT_AVAILABLE : 0;
    u32[X87_GATE >> 2] = cr0 & Cr0.em ? DEVICE_NOT_AVAILABLE : switched;
    u32[MMX_GATE >> 2] = cr0 & Cr0.em ? INVALID_OPCODE : switched;
    u32[SSE_GATE >> 2] = cr0 & Cr0.em || !(this.cr4 & Cr4.osfxsr) ? INVALID_OPCODE : switched;
  }

  private chooseTlb(user: boolean): number {
    const access = this.flag(Flag.ac);
    // Alignment checks need a look at every access: no translation is ever put into the empty TLB.
    if (user && access && (this.cr0 & Cr0.am) !== 0) return TLB_EMPTY;
    const which = user ? Tlb.user : this.cr4 & Cr4.smap && !access ? Tlb.guarded : Tlb.supervisor;
    return (this.long ? TLBS64 : TLBS)[which];
  }

  /** #AC is raised for accesses that are not aligned. */
  get alignmentChecked(): boolean {
    return this.host.u32[TLB_BASE >> 2] === this.translations + TLB_EMPTY;
  }

  /** Bits of the stack pointer that move: 16, 32 or (as -1) all 64. */
  get stackMask(): number {
    return this.long ? -1 : this.host.u32[STACK_MASK >> 2];
  }

  setCpl(cpl: number): void {
    this.setSys(SYS.cpl, cpl);
  }

  /** Everything architectural, for snapshots, hashes and the switch to another processor. */
  save(): Uint8Array {
    const { u8 } = this.host;
    const bytes = new Uint8Array(STATE_END + VECTOR_STATE_END - VECTOR_STATE);
    bytes.set(u8.subarray(0, STATE_END));
    bytes.set(u8.subarray(VECTOR_STATE, VECTOR_STATE_END), STATE_END);
    return bytes;
  }

  load(bytes: Uint8Array): void {
    this.host.u8.set(bytes.subarray(0, STATE_END), 0);
    this.host.u8.set(bytes.subarray(STATE_END), VECTOR_STATE);
    this.refresh();
  }
}

function evenParity(value: number): boolean {
  let bits = value & 0xff;
  bits ^= bits >> 4;
  return ((0x6996 >> (bits & 15)) & 1) === 0;
}
