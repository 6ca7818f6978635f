/**
 * The four planes of a VGA's 256 KiB and the way of a byte between them and the processor.
 * Source: IBM Personal System/2 Hardware Interface Technical Reference, "Video Memory Organization" and
 * "Graphics Controller Registers".
 */
import type { VgaState } from './vga-registers';

export const PLANE_SIZE = 0x10000;

/** How the planes can be shown as plain RAM: text cells, a byte a pixel, the plane of the characters' shapes alone, or not at all. */
export type LinearKind = 'none' | 'text' | 'chain4' | 'font';

const FONT_PLANE = 2;

/** Where the processor sees the memory, by bits 3:2 of the graphics controller's miscellaneous register. */
const WINDOWS = [
  { base: 0xa0000, length: 0x20000 },
  { base: 0xa0000, length: 0x10000 },
  { base: 0xb0000, length: 0x8000 },
  { base: 0xb8000, length: 0x8000 },
] as const;

export const windowOf = (state: VgaState): { base: number; length: number } => WINDOWS[(state.graphics[6] >>> 2) & 3];

/** Whether bytes pass unchanged between the window and fixed places in the planes. */
export function linearKind({ misc, sequencer, graphics }: VgaState): LinearKind {
  const enabled = (misc & 0x02) !== 0;
  // Write mode 0 and read mode 0, no rotation, no function, no set/reset, all bits.
  const plain = (graphics[5] & 0x0b) === 0 && graphics[3] === 0 && graphics[1] === 0 && graphics[8] === 0xff;
  if (!enabled || !plain) return 'none';
  if (sequencer[4] & 0x08) return sequencer[2] === 0x0f && (graphics[6] & 0x0c) === 0x04 ? 'chain4' : 'none';
  // Graphics modes, which may go on from what was read last by the latches, go through the planes.
  const font = sequencer[2] === 1 << FONT_PLANE && graphics[4] === FONT_PLANE && (graphics[6] & 0x0d) === 0x04;
  if (font && sequencer[4] & 0x04 && (graphics[5] & 0x10) === 0) return 'font';
  const oddEven = (sequencer[4] & 0x04) === 0 && (graphics[5] & 0x10) !== 0 && (graphics[6] & 0x02) !== 0;
  const firstPlanes = sequencer[2] === 0x03 && (graphics[4] & 0x02) === 0;
  return oddEven && firstPlanes && graphics[6] & 0x08 ? 'text' : 'none';
}

/** Bytes of a linear window that are one plane's: every so many from the first, and where that is in the planes. */
function partsOf(kind: LinearKind): readonly { readonly to: number; readonly from: number; readonly step: number }[] {
  if (kind === 'font') return [{ to: 0, from: FONT_PLANE * PLANE_SIZE, step: 1 }];
  const step = kind === 'text' ? 2 : 4;
  return Array.from({ length: step }, (_, plane) => ({ to: plane, from: plane * PLANE_SIZE, step }));
}

export class VgaMemory {
  readonly planes = new Uint8Array(4 * PLANE_SIZE);
  private latches = [0, 0, 0, 0];
  private readonly state: () => VgaState;

  constructor(state: () => VgaState) {
    this.state = state;
  }

  /** Fills a linear window from the planes. */
  toLinear(kind: LinearKind, window: Uint8Array): void {
    const { planes } = this;
    // Much of the time of a start: each change of the display's mode comes here.
    for (const { to, from, step } of partsOf(kind)) {
      if (step === 1) window.set(planes.subarray(from, from + window.length));
      else for (let at = to; at < window.length; at += step) window[at] = planes[at - to + from];
    }
  }

  fromLinear(kind: LinearKind, window: Uint8Array): void {
    const { planes } = this;
    for (const { to, from, step } of partsOf(kind)) {
      if (step === 1) planes.set(window, from);
      else for (let at = to; at < window.length; at += step) planes[at - to + from] = window[at];
    }
  }

  /** The byte at an offset in the window, as the processor reads it. */
  read(at: number): number {
    const { graphics, sequencer } = this.state();
    let plane = graphics[4];
    let offset = at & 0xffff;
    if (sequencer[4] & 0x08) {
      plane = at & 3;
      offset &= ~3;
    } else if (graphics[5] & 0x10) {
      plane = (plane & 2) | (at & 1);
      offset &= ~1;
    }
    for (let i = 0; i < 4; i++) this.latches[i] = this.planes[i * PLANE_SIZE + offset];
    return graphics[5] & 0x08 ? this.compare() : this.latches[plane];
  }

  /** Read mode 1: a bit is set where all planes that count have the compared colour. */
  private compare(): number {
    const { graphics } = this.state();
    let result = 0xff;
    for (let plane = 0; plane < 4; plane++) {
      if ((graphics[7] >>> plane) & 1) result &= (graphics[2] >>> plane) & 1 ? this.latches[plane] : ~this.latches[plane];
    }
    return result & 0xff;
  }

  write(at: number, value: number): void {
    const { graphics, sequencer } = this.state();
    let mask = sequencer[2];
    let offset = at & 0xffff;
    if (sequencer[4] & 0x08) {
      mask &= 1 << (at & 3);
      offset &= ~3;
    } else if (!(sequencer[4] & 0x04)) {
      mask &= at & 1 ? 0x0a : 0x05;
      offset &= ~1;
    }
    const mode = graphics[5] & 3;
    const rotation = graphics[3] & 7;
    const rotated = ((value >>> rotation) | (value << (8 - rotation))) & 0xff;
    const bits = mode === 3 ? rotated & graphics[8] : graphics[8];
    for (let plane = 0; plane < 4; plane++) {
      if (!((mask >>> plane) & 1)) continue;
      this.planes[plane * PLANE_SIZE + offset] = this.combine(plane, mode, mode === 2 ? value : rotated, bits);
    }
  }

  /** The byte that a plane takes: source by write mode, function with the latch, bit mask. */
  private combine(plane: number, mode: number, data: number, bits: number): number {
    const { graphics } = this.state();
    const latch = this.latches[plane];
    if (mode === 1) return latch;
    const set = (graphics[0] >>> plane) & 1 ? 0xff : 0;
    let source: number;
    if (mode === 3) source = set;
    else if (mode === 2) source = (data >>> plane) & 1 ? 0xff : 0;
    else source = (graphics[1] >>> plane) & 1 ? set : data;
    switch (graphics[3] >>> 3) {
      case 1:
        source &= latch;
        break;
      case 2:
        source |= latch;
        break;
      case 3:
        source ^= latch;
        break;
    }
    return (source & bits) | (latch & ~bits);
  }

  save(): { planes: Uint8Array; latches: number[] } {
    return { planes: this.planes.slice(), latches: [...this.latches] };
  }

  load(state: { planes: Uint8Array; latches: number[] }): void {
    this.planes.set(state.planes);
    this.latches = [...state.latches];
  }
}
