/**
 * 8042 keyboard controller with an auxiliary port. Source: IBM Personal System/2 Hardware Interface Technical Reference,
 * "Keyboard and Auxiliary Device Controller"; QEMU's answers where it leaves a choice.
 */
import type { MachineControl } from '../control';
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { PortBus } from '../ports';
import { bits, hex } from './notation';
import type { Ps2Device } from './ps2';
import { translateSet2 } from './scancodes';

const STATUS = { outputFull: 0x01, system: 0x04, command: 0x08, unlocked: 0x10, auxOutput: 0x20 } as const;
const MODE = {
  keyboardInterrupt: 0x01,
  auxInterrupt: 0x02,
  system: 0x04,
  keyboardDisabled: 0x10,
  auxDisabled: 0x20,
  translate: 0x40,
} as const;
const OUTPUT = { notReset: 0x01, a20: 0x02, keyboardFull: 0x10, auxFull: 0x20 } as const;
const NAMES = {
  status: ['OBF', 'IBF', 'SYS', 'command', 'unlocked', 'aux OBF', 'timeout', 'parity'],
  mode: ['IRQ 1', 'IRQ 12', 'SYS', '', 'keyboard off', 'aux off', 'translate'],
} as const;

interface ControllerState {
  mode: number;
  /** Output port bits that are latched: reset, A20 and the unused ones. */
  output: number;
  /** The output buffer. */
  data: number;
  full: boolean;
  aux: boolean;
  /** The last write went to port 0x64. */
  lastWasCommand: boolean;
  /** The command whose data byte comes next, or 0. */
  awaiting: number;
  /** Break prefix seen while translating. */
  breaking: boolean;
  /** The controller's own answers: [byte, goes to the aux side]. */
  answers: [number, boolean][];
  /** Internal RAM, 32 bytes; byte 0 is the command byte. */
  ram: number[];
}

const powerOn = (): ControllerState => ({
  mode: MODE.keyboardInterrupt | MODE.auxInterrupt,
  output: 0xcf,
  data: 0,
  full: false,
  aux: false,
  lastWasCommand: true,
  awaiting: 0,
  breaking: false,
  answers: [],
  ram: new Array<number>(32).fill(0),
});

export interface KeyboardControllerOptions {
  keyboard: Ps2Device;
  /** Absent: the auxiliary port exists but nothing answers on it. */
  mouse?: Ps2Device;
  irq1: InterruptLine;
  irq12: InterruptLine;
  control: MachineControl;
  setA20: (enabled: boolean) => void;
}

export class KeyboardController implements Device {
  readonly name = 'kbc';
  private readonly options: KeyboardControllerOptions;
  private state = powerOn();

  constructor(options: KeyboardControllerOptions) {
    this.options = options;
    options.keyboard.onReady = () => this.pump();
    if (options.mouse) options.mouse.onReady = () => this.pump();
  }

  attach(ports: PortBus): void {
    ports.connect(0x60, 1, { read: () => this.readData(), write: (_port, _size, value) => this.writeData(value) });
    ports.connect(0x64, 1, { read: () => this.status, write: (_port, _size, value) => this.command(value) });
  }

  private get status(): number {
    const { state } = this;
    return (
      (state.full ? STATUS.outputFull : 0) |
      (state.full && state.aux ? STATUS.auxOutput : 0) |
      (state.mode & MODE.system ? STATUS.system : 0) |
      (state.lastWasCommand ? STATUS.command : 0) |
      STATUS.unlocked
    );
  }

  private updateIrqs(): void {
    const { state, options } = this;
    options.irq1.set(
      state.full && !state.aux && (state.mode & (MODE.keyboardInterrupt | MODE.keyboardDisabled)) === MODE.keyboardInterrupt,
    );
    options.irq12.set(state.full && state.aux && (state.mode & (MODE.auxInterrupt | MODE.auxDisabled)) === MODE.auxInterrupt);
  }

  /** Fills the output buffer from the controller itself, the keyboard or the mouse, in this order. */
  private pump(): void {
    const { state, options } = this;
    const { keyboard, mouse } = options;
    while (!state.full) {
      const answer = state.answers.shift();
      if (answer) this.fill(...answer);
      else if (!(state.mode & MODE.keyboardDisabled) && keyboard.ready) this.fromKeyboard(keyboard.take());
      else if (mouse && !(state.mode & MODE.auxDisabled) && mouse.ready) this.fill(mouse.take(), true);
      else break;
    }
    this.updateIrqs();
  }

  private fill(byte: number, aux: boolean): void {
    this.state.data = byte;
    this.state.full = true;
    this.state.aux = aux;
  }

  private fromKeyboard(byte: number): void {
    const { state } = this;
    if (!(state.mode & MODE.translate)) {
      this.fill(byte, false);
    } else if (byte === 0xf0) {
      state.breaking = true;
    } else {
      this.fill(translateSet2(byte) | (state.breaking ? 0x80 : 0), false);
      state.breaking = false;
    }
  }

  private answer(byte: number, aux = false): void {
    this.state.answers.push([byte, aux]);
    this.pump();
  }

  private readData(): number {
    const { data } = this.state;
    if (this.state.full) {
      this.state.full = false;
      // The line falls before the next byte raises it again.
      this.updateIrqs();
      this.pump();
    }
    return data;
  }

  private setMode(mode: number): void {
    this.state.mode = mode;
    this.state.ram[0] = mode;
    this.pump();
  }

  private get outputPort(): number {
    const { full, aux, output } = this.state;
    return output | (full && !aux ? OUTPUT.keyboardFull : 0) | (full && aux ? OUTPUT.auxFull : 0);
  }

  private writeOutputPort(value: number): void {
    this.state.output = (value & ~(OUTPUT.keyboardFull | OUTPUT.auxFull)) | OUTPUT.notReset;
    this.options.setA20((value & OUTPUT.a20) !== 0);
    if (!(value & OUTPUT.notReset)) this.options.control.reset('keyboard controller output port');
  }

  /** A write to port 0x64. */
  private command(command: number): void {
    const { state } = this;
    state.lastWasCommand = true;
    state.awaiting = 0;
    if (command >= 0x20 && command < 0x40) {
      this.answer(command === 0x20 ? state.mode : state.ram[command & 0x1f]);
    } else if (command >= 0x60 && command < 0x80) {
      state.awaiting = command;
    } else if (command >= 0xf0) {
      // Pulses the output port's bits that are 0 in the command; only bit 0 leads anywhere.
      if (!(command & 1)) this.options.control.reset('keyboard controller pulse');
    } else {
      this.singleCommand(command);
    }
  }

  private singleCommand(command: number): void {
    const { state, options } = this;
    switch (command) {
      case 0xa4: // no password is installed
        return this.answer(0xf1);
      case 0xa7:
        return this.setMode(state.mode | MODE.auxDisabled);
      case 0xa8:
        return this.setMode(state.mode & ~MODE.auxDisabled);
      case 0xa9: // auxiliary interface test: no error, or "clock line stuck high" with nothing connected
        return this.answer(options.mouse ? 0x00 : 0x02);
      case 0xaa:
        state.mode |= MODE.system;
        return this.answer(0x55);
      case 0xab:
        return this.answer(0x00);
      case 0xad:
        return this.setMode(state.mode | MODE.keyboardDisabled);
      case 0xae:
        return this.setMode(state.mode & ~MODE.keyboardDisabled);
      case 0xc0: // input port: keyboard not inhibited
        return this.answer(0x80);
      case 0xd0:
        return this.answer(this.outputPort);
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        state.awaiting = command;
        return;
      case 0xdd:
        return this.writeOutputPort(state.output & ~OUTPUT.a20);
      case 0xdf:
        return this.writeOutputPort(state.output | OUTPUT.a20);
      case 0xe0: // test inputs: both clocks as the interfaces hold them
        return this.answer((state.mode & MODE.keyboardDisabled ? 0 : 1) | (state.mode & MODE.auxDisabled ? 0 : 2));
      // All others do nothing on this controller.
    }
  }

  /** A write to port 0x60. */
  private writeData(value: number): void {
    const { state, options } = this;
    const { awaiting } = state;
    state.lastWasCommand = false;
    state.awaiting = 0;
    if (awaiting === 0x60) return this.setMode(value);
    if (awaiting > 0x60 && awaiting < 0x80) {
      state.ram[awaiting & 0x1f] = value;
      return;
    }
    switch (awaiting) {
      case 0xd1:
        return this.writeOutputPort(value);
      case 0xd2:
        return this.answer(value);
      case 0xd3:
        return this.answer(value, true);
      case 0xd4:
        state.mode &= ~MODE.auxDisabled;
        options.mouse?.write(value);
        return this.pump();
      default:
        // Sending to the keyboard opens its clock line.
        state.mode &= ~MODE.keyboardDisabled;
        options.keyboard.write(value);
        this.pump();
    }
  }

  reset(): void {
    this.state = powerOn();
    this.updateIrqs();
  }

  save(): ControllerState {
    return structuredClone(this.state);
  }

  load(state: ControllerState): void {
    this.state = structuredClone(state);
    this.updateIrqs();
  }

  inspect(): readonly DeviceFact[] {
    const { state, status } = this;
    return [
      { name: 'status', value: hex(status), meaning: bits(status, NAMES.status) },
      { name: 'command byte', value: hex(state.mode), meaning: bits(state.mode, NAMES.mode) },
      {
        name: 'output buffer',
        value: hex(state.data),
        meaning: state.full ? (state.aux ? 'from the mouse' : 'waits to be read') : 'already read',
      },
      { name: 'output port', value: hex(this.outputPort), meaning: state.output & OUTPUT.a20 ? 'A20 opened here' : 'A20 closed here' },
    ];
  }
}
