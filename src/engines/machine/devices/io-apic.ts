/**
 * I/O APIC with 24 inputs. Sources: Intel 82093AA data sheet (order 290566); for the EOI register, ICH data sheets'
 * "I/O APIC" (version 0x20).
 */
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { MmioHandler, PhysicalMemory } from '../physical-memory';
import { DeliveryMode, DELIVERY_NAMES, type EndListener, type InterruptBus } from './interrupt-bus';
import { hex, lines } from './notation';

export const IO_APIC_ADDRESS = 0xfec00000;
export const IO_APIC_INPUTS = 24;
const VERSION = 0x20;
const WINDOW_SIZE = 0x1000;

/** Low half of a redirection entry. */
const ENTRY = { logical: 1 << 11, status: 1 << 12, activeLow: 1 << 13, remoteIrr: 1 << 14, level: 1 << 15, masked: 1 << 16 } as const;
const WRITABLE = 0x1afff;

interface IoApicState {
  id: number;
  select: number;
  /** Low and high halves of each redirection entry. */
  low: number[];
  high: number[];
  /** Voltage levels of the inputs. */
  inputs: number;
  /** Edges that no APIC has taken yet: delivery status. */
  waiting: number;
}

export class IoApic implements Device, EndListener {
  readonly name = 'ioapic';
  private readonly bus: InterruptBus;
  private state: IoApicState;

  constructor(bus: InterruptBus) {
    this.bus = bus;
    this.state = powerOn(0);
    bus.listeners.push(this);
  }

  map(memory: PhysicalMemory): void {
    const handler: MmioHandler = {
      read: (offset, size) => this.readMemory(offset, size),
      write: (offset, size, value) => this.writeMemory(offset, size, value),
    };
    memory.addMmio(IO_APIC_ADDRESS, WINDOW_SIZE, handler);
  }

  /** @param input 0 to 23 */
  line(input: number): InterruptLine {
    return { set: (asserted) => this.setInput(input, asserted) };
  }

  private setInput(input: number, high: boolean): void {
    const bit = 1 << input;
    const { state } = this;
    if (high === ((state.inputs & bit) !== 0)) return;
    if (high) state.inputs |= bit;
    else state.inputs &= ~bit;
    if (this.asserted(input) && !(state.low[input] & ENTRY.level)) {
      // An edge at a masked input is lost.
      if (state.low[input] & ENTRY.masked) return;
      state.waiting |= bit;
    }
    this.service(input);
  }

  private asserted(input: number): boolean {
    const high = ((this.state.inputs >>> input) & 1) !== 0;
    return high !== ((this.state.low[input] & ENTRY.activeLow) !== 0);
  }

  /** Sends what an input asks for, once. */
  private service(input: number): void {
    const { state } = this;
    const entry = state.low[input];
    if (entry & ENTRY.masked) return;
    const bit = 1 << input;
    const level = (entry & ENTRY.level) !== 0;
    if (level ? !this.asserted(input) || (entry & ENTRY.remoteIrr) !== 0 : !(state.waiting & bit)) return;
    const mode = (entry >>> 8) & 7;
    // SMI, NMI and INIT are edge-triggered whatever the entry says. ExtINT reaches nobody: the 8259 is at LINT0.
    const byLevel = level && mode <= DeliveryMode.lowestPriority;
    state.waiting &= ~bit;
    const accepted = this.bus.send(
      { id: state.high[input] >>> 24, logical: (entry & ENTRY.logical) !== 0, bits: 8 },
      { mode, vector: entry & 0xff, level: byLevel },
    );
    if (accepted && byLevel) state.low[input] |= ENTRY.remoteIrr;
  }

  endOfInterrupt(vector: number): void {
    const { low } = this.state;
    for (let input = 0; input < IO_APIC_INPUTS; input++) {
      if ((low[input] & 0xff) !== vector || !(low[input] & ENTRY.remoteIrr)) continue;
      low[input] &= ~ENTRY.remoteIrr;
      this.service(input);
    }
  }

  private readRegister(): number {
    const { state } = this;
    const { select } = state;
    if (select === 0 || select === 2) return (state.id << 24) >>> 0;
    if (select === 1) return ((IO_APIC_INPUTS - 1) << 16) | VERSION;
    const input = (select - 0x10) >> 1;
    if (input < 0 || input >= IO_APIC_INPUTS) return 0;
    const status = (state.waiting >>> input) & 1 ? ENTRY.status : 0;
    return (select & 1 ? state.high[input] : state.low[input] | status) >>> 0;
  }

  private writeRegister(value: number): void {
    const { state } = this;
    const { select } = state;
    if (select === 0) {
      state.id = (value >>> 24) & 15;
      return;
    }
    const input = (select - 0x10) >> 1;
    if (input < 0 || input >= IO_APIC_INPUTS) return;
    if (select & 1) {
      state.high[input] = (value & 0xff000000) >>> 0;
      return;
    }
    // Remote IRR is read-only; an entry that becomes edge-triggered forgets it, which is how kernels clear a stuck one.
    const kept = value & ENTRY.level ? state.low[input] & ENTRY.remoteIrr : 0;
    state.low[input] = (value & WRITABLE) | kept;
    if (value & (ENTRY.level | ENTRY.masked)) state.waiting &= ~(1 << input);
    this.service(input);
  }

  private readMemory(offset: number, size: number): number {
    const register = offset & 0xfff & ~3;
    const value = register === 0 ? this.state.select : register === 0x10 ? this.readRegister() : 0;
    const shifted = value >>> ((offset & 3) * 8);
    return size === 4 ? shifted : shifted & (2 ** (8 * size) - 1);
  }

  private writeMemory(offset: number, size: number, value: number): void {
    switch (offset) {
      case 0x00:
        this.state.select = value & 0xff;
        break;
      case 0x10:
        // The window takes double words only.
        if (size === 4) this.writeRegister(value);
        break;
      case 0x40:
        this.endOfInterrupt(value & 0xff);
        break;
    }
  }

  reset(): void {
    this.state = powerOn(this.state.inputs);
  }

  save(): IoApicState {
    return structuredClone(this.state);
  }

  load(state: IoApicState): void {
    this.state = structuredClone(state);
  }

  inspect(): readonly DeviceFact[] {
    const { state } = this;
    return [
      { name: 'ID', value: hex(state.id), meaning: `version ${hex(VERSION)}, ${IO_APIC_INPUTS} inputs` },
      { name: 'inputs', value: hex(state.inputs, 6), meaning: `high: ${lines(state.inputs)}` },
      ...state.low.map((low, i) => ({
        name: `input ${i}`,
        value: `${hex(state.high[i], 8)} ${hex(low, 5)}`,
        meaning: describeEntry(low, state.high[i]),
      })),
    ];
  }
}

const powerOn = (inputs: number): IoApicState => ({
  id: 0,
  select: 0,
  low: new Array<number>(IO_APIC_INPUTS).fill(ENTRY.masked),
  high: new Array<number>(IO_APIC_INPUTS).fill(0),
  inputs,
  waiting: 0,
});

function describeEntry(low: number, high: number): string {
  if (low & ENTRY.masked) return 'masked';
  const trigger = low & ENTRY.level ? 'level' : 'edge';
  const polarity = low & ENTRY.activeLow ? 'low' : 'high';
  const target = `${low & ENTRY.logical ? 'logical' : 'physical'} ${hex(high >>> 24)}`;
  const waiting = low & ENTRY.remoteIrr ? ', in service' : '';
  return `${DELIVERY_NAMES[(low >>> 8) & 7]}, vector ${hex(low & 0xff)}, ${trigger}, active ${polarity}, to ${target}${waiting}`;
}
