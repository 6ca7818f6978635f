/** Random user-mode instructions: encoded from the table's rows, or any bytes at all. */
import { type Decode, isFailure } from '../../src/isa/decoder';
import { type EncodingPattern, MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Instruction, InstructionRow } from '../../src/isa/types';
import { randomBytes, randomSource } from '../isa/random';
import { Contents } from './contents';
import { HOST_ONLY, LEFT_OUT } from './left-out';
import { usesVectors, writeVectorState } from './vector-state';
import { CODE_SIZE, DATA, FX_SIZE, OWN_SEGMENTS, selectorOf, START, TEST, type Width } from './wire';

/** Alone, out of a decoded block, or out of one that has been compiled. */
export type Way = 'alone' | 'block' | 'compiled';

export interface Case {
  readonly width: Width;
  /** Where its struct test lies in the batch's input. */
  readonly at: number;
  readonly code: Uint8Array;
  /** Undefined where ours raises #UD or #GP for the bytes. */
  readonly instruction: Instruction | undefined;
  /** What our side runs it out of. */
  readonly way: Way;
  /** Our side begins with empty TLBs. */
  readonly fresh: boolean;
}

const STATUS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800];
const [TRAP, ALIGNMENT] = [0x100, 0x40000];
const LONGEST = 15;
/** One case in so many is made of random bytes. */
const ANY_BYTES = 6;

const UNDEFINED = /^(ud|mov(To|From)Test)$/;
const UNTRIED = new Set(LEFT_OUT.flatMap(({ semantics }) => semantics.split(' ')));
export const semanticsOf = ({ semantics }: InstructionRow): string => semantics.replace(/64$/, '');

export interface CaseFilter {
  /** Sets that the processors of both sides have. */
  readonly shares: (feature: string) => boolean;
  /** Rows to be tried alone. */
  readonly wants?: (row: InstructionRow) => boolean;
  /** All cases run compiled. */
  readonly compiled?: boolean;
}

interface RowPattern {
  readonly row: InstructionRow;
  readonly pattern: EncodingPattern;
}

/** Cases of a batch, as the harness reads them. */
export class Input {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  end = 0;

  /** @param cases at most so many */
  constructor(cases: number) {
    this.bytes = new Uint8Array(cases * (TEST.size + FX_SIZE));
    this.view = new DataView(this.bytes.buffer);
  }

  /** Registers of the next case, as 32 words. */
  get registers(): Uint32Array {
    return new Uint32Array(this.bytes.buffer, this.end, 32);
  }

  /** Adds a case whose registers are written. @returns where it lies */
  add(code: Uint8Array, start: number, flags: number, bases: readonly number[], vectors: ((fx: Uint8Array) => void) | undefined): number {
    const at = this.end;
    const { view, bytes } = this;
    view.setUint32(at + TEST.flags, flags, true);
    view.setUint32(at + TEST.flags + 4, 0, true);
    [TEST.fsBase, TEST.gsBase].forEach((field, i) => {
      view.setUint32(at + field, bases[i], true);
      view.setUint32(at + field + 4, Math.floor(bases[i] / 2 ** 32), true);
    });
    view.setUint16(at + TEST.start, start, true);
    bytes[at + TEST.length] = code.length;
    bytes[at + TEST.vectors] = vectors ? 1 : 0;
    bytes.fill(0, at + TEST.vectors + 1, at + TEST.size);
    bytes.set(code, at + TEST.code);
    this.end = at + TEST.size;
    if (vectors) {
      bytes.fill(0, this.end, this.end + FX_SIZE);
      vectors(bytes.subarray(this.end, this.end + FX_SIZE));
      this.end += FX_SIZE;
    }
    return at;
  }
}

/** Whether a row's instructions are tried at all. */
const tries = (row: InstructionRow, shares: CaseFilter['shares']): boolean => shares(row.feature) && !UNTRIED.has(semanticsOf(row));

/** Rows of which cases are encoded in a mode. */
export const rowsTried = (width: Width, { shares, wants }: CaseFilter): InstructionRow[] =>
  INSTRUCTIONS.filter((row) => row.modes.includes(width) && tries(row, shares) && (wants?.(row) ?? true));

export class CaseSource {
  private readonly patterns: readonly RowPattern[];
  private readonly width: Width;
  private readonly random: () => number;
  private readonly decode: Decode;
  private readonly contents: Contents;
  private readonly scratch = new Uint8Array(48);
  private readonly shares: CaseFilter['shares'];
  /** Rows were chosen: no other bytes. */
  private readonly rowsAlone: boolean;
  private readonly compiled: boolean;
  /** Of its own, so that it chooses no cases. */
  private readonly ways: () => number;

  constructor(width: Width, seed: number, decode: Decode, filter: CaseFilter) {
    this.width = width;
    this.random = randomSource(seed);
    this.decode = decode;
    this.contents = new Contents(width, this.random);
    this.shares = filter.shares;
    this.rowsAlone = filter.wants !== undefined;
    this.compiled = filter.compiled ?? false;
    this.ways = randomSource(~seed);
    this.patterns = rowsTried(width, filter).map((row) => ({ row, pattern: parseEncoding(row.encoding) }));
  }

  /** Contents of the data region. */
  data(): Uint8Array {
    return this.contents.data();
  }

  private chance(oneIn: number): boolean {
    return this.random() % oneIn === 0;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random() % list.length];
  }

  private way(block: boolean): Way {
    if (this.compiled) return 'compiled';
    if (!block) return 'alone';
    return this.ways() % 2 === 0 ? 'block' : 'compiled';
  }

  /** Makes a case behind the others of a batch. */
  next(input: Input): Case {
    for (;;) {
      const any = !this.rowsAlone && this.chance(ANY_BYTES);
      // Near the end of the page instructions reach into the next, which is not there.
      const start = !any && this.chance(32) ? CODE_SIZE - 1 - (this.random() & 15) : START;
      const made = any ? this.anyBytes() : this.fromRow(start);
      if (!made) continue;
      const { code, instruction } = made;
      // Whether what comes behind an undefined opcode is fetched, processors are free to choose.
      if (start !== START && instruction && UNDEFINED.test(instruction.row.semantics)) continue;
      this.contents.registers(input.registers, instruction);
      let flags = STATUS.reduce((all, bit) => all | (this.chance(2) ? bit : 0), 0x202);
      if (this.chance(32)) flags |= TRAP;
      if (this.chance(16)) flags |= ALIGNMENT;
      const vectors = instruction && usesVectors(instruction.row) ? (fx: Uint8Array) => writeVectorState(fx, this.random) : undefined;
      const inside = code.slice(0, CODE_SIZE - start);
      const at = input.add(inside, start, flags, this.bases(), vectors);
      return { width: this.width, at, code: inside, instruction, way: this.way(this.chance(3)), fresh: this.chance(8) };
    }
  }

  /** Bases of FS and GS, or selectors of 32-bit programs. */
  private bases(): number[] {
    const [low, high] = OWN_SEGMENTS.filter(({ table }) => table === 'gdt').slice(1);
    if (this.width === 32) return [this.chance(8) ? 0 : selectorOf(low), this.chance(8) ? selectorOf(low) : selectorOf(high)];
    return [0, 1].map(() => this.pick([DATA, DATA + 0x1000, 0, 0x7fffffffe000]));
  }

  private fromRow(start: number): { code: Uint8Array; instruction: Instruction } | undefined {
    const { row, pattern } = this.pick(this.patterns);
    const { scratch } = this;
    const end = this.encode(row, pattern);
    this.contents.tail(scratch, end, start);
    const instruction = this.decode(scratch, 0, this.width);
    if (isFailure(instruction) || instruction.row !== row || !this.allowed(instruction, start)) return undefined;
    return { code: scratch.slice(0, instruction.length), instruction };
  }

  private anyBytes(): { code: Uint8Array; instruction: Instruction | undefined } | undefined {
    const bytes = new Uint8Array(LONGEST + 1).fill(0xcc);
    bytes.set(this.chance(2) ? randomBytes(this.random) : this.nearRow());
    const instruction = this.decode(bytes, 0, this.width);
    if (!isFailure(instruction)) {
      if (!tries(instruction.row, this.shares) || !this.allowed(instruction, START)) return undefined;
      return { code: bytes.slice(0, instruction.length), instruction };
    }
    // Whatever the host takes for an instruction, no system call may stand behind it.
    const text = Buffer.from(bytes).toString('hex');
    if (/0f05|0f34|cd80/.test(text) || hostHas(bytes, this.width)) return undefined;
    return { code: bytes.slice(0, instruction.length), instruction: undefined };
  }

  /** Bytes of a row with another prefix in front, or one of them changed. */
  private nearRow(): Uint8Array {
    const { row, pattern } = this.pick(this.patterns);
    this.contents.tail(this.scratch, this.encode(row, pattern), START);
    const bytes = this.scratch.slice(0, LONGEST);
    if (this.chance(2)) bytes[this.random() % 5] = this.random();
    else {
      bytes.copyWithin(1, 0);
      bytes[0] = this.pick([0xf0, 0xf0, 0xf2, 0xf3, 0x66, 0x67, 0x40 | (this.random() & 15)]);
    }
    return bytes;
  }

  /** @returns where operands begin in `scratch` */
  private encode(row: InstructionRow, pattern: EncodingPattern): number {
    const { scratch } = this;
    let end = 0;
    const put = (byte: number): void => {
      scratch[end++] = byte;
    };
    const long = this.width === 64;
    const [plain, other] = long ? ([64, 32] as const) : ([32, 16] as const);
    if (pattern.addressSizes.includes(other) && !pattern.addressSizes.includes(plain)) put(0x67);
    else if (this.chance(12)) put(0x67);
    if (pattern.mandatory === undefined || pattern.mandatory === 'F3' || pattern.mandatory === 'F2') {
      const forced16 = pattern.operandSizes.length > 0 && pattern.operandSizes.every((size) => size === 2);
      if (forced16 || (pattern.operandSizes.length === 0 && this.chance(3))) put(0x66);
    }
    if (row.lockable && this.chance(8)) put(0xf0);
    if (row.repeat !== 'none' && this.chance(2)) put(this.pick([0xf2, 0xf3]));
    if (this.chance(12)) put(this.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
    if (pattern.vex) this.vexPrefix(pattern, put);
    else {
      const mandatory = { F3: 0xf3, F2: 0xf2, 66: 0x66 }[pattern.mandatory as string];
      if (mandatory !== undefined) put(mandatory);
      if (long) {
        const wide = pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 8;
        if (wide || this.chance(2)) put(0x40 | (wide ? 8 : 0) | (this.random() & 15));
      }
      for (const byte of MAP_BYTES[pattern.map]) put(byte);
    }
    put(pattern.opcode + (pattern.plusRegister ? this.random() & 7 : 0));
    if (pattern.modrm !== 'none') {
      const digit = pattern.modrm === 'digit' ? pattern.digit : this.random() & 7;
      const mod = pattern.registerOnly ? 3 : this.random() & 3;
      put(pattern.modrm === 'fixed' ? pattern.modrmByte : (mod << 6) | (digit << 3) | (this.random() & 7));
    }
    return end;
  }

  private vexPrefix({ vex, map, mandatory }: EncodingPattern, put: (byte: number) => void): void {
    const prefix = ['NP', '66', 'F3', 'F2'].indexOf(mandatory ?? 'NP');
    const extensions = this.width === 64 ? (this.random() & 7) << 5 : 0xe0;
    const wide = vex?.wide ?? this.chance(2);
    const register = this.width === 64 ? this.random() & 15 : 8 | (this.random() & 7);
    put(0xc4);
    put(extensions | map);
    put((wide ? 0x80 : 0) | (register << 3) | ((vex?.length ?? 0) << 2) | prefix);
  }

  /** Leaves out what would run more than itself, or call the host's kernel. */
  private allowed(instruction: Instruction, start: number): boolean {
    const [first] = instruction.operands;
    if (instruction.row.semantics === 'int' && first.kind === 'immediate' && (first.value & 0xff) === 0x80) return false;
    if (first?.kind !== 'relative') return true;
    const target = start + instruction.length + first.displacement;
    return instruction.operandSize === 2 || target < start - 16 || target >= start + instruction.length;
  }
}

const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** The bytes may be an instruction that the host has beyond ours. */
function hostHas(bytes: Uint8Array, width: Width): boolean {
  const isPrefix = (byte: number): boolean => PREFIXES.has(byte) || (width === 64 && (byte & 0xf0) === 0x40);
  const text = Buffer.from(bytes.subarray(bytes.findIndex((byte) => !isPrefix(byte)))).toString('hex');
  return HOST_ONLY.some(({ encoding }) => encoding.test(text));
}
