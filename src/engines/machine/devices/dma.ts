/**
 * The PC/AT's two 8237A DMA controllers and their page registers, as registers only: no device of this machine moves
 * data by them, but firmware and kernels program them. Source: Intel 8237A data sheet (order 231466).
 */
import type { Device, DeviceFact } from '../device';
import type { PortBus } from '../ports';
import { hex } from './notation';

interface ChannelState {
  baseAddress: number;
  baseCount: number;
  address: number;
  count: number;
  mode: number;
}

interface ControllerState {
  channels: ChannelState[];
  command: number;
  /** Terminal counts in bits 3:0; requests are computed. */
  status: number;
  request: number;
  mask: number;
  temporary: number;
  /** The next byte of an address or count is its high one. */
  highByte: boolean;
}

const powerOn = (): ControllerState => ({
  channels: Array.from({ length: 4 }, () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 })),
  command: 0,
  status: 0,
  request: 0,
  mask: 0x0f,
  temporary: 0,
  highByte: false,
});

/** One 8237A; registers are numbered 0 to 15. */
class Controller {
  state = powerOn();

  read(register: number): number {
    const { state } = this;
    if (register < 8) return this.readChannel(register);
    if (register === 8) {
      const value = state.status | (state.request << 4);
      state.status = 0;
      return value;
    }
    if (register === 13) return state.temporary;
    // Later chips read the mask at 15; the others are not readable.
    return register === 15 ? state.mask | 0xf0 : 0;
  }

  private readChannel(register: number): number {
    const channel = this.state.channels[register >> 1];
    const word = register & 1 ? channel.count : channel.address;
    const high = this.state.highByte;
    this.state.highByte = !high;
    return high ? word >>> 8 : word & 0xff;
  }

  private writeChannel(register: number, value: number): void {
    const channel = this.state.channels[register >> 1];
    const high = this.state.highByte;
    this.state.highByte = !high;
    const merge = (word: number): number => (high ? (word & 0xff) | (value << 8) : (word & 0xff00) | value);
    if (register & 1) channel.count = channel.baseCount = merge(channel.baseCount);
    else channel.address = channel.baseAddress = merge(channel.baseAddress);
  }

  write(register: number, value: number): void {
    const { state } = this;
    const bit = 1 << (value & 3);
    if (register < 8) return this.writeChannel(register, value);
    switch (register) {
      case 8:
        state.command = value;
        break;
      case 9:
        state.request = value & 4 ? state.request | bit : state.request & ~bit;
        break;
      case 10:
        state.mask = value & 4 ? state.mask | bit : state.mask & ~bit;
        break;
      case 11:
        state.channels[value & 3].mode = value & 0xfc;
        break;
      case 12:
        state.highByte = false;
        break;
      case 13: {
        // Master clear: as a reset, addresses and counts stay.
        const { channels } = state;
        this.state = { ...powerOn(), channels };
        break;
      }
      case 14:
        state.mask = 0;
        break;
      case 15:
        state.mask = value & 0x0f;
        break;
    }
  }
}

/** Page register by channel. 4 is the cascade and gives the refresh's page. */
const PAGE_PORTS = [0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a] as const;

interface DmaState {
  controllers: ControllerState[];
  pages: number[];
}

export class Dma implements Device {
  readonly name = 'dma';
  private readonly controllers = [new Controller(), new Controller()];
  /** Ports 0x80 to 0x8f; 0x80 belongs to the POST codes. */
  private pages = new Array<number>(16).fill(0);

  attach(ports: PortBus): void {
    const [low, high] = this.controllers;
    ports.connect(0x00, 16, { read: (port) => low.read(port), write: (port, _size, value) => low.write(port, value) });
    ports.connect(0xc0, 32, {
      read: (port) => high.read((port - 0xc0) >> 1),
      write: (port, _size, value) => high.write((port - 0xc0) >> 1, value),
    });
    ports.connect(0x81, 15, {
      read: (port) => this.pages[port & 15],
      write: (port, _size, value) => {
        this.pages[port & 15] = value;
      },
    });
  }

  reset(): void {
    for (const controller of this.controllers) controller.state = powerOn();
    this.pages.fill(0);
  }

  save(): DmaState {
    return structuredClone({ controllers: this.controllers.map(({ state }) => state), pages: this.pages });
  }

  load(state: DmaState): void {
    const copy = structuredClone(state);
    this.controllers.forEach((controller, i) => {
      controller.state = copy.controllers[i];
    });
    this.pages = copy.pages;
  }

  inspect(): readonly DeviceFact[] {
    return this.controllers.flatMap(({ state }, i) =>
      state.channels.map(({ address, count, mode }, j) => ({
        name: `channel ${i * 4 + j}`,
        value: `${hex(this.pages[PAGE_PORTS[i * 4 + j] & 15])}:${hex(address, 4)}, count ${hex(count, 4)}`,
        meaning: `mode ${hex(mode)}, ${(state.mask >>> j) & 1 ? 'masked' : 'open'}${(state.request >>> j) & 1 ? ', requested by software' : ''}`,
      })),
    );
  }
}
