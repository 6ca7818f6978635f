/**
 * Two cascaded 8259A interrupt controllers as on a PC/AT, with the EISA edge/level control registers.
 * Source: Intel 8259A data sheet (order 231468), sections "Initialization Command Words" and "Operation Command Words".
 */
import type { Device, DeviceFact, InterruptLine, InterruptSource } from '../device';
import type { PortBus } from '../ports';
import { bits, hex, lines } from './notation';

/** Plain data, so that a snapshot is a copy of it. */
interface ChipState {
  /** Levels on the eight IR inputs. */
  inputs: number;
  /** Rising edges seen and not yet acknowledged. */
  edges: number;
  inService: number;
  mask: number;
  /** Inputs that are level-triggered by the ELCR. */
  elcr: number;
  /** ICW1.LTIM: all inputs are level-triggered. */
  levelMode: boolean;
  vectorBase: number;
  /** ICW3. */
  cascade: number;
  single: boolean;
  /** ICWs still to come: 0 operational, else the number of the next. */
  nextIcw: number;
  needsIcw4: boolean;
  /** ICW4. */
  autoEoi: boolean;
  buffered: number;
  fullyNestedSpecial: boolean;
  rotateOnAutoEoi: boolean;
  specialMask: boolean;
  /** The input with the lowest priority, 7 in fully nested order. */
  lowest: number;
  readInService: boolean;
  poll: boolean;
}

const powerOn = (): ChipState => ({
  inputs: 0,
  edges: 0,
  inService: 0,
  mask: 0,
  elcr: 0,
  levelMode: false,
  vectorBase: 0,
  cascade: 0,
  single: false,
  nextIcw: 0,
  needsIcw4: false,
  autoEoi: false,
  buffered: 0,
  fullyNestedSpecial: false,
  rotateOnAutoEoi: false,
  specialMask: false,
  lowest: 7,
  readInService: false,
  poll: false,
});

/** One 8259A. */
class Chip {
  state = powerOn();
  /** The INT output. */
  int = false;
  private readonly onInt: (asserted: boolean) => void;
  /** Inputs with a slave behind them. */
  private readonly slaves: number;

  constructor(slaves: number, onInt: (asserted: boolean) => void) {
    this.slaves = slaves;
    this.onInt = onInt;
  }

  /** Keeps the levels that other devices drive. */
  reset(): void {
    const { inputs } = this.state;
    this.state = powerOn();
    this.state.inputs = inputs;
    this.update();
  }

  private get levelTriggered(): number {
    return this.state.levelMode ? 0xff : this.state.elcr;
  }

  /** The interrupt request register: an edge counts as long as its input stays high. */
  get requests(): number {
    const { inputs, edges } = this.state;
    return inputs & (edges | this.levelTriggered);
  }

  setInput(input: number, high: boolean): void {
    const bit = 1 << input;
    const { state } = this;
    if (high === ((state.inputs & bit) !== 0)) return;
    if (high) {
      state.inputs |= bit;
      state.edges |= bit;
    } else {
      state.inputs &= ~bit;
      state.edges &= ~bit;
    }
    this.update();
  }

  /** Place in the priority order: 0 is the highest. */
  private rank(input: number): number {
    return (input - this.state.lowest - 1) & 7;
  }

  /** The input with the highest priority among the bits, or -1. */
  private highest(set: number): number {
    for (let rank = 0; rank < 8; rank++) {
      const input = (this.state.lowest + 1 + rank) & 7;
      if ((set >>> input) & 1) return input;
    }
    return -1;
  }

  /** The request that the priority resolver lets through, or -1. */
  private resolve(): number {
    const { state } = this;
    const request = this.highest(this.requests & ~state.mask);
    if (request < 0) return -1;
    const served = this.highest(state.specialMask ? state.inService & ~state.mask : state.inService);
    if (served < 0 || this.rank(request) < this.rank(served)) return request;
    // A slave is not locked out by its own request in service, so that its higher levels come through.
    return request === served && state.fullyNestedSpecial && (this.slaves >>> request) & 1 ? request : -1;
  }

  private update(): void {
    // An ICW sequence under way inhibits nothing on paper, but INT stays low until vectors are known.
    const int = this.state.nextIcw === 0 && this.resolve() >= 0;
    if (int === this.int) return;
    this.int = int;
    this.onInt(int);
  }

  /** The INTA cycle or a poll. @returns the input, or -1 where the request has gone (a spurious interrupt) */
  acknowledge(): number {
    const { state } = this;
    const input = this.resolve();
    if (input >= 0) {
      const bit = 1 << input;
      state.edges &= ~bit;
      if (!state.autoEoi) state.inService |= bit;
      else if (state.rotateOnAutoEoi) state.lowest = input;
    }
    // INT drops in the cycle, so that a master sees an edge for the next request.
    if (this.int) {
      this.int = false;
      this.onInt(false);
    }
    this.update();
    return input;
  }

  readCommand(): number {
    const { state } = this;
    if (state.poll) return this.pollRead();
    return state.readInService ? state.inService : this.requests;
  }

  readData(): number {
    return this.state.poll ? this.pollRead() : this.state.mask;
  }

  private pollRead(): number {
    this.state.poll = false;
    const input = this.acknowledge();
    return input < 0 ? 0 : 0x80 | input;
  }

  writeCommand(value: number): void {
    if (value & 0x10) this.initialize(value);
    else if (value & 0x08) this.operation3(value);
    else this.operation2(value);
    this.update();
  }

  /** ICW1. */
  private initialize(value: number): void {
    const { inputs, elcr, vectorBase, cascade } = this.state;
    this.state = { ...powerOn(), inputs, elcr, vectorBase, cascade };
    this.state.levelMode = (value & 0x08) !== 0;
    this.state.single = (value & 0x02) !== 0;
    this.state.needsIcw4 = (value & 0x01) !== 0;
    this.state.nextIcw = 2;
  }

  /** OCW3: special mask mode, poll, the register to read. */
  private operation3(value: number): void {
    const { state } = this;
    if (value & 0x40) state.specialMask = (value & 0x20) !== 0;
    if (value & 0x04) state.poll = true;
    else if (value & 0x02) state.readInService = (value & 0x01) !== 0;
  }

  /** OCW2: ends of interrupt and priority rotation, by its R, SL and EOI bits. */
  private operation2(value: number): void {
    const { state } = this;
    const level = value & 7;
    switch (value >>> 5) {
      case 0b000:
        state.rotateOnAutoEoi = false;
        break;
      case 0b100:
        state.rotateOnAutoEoi = true;
        break;
      case 0b001:
      case 0b101: {
        // In special mask mode a masked level stays in service.
        const served = this.highest(state.specialMask ? state.inService & ~state.mask : state.inService);
        if (served < 0) break;
        state.inService &= ~(1 << served);
        if (value & 0x80) state.lowest = served;
        break;
      }
      case 0b011:
        state.inService &= ~(1 << level);
        break;
      case 0b111:
        state.inService &= ~(1 << level);
        state.lowest = level;
        break;
      case 0b110:
        state.lowest = level;
        break;
      case 0b010:
        break;
    }
  }

  writeData(value: number): void {
    const { state } = this;
    switch (state.nextIcw) {
      case 0:
        state.mask = value;
        break;
      case 2:
        state.vectorBase = value & 0xf8;
        state.nextIcw = !state.single ? 3 : state.needsIcw4 ? 4 : 0;
        break;
      case 3:
        state.cascade = value;
        state.nextIcw = state.needsIcw4 ? 4 : 0;
        break;
      case 4:
        state.fullyNestedSpecial = (value & 0x10) !== 0;
        state.buffered = (value >>> 2) & 3;
        state.autoEoi = (value & 0x02) !== 0;
        state.nextIcw = 0;
        break;
    }
    this.update();
  }

  setElcr(value: number): void {
    this.state.elcr = value;
    this.update();
  }

  load(state: ChipState): void {
    this.state = { ...state };
    this.int = state.nextIcw === 0 && this.resolve() >= 0;
  }

  facts(prefix: string, first: number): DeviceFact[] {
    const { state } = this;
    const modes = bits(
      (state.autoEoi ? 1 : 0) |
        (state.specialMask ? 2 : 0) |
        (state.fullyNestedSpecial ? 4 : 0) |
        (state.poll ? 8 : 0) |
        (state.levelMode ? 16 : 0),
      ['AEOI', 'SMM', 'SFNM', 'poll', 'LTIM'],
    );
    return [
      { name: `${prefix} IRR`, value: hex(this.requests), meaning: `requesting: ${lines(this.requests, first)}` },
      { name: `${prefix} ISR`, value: hex(state.inService), meaning: `in service: ${lines(state.inService, first)}` },
      { name: `${prefix} IMR`, value: hex(state.mask), meaning: `masked: ${lines(state.mask, first)}` },
      { name: `${prefix} ELCR`, value: hex(state.elcr), meaning: `level-triggered: ${lines(state.elcr, first)}` },
      { name: `${prefix} vectors`, value: hex(state.vectorBase), meaning: `IRQ ${first} is vector ${state.vectorBase}` },
      { name: `${prefix} modes`, value: modes, meaning: `lowest priority: IRQ ${first + state.lowest}` },
    ];
  }
}

/** Inputs that a PC fixes as edge-triggered: 0 to 2 on the master, 8 and 13 on the slave. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;

/** The pair at ports 0x20, 0xA0 and 0x4D0, slave on IRQ 2. */
export class Pic implements Device, InterruptSource {
  readonly name = 'pic';
  /** INTR. */
  pending = false;
  /** Called when INTR changes. */
  onChange: () => void = () => {};
  private readonly slave: Chip;
  private readonly master: Chip;

  constructor() {
    this.master = new Chip(0x04, (asserted) => {
      this.pending = asserted;
      this.onChange();
    });
    this.slave = new Chip(0, (asserted) => this.master.setInput(2, asserted));
  }

  attach(ports: PortBus): void {
    for (const [base, chip] of [
      [0x20, this.master],
      [0xa0, this.slave],
    ] as const) {
      ports.connect(base, 2, {
        read: (port) => (port & 1 ? chip.readData() : chip.readCommand()),
        write: (port, _size, value) => (port & 1 ? chip.writeData(value) : chip.writeCommand(value)),
      });
    }
    const chips = [this.master, this.slave];
    ports.connect(0x4d0, 2, {
      read: (port) => chips[port & 1].state.elcr,
      write: (port, _size, value) => chips[port & 1].setElcr(value & ELCR_WRITABLE[port & 1]),
    });
  }

  /** @param irq 0 to 15; 2 is the cascade and belongs to no device */
  line(irq: number): InterruptLine {
    const chip = irq < 8 ? this.master : this.slave;
    return { set: (asserted) => chip.setInput(irq & 7, asserted) };
  }

  acknowledge(): number {
    const input = this.master.acknowledge();
    const { vectorBase, single } = this.master.state;
    if (input !== 2 || single) return vectorBase + (input < 0 ? 7 : input);
    const slaveInput = this.slave.acknowledge();
    return this.slave.state.vectorBase + (slaveInput < 0 ? 7 : slaveInput);
  }

  /** Whether this IRQ could interrupt the processor if its device asked now: neither masked nor being initialized. */
  unmasked(irq: number): boolean {
    const chip = irq < 8 ? this.master : this.slave;
    const open = chip.state.nextIcw === 0 && !((chip.state.mask >>> (irq & 7)) & 1);
    return open && (irq < 8 || this.unmasked(2));
  }

  reset(): void {
    this.slave.reset();
    this.master.reset();
  }

  save(): { master: ChipState; slave: ChipState } {
    return { master: { ...this.master.state }, slave: { ...this.slave.state } };
  }

  load(state: { master: ChipState; slave: ChipState }): void {
    this.slave.load(state.slave);
    this.master.load(state.master);
    this.pending = this.master.int;
    this.onChange();
  }

  inspect(): readonly DeviceFact[] {
    return [...this.master.facts('master', 0), ...this.slave.facts('slave', 8)];
  }
}
