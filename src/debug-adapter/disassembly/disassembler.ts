/**
 * The disassembly view's questions: so many instructions, so many before an address. Going backwards is exact where the
 * engine has run, where a line table covers the code and behind symbols; elsewhere decoding starts well before, so that
 * it has fallen into step.
 */
import type { AddressSpace, Engine, VirtualCpu } from '../../engines/engine';
import type { Bits } from '../../isa/types';
import type { Program } from '../sources/program';
import { linear } from '../state/cpu-facts';
import { type Anchor, type Line, sweep } from './sweep';

const LONGEST = 15;
/** Decoding begins at multiples of it where nothing is known, so that every request sees the same instructions. */
const ALIGNMENT = 64;
/** Bytes decoded in vain before the first wanted one, to fall into step. */
const RUN_UP = 128;
const PAGE = 4096;

export class Disassembler {
  private readonly engine: Engine;
  private readonly cpu: VirtualCpu;
  private readonly program: Program;
  private readonly space: AddressSpace;

  constructor(engine: Engine, cpu: VirtualCpu, program: Program, space: AddressSpace) {
    this.engine = engine;
    this.cpu = cpu;
    this.program = program;
    this.space = space;
  }

  /**
   * Exactly `count` lines, the first being `skip` instructions after (before, if negative) the one at `address`.
   * Undefined stands for what lies outside memory.
   */
  lines(address: number, skip: number, count: number): (Line | undefined)[] {
    const before = Math.max(0, -skip);
    const after = Math.max(0, skip + count);
    const behind = before > 0 ? this.behind(address, before) : [];
    const ahead = after > 0 ? this.ahead(address, after) : [];
    // The line at `address` has index 0.
    const lineAt = (index: number): Line | undefined => (index < 0 ? behind[behind.length + index] : ahead[index]);
    return Array.from({ length: count }, (_, i) => lineAt(skip + i));
  }

  /** Up to `count` lines from an address on. */
  private ahead(address: number, count: number): Line[] {
    const lines: Line[] = [];
    let at = address;
    while (lines.length < count) {
      const wanted = Math.min((count - lines.length) * LONGEST + LONGEST, 16 * PAGE);
      const { bytes, more } = this.read(at, wanted);
      if (bytes.length === 0) break;
      const found = sweep(bytes, at, [{ address: at, bits: this.bitsAt(at) }, ...this.anchors(at + 1, at + bytes.length)], this.bits);
      // The last instruction may be cut off by the end of what was read.
      const whole = more ? found.filter(({ address: start }) => start + LONGEST <= at + bytes.length) : found;
      if (whole.length === 0) break;
      lines.push(...whole);
      const last = whole[whole.length - 1];
      at = last.address + last.bytes.length;
    }
    return lines.slice(0, count);
  }

  /** Up to `count` lines that end at an address. */
  private behind(address: number, count: number): Line[] {
    let start = this.startBefore(address >= 0 ? Math.max(0, address - count * LONGEST) : address - count * LONGEST);
    const lowest = this.readableFrom(start, address);
    if (lowest > start) start = lowest;
    if (start >= address) return [];
    const { bytes } = this.read(start, address - start);
    const anchors = this.anchors(start, address);
    return sweep(bytes, start, anchors, this.bits).slice(-count);
  }

  /** Where to begin so that instructions from `address` on are in step. */
  private startBefore(address: number): number {
    const start = Math.floor((address - RUN_UP) / ALIGNMENT) * ALIGNMENT;
    // Addresses of the canonical upper half are negative: they do not lie below 0.
    return address >= 0 ? Math.max(0, start) : start;
  }

  /** The lowest address from which memory is readable without a gap up to `to`. */
  private readableFrom(from: number, to: number): number {
    let at = to;
    while (at > from) {
      const start = Math.max(from, Math.ceil(at / PAGE) * PAGE - PAGE);
      if (this.read(start, at - start).bytes.length < at - start) return at;
      at = start;
    }
    return from;
  }

  private read(address: number, length: number): { bytes: Uint8Array; more: boolean } {
    const bytes = this.engine.readMemory(this.cpu.index, this.space, address, length);
    return { bytes, more: bytes.length === length };
  }

  /** Code size where nothing says another. */
  private get bits(): Bits {
    return (this.space === 'guest' ? this.cpu.savedGuest : undefined)?.bits ?? this.cpu.bits;
  }

  private bitsAt(address: number): Bits | undefined {
    return this.space !== 'physical' ? this.program.positionAt(address)?.bits : undefined;
  }

  /** Known starts within [from, to), ascending. */
  private anchors(from: number, to: number): Anchor[] {
    if (this.space === 'physical') return [];
    const { cpu, program } = this;
    const here = this.space === 'linear' ? cpu : cpu.savedGuest;
    const byAddress = new Map<number, Anchor>();
    if (here === cpu) for (const address of cpu.instructionStarts(linear(from), linear(to))) byAddress.set(address, { address });
    for (const part of program.parts) {
      for (const { name, address, kind } of part.symbols) {
        if (kind === 'code' && address >= from && address < to && name !== '') byAddress.set(address, { address });
      }
    }
    for (const { address, bits, content, length } of program.rangesWithin(from, to)) {
      byAddress.set(address, { address, bits, data: content === 'data' });
      // What follows the last line of a program is no longer its data.
      if (content === 'data' && !byAddress.has(address + length)) byAddress.set(address + length, { address: address + length });
    }
    if (here && here.address >= from && here.address < to)
      byAddress.set(here.address, { ...byAddress.get(here.address), address: here.address, bits: here.bits, data: false });
    return [...byAddress.values()].sort((a, b) => a.address - b.address);
  }
}
