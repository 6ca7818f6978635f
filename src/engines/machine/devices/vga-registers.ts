/**
 * The register file of a VGA: which bits exist, how they are addressed. What they mean is in vga-memory.ts and vga-screen.ts.
 * Source: IBM Personal System/2 Hardware Interface Technical Reference, "Video Subsystem".
 */

export interface VgaState {
  /** Miscellaneous output. */
  misc: number;
  feature: number;
  enable: number;
  sequencerIndex: number;
  sequencer: number[];
  crtcIndex: number;
  crtc: number[];
  graphicsIndex: number;
  graphics: number[];
  /** Attribute controller: index with bit 5 (palette to the screen), and whether the next write to 0x3c0 is data. */
  attributeIndex: number;
  attributeData: boolean;
  attribute: number[];
  dacMask: number;
  /** Colour being read or written, and which of its three components comes next. */
  dacIndex: number;
  dacComponent: number;
  /** Port 0x3c7 shows whether the last index was for reading. */
  dacReading: boolean;
  /** 256 × red, green, blue of six bits. */
  dac: number[];
}

export const resetState = (): VgaState => ({
  misc: 0,
  feature: 0,
  enable: 0,
  sequencerIndex: 0,
  sequencer: new Array<number>(5).fill(0),
  crtcIndex: 0,
  crtc: new Array<number>(25).fill(0),
  graphicsIndex: 0,
  graphics: new Array<number>(9).fill(0),
  attributeIndex: 0,
  attributeData: false,
  attribute: new Array<number>(21).fill(0),
  dacMask: 0xff,
  dacIndex: 0,
  dacComponent: 0,
  dacReading: false,
  dac: new Array<number>(768).fill(0),
});

/** Bits that can be written. */
const SEQUENCER_BITS = [0x03, 0x3d, 0x0f, 0x3f, 0x0e] as const;
const GRAPHICS_BITS = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff] as const;
const ATTRIBUTE_BITS = [...new Array<number>(16).fill(0x3f), 0xef, 0xff, 0x3f, 0x0f, 0x0f];
/** Register 0x11 bit 7 protects CRT controller registers 0 to 7, but for bit 4 of the last. */
const PROTECTED = 7;
const LINE_COMPARE_8 = 0x10;

export function writeSequencer(state: VgaState, value: number): void {
  const bits = SEQUENCER_BITS[state.sequencerIndex];
  if (bits !== undefined) state.sequencer[state.sequencerIndex] = value & bits;
}

export function writeGraphics(state: VgaState, value: number): void {
  const bits = GRAPHICS_BITS[state.graphicsIndex];
  if (bits !== undefined) state.graphics[state.graphicsIndex] = value & bits;
}

export function writeCrtc(state: VgaState, value: number): void {
  const { crtc, crtcIndex } = state;
  if (crtcIndex >= crtc.length) return;
  if (crtcIndex <= PROTECTED && crtc[0x11] & 0x80) {
    if (crtcIndex === PROTECTED) crtc[PROTECTED] = (crtc[PROTECTED] & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
    return;
  }
  crtc[crtcIndex] = value;
}

/** Port 0x3c0 takes index and data in turns. */
export function writeAttribute(state: VgaState, value: number): void {
  if (!state.attributeData) {
    state.attributeIndex = value & 0x3f;
  } else {
    const index = state.attributeIndex & 0x1f;
    // While the palette goes to the screen, it cannot be written.
    const open = index >= 16 || !(state.attributeIndex & 0x20);
    if (open && index < state.attribute.length) state.attribute[index] = value & ATTRIBUTE_BITS[index];
  }
  state.attributeData = !state.attributeData;
}

export function writeDac(state: VgaState, value: number): void {
  state.dac[state.dacIndex * 3 + state.dacComponent] = value & 0x3f;
  nextComponent(state);
}

export function readDac(state: VgaState): number {
  const value = state.dac[state.dacIndex * 3 + state.dacComponent];
  nextComponent(state);
  return value;
}

function nextComponent(state: VgaState): void {
  state.dacComponent = (state.dacComponent + 1) % 3;
  if (state.dacComponent === 0) state.dacIndex = (state.dacIndex + 1) & 0xff;
}

/** What the CRT controller's registers say about time and place, in characters and scan lines. */
export interface Timing {
  readonly dotsPerCharacter: number;
  /** Dots a second. */
  readonly dotClock: number;
  readonly horizontalTotal: number;
  readonly horizontalDisplayed: number;
  readonly verticalTotal: number;
  readonly verticalDisplayed: number;
  readonly retraceStart: number;
  readonly retraceLines: number;
}

export function timing({ crtc, misc, sequencer }: VgaState): Timing {
  const overflow = crtc[7];
  const halved = sequencer[1] & 0x08 ? 2 : 1;
  const retraceStart = crtc[0x10] | ((overflow & 0x04) << 6) | ((overflow & 0x80) << 2);
  return {
    dotsPerCharacter: sequencer[1] & 1 ? 8 : 9,
    dotClock: (misc & 0x0c ? 28_322_000 : 25_175_000) / halved,
    horizontalTotal: crtc[0] + 5,
    horizontalDisplayed: crtc[1] + 1,
    verticalTotal: (crtc[6] | ((overflow & 0x01) << 8) | ((overflow & 0x20) << 4)) + 2,
    verticalDisplayed: (crtc[0x12] | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3)) + 1,
    retraceStart,
    retraceLines: (crtc[0x11] - retraceStart) & 15 || 16,
  };
}
