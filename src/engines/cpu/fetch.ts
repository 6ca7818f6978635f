/** Fetching and decoding one instruction: at the instruction pointer as the processor does, or anywhere as a debugger wants it. */
import { isFailure } from '../../isa/decoder';
import type { DecodeFailure, Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import { FRAME_SIZE, FrameKind, type PhysicalMemory } from '../machine/physical-memory';
import type { BlockCache } from './interpreter/blocks';
import { type CpuState, isCanonical, Seg } from './state';
import { gp, ud } from './system/fault';
import type { Mmu } from './system/mmu';

const LONGEST_INSTRUCTION = 15;

export class Fetcher {
  private readonly state: CpuState;
  private readonly mmu: Mmu;
  private readonly memory: PhysicalMemory;
  private readonly blocks: BlockCache;

  constructor(state: CpuState, mmu: Mmu, memory: PhysicalMemory, blocks: BlockCache) {
    this.state = state;
    this.mmu = mmu;
    this.memory = memory;
    this.blocks = blocks;
  }

  /**
   * Decodes at IP with every check of a fetch.
   * @throws GuestFault what the fetch raises
   */
  atIp(): Instruction {
    const user = this.state.cpl === 3;
    const result = this.whole(user) ?? this.blocks.decodeExactly(this.state.codeBits, (distance) => this.codeByte(distance, user));
    if (!isFailure(result)) return result;
    throw result.failure === 'too-long' ? gp(0, 'the instruction is longer than 15 bytes') : ud('no instruction of this processor');
  }

  /** The instruction where no fetch of up to 15 bytes could meet a segment's or a page's end. */
  private whole(user: boolean): Instruction | DecodeFailure | undefined {
    const { state } = this;
    const linear = state.instructionAddress;
    const offset = linear & (FRAME_SIZE - 1);
    const end = state.ip + LONGEST_INSTRUCTION;
    if (offset > FRAME_SIZE - LONGEST_INSTRUCTION || (state.long ? !isCanonical(state.ip) : end > state.segLimit(Seg.cs))) return undefined;
    const frame = this.mmu.codeFrame(linear, user);
    const kind = this.memory.kindOf(frame);
    return kind === FrameKind.ram || kind === FrameKind.rom ? this.blocks.decodeInFrame(frame, offset, state.codeBits) : undefined;
  }

  private codeByte(distance: number, user: boolean): number {
    const { state, mmu } = this;
    if (!state.long && state.ip + distance > state.segLimit(Seg.cs)) throw gp(0, 'the instruction lies beyond the limit of CS');
    const linear = state.linear(Seg.cs, state.wrapOffset(state.ip + distance));
    if (state.long && !isCanonical(linear)) throw gp(0, 'the instruction lies at an address that is not canonical');
    return this.memory.read(mmu.codeFrame(linear, user) * FRAME_SIZE + (linear & (FRAME_SIZE - 1)), 1);
  }

  /** The instruction at a linear address as it would be decoded in the present code size, without any effect on the guest. */
  at(address: LinearAddress): Instruction | undefined {
    const unmapped = new Error('unmapped');
    try {
      const result = this.blocks.decodeExactly(this.state.codeBits, (distance) => {
        const physical = this.mmu.probe(this.state.advance(address, distance));
        if (physical === undefined) throw unmapped;
        return this.memory.readBytes(physical, 1)[0];
      });
      return isFailure(result) ? undefined : result;
    } catch (error) {
      if (error !== unmapped) throw error;
      return undefined;
    }
  }
}
