/** Our result beside the silicon's. */
import { format } from '../../src/isa/formatter';
import type { FlagLetters } from '../../src/isa/types';
import { type Case, semanticsOf } from './cases';
import { type Aspect, OPEN, type Open } from './left-out';
import { CODE, DATA, FX, FX_SIZE, plainVectors, RESULT, TEST, USER_CODE_64, type Width } from './wire';

const FLAG_BITS: Readonly<Record<string, number>> = { c: 0x1, p: 0x4, a: 0x10, z: 0x40, s: 0x80, o: 0x800 };
/** All that a program may change, and IF. RF is in what a fault stores, not in the register. */
const COMPARED_FLAGS = 0x244fd5;
const maskOf = (letters: FlagLetters): number => [...letters].reduce((mask, letter) => mask | (FLAG_BITS[letter] ?? 0), 0);
const STACK_POINTER = 4;
const [PAGE_FAULT, REACHED_NEXT] = [14, 3];
/** Words of a result by which most comparisons end: registers; then flags with their mask; then what follows them. */
const [FLAGS, AFTER, WORDS] = [RESULT.flags / 4, RESULT.ip / 4, RESULT.size / 4];

const OPEN_BY_SEMANTICS = new Map<string, readonly Open[]>();
for (const open of OPEN)
  for (const name of open.semantics.split(' ')) OPEN_BY_SEMANTICS.set(name, [...(OPEN_BY_SEMANTICS.get(name) ?? []), open]);

/** A list of results. */
export interface Side {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
}

export const sideOf = (bytes: Uint8Array): Side => ({
  u8: bytes,
  u16: new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1),
  u32: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2),
});

/** Our page fault lies where the harness may have memory of its own: its program, what it maps, its stack. */
export function reachesHarness({ u32 }: Side, at: number, width: Width): boolean {
  if (u32[(at + RESULT.vector) >> 2] !== PAGE_FAULT) return false;
  const own = (field: number): boolean => {
    const low = u32[(at + field) >> 2];
    const high = u32[((at + field) >> 2) + 1];
    if (width === 32) return (low >= 0x08000000 && low < 0x10000000) || (low >= 0xe0000000 && low < 0xffffe000);
    if (high === 0) return low >= 0x400000 && low < DATA - 0x1000;
    return (high >= 0x7000 && (high < 0x7fff || (high === 0x7fff && low < 0xfffff000))) || (high === 0xffffffff && low >>> 12 === 0xff600);
  };
  return own(RESULT.cr2) || own(RESULT.ip);
}

const VECTOR_PARTS: readonly (readonly [name: string, at: number, length: number])[] = [
  ['FCW', FX.control, 2],
  ['FSW', FX.status, 2],
  ['FTW', FX.tags, 1],
  ['FIP', FX.ip, 8],
  ['FDP', FX.dp, 8],
  ['MXCSR', FX.mxcsr, 4],
  ...Array.from({ length: 8 }, (_, i): [string, number, number] => [`ST${i}`, FX.registers + i * 16, 10]),
  ...Array.from({ length: 16 }, (_, i): [string, number, number] => [`XMM${i}`, FX.xmm + i * 16, 16]),
];
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const image = (bytes: Uint8Array): string => Buffer.from(bytes).reverse().toString('hex');
const hex = (value: number | bigint): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(8, '0');

export class Comparison {
  private readonly input: Uint8Array;
  private readonly ours: Side;
  private readonly silicon: Side;
  private readonly words: DataView;

  constructor(input: Uint8Array, ours: Side, silicon: Side) {
    this.input = input;
    this.words = new DataView(input.buffer, input.byteOffset);
    this.ours = ours;
    this.silicon = silicon;
  }

  /** What differs, or an empty text. @param a where our result lies @param b where the silicon's does */
  difference(test: Case, a: number, b: number): string {
    return this.same(test, a, b) ? '' : this.closely(test, a, b);
  }

  /** Quickly; nothing but flags is let pass. */
  private same({ instruction }: Case, a: number, b: number): boolean {
    const { ours, silicon } = this;
    const [p, q] = [a >> 2, b >> 2];
    for (let i = 0; i < FLAGS; i++) if (ours.u32[p + i] !== silicon.u32[q + i]) return false;
    const mask = COMPARED_FLAGS & ~maskOf(instruction?.row.flags.undefined ?? '');
    if ((ours.u32[p + FLAGS] ^ silicon.u32[q + FLAGS]) & mask) return false;
    const [cr2, behind] = [RESULT.cr2 / 4, RESULT.fsBase / 4];
    const fault = ours.u32[(a + RESULT.vector) >> 2] === PAGE_FAULT;
    for (let i = AFTER; i < WORDS; i++) {
      if ((i < cr2 || i >= behind || fault) && ours.u32[p + i] !== silicon.u32[q + i]) return false;
    }
    const { vectors, changes } = this.parts(ours, a);
    if (vectors && !sameBytes(ours, a + RESULT.size, silicon, b + RESULT.size, FX.used)) return false;
    const list = RESULT.size + (vectors ? FX_SIZE : 0);
    return sameBytes(ours, a + list, silicon, b + list, changes * 4);
  }

  private parts({ u16 }: Side, at: number): { vectors: boolean; changes: number } {
    return { vectors: u16[(at + RESULT.vectors) >> 1] !== 0, changes: u16[(at + RESULT.changes) >> 1] };
  }

  private closely(test: Case, a: number, b: number): string {
    const { ours, silicon } = this;
    const found: string[] = [];
    const compare = (name: string, x: number | bigint, y: number | bigint): void => {
      if (x !== y) found.push(`${name} ours ${hex(x)} silicon ${hex(y)}`);
    };
    const word = (side: Side, at: number, field: number): bigint =>
      (BigInt(side.u32[(at + field + 4) >> 2]) << 32n) | BigInt(side.u32[(at + field) >> 2]);
    const both = (field: number): [bigint, bigint] => [word(ours, a, field), word(silicon, b, field)];
    const [vector, otherVector] = both(RESULT.vector);
    const open = this.openAspects(test, Number(vector));
    const closed = (aspect: Aspect): boolean => !open.has(aspect);
    compare('vector', vector, otherVector);
    compare('ip', ...both(RESULT.ip));
    if (vector !== BigInt(REACHED_NEXT) && vector === otherVector) {
      // Of addresses of its own Linux always says that the page is present.
      const hidden = vector === 14n && word(ours, a, RESULT.cr2) >= (test.width === 64 ? (1n << 47n) - 4096n : 0xffffe000n) ? 1n : 0n;
      const [error, otherError] = both(RESULT.error);
      compare('error code', error | hidden, otherError | hidden);
      if (vector === 14n) compare('cr2', ...both(RESULT.cr2));
    }
    if (closed('registers')) {
      const left = silicon.u16[((b + RESULT.segments) >> 1) + 1] !== USER_CODE_64;
      for (let i = 0; i < 16; i++) {
        const [mine, other] = both(RESULT.registers + i * 8);
        const width = open.has('upper halves') || (left && i === STACK_POINTER) ? 32 : 64;
        compare(`register ${i}`, BigInt.asUintN(width, mine), BigInt.asUintN(width, other));
      }
      compare('FS base', ...both(RESULT.fsBase));
      compare('GS base', ...both(RESULT.gsBase));
      SEGMENTS.forEach((name, i) => {
        const [mine, other] = [ours.u16[((a + RESULT.segments) >> 1) + i], silicon.u16[((b + RESULT.segments) >> 1) + i]];
        // The kernel's own IRET makes any null selector 0 before a 64-bit harness sees it.
        if (other !== 0 || mine > 3) compare(name, mine, other);
      });
    }
    const mask = BigInt(COMPARED_FLAGS & ~maskOf(test.instruction?.row.flags.undefined ?? ''));
    const [flags, otherFlags] = both(RESULT.flags);
    if (closed('flags')) compare('eflags', flags & mask, otherFlags & mask);
    if (closed('changes')) {
      const [x, y] = [this.changes(ours, a), this.changes(silicon, b)];
      if (x !== y) found.push(`memory ours ${x.slice(0, 200)} silicon ${y.slice(0, 200)}`);
    }
    if (closed('vectors')) this.compareVectors(test, a, b, found, closed('pointers') ? 8 : 6);
    return found.join('; ');
  }

  private openAspects({ instruction, at }: Case, vector: number): ReadonlySet<Aspect> {
    if (!instruction) return new Set();
    const registers = new Uint32Array(this.input.buffer, this.input.byteOffset + at + TEST.registers, 32);
    const list = OPEN_BY_SEMANTICS.get(semanticsOf(instruction.row)) ?? [];
    return new Set(list.filter(({ when }) => when?.(instruction, registers, vector) ?? true).flatMap(({ aspects }) => aspects));
  }

  /** `offset*100+value` in hex, ascending. */
  private changes(side: Side, at: number): string {
    const { vectors, changes } = this.parts(side, at);
    const list = at + RESULT.size + (vectors ? FX_SIZE : 0);
    return Array.from({ length: changes }, (_, i) => hex(side.u16[(list >> 1) + i * 2] * 256 + side.u8[list + i * 4 + 2])).join();
  }

  private before({ at }: Case): Uint8Array {
    return this.input[at + TEST.vectors] ? this.input.subarray(at + TEST.size, at + TEST.size + FX_SIZE) : plainVectors();
  }

  /** @param pointerBytes of FIP and FDP */
  private compareVectors(test: Case, a: number, b: number, found: string[], pointerBytes: number): void {
    const before = this.before(test);
    const [x, y] = [
      [this.ours, a],
      [this.silicon, b],
    ].map(([side, at]) => {
      const { u8 } = side as Side;
      const from = (at as number) + RESULT.size;
      return this.parts(side as Side, at as number).vectors ? u8.subarray(from, from + FX_SIZE) : before;
    });
    for (const [name, at, all] of VECTOR_PARTS) {
      const length = name === 'FIP' || name === 'FDP' ? pointerBytes : all;
      if (test.width === 32 && at >= FX.xmm + 128) break;
      const [mine, other, was] = [x, y, before].map((fx) => image(fx.subarray(at, at + length)));
      if (mine !== other) found.push(`${name} was ${was} ours ${mine} silicon ${other}`);
    }
  }

  /** The case in a line. */
  describe(test: Case): string {
    const code = Buffer.from(test.code).toString('hex').replace(/..\B/g, '$& ');
    const registers = Array.from({ length: test.width === 64 ? 16 : 8 }, (_, i) => hex(this.words.getBigUint64(test.at + i * 8, true)));
    const start = this.words.getUint16(test.at + TEST.start, true);
    const way = { alone: '', block: ', from a block', compiled: ', compiled' }[test.way];
    const ways = `${way}${test.fresh ? ', TLB empty' : ''}`;
    return (
      `${test.instruction ? format(test.instruction) : '(none of ours)'} [${code}] at ${hex(CODE + start)} registers ${registers.join(' ')}` +
      ` eflags ${hex(this.words.getUint32(test.at + TEST.flags, true))}${ways}`
    );
  }
}

function sameBytes(a: Side, from: number, b: Side, at: number, length: number): boolean {
  for (let i = 0; i < length / 4; i++) if (a.u32[(from >> 2) + i] !== b.u32[(at >> 2) + i]) return false;
  return true;
}
