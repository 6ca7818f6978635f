/**
 * The machine that random programs run on: one megabyte of RAM with descriptor and page tables, handlers that return, skip or
 * mend, a timer, a port and a memory-mapped register that tell when they were touched, and the modes to run in.
 *
 * Linear addresses are physical ones, and all of it is seen again at -2 GiB in 64-bit code.
 */
import { assemble } from '../../src/assembler/assemble';
import type { Hooks } from '../../src/engines/cpu/hooks';
import type { HandlerSet } from '../../src/engines/cpu/interpreter/handlers';
import { SYS, X87_CONTROL, MXCSR } from '../../src/engines/cpu/layout';
import type { Processor } from '../../src/engines/cpu/processor';
import { Processors } from '../../src/engines/cpu/processors';
import { Cr0, Cr4, Efer, Flag, Seg } from '../../src/engines/cpu/state';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { parseDescriptor } from '../../src/engines/cpu/system/descriptors';
import { RESERVED } from '../../src/engines/cpu/layout';
import { Clock, NANOSECONDS_PER_INSTRUCTION, type Timer } from '../../src/engines/machine/clock';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { type AccessSize, PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import { TransitionLog } from '../../src/engines/transitions';
import type { GuestPhysicalAddress, LinearAddress } from '../../src/shared/addresses';
import type { Bits } from '../../src/isa/types';
import { HANDLERS_16, HANDLERS_32, HANDLERS_64 } from './world-handlers';

export interface Mode {
  readonly name: string;
  readonly bits: Bits;
  readonly ring: 0 | 3;
  readonly paging: boolean;
  readonly kind: 'real' | 'virtual' | 'protected' | 'long';
  /** Segments cover 4 GiB from 0. */
  readonly flat: boolean;
  /** Code lies in the upper half. */
  readonly high?: boolean;
}

export const MODES: readonly Mode[] = [
  { name: 'real', bits: 16, ring: 0, paging: false, kind: 'real', flat: false },
  { name: 'virtual', bits: 16, ring: 3, paging: true, kind: 'virtual', flat: false },
  { name: '16-ring0', bits: 16, ring: 0, paging: false, kind: 'protected', flat: false },
  { name: '16-ring3', bits: 16, ring: 3, paging: true, kind: 'protected', flat: false },
  { name: '32-ring0', bits: 32, ring: 0, paging: false, kind: 'protected', flat: true },
  { name: '32-ring0-paged', bits: 32, ring: 0, paging: true, kind: 'protected', flat: true },
  { name: '32-ring3', bits: 32, ring: 3, paging: true, kind: 'protected', flat: true },
  { name: '32-segments', bits: 32, ring: 0, paging: false, kind: 'protected', flat: false },
  { name: '32-segments-ring3', bits: 32, ring: 3, paging: true, kind: 'protected', flat: false },
  { name: '32-compatibility', bits: 32, ring: 3, paging: true, kind: 'long', flat: true },
  { name: '64-ring0', bits: 64, ring: 0, paging: true, kind: 'long', flat: true },
  { name: '64-ring3', bits: 64, ring: 3, paging: true, kind: 'long', flat: true },
  { name: '64-ring0-high', bits: 64, ring: 0, paging: true, kind: 'long', flat: true, high: true },
  { name: '64-ring3-high', bits: 64, ring: 3, paging: true, kind: 'long', flat: true, high: true },
];

export const RAM_SIZE = 0x40000;
export const PAGE = 0x1000;
export const CODE = 0x10000;
/** What a page table may show in the code's place. */
export const OTHER_CODE = 0x14000;
export const CODE_SIZE = 4 * PAGE;
export const DATA = 0x20000;
/** Pages of the data that are not like the others: not there at first, read-only, the supervisor's, a device. */
export const SPECIAL_PAGES = [0x24000, 0x25000, 0x26000, 0x27000] as const;
const [LAZY, READ_ONLY, SUPERVISOR, DEVICE] = SPECIAL_PAGES;
export const STACK = 0x28000;
export const STACK_TOP = 0x1f00;
/** Table of jumps, in the data. */
export const TABLE = DATA + 0xf00;
export const TABLE_ENTRIES = 8;
export const PAGE_TABLE = 0x6000;
const [GDT, IDT, TSS] = [0x1000, 0x2000, 0x1800];
const [TOP, POINTERS, DIRECTORY] = [0x3000, 0x4000, 0x5000];
const HANDLERS = 0x8000;
const INNER_STACK = 0xaf00;
const HIGH = -(2 ** 31);
/** Where handlers keep what they count; see world-handlers.ts. */
const VARIABLES = 0xb000;
export const RESUMES = 24;
const VARIABLE = { resumeIndex: 0, cs: 8, ss: 16, ds: 24, sp: 32, bx: 40, bp: 48, si: 56, di: 64, fs: 72, gs: 80, resumes: 0x100 } as const;
const PORT = 0x40;

export const SEL = {
  tss: 0x90,
  handlers: 0x40,
  flatData: 0x48,
  code: (ring: number): number => (ring ? 0x1b : 0x08),
  stack: (ring: number): number => (ring ? 0x3b : 0x30),
  data: 0x23,
  alias: 0x53,
  zero: 0x5b,
  small: 0x63,
  readOnly: 0x6b,
  expandDown: 0x73,
  notPresent: 0x7b,
  otherCode: (ring: number): number => (ring ? 0x8b : 0x80),
} as const;
/** What random segment loads load. */
export const SELECTORS = [SEL.data, SEL.data, SEL.data, SEL.alias, SEL.zero, SEL.small, SEL.readOnly, SEL.expandDown, SEL.notPresent, 0];

const [PRESENT_USER_WRITABLE, SUPERVISOR_ONLY, NOT_PRESENT, NOT_WRITABLE] = [0x67, 0x63, 0x66, 0x65];

const assembled = (text: string): Uint8Array => {
  const defines = { HANDLERS, VARIABLES, RESUMES, PAGE_TABLE, LAZY, CODE, ...SEL_DEFINES };
  const lines = Object.entries(defines).map(([name, value]) => `%define ${name} ${value}`);
  const result = assemble({ path: 'handlers.asm', text: [...lines, text].join('\n'), read: () => undefined });
  if (!result.ok) throw new Error(result.diagnostics.map(({ line, message }) => `${line - lines.length}: ${message}`).join('\n'));
  return result.image;
};
const SEL_DEFINES = { FLAT_DATA: SEL.flatData };

/** Linear address of what lies at an offset in the code segment, and back. */
export const codeBase = (mode: Mode): number => (mode.flat ? 0 : CODE);
export const codeLinear = (mode: Mode): number => (mode.high ? HIGH : 0) + CODE;
export const dataBase = (mode: Mode): number => (mode.flat ? 0 : DATA);
export const stackBase = (mode: Mode): number => (mode.flat ? 0 : STACK);

/** What a case puts into the machine. */
export interface Contents {
  readonly mode: Mode;
  /** At CODE and OTHER_CODE, at DATA. */
  readonly code: Uint8Array;
  readonly otherCode: Uint8Array;
  readonly data: Uint8Array;
  /** IP at the start, and where handlers let go on after a fault. */
  readonly start: number;
  readonly resumes: readonly number[];
  /** Sixteen general registers; SP is set beside them. */
  readonly registers: readonly number[];
  readonly flags: number;
  /** Instructions between two interrupts of the timer, over and over; none without. */
  readonly intervals: readonly number[];
}

export class World {
  readonly cpus: Processors;
  readonly cpu: Processor;
  readonly host = new HostMemory(RESERVED);
  readonly memory: PhysicalMemory;
  readonly ram: number;
  /** Addresses before which the run is to be looked at, and whether it then stops. */
  readonly probes = new Map<number, boolean>();
  /** What devices saw: a hash, with the time at which they did. */
  seen = 0;
  private readonly clock = new Clock();
  private readonly timer: Timer;
  private intervals: readonly number[] = [];
  private fired = 0;
  private pending = false;
  private startTime = 0;
  private startCount = 0;

  constructor(handlers: HandlerSet, tiers: 'all' | 'interpreter', heat: number, profile = false) {
    this.memory = new PhysicalMemory(this.host);
    this.ram = this.memory.addRam(0, RAM_SIZE);
    this.memory.addMmio(DEVICE, PAGE, {
      read: (offset, size) => this.touched(offset, size),
      write: (offset, size, value) => void this.touched(offset + 0x1000, size, value),
    });
    const ports = new PortBus();
    const port = {
      read: (number: number, size: AccessSize): number => this.touched(0x2000 + number, size),
      write: (number: number, size: AccessSize, value: number): void => void this.touched(0x3000 + number, size, value),
    };
    ports.connect(PORT, 8, port, 4);
    const { clock } = this;
    const machine = { host: this.host, memory: this.memory, ports, clock, handlers, tiers, heat, profile };
    const own = (): boolean => this.pending;
    const interrupts = {
      get pending() {
        return own();
      },
      acknowledge: () => {
        this.pending = false;
        return 0x20;
      },
    };
    this.cpus = new Processors({ ...machine, log: new TransitionLog(64), model: cpuModel('max') }, [{ interrupts }]);
    [this.cpu] = this.cpus.list;
    this.timer = clock.timer(() => {
      this.pending = true;
      this.arm();
    });
    this.cpu.hooks = this.hooks();
  }

  private hooks(): Hooks {
    const { probes } = this;
    return {
      probedPage: (page) => [...probes.keys()].some((address) => Math.floor(address / PAGE) === page),
      probesOpcodes: false,
      wants: (address) => probes.has(address),
      probe: (address) => probes.get(address) ?? false,
      exception: () => false,
      port: () => false,
      access: () => false,
    };
  }

  /** A device is read or written: what it gives tells how often it was, and when. */
  private touched(place: number, size: number, value = 0): number {
    const time = (this.clock.now - this.startTime) / NANOSECONDS_PER_INSTRUCTION;
    this.seen = Math.imul(this.seen ^ place ^ (size << 16) ^ value, 0x01000193) + time;
    return this.seen >>> 0;
  }

  private arm(): void {
    if (this.intervals.length === 0) return this.timer.cancel();
    const interval = this.intervals[this.fired++ % this.intervals.length];
    this.timer.set(this.clock.now + interval * NANOSECONDS_PER_INSTRUCTION);
  }

  /** Instructions since the case began. */
  get count(): number {
    return this.cpus.instructionCount - this.startCount;
  }

  /** See `BlockCache.revives`; fields become soft at once. */
  set revives(value: boolean) {
    this.cpus.blocks.revives = value;
    this.cpus.blocks.dropped.softAfter = 1;
  }

  /** Another heat for what is decoded from now on. */
  set heat(value: number) {
    if (this.cpus.compiler) this.cpus.blocks.heat = value;
  }

  // --- a case

  load(contents: Contents): void {
    const { cpu, host, memory } = this;
    this.probes.clear();
    this.timer.cancel();
    this.pending = false;
    cpu.reset();
    cpu.watchPages(new Set());
    this.cpus.blocks.flush();
    cpu.mmu.flush();
    host.u8.fill(0, this.ram, this.ram + RAM_SIZE);
    this.startTime = this.clock.now;
    this.startCount = this.cpus.instructionCount;
    this.seen = 0;
    this.fired = 0;
    this.intervals = contents.intervals;
    const put = (at: number, bytes: Uint8Array): void => void memory.writeBytes(at as GuestPhysicalAddress, bytes);
    put(CODE, contents.code);
    put(OTHER_CODE, contents.otherCode);
    put(DATA, contents.data);
    this.writeTables(contents.mode);
    this.writeVariables(contents);
    this.enter(contents);
    cpu.setTimeStamp(0);
    this.arm();
  }

  private writeTables(mode: Mode): void {
    const { memory } = this;
    const word = (at: number, value: number): void => memory.write(at, 4, value >>> 0);
    const image = IMAGES[mode.kind === 'real' ? 'real' : mode.kind === 'long' ? 'long' : 'protected'];
    memory.writeBytes(HANDLERS as GuestPhysicalAddress, image);
    if (mode.kind === 'real') {
      for (let vector = 0; vector < 256; vector++) word(vector * 4, HANDLERS + stubOf(vector) * 16);
      return;
    }
    for (const [selector, low, high] of descriptors(mode)) {
      word(GDT + (selector & ~7), low);
      word(GDT + (selector & ~7) + 4, high);
    }
    const long = mode.kind === 'long';
    for (let vector = 0; vector < 256; vector++) {
      const gate = IDT + vector * (long ? 16 : 8);
      const present = vector < 0x30 || vector === 0x80;
      word(gate, (SEL.handlers << 16) | ((HANDLERS + stubOf(vector) * 16) & 0xffff));
      word(gate + 4, present ? 0xee00 | (long ? 1 : 0) : 0);
    }
    if (long) {
      word(TSS + 4, INNER_STACK);
      word(TSS + 0x24, INNER_STACK);
    } else {
      word(TSS + 4, INNER_STACK);
      word(TSS + 8, SEL.flatData);
    }
    // No I/O bitmap.
    memory.write(TSS + 0x66, 2, 0x68);
    if (!mode.paging) return;
    const step = long ? 8 : 4;
    if (long) {
      for (const index of [0, 511]) word(TOP + index * 8, POINTERS | PRESENT_USER_WRITABLE);
      for (const index of [0, 510]) word(POINTERS + index * 8, DIRECTORY | PRESENT_USER_WRITABLE);
      word(DIRECTORY, PAGE_TABLE | PRESENT_USER_WRITABLE);
    } else word(TOP, PAGE_TABLE | PRESENT_USER_WRITABLE);
    for (let page = 0; page < RAM_SIZE / PAGE; page++) {
      const address = page * PAGE;
      let rights = PRESENT_USER_WRITABLE;
      if (address === LAZY) rights = NOT_PRESENT;
      else if (address === READ_ONLY) rights = NOT_WRITABLE;
      else if (address === SUPERVISOR || (address < CODE && address !== PAGE_TABLE)) rights = SUPERVISOR_ONLY;
      word(PAGE_TABLE + page * step, address | rights);
    }
  }

  private writeVariables({ mode, resumes, registers }: Contents): void {
    const put = (name: keyof typeof VARIABLE, value: number, index = 0): void => {
      const at = VARIABLES + VARIABLE[name] + index * 8;
      this.memory.write(at, 4, value >>> 0);
      this.memory.write(at + 4, 4, (value < 0 ? -1 : 0) >>> 0);
    };
    const [cs, ss, ds, fs, gs] = selectors(mode);
    put('cs', cs);
    put('ss', ss);
    put('ds', ds);
    put('fs', fs);
    put('gs', gs);
    put('sp', STACK - stackBase(mode) + STACK_TOP);
    put('bx', registers[3]);
    put('bp', registers[5]);
    put('si', registers[6]);
    put('di', registers[7]);
    resumes.forEach((offset, i) => put('resumes', offset, i));
  }

  private enter({ mode, registers, flags, start }: Contents): void {
    const { state, mmu } = this.cpu;
    const { kind, ring } = mode;
    const long = kind === 'long';
    state.setSys(SYS.cr4, Cr4.osfxsr | Cr4.osxmmexcpt | Cr4.osxsave | (long ? Cr4.pae : 0));
    if (long) state.setSys(SYS.efer, Efer.lme | Efer.lma | Efer.sce | Efer.nxe);
    state.setSys(SYS.cr3, mode.paging ? TOP : 0);
    state.setSys(SYS.cr0, ((kind === 'real' ? 0 : Cr0.pe | Cr0.wp) | (mode.paging ? Cr0.pg : 0) | Cr0.et | Cr0.ne | Cr0.mp) >>> 0);
    state.setSys(SYS.xcr0, 3);
    this.host.u32[X87_CONTROL >> 2] = 0x37f;
    this.host.u32[MXCSR >> 2] = 0x1f80;
    state.eflags = 2;
    const list = selectors(mode);
    const order = [Seg.cs, Seg.ss, Seg.ds, Seg.fs, Seg.gs] as const;
    if (kind === 'real' || kind === 'virtual') {
      state.setCpl(kind === 'real' ? 0 : 3);
      order.forEach((segment, i) => state.setRealSegment(segment, list[i]));
      state.setRealSegment(Seg.es, list[2]);
      if (kind === 'virtual') {
        const attributes = 0xf3;
        for (const segment of [...order, Seg.es] as const)
          state.setSegment(segment, { ...state.segment(segment), attributes, limit: 0xffff });
      }
    } else {
      state.setCpl(ring);
      order.forEach((segment, i) => this.loadSegment(segment, list[i]));
      this.loadSegment(Seg.es, list[2]);
    }
    if (kind !== 'real') {
      state.setSys64(SYS.gdtrBase, GDT);
      state.setSys(SYS.gdtrLimit, 0x9f);
      state.setSys64(SYS.idtrBase, IDT);
      state.setSys(SYS.idtrLimit, long ? 0xfff : 0x7ff);
      state.setSegment(Seg.tr, { selector: SEL.tss, base: TSS, limit: 0x67, attributes: 0x8b, unusable: false });
    } else {
      state.setSys64(SYS.idtrBase, 0);
      state.setSys(SYS.idtrLimit, 0x3ff);
    }
    state.eflags = flags | (kind === 'virtual' ? Flag.vm | Flag.iopl : 0);
    for (let i = 0; i < (mode.bits === 64 ? 16 : 8); i++) {
      const value = registers[i];
      state.setRegHalves(i, value >>> 0, mode.bits === 64 && value < 0 ? -1 : 0);
    }
    state.setRegHalves(4, STACK - stackBase(mode) + STACK_TOP, 0);
    state.ip = start;
    state.refresh();
    mmu.flush();
    mmu.retry = false;
  }

  private loadSegment(segment: Seg, selector: number): void {
    const at = GDT + (selector & ~7);
    const { base, limit, attributes } = parseDescriptor(selector, this.memory.read(at, 4), this.memory.read(at + 4, 4));
    this.cpu.state.setSegment(segment, { selector, base, limit, attributes: attributes | 1, unusable: selector < 4 });
  }

  // --- what is done from outside

  probe(address: number, stops: boolean | undefined): void {
    if (stops === undefined) this.probes.delete(address);
    else this.probes.set(address, stops);
    this.cpu.probesChanged();
  }

  watch(addresses: readonly number[]): void {
    this.cpu.watchPages(new Set(addresses.map((address) => Math.floor(address / PAGE))));
  }

  /** As a debugger writes. */
  poke(address: number, bytes: Uint8Array): void {
    this.memory.writeBytes(address as GuestPhysicalAddress, bytes);
  }

  get address(): LinearAddress {
    return this.cpu.state.instructionAddress;
  }
}

const stubOf = (vector: number): number => (vector === 0x80 ? 0x30 : Math.min(vector, 0x31));

/** CS, SS, DS and ES, FS, GS. */
function selectors({ kind, ring, flat }: Mode): number[] {
  if (kind === 'real' || kind === 'virtual') return [CODE >> 4, STACK >> 4, DATA >> 4, CODE >> 4, 0];
  return [SEL.code(ring), SEL.stack(ring), SEL.data, flat ? SEL.data : SEL.alias, flat ? SEL.data : SEL.zero];
}

const [CODE_RIGHTS, DATA_RIGHTS, RING3] = [0x9b, 0x93, 0x60];

/** Selector and the two words of every descriptor. */
function descriptors(mode: Mode): [number, number, number][] {
  const { bits, flat, kind } = mode;
  const made = (selector: number, base: number, limit: number, access: number, flags: number): [number, number, number] => {
    const pages = limit > 0xfffff;
    const units = pages ? limit >>> 12 : limit;
    const high = (base & 0xff000000) | ((flags | (pages ? 8 : 0)) << 20) | (units & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff);
    return [selector, ((base & 0xffff) << 16) | (units & 0xffff), high];
  };
  const size = bits === 64 ? 2 : bits === 32 ? 4 : 0;
  const big = bits === 16 ? 0 : 4;
  const [codeLimit, dataLimit, stackLimit] = flat ? [0xffffffff, 0xffffffff, 0xffffffff] : [CODE_SIZE - 1, 0x7fff, 0x1fff];
  const [codeAt, dataAt, stackAt] = flat ? [0, 0, 0] : [CODE, DATA, STACK];
  return [
    made(SEL.code(0), codeAt, codeLimit, CODE_RIGHTS, size),
    made(SEL.code(3), codeAt, codeLimit, CODE_RIGHTS | RING3, size),
    made(SEL.stack(0), stackAt, stackLimit, DATA_RIGHTS, big),
    made(SEL.stack(3), stackAt, stackLimit, DATA_RIGHTS | RING3, big),
    made(SEL.data, dataAt, dataLimit, DATA_RIGHTS | RING3, big),
    made(SEL.handlers, 0, 0xffffffff, CODE_RIGHTS, kind === 'long' ? 2 : 4),
    made(SEL.flatData, 0, 0xffffffff, DATA_RIGHTS, 4),
    made(SEL.alias, codeAt, codeLimit, DATA_RIGHTS | RING3, big),
    made(SEL.zero, 0, 0xffffffff, DATA_RIGHTS | RING3, 4),
    made(SEL.small, dataAt, 0x7ff, DATA_RIGHTS | RING3, big),
    made(SEL.readOnly, dataAt, 0x7fff, (DATA_RIGHTS & ~2) | RING3, big),
    made(SEL.expandDown, dataAt, 0x0ff, DATA_RIGHTS | RING3 | 4, big),
    made(SEL.notPresent, dataAt, 0x7fff, (DATA_RIGHTS & ~0x80) | RING3, big),
    made(SEL.otherCode(mode.ring), codeAt, codeLimit, CODE_RIGHTS | (mode.ring ? RING3 : 0), bits === 16 ? 4 : 0),
    made(SEL.tss, TSS, 0x67, 0x8b, 0),
  ];
}

const IMAGES = { real: assembled(HANDLERS_16), protected: assembled(HANDLERS_32), long: assembled(HANDLERS_64) };
