/**
 * All processors of a machine, taking turns. One runs at a time; its state lies in place (see layout.ts), the others' aside.
 * Turns end by instruction count alone, so that a run repeats bit for bit, stepped or not.
 */
import type { Statistics } from '../../shared/statistics';
import { createDecoder } from '../../isa/decoder';
import type { CpuStop, MachineParts, Seat } from './hooks';
import { BlockCache } from './interpreter/blocks';
import { HandlerIndex, Handlers } from './interpreter/handlers';
import { InstructionMix } from './interpreter/instruction-mix';
import { Compiler } from './jit/compiler';
import type { Progress } from './execution';
import { LOG_ROWS, LOGGED } from './layout';
import { type Engine, Processor } from './processor';
import type { RowSource } from '../transition-rows';

/** Instructions in a turn. */
const TURN = 2000;
/** Virtual nanoseconds after which a machine whose processors all wait counts as halted for good. */
const LONGEST_IDLE = 10e9;

export type MachineStop =
  | Exclude<CpuStop, { readonly reason: 'waiting' }>
  /** All wait, and nothing can wake them: interrupts are off, or none came for long. */
  | { readonly reason: 'halted' }
  /** All wait until a timer or an input wakes one. */
  | { readonly reason: 'idle' };

export class Processors {
  readonly list: readonly Processor[];
  readonly blocks: BlockCache;
  /** Absent when the interpreter runs everything. */
  readonly compiler: Compiler | undefined;
  /** Come back when all wait, so that someone outside can wait in real time, instead of skipping to the next timer at once. */
  returnWhenIdle = false;
  private readonly parts: MachineParts;
  private readonly progress: Progress = { completed: 0 };
  private readonly aside: Uint8Array[];
  /** Whose state is in place. */
  private loaded = 0;
  /** Whose turn it is, and what is left of it. */
  private turn = 0;
  private left: number;
  private readonly turnLength: number;
  private idleCount = -1;
  private idleSince = 0;

  /** @param seats one for each processor; the first boots the machine */
  constructor(parts: MachineParts, seats: readonly Seat[]) {
    this.parts = parts;
    const { host, memory, clock, model } = parts;
    const index = new HandlerIndex(parts.handlers);
    this.blocks = new BlockCache(
      host,
      memory,
      index,
      createDecoder((row) => model.has(row.feature)),
    );
    if (parts.profile) this.blocks.mix = new InstructionMix(host);
    const list: Processor[] = [];
    this.list = list;
    // Named parameters, since a list of them would be made anew for each call.
    const handlers = new Handlers(parts.handlers, host.memory, {
      memory: (record, segment, offset, access) => list[this.loaded].memory(record, segment, offset, access),
      memory64: (record, segment, low, high, access) => list[this.loaded].memory64(record, segment, low, high, access),
      commit: (record) => list[this.loaded].commit(record),
      helper: (record) => list[this.loaded].helper(record),
      portRead: (record, port, size) => list[this.loaded].portRead(record, port, size),
      portWrite: (record, port, size, value) => list[this.loaded].portWrite(record, port, size, value),
    });
    const engine: Engine = { handlers, blocks: this.blocks };
    if (parts.tiers !== 'interpreter') engine.compiler = new Compiler(host, handlers, this.blocks, index, parts.heat, parts.profile);
    this.compiler = engine.compiler;
    this.aside = [];
    this.turnLength = seats.length > 1 ? TURN : Infinity;
    this.left = this.turnLength;
    clock.attach(() => list[this.loaded]?.instructionCount ?? 0);
    for (const [number, seat] of seats.entries()) {
      // A new processor makes its state where it lies while it runs.
      list.push(new Processor(parts, seat, engine, this.progress, number, seats.length));
      this.aside.push(list[number].state.save());
    }
    list[0].state.load(this.aside[0]);
    this.connect();
  }

  private connect(): void {
    const { list, blocks } = this;
    const { memory, clock } = this.parts;
    for (const processor of list) processor.peers = list;
    blocks.onCodeFrame = (frame) => list.forEach(({ mmu }) => mmu.protectFrame(frame));
    blocks.onFlush = () => list.forEach(({ mmu }) => mmu.flushJumps());
    blocks.onForget = () => this.compiler?.clear();
    memory.onCodeWrite = (frame, offset, length) => blocks.invalidate(frame, offset, length);
    memory.onRemap = () => list.forEach(({ mmu }) => mmu.flushAll());
    this.parts.log.source = { collect: (take) => this.collectRows(take) };
    clock.onDeadline = () => list[this.loaded].deadlineChanged();
  }

  /** What handlers have logged. */
  private collectRows(take: Parameters<RowSource['collect']>[0]): void {
    const { i32, u32, f64 } = this.parts.host;
    const count = i32[LOGGED >> 2];
    if (count === 0) return;
    i32[LOGGED >> 2] = 0;
    take(f64.subarray(LOG_ROWS >> 3), u32.subarray(LOG_ROWS >> 2), count);
  }

  /** As after RESET#. */
  reset(): void {
    for (const { index } of this.list) this.load(index).reset();
    this.turn = 0;
    this.left = this.turnLength;
    this.load(0);
  }

  /** Puts a processor's state in place, to run or to be looked at. */
  load(index: number): Processor {
    const next = this.list[index];
    if (index === this.loaded) return next;
    this.aside[this.loaded] = this.list[this.loaded].state.save();
    next.state.load(this.aside[index]);
    this.loaded = index;
    this.parts.onSwitch?.(index);
    return next;
  }

  /** The processor whose turn it is. */
  get current(): Processor {
    return this.load(this.turn);
  }

  /** Instructions completed by all since power-on, exact at every moment. */
  get instructionCount(): number {
    return this.list[this.loaded].instructionCount;
  }

  /** Named counters of what has run, and how. */
  statistics(): Statistics {
    const { list, blocks, compiler } = this;
    const sum = (count: (cpu: Processor) => number): number => list.reduce((total, cpu) => total + count(cpu), 0);
    return {
      blocks: blocks.built,
      decodedInstructions: blocks.decoded,
      invalidatedBlocks: blocks.invalidated,
      revivedBlocks: blocks.revived,
      softFields: blocks.dropped.softened,
      flushes: blocks.flushes,
      demotedBlocks: blocks.demoted,
      demotedPages: blocks.demotedFrames.size,
      runs: sum(({ runs }) => runs),
      singleSteps: sum(({ singles }) => singles),
      tlbMisses: sum(({ mmu }) => mmu.misses),
      pageWalks: sum(({ mmu }) => mmu.walks),
      pageFaults: sum(({ mmu }) => mmu.faults),
      ...compiler?.statistics,
      ...this.profile(),
    };
  }

  /** What is counted on request alone. */
  private profile(): Statistics {
    const { blocks, compiler, instructionCount } = this;
    if (!blocks.mix) return {};
    const { byClass, byMnemonic, total } = blocks.mix.counts(blocks.everBuilt());
    const compiled = compiler?.instructions ?? 0;
    return {
      instructionsByTier: { compiled, interpreter: instructionCount - compiled },
      repeatedIterations: instructionCount - total,
      instructionsByClass: byClass,
      instructionsByMnemonic: byMnemonic,
    };
  }

  /** Runs until something stops it. @param instructions at most so many, of all together */
  run(instructions: number): MachineStop {
    const end = this.progress.completed + instructions;
    for (;;) {
      const rest = end - this.progress.completed;
      const stop = this.part((current) => current.run(Math.min(rest, this.left)));
      if (stop) return stop;
      if (end - this.progress.completed <= 0) return { reason: 'limit' };
    }
  }

  /**
   * Lets one processor execute one instruction or take one event; the others have their turns before it as ever.
   * @param index which; by default whose turn it is
   * @param instructions at most so many, of all together, while that one waits
   */
  step(index = this.turn, instructions = Infinity): MachineStop {
    const end = this.progress.completed + instructions;
    for (;;) {
      const own = this.turn === index;
      let done = false;
      const stop = this.part((current) => {
        const result = own ? current.step() : current.run(Math.min(this.left, end - this.progress.completed));
        done = own && result.reason === 'limit';
        return result;
      });
      if (stop) return stop;
      if (done || end - this.progress.completed <= 0) return { reason: 'limit' };
    }
  }

  /** One processor's part of its turn, and what follows from how it ended. @returns why all have to stop, if so */
  private part(run: (current: Processor) => CpuStop): MachineStop | undefined {
    const before = this.progress.completed;
    const stop = run(this.current);
    this.left -= this.progress.completed - before;
    switch (stop.reason) {
      case 'limit':
        if (this.left <= 0) this.pass();
        return undefined;
      case 'waiting':
        if (this.pass()) return undefined;
        if (this.returnWhenIdle && this.list.some(({ interruptible }) => interruptible)) return { reason: 'idle' };
        return this.skip() ? undefined : { reason: 'halted' };
      default:
        return stop;
    }
  }

  /** Gives the turn to the next processor that has something to do, perhaps the same. @returns false when there is none */
  private pass(): boolean {
    for (let distance = 1; distance <= this.list.length; distance++) {
      const index = (this.turn + distance) % this.list.length;
      if (!this.list[index].ready) continue;
      this.turn = index;
      this.left = this.turnLength;
      return true;
    }
    return false;
  }

  /** Lets the time of waiting processors pass to the next timer. @returns false when waiting is in vain */
  skip(): boolean {
    const { clock } = this.parts;
    if (this.idleCount !== this.progress.completed) {
      this.idleCount = this.progress.completed;
      this.idleSince = clock.now;
    }
    if (!this.list.some(({ interruptible }) => interruptible) || clock.now - this.idleSince >= LONGEST_IDLE) return false;
    if (!clock.skipToDeadline()) return false;
    clock.fire();
    this.pass();
    return true;
  }

  /** From inside a run: come back before the next instruction. */
  requestStop(): void {
    this.list[this.loaded].requestStop();
  }
}
