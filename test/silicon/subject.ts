/** Our processor in the harness's place: a ring 3 program under Linux's selectors with the same regions and segments. */
import { NEVER_HOT } from '../../src/engines/cpu/interpreter/blocks';
import { buildHandlers } from '../../src/engines/cpu/interpreter/handlers';
import {
  IP,
  MXCSR,
  REGISTERS,
  RESERVED,
  SYS,
  X87_CONTROL,
  X87_DP,
  X87_IP,
  X87_REGISTERS,
  X87_STATUS,
  X87_STRIDE,
  X87_TAGS,
  XMM,
  XMM_STRIDE,
} from '../../src/engines/cpu/layout';
import type { Processor } from '../../src/engines/cpu/processor';
import { Processors } from '../../src/engines/cpu/processors';
import { parseDescriptor } from '../../src/engines/cpu/system/descriptors';
import { Cr0, Cr4, Efer, Seg, highHalf } from '../../src/engines/cpu/state';
import { EXCEPTIONS, type GuestFault, Vector } from '../../src/engines/cpu/system/fault';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { Clock } from '../../src/engines/machine/clock';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import { TransitionLog } from '../../src/engines/transitions';
import type { GuestPhysicalAddress } from '../../src/shared/addresses';
import type { Case, Way } from './cases';
import { Results } from './results';
import {
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  descriptorOf,
  FX,
  FX_SIZE,
  MAX_CHANGES,
  OWN_SEGMENTS,
  plainVectors,
  RESULT,
  selectorOf,
  TEST,
  USER_CODE_32,
  USER_CODE_64,
  USER_DATA,
  type Width,
} from './wire';

/** Physical pages: tables, the second half of the names for the system's page, and that itself. */
const PAGES = { top: 0x1000, pointers: 0x2000, directory: 0x3000, table: 0x4000, systemPointers: 0x5000, systemDirectory: 0x6000 } as const;
const SYSTEM_TABLE = 0x7000;
const SYSTEM_PAGE = 0x8000;
/** Where programs cannot reach, and Linux never says whether a page is there. */
const SYSTEM = -(2 ** 39);
/** In the system's page. No I/O bitmap in the TSS: ports are refused, as they are to a program on the host. */
const [GDT, LDT, IDT, TSS] = [0x000, 0x100, 0x200, 0x800];
const GDT_LIMIT = 0x7f;
const IDT_LIMIT = 0x5f;

const [PRESENT, USER, WRITABLE] = [1, 5, 2];
const NX = 0x80000000;
/** Instructions, and iterations of a repeated one, after which a case counts as endless. */
const MOST_STEPS = 20_000;
const INT3 = 0xcc;
const TABLE_BITS = 3;
/** An error code's bit that says it names a gate of the IDT. */
const OF_IDT = 2;

/** Leaves the processor's loop in the place of an exception's delivery. */
const STOPPED = new Error('stopped');

export class Subject {
  private readonly width: Width;
  private readonly cpus: Processors;
  private readonly cpu: Processor;
  private readonly memory: PhysicalMemory;
  private readonly host = new HostMemory(RESERVED);
  private readonly pristine: Buffer;
  private readonly data: Buffer;
  private readonly code: Uint8Array;
  /** The state in which each case begins, but for its registers. */
  private readonly initial: Uint8Array;
  private readonly plain = plainVectors();
  private fault: GuestFault | undefined;

  constructor(width: Width, data: Uint8Array) {
    this.width = width;
    this.pristine = Buffer.from(data);
    this.memory = new PhysicalMemory(this.host);
    this.memory.addRam(0, 32 << 20);
    const machine = {
      host: this.host,
      memory: this.memory,
      ports: new PortBus(),
      clock: new Clock(),
      log: new TransitionLog(4096),
      handlers: buildHandlers(),
      model: cpuModel('max'),
    };
    this.cpus = new Processors(machine, [{ interrupts: { pending: false, acknowledge: () => 0 } }]);
    [this.cpu] = this.cpus.list;
    this.cpu.hooks = {
      probedPage: () => false,
      probesOpcodes: false,
      wants: () => false,
      probe: () => false,
      exception: (fault) => {
        this.fault = fault;
        throw STOPPED;
      },
      port: () => false,
      access: () => false,
    };
    this.mapPages();
    this.writeTables();
    this.data = this.bytesAt(DATA, DATA_SIZE);
    this.data.set(data);
    this.code = this.bytesAt(CODE, CODE_SIZE);
    this.code.fill(INT3);
    this.enterUserMode();
    this.initial = this.cpu.state.save();
  }

  /** Instructions that were compiled. */
  get compiled(): number {
    return this.cpus.compiler?.statistics.compiledInstructions ?? 0;
  }

  private bytesAt(physical: number, length: number): Buffer {
    return Buffer.from(this.host.memory.buffer, this.memory.hostOffset(physical / 4096), length);
  }

  /** Both regions lie in one gigabyte, and in one table's reach. */
  private mapPages(): void {
    const put = (table: number, index: number, low: number, high = 0): void => {
      this.memory.write(table + index * 8, 4, low);
      this.memory.write(table + index * 8 + 4, 4, high);
    };
    put(PAGES.top, 0, PAGES.pointers | USER | WRITABLE);
    put(PAGES.pointers, 0, PAGES.directory | USER | WRITABLE);
    put(PAGES.directory, DATA >> 21, PAGES.table | USER | WRITABLE);
    for (let at = DATA; at < DATA + DATA_SIZE; at += 4096) put(PAGES.table, (at >> 12) & 511, at | USER | WRITABLE, NX);
    put(PAGES.table, (CODE >> 12) & 511, CODE | USER);
    put(PAGES.top, 511, PAGES.systemPointers | PRESENT | WRITABLE);
    put(PAGES.systemPointers, 0, PAGES.systemDirectory | PRESENT | WRITABLE);
    put(PAGES.systemDirectory, 0, SYSTEM_TABLE | PRESENT | WRITABLE);
    put(SYSTEM_TABLE, 0, SYSTEM_PAGE | PRESENT | WRITABLE);
  }

  private writeTables(): void {
    const put = (table: number, index: number, [low, high]: readonly number[]): void => {
      this.memory.write(SYSTEM_PAGE + table + index * 8, 4, low);
      this.memory.write(SYSTEM_PAGE + table + index * 8 + 4, 4, high);
    };
    put(GDT, USER_CODE_32 >> TABLE_BITS, [0xffff, 0x00cffb00]);
    put(GDT, USER_DATA >> TABLE_BITS, [0xffff, 0x00cff300]);
    put(GDT, USER_CODE_64 >> TABLE_BITS, [0xffff, 0x00affb00]);
    for (const segment of OWN_SEGMENTS) put(segment.table === 'gdt' ? GDT : LDT, segment.entry, descriptorOf(segment));
    // Gates that exist and are not present: #NP says which was taken. Programs may take 3 and 4.
    for (const vector of [Vector.db, Vector.bp, Vector.of]) put(IDT, vector * 2, [0, (vector === Vector.db ? 0x0e : 0x6e) << 8]);
  }

  private enterUserMode(): void {
    const { state } = this.cpu;
    const long = this.width === 64;
    state.setSys(SYS.cr3, PAGES.top);
    const fsgsbase = Cr4.fsgsbase;
    state.setSys(SYS.cr4, Cr4.osfxsr | Cr4.osxmmexcpt | Cr4.osxsave | Cr4.pae | Cr4.umip | Cr4.smep | Cr4.smap | fsgsbase);
    state.setSys(SYS.efer, Efer.lme | Efer.lma | Efer.sce | Efer.nxe);
    state.setSys(SYS.cr0, (Cr0.pe | Cr0.pg | Cr0.wp | Cr0.et | Cr0.ne | Cr0.mp | Cr0.am) >>> 0);
    state.setSys(SYS.xcr0, 3);
    state.setSys64(SYS.gdtrBase, SYSTEM + GDT);
    state.setSys(SYS.gdtrLimit, GDT_LIMIT);
    state.setSys64(SYS.idtrBase, SYSTEM + IDT);
    state.setSys(SYS.idtrLimit, IDT_LIMIT);
    state.setCpl(3);
    const flat = { base: 0, limit: 0xffffffff, unusable: false };
    const none = { selector: 0, base: 0, limit: 0, attributes: 0, unusable: true };
    state.setSegment(Seg.cs, { ...flat, selector: long ? USER_CODE_64 : USER_CODE_32, attributes: long ? 0xa0fb : 0xc0fb });
    state.setSegment(Seg.ss, { ...flat, selector: USER_DATA, attributes: 0xc0f3 });
    for (const segment of [Seg.ds, Seg.es]) state.setSegment(segment, long ? none : state.segment(Seg.ss));
    for (const segment of [Seg.fs, Seg.gs]) state.setSegment(segment, none);
    const own = OWN_SEGMENTS.filter(({ table }) => table === 'ldt');
    state.setSegment(Seg.ldtr, { selector: 0x50, base: SYSTEM + LDT, limit: own.length * 8 - 1, attributes: 0x82, unusable: false });
    state.setSegment(Seg.tr, { selector: 0x40, base: SYSTEM + TSS, limit: 0x67, attributes: 0x8b, unusable: false });
    this.memory.write(SYSTEM_PAGE + TSS + 0x66, 2, 0x68);
    state.refresh();
  }

  /**
   * Runs a case.
   * @param input where its struct test lies
   * @returns the place of its result in `results`; undefined if it did not come to an end
   */
  run(test: Case, input: Uint8Array, results: Results): number | undefined {
    const { cpu, host } = this;
    const { state } = cpu;
    const words = new DataView(input.buffer, input.byteOffset);
    const word = (at: number): number => words.getUint32(test.at + at, true);
    state.load(this.initial);
    for (let i = 0; i < (this.width === 64 ? 32 : 16); i++) host.u32[(REGISTERS >> 2) + i] = word(TEST.registers + i * 4);
    state.eflags = word(TEST.flags);
    if (this.width === 64) {
      state.setSegBaseHalves(Seg.fs, word(TEST.fsBase), word(TEST.fsBase + 4));
      state.setSegBaseHalves(Seg.gs, word(TEST.gsBase), word(TEST.gsBase + 4));
    } else {
      this.loadSegment(Seg.fs, word(TEST.fsBase));
      this.loadSegment(Seg.gs, word(TEST.gsBase));
    }
    const start = words.getUint16(test.at + TEST.start, true);
    host.u32[IP >> 2] = CODE + start;
    host.u32[(IP >> 2) + 1] = 0;
    const before = input[test.at + TEST.vectors] ? input.subarray(test.at + TEST.size, test.at + TEST.size + FX_SIZE) : this.plain;
    this.loadVectors(before);
    state.refresh();
    const { code } = test;
    this.memory.writeBytes((CODE + start) as GuestPhysicalAddress, code);
    if (test.fresh) cpu.mmu.flush();
    cpu.mmu.retry = false;

    const ended = this.runToException(test.way);
    this.memory.writeBytes((CODE + start) as GuestPhysicalAddress, new Uint8Array(code.length).fill(INT3));
    const at = ended ? this.report(results, before) : undefined;
    if (!this.data.equals(this.pristine)) this.data.set(this.pristine);
    return at;
  }

  private loadSegment(segment: Seg, selector: number): void {
    const own = OWN_SEGMENTS.find((each) => selectorOf(each) === selector);
    if (!own) return;
    const { base, limit, attributes } = parseDescriptor(0, ...descriptorOf(own));
    this.cpu.state.setSegment(segment, { selector, base, limit, attributes, unusable: false });
  }

  private runToException(way: Way): boolean {
    const { cpu } = this;
    this.fault = undefined;
    cpu.blocks.heat = way === 'compiled' ? 1 : NEVER_HOT;
    // What is written over with every case would be waited for.
    cpu.blocks.revives = false;
    try {
      if (way !== 'alone') cpu.run(MOST_STEPS);
      else for (let i = 0; i < MOST_STEPS; i++) cpu.step();
    } catch (error) {
      if (error !== STOPPED) throw error;
    }
    return this.fault !== undefined;
  }

  private report(results: Results, before: Uint8Array): number {
    const { cpu, host } = this;
    const { state } = cpu;
    const fault = this.fault as GuestFault;
    const at = results.take();
    const { u32, u16 } = results;
    const put = (field: number, low: number, high: number): void => {
      u32[(at + field) >> 2] = low;
      u32[(at + field + 4) >> 2] = high;
    };
    for (let i = 0; i < 32; i++) u32[((at + RESULT.registers) >> 2) + i] = i < this.width / 2 ? host.u32[(REGISTERS >> 2) + i] : 0;
    put(RESULT.flags, state.eflags, 0);
    const software = fault.vector === Vector.np && (fault.errorCode & OF_IDT) !== 0;
    const ip = software ? cpu.after : state.ip;
    put(RESULT.ip, ip, this.width === 64 ? Math.floor(ip / 2 ** 32) : 0);
    put(RESULT.vector, software ? fault.errorCode >> TABLE_BITS : fault.vector, 0);
    put(RESULT.error, !software && EXCEPTIONS[fault.vector]?.errorCode ? fault.errorCode : 0, 0);
    // Nothing has been delivered: CR2 is what delivery would leave in it.
    const cr2 = fault.vector === Vector.pf ? (fault.information ?? 0) : state.sys64(SYS.cr2);
    put(RESULT.cr2, cr2, this.width === 64 ? highHalf(cr2) : 0);
    for (const [field, segment] of [
      [RESULT.fsBase, Seg.fs],
      [RESULT.gsBase, Seg.gs],
    ] as const) {
      const base = this.width === 64 ? state.segBase(segment) : 0;
      put(field, base, Math.floor(base / 2 ** 32));
    }
    for (let i = 0; i < 6; i++) u16[((at + RESULT.segments) >> 1) + i] = state.selector(i as Seg);
    const changed = results.putVectors(before, (fx) => this.vectors(fx));
    u16[(at + RESULT.vectors) >> 1] = changed ? 1 : 0;
    u16[(at + RESULT.changes) >> 1] = this.data.equals(this.pristine) ? 0 : this.changes(results);
    results.finish();
    return at;
  }

  private changes(results: Results): number {
    const { data, pristine } = this;
    let count = 0;
    for (let i = 0; i < DATA_SIZE && count < MAX_CHANGES; i++) {
      if (data[i] === pristine[i]) continue;
      results.putChange(i, data[i]);
      count++;
    }
    return count;
  }

  /** Registers are numbered from the top of the stack in an FXSAVE image, and physically in the state. */
  private loadVectors(fx: Uint8Array): void {
    const { u8, u32 } = this.host;
    const status = fx[FX.status] | (fx[FX.status + 1] << 8);
    u32[X87_CONTROL >> 2] = fx[FX.control] | (fx[FX.control + 1] << 8);
    u32[X87_STATUS >> 2] = status;
    u32[X87_TAGS >> 2] = fx[FX.tags];
    u32[MXCSR >> 2] = fx[FX.mxcsr] | (fx[FX.mxcsr + 1] << 8);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const to = X87_REGISTERS + ((top + i) & 7) * X87_STRIDE;
      for (let j = 0; j < 10; j++) u8[to + j] = fx[FX.registers + i * 16 + j];
    }
    for (let i = 0; i < 16; i++) for (let j = 0; j < 16; j++) u8[XMM + i * XMM_STRIDE + j] = fx[FX.xmm + i * 16 + j];
  }

  private vectors(fx: Uint8Array): void {
    const { u8, u32 } = this.host;
    const status = u32[X87_STATUS >> 2];
    const put16 = (at: number, value: number): void => {
      fx[at] = value;
      fx[at + 1] = value >>> 8;
    };
    fx.fill(0);
    put16(FX.control, u32[X87_CONTROL >> 2]);
    put16(FX.status, status);
    fx[FX.tags] = u32[X87_TAGS >> 2];
    fx.set(u8.subarray(X87_IP, X87_IP + 8), FX.ip);
    fx.set(u8.subarray(X87_DP, X87_DP + 8), FX.dp);
    put16(FX.mxcsr, u32[MXCSR >> 2]);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const from = X87_REGISTERS + ((top + i) & 7) * X87_STRIDE;
      for (let j = 0; j < 10; j++) fx[FX.registers + i * 16 + j] = u8[from + j];
    }
    for (let i = 0; i < 16; i++) for (let j = 0; j < 16; j++) fx[FX.xmm + i * 16 + j] = u8[XMM + i * XMM_STRIDE + j];
  }
}
