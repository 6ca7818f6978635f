/**
 * A 101-key AT keyboard on the wire of the 8042. Source: IBM Personal System/2 Hardware Interface Technical Reference,
 * "Keyboards (101- and 102-Key)", "Commands from the System".
 */
import type { Clock } from '../clock';
import type { Device, DeviceFact } from '../device';
import { bits, hex } from './notation';
import { type Ps2Device, Ps2Queue, type Ps2QueueState } from './ps2';
import { KEYS, keyOfCharacter, scanCodes } from './scancodes';

const ACK = 0xfa;
const RESEND = 0xfe;
/** Bytes that the keyboard's own buffer holds; what is pressed beyond waits outside, as a patient typist would. */
const BUFFER_SIZE = 16;
/** The longest sequence of one key, Pause. */
const LONGEST = 8;

interface KeyEvent {
  key: string;
  pressed: boolean;
}

interface KeyboardState {
  scanning: boolean;
  set: number;
  leds: number;
  typematic: number;
  /** The command whose data byte comes next, or 0. */
  awaiting: number;
  waiting: KeyEvent[];
  queue: Ps2QueueState;
}

export class Keyboard implements Device, Ps2Device {
  readonly name = 'keyboard';
  private readonly queue: Ps2Queue;
  private scanning = true;
  private set = 2;
  private awaiting = 0;
  private typematic = 0x2b;
  private waiting: KeyEvent[] = [];
  /** Bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock. */
  leds = 0;
  onLeds: (leds: number) => void = () => {};

  constructor(clock: Clock) {
    this.queue = new Ps2Queue(clock);
  }

  set onReady(action: () => void) {
    this.queue.onReady = action;
  }

  get ready(): boolean {
    return this.queue.ready;
  }

  take(): number {
    const byte = this.queue.take();
    this.feed();
    return byte;
  }

  /**
   * Presses a key, or repeats one that is held.
   * @param key name as in KeyboardEvent.code, such as `KeyA`
   * @throws RangeError for a key that the keyboard does not have
   */
  press(key: string): void {
    this.enter(key, true);
  }

  release(key: string): void {
    this.enter(key, false);
  }

  /**
   * Types text on a US keyboard.
   * @throws RangeError for a character that it cannot type; nothing is typed then
   */
  type(text: string): void {
    const keys = [...text].map((character) => {
      const found = keyOfCharacter(character);
      if (!found) throw new RangeError(`a US keyboard cannot type ${JSON.stringify(character)}`);
      return found;
    });
    for (const { key, shift } of keys) {
      if (shift) this.press('ShiftLeft');
      this.press(key);
      this.release(key);
      if (shift) this.release('ShiftLeft');
    }
  }

  /** Raw bytes onto the wire, as if the keyboard had sent them. */
  send(...bytes: number[]): void {
    this.queue.send(...bytes);
  }

  private enter(key: string, pressed: boolean): void {
    if (!KEYS.includes(key))
      throw new RangeError(`the keyboard has no key ${JSON.stringify(key)}; it has ${KEYS.slice(0, 4).join(', ')} …`);
    this.waiting.push({ key, pressed });
    this.feed();
  }

  /** Moves waiting keys into the buffer while there is room. A keyboard that does not scan loses them. */
  private feed(): void {
    if (!this.scanning) this.waiting = [];
    while (this.waiting.length && this.queue.state.stream.length + LONGEST <= BUFFER_SIZE) {
      const { key, pressed } = this.waiting.shift()!;
      const bytes = scanCodes(key, pressed, this.set);
      if (bytes?.length) this.queue.send(...bytes);
    }
  }

  private defaults(): void {
    this.set = 2;
    this.typematic = 0x2b;
    this.setLeds(0);
  }

  private setLeds(leds: number): void {
    this.leds = leds & 7;
    this.onLeds(this.leds);
  }

  /** A command or data byte from the controller. */
  write(byte: number): void {
    const { awaiting } = this;
    this.awaiting = 0;
    // A command in place of data ends the earlier one.
    if (awaiting && byte < 0x80) this.data(awaiting, byte);
    else this.command(byte);
  }

  private data(command: number, byte: number): void {
    switch (command) {
      case 0xed:
        this.setLeds(byte);
        break;
      case 0xf0:
        if (byte > 3) return this.queue.respond(RESEND);
        if (byte === 0) return this.queue.respond(ACK, this.set);
        this.set = byte;
        break;
      case 0xf3:
        this.typematic = byte;
        break;
      // 0xfb to 0xfd change single keys of set 3, which always make, repeat and break here.
    }
    this.queue.respond(ACK);
  }

  private command(command: number): void {
    switch (command) {
      case 0xee:
        return this.queue.respond(0xee);
      case 0xf2:
        return this.queue.respond(ACK, 0xab, 0x83);
      case 0xfe:
        return this.queue.respond(this.queue.state.last);
      case 0xff:
        this.queue.clear();
        this.waiting = [];
        this.defaults();
        this.scanning = true;
        return this.queue.respond(ACK, 0xaa);
      case 0xed:
      case 0xf0:
      case 0xf3:
      case 0xfb:
      case 0xfc:
      case 0xfd:
        this.awaiting = command;
        break;
      case 0xf4:
        this.queue.clear();
        this.scanning = true;
        break;
      case 0xf5:
      case 0xf6:
        this.queue.clear();
        this.defaults();
        this.scanning = command === 0xf6;
        break;
      case 0xf7:
      case 0xf8:
      case 0xf9:
      case 0xfa:
        break;
      default:
        return this.queue.respond(RESEND);
    }
    this.queue.respond(ACK);
  }

  reset(): void {
    this.queue.reset();
    this.defaults();
    this.awaiting = 0;
    this.scanning = true;
  }

  save(): KeyboardState {
    const { scanning, set, leds, typematic, awaiting } = this;
    return { scanning, set, leds, typematic, awaiting, waiting: this.waiting.map((event) => ({ ...event })), queue: this.queue.save() };
  }

  load(state: KeyboardState): void {
    this.scanning = state.scanning;
    this.set = state.set;
    this.typematic = state.typematic;
    this.awaiting = state.awaiting;
    this.waiting = state.waiting.map((event) => ({ ...event }));
    this.queue.load(state.queue);
    this.setLeds(state.leds);
  }

  inspect(): readonly DeviceFact[] {
    return [
      { name: 'scan code set', value: String(this.set), meaning: this.scanning ? 'scanning' : 'scanning is disabled' },
      { name: 'LEDs', value: hex(this.leds), meaning: bits(this.leds, ['Scroll Lock', 'Num Lock', 'Caps Lock']) },
      { name: 'typematic', value: hex(this.typematic), meaning: `delay ${(((this.typematic >>> 5) & 3) + 1) * 250} ms` },
      { name: 'buffer', value: `${this.queue.state.stream.length} bytes`, meaning: `${this.waiting.length} key events waiting` },
    ];
  }
}
