import { beforeEach, describe, expect, it } from 'vitest';
import { Vga } from '../../src/engines/machine/devices/vga';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { FrameKind, PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import type { GraphicsScreen, TextScreen } from '../../src/shared/screen';
import { ManualClock } from './support';

/** Register values of three modes: misc, sequencer 0 to 4, CRT controller, graphics controller, attribute controller. */
const MODES = {
  text: {
    misc: 0x67,
    sequencer: [3, 0x00, 0x03, 0x00, 0x02],
    crtc: [
      0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
    ],
    graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff],
    attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 0x08, 0],
  },
  mode12: {
    misc: 0xe3,
    sequencer: [3, 0x01, 0x0f, 0x00, 0x06],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff],
    graphics: [0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff],
    attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x01, 0, 0x0f, 0x00, 0],
  },
  mode13: {
    misc: 0x63,
    sequencer: [3, 0x01, 0x0f, 0x00, 0x0e],
    crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff],
    graphics: [0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff],
    attribute: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0, 0x0f, 0x00, 0],
  },
} as const;

let memory: PhysicalMemory;
let vga: Vga;
let ports: PortBus;
let clock: ManualClock;
const out = (port: number, value: number): void => ports.write(port, 1, value);
const indexed = (port: number, index: number, value: number): void => ports.write(port, 2, index | (value << 8));

function setMode(name: keyof typeof MODES): void {
  const mode = MODES[name];
  out(0x3c2, mode.misc);
  mode.sequencer.forEach((value, i) => indexed(0x3c4, i, value));
  indexed(0x3d4, 0x11, 0);
  mode.crtc.forEach((value, i) => indexed(0x3d4, i, value));
  mode.graphics.forEach((value, i) => indexed(0x3ce, i, value));
  ports.read(0x3da, 1);
  mode.attribute.forEach((value, i) => {
    out(0x3c0, i);
    out(0x3c0, value);
  });
  out(0x3c0, 0x20);
}

beforeEach(() => {
  const host = new HostMemory(0);
  memory = new PhysicalMemory(host);
  clock = new ManualClock();
  vga = new Vga({ host, memory, clock });
  ports = new PortBus();
  vga.attach(ports);
});

const text = (): TextScreen => vga.screen() as TextScreen;
const picture = (): GraphicsScreen => vga.screen() as GraphicsScreen;

describe('VGA text', () => {
  beforeEach(() => setMode('text'));

  it('shows cells that the processor writes as plain RAM', () => {
    expect(memory.kindOf(0xb8)).toBe(FrameKind.ram);
    expect(memory.kindOf(0xa0)).toBe(FrameKind.none);
    memory.write(0xb8000 + 2 * (5 * 80 + 7), 2, 0x1e41);
    const screen = text();
    expect([screen.columns, screen.rows, screen.cellWidth, screen.cellHeight]).toEqual([80, 25, 9, 16]);
    expect([screen.characters[5 * 80 + 7], screen.attributes[5 * 80 + 7]]).toEqual([0x41, 0x1e]);
    expect(screen.blink).toBe(true);
  });

  it('scrolls by the start address and moves the cursor with it', () => {
    memory.write(0xb8000 + 160, 2, 0x0758);
    indexed(0x3d4, 0x0d, 80);
    indexed(0x3d4, 0x0f, 80 + 83);
    expect(text().characters[0]).toBe(0x58);
    expect(text().cursor).toEqual({ column: 3, row: 1, first: 13, last: 14 });
    indexed(0x3d4, 0x0a, 0x20);
    expect(text().cursor).toBeUndefined();
  });

  it('takes a font through plane 2 and keeps the cells meanwhile', () => {
    memory.write(0xb8000, 2, 0x0741);
    indexed(0x3c4, 2, 4);
    indexed(0x3c4, 4, 7);
    indexed(0x3ce, 5, 0);
    indexed(0x3ce, 6, 4);
    expect(memory.kindOf(0xa0)).toBe(FrameKind.mmio);
    expect(memory.kindOf(0xb8)).toBe(FrameKind.none);
    for (let line = 0; line < 16; line++) memory.write(0xa0000 + 0x41 * 32 + line, 1, 0x80 + line);
    indexed(0x3c4, 2, 3);
    indexed(0x3c4, 4, 3);
    indexed(0x3ce, 5, 0x10);
    indexed(0x3ce, 6, 0x0e);
    expect(memory.read(0xb8000, 2)).toBe(0x0741);
    expect([...text().font.subarray(0x41 * 32, 0x41 * 32 + 16)]).toEqual(Array.from({ length: 16 }, (_, i) => 0x80 + i));
  });

  it('resolves the palette through attribute controller and DAC', () => {
    out(0x3c8, 0x14);
    for (const part of [0x2a, 0x15, 0x00]) out(0x3c9, part);
    expect([...text().palette.subarray(18, 21)]).toEqual([0xaa, 0x55, 0]);
    out(0x3c7, 0x14);
    expect([ports.read(0x3c9, 1), ports.read(0x3c9, 1), ports.read(0x3c9, 1), ports.read(0x3c8, 1)]).toEqual([0x2a, 0x15, 0, 0x15]);
  });

  it('is blank while the screen is off', () => {
    indexed(0x3c4, 1, 0x20);
    expect(vga.screen().kind).toBe('blank');
  });
});

describe('VGA graphics', () => {
  it('shows a byte a pixel in mode 13h as plain RAM', () => {
    setMode('mode13');
    expect(memory.kindOf(0xa0)).toBe(FrameKind.ram);
    memory.write(0xa0000 + 100 * 320 + 17, 1, 0x2a);
    memory.write(0xa0000 + 199 * 320 + 319, 1, 0x55);
    const screen = picture();
    expect([screen.width, screen.height]).toEqual([320, 200]);
    expect([screen.pixels[100 * 320 + 17], screen.pixels[199 * 320 + 319], screen.pixels[0]]).toEqual([0x2a, 0x55, 0]);
  });

  it('spreads the bytes of mode 13h over the planes as the hardware does', () => {
    setMode('mode13');
    memory.write(0xa0000 + 5, 1, 0x77);
    // Unchained, byte 5 of the window is in plane 1 at offset 4.
    indexed(0x3c4, 4, 6);
    indexed(0x3ce, 4, 1);
    expect(memory.kindOf(0xa0)).toBe(FrameKind.mmio);
    expect(memory.read(0xa0004, 1)).toBe(0x77);
  });

  it('goes through the planes when only some are written', () => {
    setMode('mode13');
    indexed(0x3c4, 2, 0x05);
    for (let i = 0; i < 4; i++) memory.write(0xa0000 + i, 1, 0x11);
    indexed(0x3c4, 2, 0x0f);
    expect(memory.read(0xa0000, 4)).toBe(0x00110011);
  });

  it('draws in 16 colours with all write modes', () => {
    setMode('mode12');
    // Mode 0 with set/reset and bit mask: pixels 1 and 2 in colour 5.
    indexed(0x3ce, 0, 5);
    indexed(0x3ce, 1, 0x0f);
    indexed(0x3ce, 8, 0x60);
    memory.read(0xa0000, 1);
    memory.write(0xa0000, 1, 0);
    indexed(0x3ce, 1, 0);
    indexed(0x3ce, 8, 0xff);
    // Mode 1 copies it to the next byte.
    indexed(0x3ce, 5, 1);
    memory.read(0xa0000, 1);
    memory.write(0xa0001, 1, 0);
    // Mode 2: colour 9 in the low four pixels of byte 2, then exclusive or with 3.
    indexed(0x3ce, 5, 2);
    indexed(0x3ce, 8, 0x0f);
    memory.read(0xa0002, 1);
    memory.write(0xa0002, 1, 9);
    indexed(0x3ce, 3, 0x18);
    indexed(0x3ce, 8, 0x01);
    memory.read(0xa0002, 1);
    memory.write(0xa0002, 1, 3);
    // Mode 3: colour from set/reset, mask from the byte.
    indexed(0x3ce, 3, 0);
    indexed(0x3ce, 5, 3);
    indexed(0x3ce, 8, 0xff);
    indexed(0x3ce, 0, 2);
    memory.read(0xa0003, 1);
    memory.write(0xa0003, 1, 0x81);
    const { attribute } = MODES.mode12;
    const colours = [0, 5, 5, 0, 0, 0, 0, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 10, 2, 0, 0, 0, 0, 0, 0, 2];
    const screen = picture();
    expect([screen.width, screen.height]).toEqual([640, 480]);
    expect([...screen.pixels.subarray(0, 32)]).toEqual(colours.map((colour) => attribute[colour]));
    // Read mode 1: which pixels have colour 9?
    indexed(0x3ce, 5, 8);
    indexed(0x3ce, 2, 9);
    indexed(0x3ce, 7, 0x0f);
    expect(memory.read(0xa0002, 1)).toBe(0x0e);
  });

  it('rotates what is written in mode 0', () => {
    setMode('mode12');
    indexed(0x3ce, 3, 3);
    memory.write(0xa0000, 1, 0x01);
    indexed(0x3ce, 3, 0);
    expect(memory.read(0xa0000, 1)).toBe(0x20);
  });
});

describe('VGA registers', () => {
  it('protects CRT controller registers 0 to 7 but for line compare', () => {
    setMode('text');
    indexed(0x3d4, 0, 0x11);
    out(0x3d4, 0);
    expect(ports.read(0x3d5, 1)).toBe(0x5f);
    indexed(0x3d4, 7, 0x00);
    out(0x3d4, 7);
    expect(ports.read(0x3d5, 1)).toBe(0x0f);
  });

  it('answers at 0x3b4 or 0x3d4 as the display is', () => {
    setMode('text');
    expect(ports.read(0x3b4, 1)).toBe(0xff);
    out(0x3c2, 0x66);
    expect([ports.read(0x3b4, 1), ports.read(0x3d4, 1)]).toEqual([0x18, 0xff]);
  });

  it('shows the retrace 70 times a second', () => {
    setMode('text');
    let frames = 0;
    let before = 0;
    for (let i = 0; i < 20_000; i++) {
      clock.run(50_000);
      const now = ports.read(0x3da, 1) & 8;
      if (now && !before) frames++;
      before = now;
    }
    expect(Math.abs(frames - 70)).toBeLessThanOrEqual(1);
  });

  it('goes on from a snapshot as before it', () => {
    setMode('text');
    memory.write(0xb8000, 4, 0x42074107);
    const host = new HostMemory(0);
    const copy = new Vga({ host, memory: new PhysicalMemory(host), clock });
    copy.load(structuredClone(vga.save()));
    expect(copy.screen()).toEqual(vga.screen());
    expect(copy.inspect()).toEqual(vga.inspect());
  });
});
