/** Decoded blocks: built from physical code bytes, found again by them, and dropped when the bytes change. */
import { isFailure, type Decode } from '../../../isa/decoder';
import type { Bits, DecodeFailure, Instruction } from '../../../isa/types';
import type { HostMemory } from '../../machine/host-memory';
import { FRAME_SHIFT, FRAME_SIZE, type PhysicalMemory } from '../../machine/physical-memory';
import { CODE_CHUNK, CODE_MAP, RECORDS, RECORDS_END } from '../layout';
import { type HandlerIndex, Special } from './handlers';
import { ENTER, RECORD, RECORD_SIZE } from './records';
import { CodeCopies } from './code-copies';
import { DroppedBlocks } from './dropped-blocks';
import type { InstructionMix } from './instruction-mix';
import { writeRecord } from './record-writer';
import { isSoft, type SoftFields, SoftStores } from './soft-fields';

/** Room in front for the records of a single instruction. */
const SINGLE_RECORDS = 2;
const FIRST_BLOCK = RECORDS + SINGLE_RECORDS * RECORD_SIZE;
const MAX_INSTRUCTIONS = 64;
const MAX_PAUSES = 4096;
const LONGEST_INSTRUCTION = 15;

export interface Block {
  /** Host offset of its ENTER record, and how many records it has. */
  readonly start: number;
  readonly records: number;
  readonly instructions: number;
  readonly frame: number;
  /** Bytes in the frame: first and one past the last. */
  readonly from: number;
  readonly to: number;
  readonly key: number;
  /** Of an instruction that goes on in another frame: that, and one past its last byte there. Its only one: nothing is joined to it. */
  readonly second?: SecondPart;
  /** Records that are linked to its ENTER record. */
  readonly incoming: number[];
  /** Where the copy of its bytes begins; see `CodeCopies`. */
  readonly copy: number;
  /** Fields that are read from the code each time. */
  soft?: SoftFields;
}

export interface SecondPart {
  readonly frame: number;
  readonly to: number;
}

/** What tells blocks apart. */
export interface BlockPlace {
  readonly frame: number;
  /** In the frame, bytes. */
  readonly offset: number;
  readonly bits: Bits;
  /** CS, DS, ES and SS are known to cover 4 GiB from 0, in 32-bit code. */
  readonly flat: boolean;
  /** Probes stand in this linear page: blocks with them are kept apart. */
  readonly probed: boolean;
}

function keyOf({ frame, offset, bits, flat, probed }: BlockPlace): number {
  return ((frame * FRAME_SIZE + offset) * 4 + (flat ? FLAT_KIND : bits >> 5)) * 2 + (probed ? 1 : 0);
}

const FLAT_KIND = 3;
const BITS_OF_KIND: readonly Bits[] = [16, 32, 64, 32];

/** What all blocks that may be joined to one have in common. */
export const kindOf = ({ key }: Block): { bits: Bits; flat: boolean; probed: boolean } => ({
  bits: BITS_OF_KIND[(key % 8) >> 1],
  flat: (key % 8) >> 1 === FLAT_KIND,
  probed: key % 2 !== 0,
});

/** What `ENTER.heat` is of blocks that the compiler is not to be asked about. */
export const NEVER_HOT = 0x7fffffff;

/** A block's bytes in one of its frames: the first, and one past the last. */
const firstIn = (block: Block, frame: number): number => (block.frame === frame ? block.from : 0);
const endIn = (block: Block, frame: number): number => (block.second?.frame === frame ? block.second.to : block.to);

/** The chunks of a frame that a block lies in, as CODE_MAP has them. */
function chunksIn(block: Block, frame: number): number {
  const first = Math.floor(firstIn(block, frame) / CODE_CHUNK);
  const last = Math.floor((endIn(block, frame) - 1) / CODE_CHUNK);
  return (-1 << first) & (-1 >>> (31 - last));
}

export class BlockCache {
  private readonly host: HostMemory;
  private readonly memory: PhysicalMemory;
  private readonly handlers: HandlerIndex;
  private readonly decode: Decode;
  private readonly blocks = new Map<number, Block>();
  private readonly byFrame = new Map<number, Block[]>();
  private readonly byRecord: (Block | undefined)[] = [];
  private readonly copies = new CodeCopies();
  readonly dropped: DroppedBlocks;
  private readonly softStores: SoftStores;
  /** Instructions by their records' numbers: what helpers carry out, and blocks that are not plain copies of one frame's bytes. */
  private readonly kept = new Map<number, Instruction>();
  /** Records inside blocks at which control stopped, by what the key of a block that starts there would be. */
  private readonly pauses = new Map<number, number>();
  private free = FIRST_BLOCK;
  /** For the statistics: blocks built and instructions decoded since the start. */
  built = 0;
  decoded = 0;
  invalidated = 0;
  revived = 0;
  /** Blocks built with probes, and the frames that they lie in. */
  demoted = 0;
  readonly demotedFrames = new Set<number>();
  /** Present while the machine is profiled. */
  mix: InstructionMix | undefined;
  /** Times that everything was forgotten. */
  flushes = 0;
  /** Times that a fresh block is entered before the processor's loop hears of it (`Exit.hot`). */
  heat = NEVER_HOT;
  /** Dropped blocks are put back when their bytes are. Off, everything is decoded anew, which tests compare with. */
  revives = true;
  /** Told of every block that is dropped. */
  onDrop: (block: Block) => void = () => {};
  /** Told of every block that stands again; its fields are as soft as they were, or `onForgotten` was told. */
  onRevive: (block: Block) => void = () => {};
  /** Told of a dropped block that what was made of it is of no use any more. */
  onForgotten: (block: Block) => void = () => {};
  /** Tells the MMU that a frame's stores must be seen from now on. */
  onCodeFrame: (frame: number) => void = () => {};
  /** Tells that all blocks are gone, without `onDrop` for each. */
  onForget: () => void = () => {};
  /** Tells that records moved: everything that points to one is stale. */
  onFlush: () => void = () => {};

  constructor(host: HostMemory, memory: PhysicalMemory, handlers: HandlerIndex, decode: Decode) {
    this.host = host;
    this.memory = memory;
    this.handlers = handlers;
    this.decode = decode;
    this.softStores = new SoftStores(host);
    this.dropped = new DroppedBlocks({ host, memory, handlers, decode, copies: this.copies });
    this.dropped.onForget = (block) => this.onForgotten(block);
  }

  /** The block that a record belongs to. */
  blockAt(record: number): Block | undefined {
    return this.byRecord[(record - RECORDS) / RECORD_SIZE];
  }

  /** The instruction that a record was made from. */
  instructionAt(record: number): Instruction | undefined {
    const number = (record - RECORDS) / RECORD_SIZE;
    const kept = this.kept.get(number);
    const block = this.byRecord[number];
    if (kept || !block || block.second || block.key % 2 !== 0) return kept;
    const last = block.start + (block.records - 1) * RECORD_SIZE;
    if (record === block.start || record === last) return undefined;
    const here = this.host.i32[(record + RECORD.here) >> 2];
    const { bits } = kindOf(block);
    // The copy does not follow what soft fields hold.
    const result =
      block.soft && this.stands(block.start)
        ? this.decode(this.host.u8, block.soft.base + here, bits)
        : this.decode(this.copies.all, block.copy + here, bits);
    return isFailure(result) ? undefined : result;
  }

  /** The ENTER record of the block that starts at a place, if it has been built. */
  find(place: BlockPlace): number | undefined {
    return this.blocks.get(keyOf(place))?.start;
  }

  /** The block of the same kind as another that starts at an offset in a frame and lies in that frame alone. */
  alike(block: Block, frame: number, offset: number): Block | undefined {
    const found = this.blocks.get((frame * FRAME_SIZE + offset) * 8 + (block.key % 8));
    return found?.second ? undefined : found;
  }

  /** All blocks of the same kind in the same frame alone, itself included. */
  blocksLike(block: Block): readonly Block[] {
    return (this.byFrame.get(block.frame) ?? []).filter(({ key, second }) => key % 8 === block.key % 8 && !second);
  }

  /** Remembers a record inside a block at which control stopped, to go on there instead of in a block of its own. */
  notePause(record: number): void {
    const block = this.blockAt(record);
    const { i32 } = this.host;
    // At its start it is found itself, and behind its end is another.
    if (!block || block.second || i32[(record + RECORD.here) >> 2] === 0 || i32[(record + RECORD.rest) >> 2] === 0) return;
    if (this.pauses.size >= MAX_PAUSES) this.pauses.clear();
    const at = block.from + i32[(record + RECORD.here) >> 2];
    // Whoever wants to see the instruction does so each time that it begins.
    const probed = i32[(record - RECORD_SIZE) >> 2] === Special.probe;
    this.pauses.set((block.frame * FRAME_SIZE + at) * 8 + (block.key % 8), probed ? record - RECORD_SIZE : record);
  }

  /**
   * A record that control stopped at, if it still stands. It is forgotten: what is come to in other ways gets a block of its own.
   * @returns undefined where there is none
   */
  takePause(place: BlockPlace): number | undefined {
    if (this.pauses.size === 0) return undefined;
    const key = keyOf(place);
    const record = this.pauses.get(key);
    if (record === undefined) return undefined;
    this.pauses.delete(key);
    return this.stands(record) ? record : undefined;
  }

  /** Its block has not been dropped. */
  stands(record: number): boolean {
    return this.host.i32[record >> 2] !== Special.stale;
  }

  /**
   * Builds a block.
   * @param probe whether a PROBE record belongs in front of the instruction at a distance from `offset`
   * @returns its ENTER record; undefined where no block can start: the instruction there crosses the frame's edge or is none
   */
  build(request: BlockPlace, probe: (distance: number, instruction: Instruction) => boolean): number | undefined {
    const again = request.probed ? undefined : this.putBack(keyOf(request));
    if (again !== undefined) return again;
    const list = this.decodeRun(request);
    return list.length === 0 ? undefined : this.write(request, list, probe, undefined);
  }

  /**
   * The block of the one instruction at a place that goes on in another frame.
   * @param second that frame
   * @returns its ENTER record; undefined where the instruction is none, or does not go on there
   */
  crossing(place: BlockPlace, second: number): number | undefined {
    const key = keyOf(place);
    const known = this.blocks.get(key);
    if (known?.second?.frame === second) return known.start;
    // A frame that follows itself is too rare to be thought of everywhere.
    if (known?.frame === second || place.frame === second) return undefined;
    if (known) this.invalidateBlock(known);
    const { u8 } = this.host;
    const [first, next] = [this.memory.hostOffset(place.frame), this.memory.hostOffset(second)];
    const bytes = new Uint8Array(2 * LONGEST_INSTRUCTION);
    const here = FRAME_SIZE - place.offset;
    bytes.set(u8.subarray(first + place.offset, first + FRAME_SIZE));
    bytes.set(u8.subarray(next, next + LONGEST_INSTRUCTION), here);
    const instruction = this.decode(bytes, 0, place.bits);
    if (isFailure(instruction) || instruction.length <= here) return undefined;
    return this.write(place, [instruction], () => false, { frame: second, to: instruction.length - here });
  }

  /** The bytes up to a frame's edge are the beginning of an instruction that goes on behind it. */
  isCutOff({ frame, offset, bits }: BlockPlace): boolean {
    if (offset <= FRAME_SIZE - LONGEST_INSTRUCTION) return false;
    const start = this.memory.hostOffset(frame);
    const result = this.decode(this.host.u8.subarray(start, start + FRAME_SIZE), offset, bits);
    return isFailure(result) && result.failure === 'truncated';
  }

  private write(
    request: BlockPlace,
    list: readonly Instruction[],
    probe: (distance: number, instruction: Instruction) => boolean,
    second: SecondPart | undefined,
  ): number {
    if (this.free + (list.length * 2 + 2) * RECORD_SIZE > RECORDS_END) this.flush();
    const start = this.free;
    const { i32 } = this.host;
    let at = start + RECORD_SIZE;
    let distance = 0;
    list.forEach((instruction, i) => {
      const rest = list.length - i;
      if (request.probed && probe(distance, instruction)) {
        at = this.putSpecial(at, Special.probe, distance, rest);
      }
      const handler = this.handlers.indexOf(instruction);
      writeRecord(this.host, at, handler, instruction, distance, rest);
      this.mix?.note(at, instruction);
      if (request.probed || second || !this.handlers.isStaged(instruction)) this.kept.set((at - RECORDS) / RECORD_SIZE, instruction);
      at += RECORD_SIZE;
      distance += instruction.length;
    });
    const long = request.bits === 64;
    at = this.putSpecial(at, long ? Special.fall64 : Special.fall, distance, 0);
    this.putSpecial(start, this.enterHandler(long), 0, 0);
    i32[(start + ENTER.count) >> 2] = list.length;
    i32[(start + ENTER.length) >> 2] = distance;
    i32[(start + ENTER.heat) >> 2] = request.probed || second ? NEVER_HOT : this.heatAt(keyOf(request));
    this.free = at;
    const block: Block = {
      start,
      records: (at - start) / RECORD_SIZE,
      instructions: list.length,
      frame: request.frame,
      from: request.offset,
      to: second ? FRAME_SIZE : request.offset + distance,
      key: keyOf(request),
      second,
      incoming: [],
      copy: second ? 0 : this.copyOf(request, distance),
    };
    this.register(block);
    this.built++;
    this.decoded += list.length;
    if (request.probed) {
      this.demoted++;
      this.demotedFrames.add(request.frame);
    }
    return start;
  }

  /** The handler of ENTER records that lead into the interpreter. */
  enterHandler(long: boolean): number {
    if (this.mix) return long ? Special.enterCounted64 : Special.enterCounted;
    return long ? Special.enter64 : Special.enter;
  }

  /** All blocks that have been built since the last flush, dropped ones, too. */
  *everBuilt(): Generator<Block> {
    for (let record = FIRST_BLOCK; record < this.free; ) {
      const block = this.blockAt(record) as Block;
      yield block;
      record = block.start + block.records * RECORD_SIZE;
    }
  }

  private copyOf({ frame, offset }: BlockPlace, length: number): number {
    const start = this.memory.hostOffset(frame) + offset;
    return this.copies.add(this.host.u8.subarray(start, start + length));
  }

  private putSpecial(at: number, handler: number, here: number, rest: number): number {
    const { i32 } = this.host;
    i32.fill(0, at >> 2, (at + RECORD_SIZE) >> 2);
    i32[(at + RECORD.handler) >> 2] = handler;
    i32[(at + RECORD.here) >> 2] = here;
    i32[(at + RECORD.rest) >> 2] = rest;
    return at + RECORD_SIZE;
  }

  /** Code that is often written over is waited for longer. */
  private heatAt(key: number): number {
    return this.heat * this.dropped.patience(key);
  }

  /** Puts a dropped block back. */
  private putBack(key: number): number | undefined {
    const found = this.dropped.take(key);
    if (!found) return undefined;
    const { block, handlers } = found;
    const { i32 } = this.host;
    i32[block.start >> 2] = this.enterHandler(kindOf(block).bits === 64);
    for (let i = 1; i < block.records; i++) i32[(block.start + i * RECORD_SIZE) >> 2] = handlers[i];
    i32[(block.start + ENTER.heat) >> 2] = this.heatAt(block.key);
    this.register(block);
    this.revived++;
    this.onRevive(block);
    return block.start;
  }

  private register(block: Block): void {
    this.softStores.clear();
    this.blocks.set(block.key, block);
    this.registerIn(block, block.frame);
    if (block.second) this.registerIn(block, block.second.frame);
    for (let i = 0; i < block.records; i++) this.byRecord[(block.start - RECORDS) / RECORD_SIZE + i] = block;
  }

  private registerIn(block: Block, frame: number): void {
    const others = this.byFrame.get(frame);
    if (others) others.push(block);
    else {
      this.byFrame.set(frame, [block]);
      this.memory.watchCode(frame);
      this.onCodeFrame(frame);
    }
    this.host.u32[this.mapOf(frame)] |= chunksIn(block, frame);
  }

  private mapOf(frame: number): number {
    return (CODE_MAP >> 2) + (this.memory.hostOffset(frame) >>> FRAME_SHIFT);
  }

  /** Decodes up to the end of the block: a transfer of control or anything else that TypeScript does, the frame's edge, or enough. */
  private decodeRun({ frame, offset, bits }: BlockPlace): Instruction[] {
    const base = this.memory.hostOffset(frame);
    const list: Instruction[] = [];
    for (let at = offset; at < FRAME_SIZE && list.length < MAX_INSTRUCTIONS; ) {
      const result = this.decode(this.host.u8, base + at, bits);
      // What looks beyond the frame looked at bytes that are not its own.
      if (isFailure(result) || at + result.length > FRAME_SIZE) break;
      list.push(result);
      at += result.length;
      const { flow } = result.row;
      if ((flow !== 'next' && flow !== 'serialize') || !this.handlers.isStaged(result)) break;
    }
    return list;
  }

  /** Puts one instruction where it runs alone. @returns its record */
  single(instruction: Instruction): number {
    writeRecord(this.host, RECORDS, this.handlers.indexOf(instruction), instruction, 0, 1);
    this.mix?.note(RECORDS, instruction);
    this.kept.set(0, instruction);
    this.putSpecial(RECORDS + RECORD_SIZE, instruction.bits === 64 ? Special.fall64 : Special.fall, instruction.length, 0);
    return RECORDS;
  }

  /**
   * Joins a record that left its block to the block it led to, if both lie in one page, so that no mapping can come between.
   * @param target an ENTER record
   */
  link(from: number, target: number): void {
    const source = this.byRecord[(from - RECORDS) / RECORD_SIZE];
    const destination = this.byRecord[(target - RECORDS) / RECORD_SIZE];
    if (!source || !destination || destination.second || source.frame !== destination.frame || (source.key & 7) !== (destination.key & 7))
      return;
    const { i32 } = this.host;
    const handler = i32[(from + RECORD.handler) >> 2];
    const fall = handler === Special.fall || handler === Special.fall64;
    if (!fall && this.instructionAt(from)?.operands[0]?.kind !== 'relative') return;
    const distance = i32[(from + (fall ? RECORD.here : RECORD.target)) >> 2];
    // A target that wrapped in its segment, or came by another mapping of the frame, is not where the distance says.
    if (source.from + distance !== destination.from) return;
    i32[(from + RECORD.link) >> 2] = target;
    destination.incoming.push(from);
  }

  /** Drops the blocks that overlap bytes of a frame which are about to change. The running one stops where it is. */
  invalidate(frame: number, offset: number, length: number): void {
    const list = this.byFrame.get(frame);
    if (!list) return;
    let soft = false;
    for (const block of list) {
      const first = firstIn(block, frame);
      if (endIn(block, frame) <= offset || first >= offset + length) continue;
      const from = Math.max(offset - first, 0);
      const to = Math.min(offset + length, endIn(block, frame)) - first;
      if (isSoft(block.soft, from, to)) soft = true;
      else {
        if (this.revives && !block.second && block.key % 2 === 0) this.dropped.keep(block, from, to);
        this.invalidateBlock(block);
      }
    }
    // Where a block was dropped, none is soft there until one stands again.
    if (soft) this.softStores.add(this.memory.hostOffset(frame) + offset, length);
  }

  private drop(block: Block): void {
    const { i32 } = this.host;
    this.blocks.delete(block.key);
    for (let i = 0; i < block.records; i++) i32[(block.start + i * RECORD_SIZE) >> 2] = Special.stale;
    for (const record of block.incoming) i32[(record + RECORD.link) >> 2] = 0;
    block.incoming.length = 0;
    this.invalidated++;
    this.onDrop(block);
  }

  /** Drops the blocks that were decoded with probes, to decode them anew with others. */
  dropProbed(): void {
    for (const block of this.blocks.values()) if (block.key & 1) this.invalidateBlock(block);
    this.onFlush();
  }

  private invalidateBlock(block: Block): void {
    this.drop(block);
    this.leaveFrame(block, block.frame);
    if (block.second) this.leaveFrame(block, block.second.frame);
  }

  private leaveFrame(block: Block, frame: number): void {
    const rest = (this.byFrame.get(frame) ?? []).filter((other) => other !== block);
    this.host.u32[this.mapOf(frame)] = rest.reduce((map, other) => map | chunksIn(other, frame), 0);
    if (rest.length > 0) {
      this.byFrame.set(frame, rest);
      return;
    }
    this.byFrame.delete(frame);
    this.memory.unwatchCode(frame);
  }

  /** First bytes of the decoded instructions in a frame, within [from, to), ascending. */
  startsInFrame(frame: number, from: number, to: number): number[] {
    const starts = new Set<number>();
    for (const block of this.byFrame.get(frame) ?? []) {
      if (block.frame !== frame) continue;
      let at = block.from;
      for (let i = 1; i < block.records - 1; i++) {
        const instruction = this.instructionAt(block.start + i * RECORD_SIZE);
        if (!instruction) continue;
        if (at >= from && at < to) starts.add(at);
        at += instruction.length;
      }
    }
    return [...starts].sort((a, b) => a - b);
  }

  /** Forgets everything; only while no handler runs. */
  flush(): void {
    this.flushes++;
    this.mix?.keep(this.everBuilt());
    for (const frame of this.byFrame.keys()) {
      this.memory.unwatchCode(frame);
      this.host.u32[this.mapOf(frame)] = 0;
    }
    this.blocks.clear();
    this.byFrame.clear();
    this.byRecord.length = 0;
    this.copies.clear();
    this.dropped.clear();
    this.softStores.clear();
    this.kept.clear();
    this.pauses.clear();
    this.free = FIRST_BLOCK;
    this.onForget();
    this.onFlush();
  }

  /**
   * Decodes at a place in a RAM or ROM frame that has the longest instruction's bytes before the frame's edge.
   * @param offset in the frame, at most 4096 - 15
   */
  decodeInFrame(frame: number, offset: number, bits: Bits): Instruction | DecodeFailure {
    return this.decode(this.host.u8, this.memory.hostOffset(frame) + offset, bits);
  }

  /**
   * Decodes one instruction from bytes that `fetch` gives one after another, so that no byte is fetched that is not needed.
   * @param fetch byte at a distance; throws what fetching it raises
   */
  decodeExactly(bits: Bits, fetch: (distance: number) => number): Instruction | DecodeFailure {
    const bytes = new Uint8Array(LONGEST_INSTRUCTION + 1);
    for (let length = 1; ; length++) {
      bytes[length - 1] = fetch(length - 1);
      const result = this.decode(bytes.subarray(0, length), 0, bits);
      if (!isFailure(result) || result.failure !== 'truncated') return result;
    }
  }
}
