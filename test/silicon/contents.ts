/** What registers hold when a case begins: numbers and addresses that make instructions do something. */
import type { Instruction } from '../../src/isa/types';
import { CODE, CODE_SIZE, DATA, DATA_SIZE, OWN_SEGMENTS, selectorOf, USER_CODE_32, USER_CODE_64, USER_DATA, type Width } from './wire';

const INTERESTING = [
  0, 1, 2, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
  0xfffffffe,
];
const INTERESTING_HIGH = [0x80000000, 0x7fffffff, 0x00007fff, 0x00008000, 0xffff7fff, 0xffff8000, 0xffffffff, 1];

const KERNEL_SELECTORS = [0x08, 0x10, 0x13, 0x18, 0x40, 0x43, 0x50];
const BEYOND_TABLES = [0x5f, 0x68, 0x80, 0x83, 0x1004, 0xfff8, 0xffff];
const USER_SELECTORS = [USER_CODE_32, USER_DATA, USER_CODE_64];
const withLowRpl = (selector: number): number => selector - 3;
/** Null ones, the host's own, those of `OWN_SEGMENTS`, its kernel's, and some beyond the tables. */
export const SELECTORS: readonly number[] = [0, 1, 2, 3].concat(
  USER_SELECTORS,
  USER_SELECTORS.map(withLowRpl),
  OWN_SEGMENTS.map(selectorOf),
  OWN_SEGMENTS.map((segment) => withLowRpl(selectorOf(segment))),
  KERNEL_SELECTORS,
  BEYOND_TABLES,
);
/** The host keeps the number of the processor in this descriptor's limit. */
const OF_THE_PROCESSOR = 0x78;

/** Addresses of areas of 576 bytes; of the odd ones the form is the compacted one. */
const XSAVE_AREAS = [DATA + 0x1000, DATA + 0x1280, DATA + 0x1500, DATA + 0x1780];

const USES_SELECTORS = new Set('lar lsl verr verw arpl movToSegment popSegment loadFarPointer retFar iret callFar jmpFar'.split(' '));
const STACK = 4;

export class Contents {
  private readonly width: Width;
  private readonly random: () => number;

  constructor(width: Width, random: () => number) {
    this.width = width;
    this.random = random;
  }

  private chance(oneIn: number): boolean {
    return this.random() % oneIn === 0;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random() % list.length];
  }

  /** Contents of the data region: random bytes; in its first quarter far pointers, return addresses and frames that lead somewhere. */
  data(): Uint8Array {
    const data = Uint8Array.from({ length: DATA_SIZE }, () => this.random() & 0xff);
    const view = new DataView(data.buffer);
    for (let at = 0; at < DATA_SIZE / 4; ) {
      const size = this.width === 64 && this.chance(2) ? 8 : this.chance(4) ? 2 : 4;
      const fields = [this.chance(2) ? CODE + (this.random() % CODE_SIZE) : this.random() & 0xffff, this.pick(SELECTORS)];
      if (this.chance(2)) fields.push(0x202 | (this.random() & 0xcd5), DATA + (this.random() % DATA_SIZE), this.pick(SELECTORS));
      for (const field of fields) {
        if (size === 2) view.setUint16(at, field, true);
        else view.setUint32(at, field, true);
        if (size === 8) view.setUint32(at + 4, 0, true);
        at += size;
      }
    }
    XSAVE_AREAS.forEach((area, i) => this.xsaveArea(view, area - DATA, i));
    for (let at = 1; at < DATA_SIZE; at++) if (data[at] === 0 && (data[at - 1] & ~7) === OF_THE_PROCESSOR) data[at] = 1;
    return data;
  }

  /** An area that XRSTOR takes, or one with something wrong. */
  private xsaveArea(view: DataView, at: number, number: number): void {
    const { random } = this;
    const present = random() & 3;
    // Pointers that are not canonical are made so by XRSTOR, in as many bits as the processor has.
    for (const pointer of [8, 16]) view.setUint16(at + pointer + 6, 0, true);
    view.setUint16(at + 2, view.getUint16(at + 2, true) & 0x7f7f, true);
    view.setUint32(at + 24, random() & (this.chance(8) ? 0x1ffff : 0xffff), true);
    for (let i = 512; i < 576; i += 4) view.setUint32(at + i, 0, true);
    view.setUint32(at + 512, present, true);
    if (number % 2 === 1) {
      view.setUint32(at + 520, this.chance(8) ? random() & 3 : 3, true);
      view.setUint32(at + 524, 0x80000000, true);
    }
    if (this.chance(4)) view.setUint8(at + 512 + this.pick([7, 15, 16, 24, 63]), 1 << (random() % 8));
  }

  /** Random bytes of an instruction's tail: a SIB byte perhaps, displacement, immediate. */
  tail(bytes: Uint8Array, from: number, start: number): void {
    const { random } = this;
    if (this.chance(3)) {
      for (let i = from; i < from + 12; i++) bytes[i] = random();
      return;
    }
    let at = from;
    if (this.chance(2)) bytes[at++] = random();
    const displacement = this.displacement(start);
    for (let i = 0; i < 4; i++) bytes[at++] = displacement >>> (8 * i);
    for (let i = 0; i < 7; i++) bytes[at++] = random();
  }

  /** Small ones keep addresses within reach. */
  private displacement(start: number): number {
    const { random } = this;
    switch (random() % 4) {
      case 0:
      case 1:
        return random() % 0x100;
      case 2:
        // From the instruction pointer.
        return this.width === 64 ? DATA - CODE - start - 8 + (random() % DATA_SIZE) : random() & 0x1fff;
      default:
        return DATA + (random() % DATA_SIZE);
    }
  }

  /** Writes one value, as two words. */
  private value(words: Uint32Array, at: number): void {
    const { random } = this;
    const wide = this.width === 64;
    words[at + 1] = 0;
    switch (random() % 8) {
      case 0:
        words[at] = this.pick(INTERESTING);
        break;
      case 1:
        words[at] = random();
        if (wide) words[at + 1] = random();
        break;
      case 2:
        words[at] = random() & 0x3f;
        break;
      case 3:
        if (!wide) words[at] = random();
        else if (this.chance(2)) {
          words[at] = this.chance(2) ? 0xffffffff - (random() & 15) : random() & 15;
          words[at + 1] = this.pick(INTERESTING_HIGH);
        } else {
          words[at] = -(random() & 0xff);
          words[at + 1] = words[at] ? 0xffffffff : 0;
        }
        break;
      case 4:
        // About the edges of pages.
        words[at] = DATA + (random() % 3) * 0x1000 - 20 + (random() % 40);
        break;
      default:
        words[at] = DATA + (random() % DATA_SIZE);
    }
  }

  /** @param instruction undefined where ours knows none */
  registers(words: Uint32Array, instruction: Instruction | undefined): void {
    const { random } = this;
    const count = this.width === 64 ? 16 : 8;
    words.fill(0);
    for (let i = 0; i < count; i++) this.value(words, i * 2);
    if (!this.chance(8)) {
      words[STACK * 2] = DATA + (random() & (this.chance(4) ? 0x1fff : 0x1ff8));
      words[STACK * 2 + 1] = 0;
    }
    if (!instruction) return;
    const { row, prefixes, addressSize } = instruction;
    const semantics = row.semantics.replace(/64$/, '');
    if (row.repeat !== 'none') {
      words[2] = this.chance(16) ? random() % 3000 : random() % 40;
      words[3] = 0;
    }
    // Divisions mostly overflow on random operands.
    if ((semantics === 'div' || semantics === 'idiv') && !this.chance(3))
      words.fill(this.chance(2) ? 0 : 0xffffffff, 4, this.width === 64 ? 6 : 5);
    const vectors = instruction.operands.some((operand) => operand.kind === 'memory' && operand.size >= 16);
    // Most vectors in memory have to lie at multiples of their size.
    if (vectors && !this.chance(3)) for (let i = 0; i < count; i++) words[i * 2] &= ~15;
    if (USES_SELECTORS.has(semantics) && this.chance(2)) this.selectors(words, count);
    if (this.width === 64 && addressSize === 32 && this.chance(2)) for (let i = 0; i < count; i++) if (i !== 1) words[i * 2 + 1] = random();
    // Popped flags with AC make the host fault on the rest of a frame that is not aligned, which Linux takes for a split lock, for ever.
    if (semantics === 'iret' && this.width === 64) words[STACK * 2] &= ~7;
    const { segment } = prefixes;
    if ((segment === 'fs' || segment === 'gs') && this.chance(2))
      for (let i = 0; i < count; i++) if (this.chance(2)) words[i * 2] %= 0x2010;
    if (semantics.startsWith('xsave') || semantics.startsWith('xrstor')) this.components(words, instruction);
    for (let i = 0; i < count; i++) if (USES_SELECTORS.has(semantics) && (words[i * 2] & 0xfff8) === OF_THE_PROCESSOR) words[i * 2] = 0;
  }

  /** XSAVE and its kin: only what both sides have is asked for; often at an address where it can be. */
  private components(words: Uint32Array, { operands }: Instruction): void {
    const { random } = this;
    words[0] = (this.chance(4) ? random() & 3 : 3) | (this.chance(2) ? random() & 0xfff00100 : 0);
    words[1] = words[4] = words[5] = 0;
    const [area] = operands;
    if (area.kind !== 'memory' || area.base <= 0 || area.base === 2 || this.chance(8)) return;
    words[area.base * 2] = this.pick(XSAVE_AREAS) - area.displacement;
    words[area.base * 2 + 1] = this.width === 64 && words[area.base * 2] > 0xf0000000 ? 0xffffffff : 0;
    if (area.index > 0 && area.index !== area.base) words.fill(0, area.index * 2, area.index * 2 + 2);
  }

  /** Selectors in registers; the stack and some pointers where those in memory are. */
  private selectors(words: Uint32Array, count: number): void {
    const { random } = this;
    for (let i = 0; i < count; i++) {
      if (i === STACK || this.chance(2)) words[i * 2] = DATA + (random() % (DATA_SIZE / 4));
      else words[i * 2] = this.pick(SELECTORS);
      words[i * 2 + 1] = 0;
    }
  }
}
