/** A processor's local APIC: xAPIC and x2APIC (manual, "Advanced Programmable Interrupt Controller (APIC)"). */
import type { Clock } from '../clock';
import type { Device, DeviceFact, InterruptSource } from '../device';
import { ApicTimer, type ApicTimerState, type TimeStampSource } from './apic-timer';
import {
  type Destination,
  DeliveryMode,
  DELIVERY_NAMES,
  type InterruptBus,
  type InterruptMessage,
  type InterruptReceiver,
} from './interrupt-bus';
import {
  ApicBase,
  ApicError,
  ApicRegister as R,
  ERROR_NAMES,
  Lvt,
  LVT_ACTIVE_LOW,
  LVT_LEVEL,
  LVT_MASKED,
  LVT_NAMES,
  LVT_REMOTE_IRR,
  RULES,
} from './local-apic-registers';
import { bits, hex } from './notation';

/** What the APIC tells its processor. */
export interface ProcessorSignals {
  /** `pending` may have changed. */
  interruptChanged(): void;
  nmi(): void;
  smi(): void;
  /** INIT; the APIC's own registers have been reset already. */
  init(): void;
  /** Start-up IPI: a processor that waits for one starts at `vector` << 12, others ignore it. */
  startup(vector: number): void;
  /** The APIC's page moved, or IA32_APIC_BASE's enables changed (CPUID.01H:EDX.APIC follows bit 11). */
  apicBaseChanged(): void;
}

const NO_SIGNALS: ProcessorSignals = {
  interruptChanged: () => {},
  nmi: () => {},
  smi: () => {},
  init: () => {},
  startup: () => {},
  apicBaseChanged: () => {},
};

export const APIC_BASE_ADDRESS = 0xfee00000;
const IA32_APIC_BASE = 0x1b;
const IA32_TSC_DEADLINE = 0x6e0;
const X2APIC_FIRST = 0x800;
/** Version 0x14, six local vectors. */
const VERSION = 0x50014;
const SOFTWARE_ENABLED = 0x100;
const LOWEST_VECTOR = 16;
const CLUSTER_MODEL = 0;
const SHORTHAND = { none: 0, self: 1, all: 2, others: 3 } as const;

interface LocalApicState {
  /** IA32_APIC_BASE, low and high 32 bits. */
  base: number;
  baseHigh: number;
  taskPriority: number;
  logicalDestination: number;
  destinationFormat: number;
  spurious: number;
  inService: number[];
  triggerMode: number[];
  request: number[];
  /** ESR as read, and what the next write of it will show. */
  errorStatus: number;
  errors: number;
  commandLow: number;
  commandHigh: number;
  lvt: number[];
  /** Levels on LINT0 and LINT1. */
  pins: number;
  timer?: ApicTimerState;
}

export interface LocalApicParts {
  /** APIC ID. */
  readonly id: number;
  readonly clock: Clock;
  readonly bus: InterruptBus;
  /** What stands behind LINT0. */
  readonly pic: InterruptSource;
}

export class LocalApic implements Device, InterruptSource, InterruptReceiver {
  readonly name: string;
  readonly id: number;
  /** INTR to the processor, from here or through LINT0 from the 8259. */
  pending = false;
  signals: ProcessorSignals = NO_SIGNALS;
  /** The processor's own; until it gives it, a counter of virtual nanoseconds. */
  timeStamp: TimeStampSource;
  /** MAXPHYADDR, 32 or more: higher bits of IA32_APIC_BASE are reserved. */
  physicalBits = 36;
  /** Called when `page` changes. */
  onPage: () => void = () => {};
  private readonly bus: InterruptBus;
  private readonly pic: InterruptSource;
  private readonly timer: ApicTimer;
  private state: LocalApicState;
  /** Processor priority, worked out when what it depends on changes. */
  private priority = 0;

  constructor({ id, clock, bus, pic }: LocalApicParts) {
    this.id = id;
    this.name = `lapic${id}`;
    this.bus = bus;
    this.pic = pic;
    this.timeStamp = { read: () => clock.now, timeOf: (value) => value };
    const timeStamp: TimeStampSource = { read: () => this.timeStamp.read(), timeOf: (value) => this.timeStamp.timeOf(value) };
    this.timer = new ApicTimer(clock, timeStamp, () => this.raiseLocal(Lvt.timer));
    this.state = this.powerOn();
    bus.receivers.push(this);
  }

  // --- enables

  /** IA32_APIC_BASE bit 11: without it the processor has no local APIC, and LINT0 and LINT1 are INTR and NMI. */
  get globallyEnabled(): boolean {
    return (this.state.base & ApicBase.enabled) !== 0;
  }

  get x2apic(): boolean {
    return (this.state.base & ApicBase.x2apic) !== 0;
  }

  /** Chosen to boot the machine. */
  get bootstrap(): boolean {
    return (this.state.base & ApicBase.bootstrap) !== 0;
  }

  private get softwareEnabled(): boolean {
    return this.globallyEnabled && (this.state.spurious & SOFTWARE_ENABLED) !== 0;
  }

  /** Physical address of the registers; undefined where they are not in memory, or above the 4 GiB that there are. */
  get page(): number | undefined {
    return this.globallyEnabled && !this.x2apic && this.state.baseHigh === 0 ? (this.state.base & 0xfffff000) >>> 0 : undefined;
  }

  // --- RESET# and INIT

  /** State after RESET#. Like QEMU's, the bootstrap processor begins as a BIOS leaves it: in virtual-wire mode. */
  private powerOn(): LocalApicState {
    const bootstrap = this.id === 0;
    const state = this.initialized((APIC_BASE_ADDRESS | ApicBase.enabled | (bootstrap ? ApicBase.bootstrap : 0)) >>> 0);
    if (bootstrap) state.lvt[Lvt.lint0] = DeliveryMode.extInt << 8;
    return state;
  }

  /** Manual, "Local APIC State After Power-Up or Reset". */
  private initialized(base: number): LocalApicState {
    return {
      base,
      baseHigh: 0,
      taskPriority: 0,
      logicalDestination: 0,
      destinationFormat: 0xffffffff,
      spurious: 0xff,
      inService: new Array<number>(8).fill(0),
      triggerMode: new Array<number>(8).fill(0),
      request: new Array<number>(8).fill(0),
      errorStatus: 0,
      errors: 0,
      commandLow: 0,
      commandHigh: 0,
      lvt: new Array<number>(6).fill(LVT_MASKED),
      pins: this.state?.pins ?? 0,
    };
  }

  private restart(state: LocalApicState): void {
    const { page } = this;
    this.state = state;
    this.timer.reset();
    if (page !== this.page) this.onPage();
    this.update();
    this.signals.apicBaseChanged();
  }

  reset(): void {
    this.restart(this.powerOn());
  }

  /** INIT: everything but the ID, the base and the mode. */
  private initialize(): void {
    this.restart({ ...this.initialized(this.state.base), baseHigh: this.state.baseHigh });
  }

  // --- interrupts to the processor

  private get softwarePriority(): number {
    const service = Math.max(0, highest(this.state.inService));
    const { taskPriority } = this.state;
    return (taskPriority & 0xf0) >= (service & 0xf0) ? taskPriority : service & 0xf0;
  }

  /** The 8259 reaches the processor: through LINT0 in ExtINT mode, or past an APIC that is off. */
  private get passesPic(): boolean {
    if (!this.globallyEnabled) return this.bootstrap;
    const entry = this.state.lvt[Lvt.lint0];
    return (entry & LVT_MASKED) === 0 && ((entry >>> 8) & 7) === DeliveryMode.extInt;
  }

  /** The vector that waits and is let through by the priorities, or -1. */
  private get deliverable(): number {
    if (!this.softwareEnabled) return -1;
    const vector = highest(this.state.request);
    return vector >= 0 && (vector & 0xf0) > (this.priority & 0xf0) ? vector : -1;
  }

  private update(): void {
    this.priority = this.softwarePriority;
    const pending = this.deliverable >= 0 || (this.pic.pending && this.passesPic);
    if (pending === this.pending) return;
    this.pending = pending;
    this.signals.interruptChanged();
  }

  /** The INTA cycle: own interrupts come before the 8259's; where both are gone it is a spurious one. */
  acknowledge(): number {
    const vector = this.deliverable;
    if (vector >= 0) {
      setBit(this.state.request, vector, false);
      setBit(this.state.inService, vector, true);
      this.update();
      return vector;
    }
    if (!this.passesPic) return this.state.spurious & 0xff;
    const external = this.pic.acknowledge();
    this.update();
    return external;
  }

  /** CR8: the upper four bits of the task priority, 0 to 15. */
  get taskPriorityClass(): number {
    return this.state.taskPriority >>> 4;
  }

  set taskPriorityClass(value: number) {
    this.state.taskPriority = (value & 15) << 4;
    this.update();
  }

  // --- interrupts from elsewhere

  matches({ id, logical, bits: width }: Destination): boolean {
    if (!this.globallyEnabled) return false;
    if (id === (width === 8 && !logical ? 0xff : 0xffffffff)) return true;
    if (!logical) return id === this.id;
    if (this.x2apic) return this.id >>> 4 === id >>> 16 && ((id >>> (this.id & 15)) & 1) !== 0;
    const own = this.state.logicalDestination >>> 24;
    const wanted = id & 0xff;
    if (id > 0xff) return false;
    if (this.state.destinationFormat >>> 28 !== CLUSTER_MODEL) return (own & wanted) !== 0;
    return (wanted >>> 4 === 15 || wanted >>> 4 === own >>> 4) && (wanted & own & 15) !== 0;
  }

  get arbitrationPriority(): number | undefined {
    if (!this.softwareEnabled) return undefined;
    const { taskPriority, inService, request } = this.state;
    const service = Math.max(0, highest(inService));
    const waiting = Math.max(0, highest(request));
    const task = taskPriority & 0xf0;
    // Manual, "Arbitration Priority Register": the task priority whole where its class leads, else the leading class.
    return task >= (waiting & 0xf0) && task > (service & 0xf0) ? taskPriority : Math.max(task, service & 0xf0, waiting & 0xf0);
  }

  accept({ mode, vector, level }: InterruptMessage): boolean {
    if (!this.globallyEnabled) return false;
    switch (mode) {
      case DeliveryMode.fixed:
      case DeliveryMode.lowestPriority:
        return this.request(vector, level);
      case DeliveryMode.smi:
        this.signals.smi();
        return true;
      case DeliveryMode.nmi:
        this.signals.nmi();
        return true;
      case DeliveryMode.init:
        this.initialize();
        this.signals.init();
        return true;
      case DeliveryMode.startup:
        this.signals.startup(vector);
        return true;
      case DeliveryMode.extInt:
        // The 8259 holds the vector; with one in the machine it comes by LINT0.
        return false;
      default:
        return false;
    }
  }

  private request(vector: number, level: boolean): boolean {
    if (!this.softwareEnabled) return false;
    if (vector < LOWEST_VECTOR) {
      this.noteError(ApicError.receiveIllegalVector);
      return false;
    }
    setBit(this.state.request, vector, true);
    setBit(this.state.triggerMode, vector, level);
    this.update();
    return true;
  }

  /** @param pin 0 for LINT0, 1 for LINT1 */
  setPin(pin: 0 | 1, level: boolean): void {
    const { state } = this;
    const before = (state.pins >>> pin) & 1;
    state.pins = (state.pins & ~(1 << pin)) | (level ? 1 << pin : 0);
    this.pinChanged(pin, before !== 0);
  }

  private pinChanged(pin: 0 | 1, before: boolean): void {
    const level = ((this.state.pins >>> pin) & 1) !== 0;
    if (!this.globallyEnabled) {
      if (pin === 1 && level && !before) this.signals.nmi();
      this.update();
      return;
    }
    const index = Lvt.lint0 + pin;
    const entry = this.state.lvt[index];
    const mode = (entry >>> 8) & 7;
    if (mode === DeliveryMode.extInt) {
      this.update();
      return;
    }
    const low = (entry & LVT_ACTIVE_LOW) !== 0;
    const asserted = level !== low;
    const levelTriggered = mode === DeliveryMode.fixed && (entry & LVT_LEVEL) !== 0;
    if (levelTriggered ? asserted && !(entry & LVT_REMOTE_IRR) : asserted && before === low) this.raiseLocal(index);
    this.update();
  }

  /** An interrupt by the local vector table. */
  private raiseLocal(index: number): void {
    const entry = this.state.lvt[index];
    if (entry & LVT_MASKED) return;
    const hasMode = index !== Lvt.timer && index !== Lvt.error;
    const isPin = index === Lvt.lint0 || index === Lvt.lint1;
    const mode = hasMode ? (entry >>> 8) & 7 : DeliveryMode.fixed;
    // Only fixed interrupts of the pins can be level-triggered.
    const level = isPin && mode === DeliveryMode.fixed && (entry & LVT_LEVEL) !== 0;
    const accepted = this.accept({ mode, vector: entry & 0xff, level });
    if (accepted && level) this.state.lvt[index] |= LVT_REMOTE_IRR;
  }

  /** A performance counter overflowed. */
  performanceInterrupt(): void {
    this.raiseLocal(Lvt.performance);
    // The entry masks itself, until software has looked.
    this.state.lvt[Lvt.performance] |= LVT_MASKED;
  }

  private noteError(error: number): void {
    const { state } = this;
    const known = state.errors & error;
    state.errors |= error;
    // An illegal vector in the error's own entry would never end.
    if (!known && (state.lvt[Lvt.error] & 0xff) >= LOWEST_VECTOR) this.raiseLocal(Lvt.error);
  }

  private endOfInterrupt(): void {
    const { state } = this;
    const vector = highest(state.inService);
    if (vector < 0) return;
    setBit(state.inService, vector, false);
    if (bitOf(state.triggerMode, vector)) {
      this.bus.endOfInterrupt(vector);
      this.endOfPins(vector);
    }
    this.update();
  }

  /** A level-triggered pin that is still asserted asks again. */
  private endOfPins(vector: number): void {
    for (const pin of [0, 1] as const) {
      const entry = this.state.lvt[Lvt.lint0 + pin];
      if (!(entry & LVT_REMOTE_IRR) || (entry & 0xff) !== vector) continue;
      this.state.lvt[Lvt.lint0 + pin] = entry & ~LVT_REMOTE_IRR;
      this.pinChanged(pin, ((this.state.pins >>> pin) & 1) !== 0);
    }
  }

  // --- interrupt commands

  private sendCommand(): void {
    const { commandLow, commandHigh } = this.state;
    const mode = (commandLow >>> 8) & 7;
    const vector = commandLow & 0xff;
    const level = (commandLow & 0x8000) !== 0;
    if (mode === 3 || mode === DeliveryMode.extInt) return;
    // INIT level de-assert only set the arbitration IDs of older APICs.
    if (mode === DeliveryMode.init && level && !(commandLow & 0x4000)) return;
    if ((mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority) && vector < LOWEST_VECTOR) {
      this.noteError(ApicError.sendIllegalVector);
      return;
    }
    // Only INIT may be level-triggered; all else is edge-triggered whatever the bit says.
    const message: InterruptMessage = { mode, vector, level: false };
    switch ((commandLow >>> 18) & 3) {
      case SHORTHAND.none: {
        const id = this.x2apic ? commandHigh : commandHigh >>> 24;
        this.bus.send({ id, logical: (commandLow & 0x800) !== 0, bits: this.x2apic ? 32 : 8 }, message);
        break;
      }
      case SHORTHAND.self:
        // Only fixed interrupts may be sent to oneself.
        if (mode === DeliveryMode.fixed) this.request(vector, false);
        break;
      case SHORTHAND.all:
        this.bus.deliver(this.bus.receivers, message);
        break;
      case SHORTHAND.others:
        this.bus.deliver(
          this.bus.receivers.filter((receiver) => receiver !== this),
          message,
        );
        break;
    }
  }

  // --- registers

  /** A register that exists and may be read. */
  private read(register: number): number {
    const { state } = this;
    if (register >= R.inService && register < R.errorStatus) {
      const field = register < R.triggerMode ? state.inService : register < R.request ? state.triggerMode : state.request;
      return field[register & 7] >>> 0;
    }
    if (register >= R.timer && register <= R.error) return state.lvt[register - R.timer] >>> 0;
    switch (register) {
      case R.id:
        return this.x2apic ? this.id : (this.id << 24) >>> 0;
      case R.version:
        return VERSION;
      case R.taskPriority:
        return state.taskPriority;
      case R.arbitrationPriority:
        return this.arbitrationPriority ?? state.taskPriority;
      case R.processorPriority:
        return this.priority;
      case R.logicalDestination:
        return this.x2apic ? (((this.id >>> 4) << 16) | (1 << (this.id & 15))) >>> 0 : state.logicalDestination;
      case R.destinationFormat:
        return state.destinationFormat;
      case R.spurious:
        return state.spurious;
      case R.errorStatus:
        return state.errorStatus;
      case R.commandLow:
        return state.commandLow;
      case R.commandHigh:
        return state.commandHigh;
      case R.initialCount:
        return this.timer.initial;
      case R.currentCount:
        return this.timer.current;
      case R.divide:
        return this.timer.divide;
      default:
        return 0;
    }
  }

  /** A register that exists and may be written; reserved bits are gone from `value`. */
  private write(register: number, value: number): void {
    const { state } = this;
    if (register >= R.timer && register <= R.error) {
      this.writeLvt(register - R.timer, value);
      return;
    }
    switch (register) {
      case R.taskPriority:
        state.taskPriority = value;
        this.update();
        break;
      case R.endOfInterrupt:
        this.endOfInterrupt();
        break;
      case R.logicalDestination:
        state.logicalDestination = value;
        break;
      case R.destinationFormat:
        state.destinationFormat = (value | 0x0fffffff) >>> 0;
        break;
      case R.spurious:
        state.spurious = value;
        if (!(value & SOFTWARE_ENABLED)) for (let i = 0; i < state.lvt.length; i++) this.writeLvt(i, state.lvt[i]);
        this.update();
        break;
      case R.errorStatus:
        state.errorStatus = state.errors;
        state.errors = 0;
        break;
      case R.commandLow:
        state.commandLow = value;
        this.sendCommand();
        break;
      case R.commandHigh:
        state.commandHigh = value;
        break;
      case R.initialCount:
        this.timer.setInitial(value);
        break;
      case R.divide:
        this.timer.setDivide(value);
        break;
      case R.selfIpi:
        if (value < LOWEST_VECTOR) this.noteError(ApicError.sendIllegalVector);
        else this.request(value, false);
        break;
    }
  }

  /** While software has the APIC disabled, all entries are and stay masked. */
  private writeLvt(index: number, value: number): void {
    const { state } = this;
    const kept = state.lvt[index] & LVT_REMOTE_IRR;
    state.lvt[index] = value | kept | (state.spurious & SOFTWARE_ENABLED ? 0 : LVT_MASKED);
    if (index === Lvt.timer) this.timer.configure((value >>> 17) & 3, (state.lvt[index] & LVT_MASKED) !== 0);
    if (index === Lvt.lint0 || index === Lvt.lint1) {
      const pin = (index - Lvt.lint0) as 0 | 1;
      // A level that is there already counts; an edge has to come.
      this.pinChanged(pin, ((state.pins >>> pin) & 1) !== 0);
    }
  }

  /**
   * A read of the xAPIC's page. Registers are 32 bits at multiples of 16 bytes; narrower reads within them give their bytes.
   * @param offset 0 to 0xfff
   */
  readMemory(offset: number, size: 1 | 2 | 4): number {
    const register = offset >>> 4;
    const rule = RULES.get(register);
    if (!rule || rule.only === 'x2apic') {
      this.noteError(ApicError.illegalRegister);
      return 0;
    }
    if (rule.writeOnly || (offset & 15) + size > 4) return 0;
    const value = this.read(register) >>> ((offset & 3) * 8);
    return size === 4 ? value : value & (2 ** (8 * size) - 1);
  }

  /** A write to the xAPIC's page; only aligned ones of 32 bits are defined, others are dropped. */
  writeMemory(offset: number, size: 1 | 2 | 4, value: number): void {
    const register = offset >>> 4;
    const rule = RULES.get(register);
    if (!rule || rule.only === 'x2apic') {
      this.noteError(ApicError.illegalRegister);
      return;
    }
    if (size !== 4 || offset & 15 || rule.writable === undefined) return;
    this.write(register, (value & rule.writable) >>> 0);
  }

  /**
   * RDMSR of IA32_APIC_BASE, IA32_TSC_DEADLINE and 0x800 to 0x8FF.
   * @returns undefined for what is #GP(0), MSRs of others included
   */
  readMsr(index: number): { readonly low: number; readonly high: number } | undefined {
    if (index === IA32_APIC_BASE) return { low: this.state.base >>> 0, high: this.state.baseHigh };
    if (index === IA32_TSC_DEADLINE) {
      const [low, high] = this.timer.deadline;
      return { low, high };
    }
    const register = index - X2APIC_FIRST;
    const rule = RULES.get(register);
    if (!this.x2apic || !rule || rule.writeOnly || rule.only === 'xapic') return undefined;
    return { low: this.read(register) >>> 0, high: register === R.commandLow ? this.state.commandHigh : 0 };
  }

  /** WRMSR of the same. @returns false for #GP(0) */
  writeMsr(index: number, low: number, high: number): boolean {
    if (index === IA32_APIC_BASE) return this.writeBase(low >>> 0, high >>> 0);
    if (index === IA32_TSC_DEADLINE) {
      this.timer.setDeadline(low, high);
      return true;
    }
    const register = index - X2APIC_FIRST;
    const rule = RULES.get(register);
    if (!this.x2apic || rule?.writable === undefined || rule.only === 'xapic') return false;
    // Read-only here alone.
    if (register === R.logicalDestination) return false;
    if (low & ~(rule.x2apicAllowed ?? rule.writable)) return false;
    if (register === R.commandLow) this.state.commandHigh = high >>> 0;
    else if (high !== 0) return false;
    this.write(register, (low & rule.writable) >>> 0);
    return true;
  }

  /** Manual, "x2APIC State Transitions". */
  private writeBase(low: number, high: number): boolean {
    if (high >= 2 ** (this.physicalBits - 32) || low & 0x2ff) return false;
    const before = this.state.base;
    const [enabled, x2apic] = [(low & ApicBase.enabled) !== 0, (low & ApicBase.x2apic) !== 0];
    if (x2apic && !enabled) return false;
    // Out of x2APIC mode only by disabling, into it only from xAPIC mode.
    if (this.x2apic && enabled && !x2apic) return false;
    if (!this.globallyEnabled && x2apic) return false;
    const { page } = this;
    if ((before & ApicBase.enabled) !== 0 && !enabled) this.state = { ...this.initialized(low), pins: this.state.pins };
    if (!enabled) this.timer.reset();
    if (x2apic && !(before & ApicBase.x2apic)) this.state.commandHigh = 0;
    this.state.base = low;
    this.state.baseHigh = high;
    if (page !== this.page) this.onPage();
    this.update();
    this.signals.apicBaseChanged();
    return true;
  }

  /** The time-stamp counter was written. */
  timeStampChanged(): void {
    this.timer.timeStampChanged();
  }

  // --- Device

  save(): LocalApicState {
    return structuredClone({ ...this.state, timer: this.timer.state });
  }

  load(state: LocalApicState): void {
    const { timer, ...own } = structuredClone(state);
    this.state = own;
    if (timer) this.timer.load(timer);
    this.onPage();
    this.update();
    this.signals.apicBaseChanged();
  }

  inspect(): readonly DeviceFact[] {
    const { state } = this;
    const mode = !this.globallyEnabled ? 'disabled' : this.x2apic ? 'x2APIC' : 'xAPIC';
    return [
      {
        name: 'IA32_APIC_BASE',
        value: `0x${hex(state.baseHigh, 1).slice(2)}${hex(state.base, 8).slice(2)}`,
        meaning: `${mode}${this.bootstrap ? ', bootstrap processor' : ''}`,
      },
      { name: 'SVR', value: hex(state.spurious, 3), meaning: this.softwareEnabled ? 'enabled by software' : 'disabled by software' },
      { name: 'TPR', value: hex(state.taskPriority) },
      { name: 'PPR', value: hex(this.priority) },
      { name: 'LDR', value: hex(this.read(R.logicalDestination), 8) },
      { name: 'DFR', value: hex(state.destinationFormat, 8) },
      { name: 'IRR', value: vectors(state.request), meaning: 'requested vectors' },
      { name: 'ISR', value: vectors(state.inService), meaning: 'vectors in service' },
      { name: 'TMR', value: vectors(state.triggerMode), meaning: 'level-triggered vectors' },
      { name: 'ESR', value: hex(state.errorStatus), meaning: bits(state.errorStatus, ERROR_NAMES) },
      { name: 'ICR', value: `${hex(state.commandHigh, 8)} ${hex(state.commandLow, 8)}` },
      ...state.lvt.map((entry, i) => ({ name: `LVT ${LVT_NAMES[i]}`, value: hex(entry, 5), meaning: describeEntry(entry, i) })),
      {
        name: 'timer',
        value: `${this.timer.current} of ${this.timer.initial}`,
        meaning: `divide configuration ${hex(this.timer.divide, 1)}`,
      },
    ];
  }
}

function describeEntry(entry: number, index: number): string {
  const mode =
    index === Lvt.timer
      ? ['one-shot', 'periodic', 'TSC deadline', 'reserved'][(entry >>> 17) & 3]
      : index === Lvt.error
        ? 'fixed'
        : DELIVERY_NAMES[(entry >>> 8) & 7];
  return `${mode}, vector ${hex(entry & 0xff)}${entry & LVT_MASKED ? ', masked' : ''}`;
}

/** The highest set bit of 256, or -1. */
function highest(field: readonly number[]): number {
  for (let i = 7; i >= 0; i--) if (field[i] !== 0) return i * 32 + 31 - Math.clz32(field[i]);
  return -1;
}

const bitOf = (field: readonly number[], vector: number): boolean => ((field[vector >>> 5] >>> (vector & 31)) & 1) !== 0;

function setBit(field: number[], vector: number, on: boolean): void {
  const bit = 1 << (vector & 31);
  if (on) field[vector >>> 5] |= bit;
  else field[vector >>> 5] &= ~bit;
}

function vectors(field: readonly number[]): string {
  const set: string[] = [];
  for (let vector = 0; vector < 256; vector++) if (bitOf(field, vector)) set.push(hex(vector));
  return set.length ? set.join(' ') : 'none';
}
