/**
 * From planes and registers to what the display shows. Source: IBM Personal System/2 Hardware Interface Technical
 * Reference, "CRT Controller Registers" and "Attribute Controller Registers".
 */
import type { GraphicsScreen, Screen, TextScreen } from '../../../shared/screen';
import { PLANE_SIZE } from './vga-memory';
import { timing, type VgaState } from './vga-registers';

/** Makes a copy of what is shown; nothing in it changes afterwards. */
export function screenOf(state: VgaState, planes: Uint8Array): Screen {
  const off = (state.sequencer[1] & 0x20) !== 0 || !(state.attributeIndex & 0x20) || (state.sequencer[0] & 3) !== 3;
  if (off || !(state.crtc[0x17] & 0x80)) return { kind: 'blank' };
  return state.attribute[0x10] & 1 ? graphicsScreen(state, planes) : textScreen(state, planes);
}

/** The byte address in a plane of a value of the CRT controller's counter. */
function address({ crtc }: VgaState, counter: number, scanLine: number): number {
  const mode = crtc[0x17];
  let at = counter;
  if (crtc[0x14] & 0x40) at = (counter << 2) | ((counter >>> 14) & 3);
  else if (!(mode & 0x40)) at = (counter << 1) | ((counter >>> (mode & 0x20 ? 15 : 13)) & 1);
  // Compatibility with the CGA's and Hercules' banks: address bits 13 and 14 from the scan line.
  if (!(mode & 1)) at = (at & ~0x2000) | ((scanLine & 1) << 13);
  if (!(mode & 2)) at = (at & ~0x4000) | ((scanLine & 2) << 13);
  return at & (PLANE_SIZE - 1);
}

/** A colour of the DAC as 8-bit red, green and blue. */
function rgb(state: VgaState, index: number, into: Uint8Array, at: number): void {
  for (let i = 0; i < 3; i++) {
    const value = state.dac[(index & state.dacMask) * 3 + i];
    into[at + i] = (value << 2) | (value >>> 4);
  }
}

/** The DAC's colour number for one of 16 of the attribute controller. */
function dacIndex({ attribute }: VgaState, colour: number): number {
  const value = attribute[colour & 15];
  const select = attribute[0x14];
  return attribute[0x10] & 0x80 ? (value & 0x0f) | ((select & 0x0f) << 4) : (value & 0x3f) | ((select & 0x0c) << 4);
}

/** Offset in plane 2 of a character generator, 0 to 7. */
const fontOffset = (block: number): number => ((block & 3) << 14) | ((block & 4) << 11);

function textScreen(state: VgaState, planes: Uint8Array): TextScreen {
  const { crtc, sequencer, attribute } = state;
  const { verticalDisplayed, horizontalDisplayed: columns, dotsPerCharacter } = timing(state);
  const cellHeight = (crtc[9] & 0x1f) + 1;
  const rows = Math.max(1, Math.floor(verticalDisplayed / cellHeight));
  const start = (crtc[0x0c] << 8) | crtc[0x0d];
  const characters = new Uint8Array(columns * rows);
  const attributes = new Uint8Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = address(state, start + row * crtc[0x13] * 2 + column, 0);
      characters[row * columns + column] = planes[at];
      attributes[row * columns + column] = planes[PLANE_SIZE + at];
    }
  }
  const palette = new Uint8Array(48);
  for (let colour = 0; colour < 16; colour++) rgb(state, dacIndex(state, colour & attribute[0x12]), palette, colour * 3);
  const select = sequencer[3];
  // Bits 4, 1, 0 choose the generator of plain characters, 5, 3, 2 that of characters with attribute bit 3.
  const plain = (select & 3) | ((select & 0x10) >>> 2);
  const bright = ((select >>> 2) & 3) | ((select & 0x20) >>> 3);
  const font = (block: number): Uint8Array => planes.slice(2 * PLANE_SIZE + fontOffset(block), 2 * PLANE_SIZE + fontOffset(block) + 0x2000);
  return {
    kind: 'text',
    columns,
    rows,
    cellWidth: dotsPerCharacter,
    cellHeight,
    characters,
    attributes,
    cursor: cursorOf(state, start, columns, rows),
    blink: (attribute[0x10] & 0x08) !== 0,
    lineGraphics: (attribute[0x10] & 0x04) !== 0,
    palette,
    font: font(plain),
    secondFont: bright === plain ? undefined : font(bright),
  };
}

function cursorOf({ crtc }: VgaState, start: number, columns: number, rows: number): TextScreen['cursor'] {
  const first = crtc[0x0a] & 0x1f;
  const last = crtc[0x0b] & 0x1f;
  const position = ((crtc[0x0e] << 8) | crtc[0x0f]) - start;
  const pitch = crtc[0x13] * 2 || columns;
  const row = Math.floor(position / pitch);
  const column = position - row * pitch;
  if (crtc[0x0a] & 0x20 || first > last || position < 0 || row >= rows || column >= columns) return undefined;
  return { column, row, first, last };
}

function graphicsScreen(state: VgaState, planes: Uint8Array): GraphicsScreen {
  const { crtc, graphics, attribute } = state;
  const { verticalDisplayed, horizontalDisplayed } = timing(state);
  const wide = (graphics[5] & 0x40) !== 0;
  const perCounter = wide ? 4 : 8;
  const width = horizontalDisplayed * perCounter;
  const scanLines = (crtc[9] & 0x1f) + 1;
  const doubled = crtc[9] & 0x80 ? 2 : 1;
  // Lines that only repeat the one above them are left out, but not those of the CGA's banks.
  const banked = (crtc[0x17] & 3) !== 3;
  const repeat = doubled * (banked ? 1 : scanLines);
  const height = Math.max(1, Math.floor(verticalDisplayed / repeat));
  const pixels = new Uint8Array(width * height);
  const overflow = ((crtc[7] & 0x10) << 4) | ((crtc[9] & 0x40) << 3);
  const lineCompare = crtc[0x18] | overflow;
  const start = (crtc[0x0c] << 8) | crtc[0x0d];
  const pan = wide ? (attribute[0x13] >>> 1) & 3 : attribute[0x13] & 7;
  const line = new Uint8Array(width + perCounter);
  const decode = wide ? bytePixels : graphics[5] & 0x20 ? pairPixels : bitPixels;
  for (let y = 0; y < height; y++) {
    const split = y * repeat > lineCompare;
    const row = split ? y - Math.floor(lineCompare / repeat) - 1 : y;
    const scanLine = banked ? row % scanLines : 0;
    const counter = (split ? 0 : start) + Math.floor(banked ? row / scanLines : row) * crtc[0x13] * 2;
    for (let i = 0; i <= horizontalDisplayed; i++) decode(state, planes, address(state, counter + i, scanLine), line, i * perCounter);
    const shift = split && attribute[0x10] & 0x20 ? 0 : pan;
    pixels.set(line.subarray(shift, shift + width), y * width);
  }
  const palette = new Uint8Array(768);
  for (let colour = 0; colour < 256; colour++) rgb(state, colour, palette, colour * 3);
  return { kind: 'graphics', width, height, pixels, palette };
}

type Decode = (state: VgaState, planes: Uint8Array, at: number, into: Uint8Array, to: number) => void;

/** 256 colours: a byte a pixel, from the four planes in turn. */
const bytePixels: Decode = (_state, planes, at, into, to) => {
  for (let plane = 0; plane < 4; plane++) into[to + plane] = planes[plane * PLANE_SIZE + at];
};

/** 16 colours: a bit of each plane a pixel. */
const bitPixels: Decode = (state, planes, at, into, to) => {
  for (let i = 0; i < 8; i++) {
    let colour = 0;
    for (let plane = 0; plane < 4; plane++) colour |= ((planes[plane * PLANE_SIZE + at] >>> (7 - i)) & 1) << plane;
    into[to + i] = dacIndex(state, colour & state.attribute[0x12]);
  }
};

/** The CGA's four colours: pairs of bits, four pixels from planes 0 and 2, then four from planes 1 and 3. */
const pairPixels: Decode = (state, planes, at, into, to) => {
  for (let i = 0; i < 8; i++) {
    const plane = i >>> 2;
    const shift = 6 - 2 * (i & 3);
    const low = (planes[plane * PLANE_SIZE + at] >>> shift) & 3;
    const high = (planes[(plane + 2) * PLANE_SIZE + at] >>> shift) & 3;
    into[to + i] = dacIndex(state, (low | (high << 2)) & state.attribute[0x12]);
  }
};
