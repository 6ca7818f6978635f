/** Random user-mode instructions with register and flag contents that make them do something. */
import { decode, isFailure } from '../../src/isa/decoder';
import { MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Instruction, InstructionRow } from '../../src/isa/types';
import { randomSource } from '../isa/random';

export const DATA = 0x01000000;
export const DATA_SIZE = 0x2000;
export const CODE = 0x01100000;
export const CODE_SIZE = 0x1000;
export const START = 0x800;

export interface Case {
  readonly registers: readonly number[];
  readonly eflags: number;
  readonly code: Uint8Array;
  readonly instruction: Instruction;
}

/** Semantics that show the host (its GDT, its clock, its identity) or hand control to its kernel. */
const OF_THE_HOST = new Set(
  (
    'int int1 int3 into iret callFar jmpFar retFar sysenter sysexit syscall sysret ' +
    'movToSegment popSegment loadFarPointer movFromSegment pushSegment lar lsl verr verw arpl ' +
    'sgdt sidt sldt str smsw cpuid rdtsc popf wait'
  ).split(' '),
);
/** Host processors reserve this space for instructions that ours does not have. */
const HINTS = /^hint_nop|^nop$/;

const ROWS = INSTRUCTIONS.filter(
  (row) => row.modes.includes(32) && row.feature !== 'x86-64' && !OF_THE_HOST.has(row.semantics) && !HINTS.test(row.mnemonic),
);

const STATUS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800];
const INTERESTING = [
  0, 1, 2, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
];

export class CaseSource {
  private readonly random: () => number;

  constructor(seed: number) {
    this.random = randomSource(seed);
  }

  data(): Uint8Array {
    return Uint8Array.from({ length: DATA_SIZE }, () => this.random() & 0xff);
  }

  private chance(oneIn: number): boolean {
    return this.random() % oneIn === 0;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random() % list.length];
  }

  private value(): number {
    switch (this.random() % 5) {
      case 0:
        return this.pick(INTERESTING);
      case 1:
        return this.random();
      case 2:
        return this.random() & 0x1f;
      default:
        return DATA + (this.random() % DATA_SIZE);
    }
  }

  next(): Case {
    for (;;) {
      const row = this.pick(ROWS);
      const bytes = this.encode(row);
      const instruction = decode(bytes, 0, 32);
      if (isFailure(instruction) || instruction.row !== row || !this.allowed(instruction)) continue;
      const registers = Array.from({ length: 8 }, () => this.value());
      registers[4] = this.chance(8) ? this.value() : DATA + 0x800 + ((this.random() % 0x1000) & (this.chance(4) ? -1 : -4));
      if (row.repeat !== 'none') registers[1] = this.chance(16) ? this.random() % 3000 : this.random() % 40;
      // Divisions mostly overflow on random operands.
      if (row.semantics.endsWith('div') && !this.chance(3)) registers[2] = this.chance(2) ? 0 : 0xffffffff;
      const eflags = STATUS.reduce((flags, bit) => flags | (this.chance(2) ? bit : 0), 0x202);
      return { registers, eflags, code: bytes.slice(0, instruction.length), instruction };
    }
  }

  private encode(row: InstructionRow): Uint8Array {
    const pattern = parseEncoding(row.encoding);
    const bytes: number[] = [];
    if (pattern.addressSizes.includes(16) && !pattern.addressSizes.includes(32)) bytes.push(0x67);
    else if (this.chance(24)) bytes.push(0x67);
    const forced16 = pattern.operandSizes.length > 0 && !pattern.operandSizes.includes(4);
    if (forced16 || (pattern.operandSizes.length === 0 && this.chance(3))) bytes.push(0x66);
    if (row.lockable && this.chance(8)) bytes.push(0xf0);
    if (row.repeat !== 'none' && this.chance(2)) bytes.push(this.pick([0xf2, 0xf3]));
    if (this.chance(24)) bytes.push(this.pick([0x26, 0x2e, 0x36, 0x3e]));
    if (pattern.mandatory === 'F3') bytes.push(0xf3);
    bytes.push(...MAP_BYTES[pattern.map], pattern.opcode + (pattern.plusRegister ? this.random() & 7 : 0));
    if (pattern.modrm !== 'none') {
      const digit = pattern.modrm === 'digit' ? pattern.digit : this.random() & 7;
      bytes.push(pattern.modrm === 'fixed' ? pattern.modrmByte : ((this.random() & 3) << 6) | (digit << 3) | (this.random() & 7));
    }
    // SIB, displacement and immediate: small numbers keep addresses within reach.
    const tail = this.chance(3) ? Array.from({ length: 12 }, () => this.random() & 0xff) : this.smallTail();
    return Uint8Array.from([...bytes, ...tail, ...new Array<number>(16).fill(0)]).subarray(0, 31);
  }

  private smallTail(): number[] {
    const displacement = this.chance(2) ? this.random() % 0x100 : DATA + (this.random() % DATA_SIZE);
    const sib = this.chance(2) ? [this.random() & 0xff] : [];
    return [
      ...sib,
      displacement & 0xff,
      (displacement >> 8) & 0xff,
      (displacement >> 16) & 0xff,
      displacement >>> 24,
      ...Array.from({ length: 4 }, () => this.random() & 0xff),
    ];
  }

  /** Leaves out what would run more than itself, and results that the manual leaves undefined. */
  private allowed(instruction: Instruction): boolean {
    const relative = instruction.operands.find((operand) => operand.kind === 'relative');
    if (relative?.kind === 'relative') {
      const target = START + instruction.length + relative.displacement;
      if (instruction.operandSize === 4 && target >= START - 16 && target < START + instruction.length) return false;
    }
    return true;
  }
}
