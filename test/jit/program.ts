/**
 * Random programs: straight runs, loops, jumps into the middle of anything, calls, tables, repeated strings, stores into the code,
 * faults, flags across blocks, page tables that change under the code.
 */
import { randomSource } from '../isa/random';
import { InstructionSource, type Rows, rowsOf } from './instructions';
import {
  CODE,
  codeBase,
  codeLinear,
  CODE_SIZE,
  type Contents,
  DATA,
  dataBase,
  type Mode,
  OTHER_CODE,
  PAGE,
  PAGE_TABLE,
  RESUMES,
  SEL,
  SELECTORS,
  SPECIAL_PAGES,
  STACK,
  stackBase,
  TABLE,
  TABLE_ENTRIES,
} from './world';

/** A number to be put into an item's bytes once everything has its place. */
interface Fixup {
  /** In the item's bytes. */
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
  /** The item meant, and so many bytes behind its start. */
  readonly item: number;
  readonly delta: number;
  /** From the fixup's end, or the offset in the code segment. */
  readonly kind: 'relative' | 'offset';
}

export interface Item {
  readonly bytes: readonly number[];
  readonly fixups: readonly Fixup[];
}

/** What is done from outside between two slices. */
export type Action =
  | { readonly kind: 'probe'; readonly item: number; readonly delta: number; readonly stops: boolean | undefined }
  | { readonly kind: 'watch'; readonly addresses: readonly number[] }
  | { readonly kind: 'poke'; readonly item: number; readonly delta: number; readonly bytes: readonly number[] };

export interface Slice {
  readonly instructions: number;
  /** The compiled side runs it in so many parts. */
  readonly parts: number;
  readonly before?: Action;
}

export interface Case {
  readonly mode: Mode;
  readonly seed: number;
  readonly heat: number;
  readonly items: readonly Item[];
  /** Of the first item, from CODE. */
  readonly origin: number;
  /** Items of the other code that are shown with a byte changed. */
  readonly mutations: readonly { readonly item: number; readonly byte: number }[];
  readonly table: readonly { readonly item: number; readonly delta: number }[];
  readonly resumes: readonly number[];
  readonly registers: readonly number[];
  readonly flags: number;
  readonly intervals: readonly number[];
  readonly data: Uint8Array;
  readonly slices: readonly Slice[];
}

export interface Layout extends Contents {
  /** From CODE, of each item and of the end. */
  readonly places: readonly number[];
}

// --- from items to bytes

export function layOut(test: Case): Layout {
  const { items, mode, origin } = test;
  const places: number[] = [];
  let at = origin;
  for (const { bytes } of items) {
    places.push(at);
    at += bytes.length;
  }
  places.push(at);
  const base = (mode.high ? codeLinear(mode) : CODE) - codeBase(mode);
  const offsetOf = (item: number, delta: number): number => base + places[item] + delta;
  const code = new Uint8Array(CODE_SIZE);
  items.forEach(({ bytes, fixups }, i) => {
    if (bytes.length === 0) return;
    const own = [...bytes];
    for (const { at: place, size, item, delta, kind } of fixups) {
      const value = kind === 'offset' ? offsetOf(item, delta) : places[item] + delta - (places[i] + place + size);
      // Too far for a short jump: it goes to the next instruction.
      const fitting = kind === 'relative' && size === 1 && (value < -128 || value > 127) ? 0 : value;
      for (let byte = 0; byte < size; byte++) own[place + byte] = byte < 4 ? (fitting >> (byte * 8)) & 0xff : fitting < 0 ? 0xff : 0;
    }
    own.forEach((byte, k) => {
      if (places[i] + k < CODE_SIZE) code[places[i] + k] = byte;
    });
  });
  const otherCode = code.slice();
  for (const { item, byte } of test.mutations) {
    const place = places[item] + byte;
    if (place < CODE_SIZE) otherCode[place] ^= 1 << (byte & 7);
  }
  const data = test.data.slice();
  const width = mode.bits / 8;
  test.table.forEach(({ item, delta }, i) => {
    const value = offsetOf(item, delta);
    for (let byte = 0; byte < width; byte++) {
      data[TABLE - DATA + i * width + byte] = byte < 4 ? (value >> (byte * 8)) & 0xff : value < 0 ? 0xff : 0;
    }
  });
  const { registers, flags, intervals } = test;
  const resumes = test.resumes.map((item) => offsetOf(item, 0));
  return { mode, code, otherCode, data, start: offsetOf(0, 0), resumes, registers, flags, intervals, places };
}

// --- making one

const ROWS = { 16: rowsOf(16), 32: rowsOf(32), 64: rowsOf(64) } as const satisfies Record<number, Rows>;
const LENGTHS = [6, 12, 25, 50, 100, 180];
const STATUS = 0x8d5;

/** Where carries, overflows and signs change. */
const NUMBERS = [0, 1, -1, 2, 0x7f, 0x80, -128, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -(2 ** 31), 0x0f, 0x10, 31, 32, 33];
const EDGE_BYTES = [0, 1, -1, 0x7f, 0x80];
const EDGE_WORDS = [0, 1, -1, 0x7fff, 0x8000];
const EDGE_DOUBLEWORDS = [0, 1, -1, 0x7fffffff, -(2 ** 31)];
/** Opcode, digit and immediate of operations on a register. */
const OPERATIONS: readonly (readonly [opcode: number, digit: number, immediate: 'none' | 'byte' | 'word'])[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 7].map((digit) => [0x81, digit, 'word'] as const),
  ...[0, 1, 0, 1, 0, 1].map((digit) => [0xff, digit, 'none'] as const),
  ...[2, 3].map((digit) => [0xf7, digit, 'none'] as const),
  ...[0, 1, 2, 3, 4, 5, 7].map((digit) => [0xc1, digit, 'byte'] as const),
  ...[0, 1, 2, 3, 4, 5, 7].map((digit) => [0xd1, digit, 'none'] as const),
  // TEST, CMP, ADD, SUB and XOR with another register.
  ...[0x85, 0x39, 0x01, 0x29, 0x31].flatMap((opcode) => [0, 1, 2].map((digit) => [opcode, digit, 'none'] as const)),
];

/** One kind of item, and how often it comes. */
type Maker = readonly [weight: number, make: (at: number) => Item | undefined, when?: boolean];

class ProgramMaker {
  private readonly mode: Mode;
  private readonly random: () => number;
  private readonly source: InstructionSource;
  private readonly registers: number[];
  private readonly count: number;
  private readonly makers: readonly Maker[];
  private readonly total: number;

  constructor(mode: Mode, random: () => number) {
    this.mode = mode;
    this.random = random;
    this.count = LENGTHS[random() % LENGTHS.length];
    this.registers = this.makeRegisters();
    this.source = new InstructionSource(mode, random, this.registers, ROWS[mode.bits]);
    this.makers = this.makeMakers().filter(([, , when]) => when ?? true);
    this.total = this.makers.reduce((sum, [weight]) => sum + weight, 0);
  }

  private below(count: number): number {
    return this.random() % count;
  }

  private chance(oneIn: number): boolean {
    return this.random() % oneIn === 0;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random() % list.length];
  }

  private makeRegisters(): number[] {
    const { mode } = this;
    const registers = Array.from({ length: 16 }, () => (this.chance(2) ? this.random() | 0 : this.pick(NUMBERS)));
    const data = (offset: number): number => DATA + offset - dataBase(mode);
    registers[1] = this.below(6);
    registers[3] = data(this.below(0x300));
    registers[5] = (mode.flat ? DATA : STACK) - (mode.flat ? 0 : stackBase(mode)) + 0x200 + this.below(0x300);
    registers[6] = data(this.chance(4) ? PAGE - 8 : this.below(0x400));
    registers[7] = data(this.chance(4) ? 2 * PAGE - 9 : 0x400 + this.below(0x400));
    return registers;
  }

  make(seed: number): Case {
    const { mode } = this;
    const items: Item[] = [];
    while (items.length < this.count) {
      let at = this.below(this.total);
      const [, make] = this.makers.find(([weight]) => (at -= weight) < 0) as Maker;
      const item = make(items.length);
      if (item) items.push(item);
    }
    items.push(this.transfer(this.chance(4) ? this.below(this.count) : 0, 0, 'jump', false));
    const length = items.reduce((sum, { bytes }) => sum + bytes.length, 0);
    // Often over a page's edge.
    const origin = Math.max(
      0,
      Math.min(this.chance(3) ? this.below(64) : PAGE - this.below(Math.min(length, PAGE - 1)), CODE_SIZE - length - 16),
    );
    return {
      mode,
      seed,
      heat: this.pick([1, 1, 2, 3, 5, 10, 20]),
      items,
      origin,
      mutations: Array.from({ length: 8 }, () => ({ item: this.below(items.length), byte: this.below(3) })),
      table: Array.from({ length: TABLE_ENTRIES }, () => ({ item: this.below(items.length), delta: this.chance(8) ? 1 : 0 })),
      resumes: Array.from({ length: RESUMES }, () => this.below(items.length)),
      registers: this.registers,
      flags: 2 | (this.random() & STATUS) | (this.chance(4) ? 0 : 0x200) | (this.chance(4) ? 0x3000 : 0),
      intervals: this.chance(3) ? [] : Array.from({ length: 5 }, () => 1 + this.below(this.pick([20, 100, 500]))),
      data: Uint8Array.from({ length: 4 * PAGE }, () =>
        this.chance(3) ? this.random() & 0xff : this.pick([0, 0, 1, 0x7f, 0x80, 0xff, 0xff]),
      ),
      slices: this.makeSlices(),
    };
  }

  private makeSlices(): Slice[] {
    const actions = this.chance(3);
    return Array.from({ length: 10 + this.below(30) }, () => ({
      instructions: this.chance(3) ? 1 + this.below(8) : this.chance(8) ? 1 + this.below(3000) : 1 + this.below(250),
      // A probe on a repeated instruction is met again by a run that begins between iterations.
      parts: !actions && this.chance(4) ? 2 + this.below(3) : 1,
      before: actions && this.chance(4) ? this.makeAction() : undefined,
    }));
  }

  private makeAction(): Action {
    const item = this.below(this.count);
    switch (this.random() % 8) {
      case 0:
        return { kind: 'watch', addresses: this.chance(2) ? [] : [DATA + this.below(4) * PAGE, this.pick(SPECIAL_PAGES)] };
      case 1:
      case 2:
        return { kind: 'poke', item, delta: this.below(4), bytes: [this.pick([0x90, 0x40, 0xcc, this.random() & 0xff])] };
      default:
        return { kind: 'probe', item, delta: this.chance(8) ? 1 : 0, stops: this.pick([undefined, false, true]) };
    }
  }

  // --- items

  private makeMakers(): Maker[] {
    const { mode, source } = this;
    const { rows } = source;
    const bytes = (...list: number[]): Item => ({ bytes: list.map((byte) => byte & 0xff), fixups: [] });
    const from = (list: Rows[keyof Rows]) => (): Item | undefined => {
      const made = source.from(list);
      return made && { bytes: made.bytes, fixups: [] };
    };
    const protectedMode = mode.kind === 'protected' || mode.kind === 'long';
    const near = (at: number): number => {
      if (this.chance(5)) return this.below(this.count);
      return Math.max(0, Math.min(this.count - 1, at + this.below(20) - 10));
    };
    const inside = (): number => (this.chance(12) ? 1 + this.below(4) : 0);
    return [
      [40, from(rows.integer)],
      [9, from(rows.flags)],
      [18, (at) => this.flagPair(near(at))],
      [9, from(rows.vector)],
      [2, () => bytes(...this.loadControl()), mode.bits !== 16],
      [2, from(rows.strings)],
      [1, from(rows.system), mode.ring === 3],
      [13, (at) => this.transfer(near(at), inside(), 'branch', !this.chance(4))],
      [3, (at) => this.transfer(near(at), inside(), 'jump', !this.chance(3))],
      [4, (at) => this.transfer(near(at), inside(), 'call', false)],
      [2, () => bytes(0xc3)],
      [1, () => bytes(0xc2, this.below(3) * 4, 0)],
      [2, (at) => this.pushReturn(near(at))],
      [4, (at) => this.indirect(near(at))],
      [3, (at) => ({ bytes: [0xe0 + this.below(4), 0], fixups: [relative(1, 1, near(at), inside())] })],
      [4, () => bytes(...this.move(1, 1 + this.below(12)))],
      [7, (at) => this.storeIntoCode(at)],
      [4, (at) => this.patched(at)],
      [3, () => this.repeated()],
      [1, (at) => this.repeatedIntoCode(near(at))],
      [2, (at) => this.changePages(near(at)), mode.paging && mode.kind !== 'virtual'],
      [
        1,
        () => bytes(...this.pick([[0xcc], [0xcd, 0x80], [0xcd, 0x20], [0xce], [0xf1], [0x0f, 0x0b], [0xf7, 0xf1], [0xf4], [0xcd, 0x55]])),
      ],
      [2, () => this.loadSegment(), protectedMode && mode.bits !== 64],
      [
        3,
        () => bytes(...this.pick([[0xf8], [0xf9], [0xf5], [0x9c], [0xfc], [0xfd], [0xfa], [0xfb], [0x9e], [0x9f], [0x9c, 0x9d], [0x90]])),
      ],
      [2, () => this.popFlags()],
      [
        1,
        () =>
          bytes(
            ...this.pick([
              [0x0f, 0x31],
              [0x0f, 0xa2],
              [0xe4, 0x40],
              [0xe5, 0x40],
              [0xe6, 0x42],
              [0xe7, 0x44],
              [0x0f, 0x01, 0xf9],
            ]),
          ),
      ],
      [1, () => bytes(...Array.from({ length: 1 + this.below(6) }, () => this.random()))],
      [2, () => bytes(...this.resetPointer())],
      [1, (at) => this.setBreakpoint(near(at)), mode.ring === 0],
      [1, (at) => this.farJump(near(at)), protectedMode && mode.kind === 'protected'],
      [1, (at) => this.changeTable(near(at))],
    ];
  }

  private get wordSize(): 2 | 4 {
    return this.mode.bits === 16 ? 2 : 4;
  }

  private word(value: number): number[] {
    return Array.from({ length: this.wordSize }, (_, i) => (value >> (i * 8)) & 0xff);
  }

  /** MOV register, immediate. */
  private move(register: number, value: number): number[] {
    if (this.mode.bits === 64) return [0x48, 0xc7, 0xc0 | register, ...this.word(value)];
    return [0xb8 | register, ...this.word(value)];
  }

  private resetPointer(): number[] {
    const register = this.pick([3, 5, 6, 7]);
    return this.move(register, this.registers[register]);
  }

  private transfer(item: number, delta: number, kind: 'branch' | 'jump' | 'call', short: boolean): Item {
    const condition = this.random() & 15;
    if (short && kind !== 'call') return { bytes: [kind === 'jump' ? 0xeb : 0x70 | condition, 0], fixups: [relative(1, 1, item, delta)] };
    const head = kind === 'branch' ? [0x0f, 0x80 | condition] : [kind === 'jump' ? 0xe9 : 0xe8];
    return { bytes: [...head, ...this.word(0)], fixups: [relative(head.length, this.wordSize, item, delta)] };
  }

  private pushReturn(item: number): Item {
    return { bytes: [0x68, ...this.word(0), 0xc3], fixups: [offset(1, this.wordSize, item)] };
  }

  private indirect(item: number): Item {
    const call = this.chance(2) ? 0x10 : 0x20;
    const { bits } = this.mode;
    const width = bits / 8;
    const table = TABLE - dataBase(this.mode);
    switch (this.random() % 3) {
      case 0: {
        // Through EAX.
        const bytes = this.move(0, 0);
        return { bytes: [...bytes, 0xff, 0xc0 | call], fixups: [offset(bytes.length - this.wordSize, this.wordSize, item)] };
      }
      case 1: {
        const place = table + this.below(TABLE_ENTRIES) * width;
        if (bits === 16) return { bytes: [0xff, call | 6, ...this.word(place)], fixups: [] };
        if (bits === 32) return { bytes: [0xff, call | 5, ...this.word(place)], fixups: [] };
        return { bytes: [0xff, call | 4, 0x25, ...this.word(place)], fixups: [] };
      }
      default: {
        // By an index that changes: AND ECX, 7 and [table + ECX * width].
        const scale = bits === 64 ? 0xc0 : bits === 32 ? 0x80 : 0x40;
        const head = bits === 16 ? [0x83, 0xe1, 7, 0x66, 0x0f, 0xb7, 0xc9, 0x67] : [0x83, 0xe1, 7];
        const four = [0, 1, 2, 3].map((i) => (table >> (i * 8)) & 0xff);
        return { bytes: [...head, 0xff, call | 4, scale | 0x0d, ...four], fixups: [] };
      }
    }
  }

  /** ModR/M of a place in code: in flat segments as it is, else by FS. Its displacement comes last. */
  private inCode(opcode: readonly number[], digit: number, item: number, delta: number): { bytes: number[]; fixup: Fixup } {
    const { bits, flat } = this.mode;
    const mod = bits === 16 ? [(digit << 3) | 6] : bits === 32 ? [(digit << 3) | 5] : [(digit << 3) | 4, 0x25];
    const head = [...(flat ? [] : [0x64]), ...opcode, ...mod];
    return { bytes: [...head, ...this.word(0)], fixup: { ...offset(head.length, this.wordSize, item), delta } };
  }

  private storeIntoCode(at: number): Item {
    const item = this.pick([
      at + 1,
      at + 1,
      at + 2,
      at,
      Math.max(0, at - 1),
      this.below(this.count),
      Math.min(this.count, at + this.below(30)),
    ]);
    const target = Math.min(item, this.count);
    const delta = this.below(5);
    const value = this.pick([0x90, 0x40, 0x48, 0xc3, 0x0f, this.random() & 0xff, this.random() & 7]);
    const made = (opcode: number[], digit: number, tail: number[]): Item => {
      const { bytes, fixup } = this.inCode(opcode, digit, target, delta);
      return { bytes: [...bytes, ...tail], fixups: [fixup] };
    };
    switch (this.random() % 7) {
      case 0:
        return made([0xc6], 0, [value]);
      case 1:
        return made([0xc7], 0, this.word((this.random() & 0xffff00) | value | 0x90000000));
      case 2:
        return made([0x88], this.below(8), []);
      case 3:
        return made([0x89], this.below(8), []);
      case 4:
        // INC of a byte.
        return made([0xfe], this.below(2), []);
      case 5:
        return made([0x80], this.pick([0, 6]), [this.pick([1, 2, 8, 0x10, 0x80])]);
      default:
        // As it was.
        return made([0x80], this.pick([1, 0]), [0]);
    }
  }

  /** An instruction with an immediate or a displacement, and a store that changes it, or a byte beside it now and then. */
  private patched(at: number): Item {
    const register = this.pick([0, 2]);
    const { bits } = this.mode;
    const count = this.chance(3) ? [] : this.move(1, 2 + this.below(12));
    const data = bits === 16 ? 0x47 : 0x43;
    const word = this.word(this.random() | 0);
    const byte = this.random() & 0x7f;
    const [body, field] = this.pick<[number[], number]>([
      [[0x05, ...word], 1],
      [[0x80, 0xc0 | (this.below(8) << 3) | register, byte], 2],
      [[0x81, 0xc0 | (this.below(8) << 3) | register, ...word], 2],
      [[0x83, 0xc0 | (this.below(8) << 3) | register, byte], 2],
      [[0xc1, 0xc0 | (this.below(8) << 3) | register, byte], 2],
      [[0xb8 | register, ...word], 1],
      [[0x8a, data, byte], 2],
      [[0x02, data, byte], 2],
      [[0xc6, data, byte, byte], this.pick([2, 3])],
      [[0x0f, 0xba, 0xe0 | register, byte], 3],
      ...(bits === 64 ? [[[0x48, 0xb8 | register, ...word, ...word], 2 + this.below(5)] as [number[], number]] : []),
    ]);
    const store = (opcode: number[], digit: number, tail: number[]): Item => {
      const { bytes, fixup } = this.inCode(opcode, digit, at, 0);
      const length = bytes.length + tail.length;
      const skew = this.chance(12) ? this.pick([-1, 1, 2]) : 0;
      const again = count.length > 0 ? [0xe2, -(length + body.length + 2) & 0xff] : [];
      return {
        bytes: [...count, ...bytes, ...tail, ...body, ...again],
        fixups: [{ ...fixup, at: count.length + fixup.at, delta: count.length + length + field + skew }],
      };
    };
    const wide = body.length - field >= this.wordSize;
    switch (this.random() % 5) {
      case 0:
        return store([wide ? 0x89 : 0x88], register, []);
      case 1:
        return store([0x88], register, []);
      case 2:
        return store([0xfe], this.below(2), []);
      case 3:
        return store([0x80], this.pick([0, 6]), [this.pick([1, 2, 8, 0x10])]);
      default:
        return wide ? store([0x81], 0, this.word(this.random() | 0)) : store([0x80], 0, [1]);
    }
  }

  private repeated(): Item {
    const opcode = this.pick([0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]);
    const prefix = this.pick([0xf2, 0xf3, 0xf3]);
    const count = this.move(1, this.below(this.pick([4, 20, 200])));
    const places = [6, 7].flatMap((register) => (this.chance(2) ? this.move(register, this.source.place() - dataBase(this.mode)) : []));
    const size = this.chance(3) ? [0x66] : [];
    const wide = this.mode.bits === 64 && this.chance(3) ? [0x48] : [];
    return { bytes: [...count, ...places, ...size, prefix, ...wide, opcode, ...this.resetPointer()], fixups: [] };
  }

  /** REP STOS or MOVS over code, near the running one. */
  private repeatedIntoCode(item: number): Item {
    const { flat } = this.mode;
    const head = flat ? [] : [0x0f, 0xa0, 0x07];
    const tail = flat ? [] : [0x1e, 0x07];
    const pointer = this.move(7, 0);
    const fixup = { ...offset(head.length + pointer.length - this.wordSize, this.wordSize, item), delta: this.below(4) };
    const count = this.move(1, this.below(6));
    const value = this.chance(2) ? this.move(0, this.pick([0x90909090, this.random() | 0])) : [];
    const string = [0xf3, this.pick([0xaa, 0xab, 0xa4])];
    return { bytes: [...head, ...pointer, ...count, ...value, ...string, ...tail, ...this.move(7, this.registers[7])], fixups: [fixup] };
  }

  /** Numbers near an edge, an operation on them, and what reads its flags: at once, over a block's edge, or not all. */
  private flagPair(item: number): Item {
    const { bits } = this.mode;
    const register = this.pick([0, 0, 2]);
    const size = this.pick(bits === 64 ? [[], [0x66], [0x48], [0x48]] : [[], [0x66]]);
    const whole = size[0] === 0x66 ? 6 - this.wordSize : this.wordSize;
    const [opcode, digit, immediate] = this.pick(OPERATIONS);
    // The byte form of an opcode is even.
    const byte = this.chance(3);
    const edges = byte ? EDGE_BYTES : whole === 2 ? EDGE_WORDS : EDGE_DOUBLEWORDS;
    const bytes: number[] = this.chance(4) ? [] : [...this.move(register, this.pick(edges))];
    if (this.chance(4)) bytes.push(this.pick([0xf8, 0xf9]));
    bytes.push(...size, byte ? opcode & ~1 : opcode, 0xc0 | (digit << 3) | register);
    const number = immediate === 'byte' ? this.pick(NUMBERS) : this.pick(edges);
    const width = immediate === 'none' ? 0 : immediate === 'byte' || byte ? 1 : whole;
    for (let i = 0; i < width; i++) bytes.push((number >> (i * 8)) & 0xff);
    if (this.chance(4)) bytes.push(...this.move(1, 1 + this.below(3)));
    // Those that OF decides more often.
    const condition = this.chance(2) ? this.below(16) : this.pick([0, 12, 14]) | this.below(2);
    const reader = this.below(8);
    if (reader < 3) bytes.push(0x0f, 0x90 | condition, 0xc0 | this.pick([0, 1, 2]));
    else if (reader === 3) bytes.push(0x0f, 0x40 | condition, 0xc1 | (this.below(3) << 3));
    else if (reader === 4) bytes.push(this.pick([0x11, 0x19]), 0xc2);
    if (reader !== 5) return { bytes, fixups: [] };
    return { bytes: [...bytes, 0x70 | condition, 0], fixups: [relative(bytes.length + 1, 1, item)] };
  }

  /** PUSH a control word for SSE and load it: rounding, denormals as zeros, exceptions unmasked, status bits. */
  private loadControl(): number[] {
    const control =
      (this.chance(4) ? 0x1f80 & this.random() : 0x1f80) | (this.below(4) << 13) | this.pick([0, 0, 0x8000, 0x40, 0x8040, 0x3f]);
    return [0x68, ...this.word(control), 0x0f, 0xae, 0x14, 0x24, 0x58];
  }

  private popFlags(): Item {
    const flags =
      (this.random() & 0x8d5) | this.pick([0, 0x200, 0x200, 0x200]) | (this.chance(6) ? 0x100 : 0) | (this.chance(6) ? 0x400 : 0);
    const more = this.chance(12) ? 0x40000 : 0;
    return { bytes: [0x68, ...this.word(flags | more), 0x9d], fixups: [] };
  }

  /** MOV AX, selector and MOV segment, AX; or the shadow of MOV SS. */
  private loadSegment(): Item {
    const segment = this.pick([0, 3, 3, 4, 5, 2]);
    const selector = segment === 2 ? SEL.stack(this.mode.ring) : this.pick(SELECTORS);
    return { bytes: [...this.move(0, selector), 0x8e, 0xc0 | (segment << 3)], fixups: [] };
  }

  /** A page table's entry changes, and the TLB hears of it. */
  private changePages(item: number): Item {
    const { mode } = this;
    const code = CODE + this.below(3) * PAGE;
    const page = this.chance(3) ? this.pick([SPECIAL_PAGES[0], SPECIAL_PAGES[0], DATA + PAGE, SPECIAL_PAGES[1]]) : code;
    const width = mode.kind === 'long' ? 8 : 4;
    const entry = PAGE_TABLE + (page >> 12) * width;
    const frames = page === code ? [page, page, page + OTHER_CODE - CODE, page ^ PAGE] : [page, page ^ PAGE];
    const value = this.pick(frames) | this.pick([0x67, 0x67, 0x67, 0x66, 0x65]);
    const prefix = mode.flat ? [] : [0x65];
    const four = (number: number): number[] => [0, 1, 2, 3].map((i) => (number >> (i * 8)) & 0xff);
    const modrm = mode.bits === 64 ? [0x04, 0x25, ...four(entry)] : mode.bits === 32 ? [0x05, ...four(entry)] : [0x06, ...this.word(entry)];
    const size = mode.bits === 16 ? [0x66] : [];
    const store = [...prefix, ...size, 0xc7, ...modrm, ...four(value)];
    const linear = (mode.high ? -(2 ** 31) : 0) + page;
    let tell: number[];
    if (mode.ring === 3) tell = [0xcd, 0x80];
    else if (this.chance(3)) tell = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
    else {
      const both = (address: number): number[] => [0x0f, 0x01, ...(mode.bits === 64 ? [0x3c, 0x25] : [0x3d]), ...four(address)];
      tell = mode.high ? [...both(linear), ...both(page)] : [...prefix, ...both(page)];
    }
    return { bytes: [...store, ...tell, ...(this.chance(3) ? this.transfer(item, 0, 'jump', false).bytes : [])], fixups: [] };
  }

  /** DR0 on an instruction, or on data. */
  private setBreakpoint(item: number): Item {
    const inCode = this.chance(2);
    const address = this.move(0, inCode ? 0 : DATA + this.below(0x400));
    const fixups = inCode ? [offset(address.length - this.wordSize, this.wordSize, item)] : [];
    const control = this.move(0, inCode ? 2 : this.pick([0x10002, 0x30002, 0xf0002, 0]));
    return { bytes: [...address, 0x0f, 0x23, 0xc0, ...control, 0x0f, 0x23, 0xf8], fixups };
  }

  private farJump(item: number): Item {
    const selector = this.chance(2) ? SEL.code(this.mode.ring) : SEL.otherCode(this.mode.ring);
    return { bytes: [0xea, ...this.word(0), selector, 0], fixups: [offset(1, this.wordSize, item)] };
  }

  /** Another target in the table of jumps. */
  private changeTable(item: number): Item {
    const { bits } = this.mode;
    const width = bits / 8;
    const place = TABLE - dataBase(this.mode) + this.below(TABLE_ENTRIES) * width;
    const modrm = bits === 64 ? [0x04, 0x25] : bits === 32 ? [0x05] : [0x06];
    const head = [...(bits === 64 ? [0x48] : []), 0xc7, ...modrm, ...this.word(place)];
    return { bytes: [...head, ...this.word(0)], fixups: [offset(head.length, this.wordSize, item)] };
  }
}

const relative = (at: number, size: Fixup['size'], item: number, delta = 0): Fixup => ({ at, size, item, delta, kind: 'relative' });
const offset = (at: number, size: Fixup['size'], item: number): Fixup => ({ at, size, item, delta: 0, kind: 'offset' });

/** The program of a seed. */
export function makeCase(mode: Mode, seed: number): Case {
  const random = randomSource(Math.imul(seed, 0x9e3779b1) ^ mode.name.length);
  return new ProgramMaker(mode, random).make(seed);
}
