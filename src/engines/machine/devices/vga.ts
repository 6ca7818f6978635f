/** A VGA with 256 KiB. Text cells and mode 13h are plain RAM for the processor; all else goes through the planes byte by byte. */
import type { Screen } from '../../../shared/screen';
import type { Clock } from '../clock';
import type { Device, DeviceFact } from '../device';
import type { HostMemory } from '../host-memory';
import type { MmioHandler, PhysicalMemory } from '../physical-memory';
import type { PortBus } from '../ports';
import { hex } from './notation';
import { type LinearKind, linearKind, VgaMemory, windowOf } from './vga-memory';
import {
  readDac,
  resetState,
  timing,
  type VgaState,
  writeAttribute,
  writeCrtc,
  writeDac,
  writeGraphics,
  writeSequencer,
} from './vga-registers';
import { screenOf } from './vga-screen';

const APERTURE = 0xa0000;
const APERTURE_SIZE = 0x20000;
/** The largest linear window, mode 13h's. */
const LINEAR_SIZE = 0x10000;

/** What the processor sees of the memory: where, how much, how. */
interface Mapping {
  readonly base: number;
  readonly length: number;
  readonly kind: LinearKind;
}

const NOTHING: Mapping = { base: APERTURE, length: 0, kind: 'none' };

export class Vga implements Device {
  readonly name = 'vga';
  private readonly host: HostMemory;
  private readonly memory: PhysicalMemory;
  private readonly clock: Clock;
  private readonly planes = new VgaMemory(() => this.state);
  private state = resetState();
  /** Host offset of the linear window's bytes, and what is in it now. */
  private readonly linear: number;
  private mapped: Mapping = NOTHING;
  private readonly handlers = new Map<number, MmioHandler>();

  constructor(options: { host: HostMemory; memory: PhysicalMemory; clock: Clock }) {
    this.host = options.host;
    this.memory = options.memory;
    this.clock = options.clock;
    this.linear = options.host.allocate(LINEAR_SIZE);
    this.remap();
  }

  attach(ports: PortBus): void {
    const handler = {
      read: (port: number) => this.readPort(port),
      write: (port: number, _size: number, value: number) => this.writePort(port, value),
    };
    for (const [first, count] of [
      [0x3b4, 2],
      [0x3ba, 1],
      [0x3c0, 16],
      [0x3d4, 2],
      [0x3da, 1],
    ]) {
      ports.connect(first, count, handler);
    }
  }

  /** What the display shows now. */
  screen(): Screen {
    this.flush();
    return screenOf(this.state, this.planes.planes);
  }

  private get window(): Uint8Array {
    return this.host.u8.subarray(this.linear, this.linear + this.mapped.length);
  }

  /** Brings the planes up to date with what the processor wrote to the linear window. */
  private flush(): void {
    if (this.mapped.kind !== 'none') this.planes.fromLinear(this.mapped.kind, this.window);
  }

  /** Shows the memory to the processor as the registers say. Called after each register that may change that. */
  private remap(): void {
    const { state, mapped } = this;
    const enabled = (state.misc & 2) !== 0;
    const { base, length } = enabled ? windowOf(state) : NOTHING;
    const kind = linearKind(state);
    if (base === mapped.base && length === mapped.length && kind === mapped.kind) return;
    this.flush();
    this.show({ base, length, kind });
  }

  private show(mapped: Mapping): void {
    this.mapped = mapped;
    const { base, length, kind } = mapped;
    this.memory.unmap(APERTURE, APERTURE_SIZE);
    if (length === 0) return;
    if (kind === 'none') {
      this.memory.addMmio(base, length, this.handlerAt(base));
    } else {
      this.planes.toLinear(kind, this.window);
      this.memory.mapRam(base, length, this.linear);
    }
  }

  private handlerAt(base: number): MmioHandler {
    let handler = this.handlers.get(base);
    if (!handler) {
      const { planes } = this;
      handler = {
        read: (offset, size) => {
          let value = 0;
          for (let i = 0; i < size; i++) value += planes.read(offset + i) * 2 ** (8 * i);
          return value;
        },
        write: (offset, size, value) => {
          for (let i = 0; i < size; i++) planes.write(offset + i, (value >>> (8 * i)) & 0xff);
        },
      };
      this.handlers.set(base, handler);
    }
    return handler;
  }

  /** CRT controller and status are at 0x3b0 for monochrome, 0x3d0 for colour displays. */
  private answersAt(port: number): boolean {
    const colour = (this.state.misc & 1) !== 0;
    if ((port & 0x3f0) === 0x3b0) return !colour;
    if ((port & 0x3f0) === 0x3d0) return colour;
    return true;
  }

  private readPort(port: number): number {
    const { state } = this;
    if (!this.answersAt(port)) return 0xff;
    switch (port) {
      case 0x3b4:
      case 0x3d4:
        return state.crtcIndex;
      case 0x3b5:
      case 0x3d5:
        return state.crtc[state.crtcIndex] ?? 0;
      case 0x3ba:
      case 0x3da:
        state.attributeData = false;
        return this.inputStatus;
      case 0x3c0:
        return state.attributeData ? 0 : state.attributeIndex;
      case 0x3c1:
        return state.attribute[state.attributeIndex & 0x1f] ?? 0;
      case 0x3c2:
        // Switch sense: a colour display.
        return 0x10;
      case 0x3c3:
        return state.enable;
      case 0x3c4:
        return state.sequencerIndex;
      case 0x3c5:
        return state.sequencer[state.sequencerIndex] ?? 0;
      case 0x3c6:
        return state.dacMask;
      case 0x3c7:
        return state.dacReading ? 3 : 0;
      case 0x3c8:
        return state.dacIndex;
      case 0x3c9:
        return readDac(state);
      case 0x3ca:
        return state.feature;
      case 0x3cc:
        return state.misc;
      case 0x3ce:
        return state.graphicsIndex;
      case 0x3cf:
        return state.graphics[state.graphicsIndex] ?? 0;
      default:
        return 0xff;
    }
  }

  private writePort(port: number, value: number): void {
    const { state } = this;
    if (!this.answersAt(port)) return;
    switch (port) {
      case 0x3b4:
      case 0x3d4:
        state.crtcIndex = value & 0x3f;
        break;
      case 0x3b5:
      case 0x3d5:
        writeCrtc(state, value);
        break;
      case 0x3ba:
      case 0x3da:
        state.feature = value & 0x10;
        break;
      case 0x3c0:
        writeAttribute(state, value);
        break;
      case 0x3c2:
        state.misc = value & 0xef;
        this.remap();
        break;
      case 0x3c3:
        state.enable = value & 1;
        break;
      case 0x3c4:
        state.sequencerIndex = value & 7;
        break;
      case 0x3c5:
        writeSequencer(state, value);
        this.remap();
        break;
      case 0x3c6:
        state.dacMask = value;
        break;
      case 0x3c7:
      case 0x3c8:
        state.dacIndex = value;
        state.dacComponent = 0;
        state.dacReading = port === 0x3c7;
        break;
      case 0x3c9:
        writeDac(state, value);
        break;
      case 0x3ce:
        state.graphicsIndex = value & 15;
        break;
      case 0x3cf:
        writeGraphics(state, value);
        this.remap();
        break;
    }
  }

  /** Input status 1: bit 0 outside the picture, bit 3 vertical retrace, by virtual time. */
  private get inputStatus(): number {
    const t = timing(this.state);
    const lineTime = (t.horizontalTotal * t.dotsPerCharacter * 1e9) / t.dotClock;
    const lines = this.clock.now / lineTime;
    const line = Math.floor(lines) % t.verticalTotal;
    const column = (lines - Math.floor(lines)) * t.horizontalTotal;
    const blank = line >= t.verticalDisplayed || column >= t.horizontalDisplayed;
    const retrace = line >= t.retraceStart && line < t.retraceStart + t.retraceLines;
    return (blank ? 0x01 : 0) | (retrace ? 0x08 : 0);
  }

  reset(): void {
    this.state = resetState();
    this.remap();
  }

  save(): { state: VgaState; memory: ReturnType<VgaMemory['save']> } {
    this.flush();
    return { state: structuredClone(this.state), memory: this.planes.save() };
  }

  load(saved: { state: VgaState; memory: ReturnType<VgaMemory['save']> }): void {
    this.state = structuredClone(saved.state);
    this.planes.load(saved.memory);
    const { base, length } = this.state.misc & 2 ? windowOf(this.state) : NOTHING;
    this.show({ base, length, kind: linearKind(this.state) });
  }

  inspect(): readonly DeviceFact[] {
    const { state } = this;
    const { base, length } = windowOf(state);
    const t = timing(state);
    const rate = t.dotClock / (t.horizontalTotal * t.dotsPerCharacter * t.verticalTotal);
    const graphics = (state.attribute[0x10] & 1) !== 0;
    const group = (values: readonly number[]): string => values.map((value) => hex(value).slice(2)).join(' ');
    return [
      {
        name: 'mode',
        value: graphics ? 'graphics' : 'text',
        meaning: `${t.horizontalDisplayed} characters, ${t.verticalDisplayed} lines, ${rate.toFixed(1)} Hz`,
      },
      {
        name: 'window',
        value: `${hex(base, 5)} to ${hex(base + length - 1, 5)}`,
        meaning: this.mapped.kind === 'none' ? 'through the planes' : 'plain RAM',
      },
      { name: 'miscellaneous', value: hex(state.misc) },
      { name: 'sequencer', value: group(state.sequencer) },
      { name: 'CRT controller', value: group(state.crtc) },
      { name: 'graphics', value: group(state.graphics) },
      { name: 'attribute', value: group(state.attribute), meaning: state.attributeData ? 'next write is data' : 'next write is an index' },
      { name: 'DAC', value: `index ${hex(state.dacIndex)}, mask ${hex(state.dacMask)}` },
    ];
  }
}
