/** Random instructions from the table's rows, whose memory operands mostly lie where there is memory. */
import { cpuModel } from '../../src/engines/cpu/system/models';
import { createDecoder, type Decode, isFailure } from '../../src/isa/decoder';
import { type EncodingPattern, MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Bits, Instruction, InstructionRow } from '../../src/isa/types';
import { CODE, DATA, dataBase, type Mode, PAGE, SPECIAL_PAGES, STACK, stackBase } from './world';

const LONGEST = 15;
/** Registers that programs address memory by, and the stack pointer: seldom written. */
const KEPT = new Set([3, 4, 5, 6, 7]);
/** What their first operand is not written by. */
const READERS = /^(cmp|test|push|bt|mul|imul|div|idiv|out|nop|verr|verw)$/;
/** Not for every program: they end it, or mean what only silicon says. */
const UNWANTED = /^(ud|hlt|movToTest|movFromTest|monitor|mwait|rsm|invd|wbinvd|xrstor|fxrstor|popa|popf|enter|leave|rdpmc|vm.*|inv.*)/;

interface RowPattern {
  readonly row: InstructionRow;
  readonly pattern: EncodingPattern;
}

export const model = cpuModel('max');
export const decode: Decode = createDecoder((row) => model.has(row.feature));

const INTEGER_FEATURES = /^(8086|80186|80286|80386|80486|pentium|cmov|cx8|cx16|x86-64|bmi1|bmi2|adx|popcnt|lzcnt|movbe)$/;
const FLAG_READERS = /^(setcc|cmovcc|adc|sbb|rcl|rcr|lahf|pushf|cmc|salc|daa|das|aaa|aas|adcx|adox|set|cmov)/;

/** Rows of a mode by kind. */
export interface Rows {
  readonly integer: readonly RowPattern[];
  /** What reads flags, and single bits of what writes them. */
  readonly flags: readonly RowPattern[];
  readonly strings: readonly RowPattern[];
  readonly vector: readonly RowPattern[];
  readonly system: readonly RowPattern[];
}

export function rowsOf(bits: Bits): Rows {
  const usable = INSTRUCTIONS.filter(
    (row) => row.modes.includes(bits) && model.has(row.feature) && !UNWANTED.test(row.semantics) && /^(next|serialize)$/.test(row.flow),
  ).map((row) => ({ row, pattern: parseEncoding(row.encoding) }));
  const plain = usable.filter(({ row }) => row.privilege !== 'privileged');
  const isString = ({ row }: RowPattern): boolean => row.operands.some((operand) => /^[XY]/.test(operand));
  const integer = plain.filter((each) => INTEGER_FEATURES.test(each.row.feature) && !isString(each));
  return {
    integer,
    flags: integer.filter(({ row }) => FLAG_READERS.test(row.semantics)),
    strings: plain.filter((each) => isString(each) && !/^(ins|outs)/.test(each.row.semantics)),
    vector: plain.filter(({ row }) => !INTEGER_FEATURES.test(row.feature)),
    system: usable.filter(({ row }) => row.privilege !== 'innocuous'),
  };
}

/** Offsets in the data where pages end. */
const EDGES = [PAGE - 1, PAGE - 2, PAGE - 3, PAGE - 4, PAGE - 8, PAGE - 15, PAGE, 2 * PAGE - 2, 3 * PAGE - 4, 4 * PAGE - 5];

export class InstructionSource {
  readonly rows: Rows;
  private readonly mode: Mode;
  private readonly random: () => number;
  /** What the registers hold at the start. */
  private readonly registers: readonly number[];
  private bytes: number[] = [];

  constructor(mode: Mode, random: () => number, registers: readonly number[], rows: Rows) {
    this.mode = mode;
    this.random = random;
    this.registers = registers;
    this.rows = rows;
  }

  chance(oneIn: number): boolean {
    return this.random() % oneIn === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random() % list.length];
  }

  immediate(): number {
    switch (this.random() % 6) {
      case 0:
        return 0;
      case 1:
        return -1;
      case 2:
        return 1;
      case 3:
        return this.pick([0x80, 0x7f, 0x8000, 0x7fff, 0x80000000, 0x7fffffff, 0x1f, 0x20]) | 0;
      default:
        return this.random() | 0;
    }
  }

  /** A place in the data, as a linear address. */
  place(): number {
    switch (this.random() % 16) {
      case 0:
      case 1:
        return DATA + this.pick(EDGES);
      case 2:
        return this.pick(SPECIAL_PAGES) + this.pick([0, 0x10, PAGE - 1, PAGE - 4, 0x800]);
      case 3:
        // What runs, looked at.
        return this.mode.flat && this.mode.bits !== 64 ? CODE + (this.random() & 0x3ff) : DATA + (this.random() & 0xfff);
      default:
        return DATA + (this.random() & 0x3ff);
    }
  }

  /** An instruction of one of the rows; undefined where luck did not make one. */
  from(list: readonly RowPattern[]): RandomInstruction | undefined {
    for (let tries = 0; tries < 8; tries++) {
      const { row, pattern } = this.pick(list);
      this.encode(row, pattern);
      this.tail(row);
      const buffer = Uint8Array.from(this.bytes);
      const instruction = decode(buffer, 0, this.mode.bits);
      if (isFailure(instruction) || instruction.row !== row || instruction.length > LONGEST) continue;
      if (this.spoils(instruction) && !this.chance(40)) continue;
      return { bytes: [...buffer.subarray(0, instruction.length)], instruction };
    }
    return undefined;
  }

  private spoils({ row, operands }: Instruction): boolean {
    if (READERS.test(row.mnemonic)) return false;
    const both = /^(xchg|xadd|mulx)$/.test(row.mnemonic);
    if (/^(cpuid|cmpxchg|xlat|pusha)/.test(row.semantics) && this.chance(2)) return false;
    return operands.some(
      (operand, i) => (i === 0 || both) && operand.kind === 'register' && operand.class === 'gpr' && KEPT.has(operand.index),
    );
  }

  private encode(row: InstructionRow, pattern: EncodingPattern): void {
    this.bytes = [];
    const put = (...list: number[]): void => void this.bytes.push(...list.map((byte) => byte & 0xff));
    const { bits } = this.mode;
    const [plain, other] = { 16: [16, 32], 32: [32, 16], 64: [64, 32] }[bits];
    const forced = pattern.addressSizes.length > 0 && !pattern.addressSizes.includes(plain as Bits);
    const turned = forced || (pattern.addressSizes.length === 0 && this.chance(bits === 16 ? 6 : 24));
    if (turned) put(0x67);
    const size = turned ? other : plain;
    if (pattern.mandatory === undefined || pattern.mandatory === 'F3' || pattern.mandatory === 'F2') {
      const { operandSizes } = pattern;
      const usual = bits === 16 ? 2 : 4;
      const needed = operandSizes.length > 0 && !operandSizes.includes(usual) && !operandSizes.includes(8);
      if (needed || (operandSizes.length !== 1 && this.chance(4))) put(0x66);
    }
    if (row.lockable && this.chance(12)) put(0xf0);
    if (row.repeat !== 'none' && this.chance(2)) put(this.pick([0xf2, 0xf3]));
    const segment = this.chance(16) ? this.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) : 0;
    if (segment) put(segment);
    if (pattern.vex) this.vexPrefix(pattern, put);
    else {
      const mandatory = { F3: 0xf3, F2: 0xf2, 66: 0x66 }[pattern.mandatory as string];
      if (mandatory !== undefined) put(mandatory);
      if (bits === 64) {
        const wide = pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 8;
        if (wide || this.chance(2)) put(0x40 | (wide || this.chance(2) ? 8 : 0) | (this.chance(3) ? this.random() & 4 : 0));
      }
      put(...MAP_BYTES[pattern.map]);
    }
    put(pattern.opcode + (pattern.plusRegister ? this.random() & 7 : 0));
    if (pattern.modrm === 'none') return;
    if (pattern.modrm === 'fixed') return put(pattern.modrmByte);
    const digit = pattern.modrm === 'digit' ? pattern.digit : this.random() & 7;
    if (pattern.registerOnly || this.chance(2)) put(0xc0 | (digit << 3) | (this.random() & 7));
    else this.memoryOperand(digit, size as Bits, segment, put);
  }

  /** ModR/M, SIB and displacement of a place in memory. */
  private memoryOperand(digit: number, size: Bits, segment: number, put: (...list: number[]) => void): void {
    const reg = digit << 3;
    // With 16-bit addresses SI, DI, BP and BX; else the same, encoded as themselves.
    const base = this.pick([3, 5, 6, 7]);
    const onStack = base === 5 && segment === 0 && !this.mode.flat;
    const from = onStack ? stackBase(this.mode) : dataBase(this.mode);
    const target = (onStack ? STACK + 0x400 + (this.random() & 0x7ff) : this.place()) - from;
    if (this.chance(5)) {
      // Absolute; by RIP in 64-bit code, which leads anywhere in the code.
      const address = this.place() - dataBase(this.mode);
      if (size === 16) return put(reg | 6, address, address >> 8);
      if (size === 64 && this.chance(3)) return put(reg | 5, this.random() & 0xff, 0, 0, 0);
      if (size === 64) put(reg | 4, 0x25);
      else put(reg | 5);
      return put(address, address >> 8, address >> 16, address >> 24);
    }
    const near = this.chance(3);
    const displacement = near ? (this.random() & 31) - 8 : target - this.registers[base];
    if (size === 16) {
      const rm = { 3: 7, 5: 6, 6: 4, 7: 5 }[base] as number;
      if (this.chance(12)) return put(0x80 | reg | (this.random() & 3), displacement, displacement >> 8);
      if (near) return put(0x40 | reg | rm, displacement);
      return put(0x80 | reg | rm, displacement, displacement >> 8);
    }
    const four = (): void => put(displacement, displacement >> 8, displacement >> 16, displacement >> 24);
    if (this.chance(6)) {
      // With ECX as index, which is small in loops and wild elsewhere; or with none.
      const index = this.chance(3) ? (this.random() & 3) << 6 : 0x20;
      put((near ? 0x40 : 0x80) | reg | 4, index | (index & 0x20 ? 0 : 1 << 3) | base);
    } else put((near ? 0x40 : 0x80) | reg | base);
    if (near) put(displacement);
    else four();
  }

  private vexPrefix({ vex, map, mandatory }: EncodingPattern, put: (...list: number[]) => void): void {
    const prefix = ['NP', '66', 'F3', 'F2'].indexOf(mandatory ?? 'NP');
    const wide = vex?.wide ?? this.chance(2);
    const register = this.mode.bits === 64 ? this.random() & 15 : 8 | (this.random() & 7);
    put(0xc4, 0xe0 | map, (wide ? 0x80 : 0) | (register << 3) | ((vex?.length ?? 0) << 2) | prefix);
  }

  /** Bytes of immediates, or of the address that stands in an immediate's place. */
  private tail(row: InstructionRow): void {
    const absolute = row.operands.some((operand) => operand.startsWith('O'));
    const value = absolute ? this.place() - dataBase(this.mode) : this.immediate();
    for (let i = 0; i < 4; i++) this.bytes.push((value >> (i * 8)) & 0xff);
    const rest = absolute ? 0 : this.random();
    for (let i = 0; i < 12; i++) this.bytes.push((rest >> (i & 3)) & 0xff);
  }
}

export interface RandomInstruction {
  readonly bytes: number[];
  readonly instruction: Instruction;
}
