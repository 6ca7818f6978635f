/** Random user-mode instructions with register, flag and vector contents that make them do something. */
import { decode, isFailure } from '../../src/isa/decoder';
import { MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Instruction, InstructionRow } from '../../src/isa/types';
import { randomSource } from '../isa/random';
import { randomVectorState } from './vector-state';

export const DATA = 0x01000000;
export const DATA_SIZE = 0x2000;
export const CODE = 0x01100000;
export const CODE_SIZE = 0x1000;
export const START = 0x800;

export type Width = 32 | 64;

export interface Case {
  readonly width: Width;
  /** Sixteen of 64 bits, or eight of 32. */
  readonly registers: readonly bigint[];
  readonly eflags: number;
  /** x87 and SSE state as FXSAVE stores it. */
  readonly fx: Uint8Array;
  readonly code: Uint8Array;
  readonly instruction: Instruction;
}

/** Semantics that show the host (its GDT, its clock, its identity) or hand control to its kernel. */
const OF_THE_HOST = new Set(
  (
    'int int1 int3 into iret callFar jmpFar retFar sysenter sysexit syscall sysret ' +
    'movToSegment popSegment loadFarPointer movFromSegment pushSegment lar lsl verr verw arpl ' +
    'sgdt sidt sldt str smsw cpuid rdtsc rdtscp rdpid popf rdrand rdseed xgetbv ' +
    'rdfsbase rdgsbase wrfsbase wrgsbase rdpmc monitor mwait vmfunc ' +
    // Areas with more components than ours, or with pointers that processors of today no longer keep.
    'xsave xsaveopt xsavec xrstor fxsave fxrstor fnstenv fldenv fnsave frstor ' +
    // Compared in test/float, where the last bit may differ.
    'f2xm1 fyl2x fyl2xp1 fptan fpatan fsin fcos fsincos'
  ).split(' '),
);
/** Host processors reserve this space for instructions that ours does not have. */
const HINTS = /^hint_nop|^nop$|^prefetch/;

const STATUS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800];
const INTERESTING = [
  0, 1, 2, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe,
];
const INTERESTING_WIDE = ['8000000000000000', '7fffffffffffffff', '00007fffffffffff', '0000800000000000', 'ffff7fffffffffff'].map((text) =>
  BigInt(`0x${text}`),
);

export interface CaseFilter {
  /** Sets that the host's processor has. */
  hasFeature(feature: string): boolean;
  /** Rows to be tried alone. */
  wants(row: InstructionRow): boolean;
}

export class CaseSource {
  readonly rows: readonly InstructionRow[];
  private readonly width: Width;
  private readonly random: () => number;

  constructor(width: Width, seed: number, filter: CaseFilter) {
    this.width = width;
    this.random = randomSource(seed);
    this.rows = INSTRUCTIONS.filter(
      (row) =>
        row.modes.includes(width) &&
        !OF_THE_HOST.has(row.semantics.replace(/64$/, '')) &&
        !HINTS.test(row.mnemonic) &&
        filter.hasFeature(row.feature) &&
        filter.wants(row),
    );
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

  private value(): bigint {
    const wide = this.width === 64;
    switch (this.random() % 6) {
      case 0:
        return BigInt(this.pick(INTERESTING));
      case 1:
        return (wide ? BigInt(this.random()) << 32n : 0n) | BigInt(this.random());
      case 2:
        return BigInt(this.random() & 0x1f);
      case 3:
        return wide
          ? this.chance(2)
            ? this.pick(INTERESTING_WIDE)
            : BigInt.asUintN(64, -BigInt(this.random() & 0xff))
          : BigInt(this.random());
      default:
        return BigInt(DATA + (this.random() % DATA_SIZE));
    }
  }

  next(): Case {
    for (;;) {
      const row = this.pick(this.rows);
      const bytes = this.encode(row);
      const instruction = decode(bytes, 0, this.width);
      if (isFailure(instruction) || instruction.row !== row || !this.allowed(instruction)) continue;
      const registers = Array.from({ length: this.width === 64 ? 16 : 8 }, () => this.value());
      registers[4] = this.chance(8) ? this.value() : BigInt(DATA + 0x800 + ((this.random() % 0x1000) & (this.chance(4) ? -1 : -8)));
      if (row.repeat !== 'none') registers[1] = BigInt(this.chance(16) ? this.random() % 3000 : this.random() % 40);
      // Divisions mostly overflow on random operands.
      if (/^i?div$/.test(row.semantics) && !this.chance(3))
        registers[2] = this.chance(2) ? 0n : this.width === 64 ? 2n ** 64n - 1n : 2n ** 32n - 1n;
      if (instruction.operands.some((operand) => operand.kind === 'memory' && operand.size >= 16) && !this.chance(3)) align(registers);
      const eflags = STATUS.reduce((flags, bit) => flags | (this.chance(2) ? bit : 0), 0x202);
      const fx = randomVectorState(this.random, row);
      return { width: this.width, registers, eflags, fx, code: bytes.slice(0, instruction.length), instruction };
    }
  }

  private encode(row: InstructionRow): Uint8Array {
    const pattern = parseEncoding(row.encoding);
    const bytes: number[] = [];
    const long = this.width === 64;
    const [plain, other] = long ? ([64, 32] as const) : ([32, 16] as const);
    if (pattern.addressSizes.includes(other) && !pattern.addressSizes.includes(plain)) bytes.push(0x67);
    else if (this.chance(24)) bytes.push(0x67);
    if (pattern.mandatory === undefined || pattern.mandatory === 'F3' || pattern.mandatory === 'F2') {
      const forced16 = pattern.operandSizes.length > 0 && pattern.operandSizes.every((size) => size === 2);
      if (forced16 || (pattern.operandSizes.length === 0 && this.chance(3))) bytes.push(0x66);
    }
    if (row.lockable && this.chance(8)) bytes.push(0xf0);
    if (row.repeat !== 'none' && this.chance(2)) bytes.push(this.pick([0xf2, 0xf3]));
    if (this.chance(24)) bytes.push(this.pick([0x26, 0x2e, 0x36, 0x3e]));
    if (pattern.vex) bytes.push(...this.vexPrefix(pattern));
    else {
      const mandatory = { F3: 0xf3, F2: 0xf2, 66: 0x66 }[pattern.mandatory as string];
      if (mandatory !== undefined) bytes.push(mandatory);
      if (long) {
        const wide = pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 8;
        if (wide || this.chance(2)) bytes.push(0x40 | (wide ? 8 : 0) | (this.random() & 15));
      }
      bytes.push(...MAP_BYTES[pattern.map]);
    }
    bytes.push(pattern.opcode + (pattern.plusRegister ? this.random() & 7 : 0));
    if (pattern.modrm !== 'none') {
      const digit = pattern.modrm === 'digit' ? pattern.digit : this.random() & 7;
      const mod = pattern.registerOnly ? 3 : this.random() & 3;
      bytes.push(pattern.modrm === 'fixed' ? pattern.modrmByte : (mod << 6) | (digit << 3) | (this.random() & 7));
    }
    // SIB, displacement and immediate: small numbers keep addresses within reach.
    const tail = this.chance(3) ? Array.from({ length: 12 }, () => this.random() & 0xff) : this.smallTail();
    return Uint8Array.from([...bytes, ...tail, ...new Array<number>(16).fill(0)]).subarray(0, 31);
  }

  private vexPrefix({ vex, map, mandatory }: ReturnType<typeof parseEncoding>): number[] {
    const prefix = ['NP', '66', 'F3', 'F2'].indexOf(mandatory ?? 'NP');
    const extensions = this.width === 64 ? (this.random() & 7) << 5 : 0xe0;
    const wide = vex?.wide ?? this.chance(2);
    const register = this.width === 64 ? this.random() & 15 : 8 | (this.random() & 7);
    return [0xc4, extensions | map, (wide ? 0x80 : 0) | (register << 3) | ((vex?.length ?? 0) << 2) | prefix];
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

  /** Leaves out what would run more than itself, or change what runs behind it. */
  private allowed(instruction: Instruction): boolean {
    const own = instruction.operands.some(
      (operand) => operand.kind === 'memory' && operand.ripRelative && Math.abs(operand.displacement) < CODE_SIZE,
    );
    if (own) return false;
    const relative = instruction.operands.find((operand) => operand.kind === 'relative');
    if (relative?.kind === 'relative') {
      const target = START + instruction.length + relative.displacement;
      if (instruction.operandSize !== 2 && target >= START - 16 && target < START + instruction.length) return false;
    }
    return true;
  }
}

/** Most vectors in memory have to lie at multiples of their size. */
function align(registers: bigint[]): void {
  registers.forEach((value, i) => {
    registers[i] = value & ~15n;
  });
}
