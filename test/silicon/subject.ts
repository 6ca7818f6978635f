/** Our processor in the harness's place: a flat ring 3 program with the same two regions mapped. */
import type { GuestPhysicalAddress } from '../../src/shared/addresses';
import { buildHandlers } from '../../src/engines/cpu/interpreter/handlers';
import {
  MXCSR,
  RESERVED,
  SYS,
  X87_CONTROL,
  X87_REGISTERS,
  X87_STATUS,
  X87_STRIDE,
  X87_TAGS,
  XMM,
  XMM_STRIDE,
} from '../../src/engines/cpu/layout';
import type { Processor } from '../../src/engines/cpu/processor';
import { Processors } from '../../src/engines/cpu/processors';
import { Cr0, Cr4, Efer, Seg } from '../../src/engines/cpu/state';
import { EXCEPTIONS } from '../../src/engines/cpu/system/fault';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { Clock } from '../../src/engines/machine/clock';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import { TransitionLog } from '../../src/engines/transitions';
import { type Case, CODE, CODE_SIZE, DATA, DATA_SIZE, START, type Width } from './cases';

export interface Outcome {
  readonly registers: readonly bigint[];
  readonly eflags: number;
  readonly ip: bigint;
  /** 3 for an instruction that completed: the INT3 behind it. */
  readonly vector: number;
  readonly error: number;
  readonly cr2: bigint;
  /** Changed bytes of the data region as `offset * 256 + value`, ascending. */
  readonly changes: readonly number[];
  /** x87 and SSE state as FXSAVE stores it. */
  readonly fx: Uint8Array;
}

/** Tables of the three paging modes that are used here; one page each. */
const TOP = 0x1000;
const MIDDLE = 0x2000;
const DIRECTORY = 0x3000;
const TABLE = 0x4000;
const PRESENT_WRITABLE_USER = 7;
const MOST_ITERATIONS = 5000;
const MODEL = cpuModel('max');

export class Subject {
  private readonly width: Width;
  private readonly cpu: Processor;
  private readonly memory: PhysicalMemory;
  private readonly host = new HostMemory(RESERVED);
  private readonly pristine: Uint8Array;

  constructor(width: Width, data: Uint8Array) {
    this.width = width;
    this.pristine = data;
    this.memory = new PhysicalMemory(this.host);
    this.memory.addRam(0, 32 << 20);
    const machine = {
      host: this.host,
      memory: this.memory,
      ports: new PortBus(),
      clock: new Clock(),
      log: new TransitionLog(4096),
      handlers: buildHandlers(),
      model: MODEL,
    };
    [this.cpu] = new Processors(machine, [{ interrupts: { pending: false, acknowledge: () => 0 } }]).list;
    this.cpu.hooks = {
      probedPage: () => false,
      probesOpcodes: false,
      wants: () => false,
      probe: () => false,
      exception: () => true,
      port: () => false,
      access: () => false,
    };
    this.mapRegions();
    this.memory.writeBytes(DATA as GuestPhysicalAddress, data);
  }

  /** Both regions lie in one gigabyte, and in one table's reach. */
  private mapRegions(): void {
    const put = (address: number, value: number): void => this.memory.write(address, 4, value);
    const long = this.width === 64;
    if (long) {
      put(TOP, MIDDLE | PRESENT_WRITABLE_USER);
      put(MIDDLE, DIRECTORY | PRESENT_WRITABLE_USER);
    }
    const entry = long ? 8 : 4;
    const span = long ? 2 ** 21 : 2 ** 22;
    for (const [base, size] of [
      [DATA, DATA_SIZE],
      [CODE, CODE_SIZE],
    ]) {
      put(DIRECTORY + Math.floor(base / span) * entry, TABLE | PRESENT_WRITABLE_USER);
      for (let at = base; at < base + size; at += 4096) put(TABLE + ((at % span) / 4096) * entry, at | PRESENT_WRITABLE_USER);
    }
  }

  private enterUserMode(): void {
    const { state } = this.cpu;
    const long = this.width === 64;
    state.setSys(SYS.cr3, long ? TOP : DIRECTORY);
    state.setSys(SYS.cr4, Cr4.osfxsr | Cr4.osxmmexcpt | Cr4.osxsave | (long ? Cr4.pae : 0));
    if (long) state.setSys(SYS.efer, Efer.lme | Efer.lma | Efer.sce);
    state.setSys(SYS.cr0, (Cr0.pe | Cr0.pg | Cr0.wp | Cr0.et | Cr0.ne | Cr0.mp) >>> 0);
    state.setCpl(3);
    const flat = { base: 0, limit: 0xffffffff, unusable: false };
    state.setSegment(Seg.cs, { ...flat, selector: long ? 0x33 : 0x23, attributes: long ? 0xa0fb : 0xc0fb });
    for (const segment of [Seg.ss, Seg.ds, Seg.es]) state.setSegment(segment, { ...flat, selector: 0x2b, attributes: 0xc0f3 });
    // No I/O bitmap: ports are refused, as they are to a program on the host.
    state.setSegment(Seg.tr, { selector: 0x40, base: 0, limit: 0x2b, attributes: 0x83, unusable: false });
    state.refresh();
  }

  run(test: Case): Outcome {
    const { cpu, memory } = this;
    cpu.reset();
    const { state } = cpu;
    this.enterUserMode();
    test.registers.forEach((value, i) => state.setRegHalves(i, Number(value & 0xffffffffn), Number(value >> 32n)));
    state.eflags = test.eflags;
    state.ip = CODE + START;
    this.loadVectors(test.fx);
    state.refresh();
    const code = new Uint8Array(CODE_SIZE).fill(0xcc);
    code.set(test.code, START);
    memory.writeBytes(CODE as GuestPhysicalAddress, code);
    cpu.mmu.flush();

    let steps = 0;
    do cpu.step();
    while (state.ip === CODE + START && !cpu.heldException && test.instruction.prefixes.repeat !== 'none' && ++steps < MOST_ITERATIONS);
    const held = cpu.heldException;
    const inCode = state.ip >= CODE && state.ip < CODE + CODE_SIZE;
    const changes = this.changes();
    const canonical = state.ip >= -(2 ** 47) && state.ip < 2 ** 47;
    const unsigned = (value: number): bigint => BigInt.asUintN(this.width, BigInt(value));
    return {
      registers: test.registers.map((_, i) => (BigInt(state.regHigh(i)) << 32n) | BigInt(state.reg32(i))),
      eflags: state.eflags,
      // A completed instruction runs into the INT3 behind it, or into a page that cannot be executed.
      ip: unsigned(held || !inCode ? state.ip : state.ip + 1),
      vector: held ? held.vector : inCode ? 3 : canonical ? 14 : 13,
      error: held && EXCEPTIONS[held.vector]?.errorCode ? held.errorCode : 0,
      cr2: unsigned(state.sys64(SYS.cr2)),
      changes,
      fx: this.vectors(),
    };
  }

  /** Registers are numbered from the top of the stack in an FXSAVE image, and physically in the state. */
  private loadVectors(fx: Uint8Array): void {
    const { u8, u32 } = this.host;
    const view = new DataView(fx.buffer);
    u32[X87_CONTROL >> 2] = view.getUint16(0, true);
    u32[X87_STATUS >> 2] = view.getUint16(2, true);
    u32[X87_TAGS >> 2] = fx[4];
    u32[MXCSR >> 2] = view.getUint32(24, true);
    const top = (view.getUint16(2, true) >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      u8.set(fx.subarray(32 + i * 16, 42 + i * 16), X87_REGISTERS + ((top + i) & 7) * X87_STRIDE);
    }
    for (let i = 0; i < 16; i++) u8.set(fx.subarray(160 + i * 16, 176 + i * 16), XMM + i * XMM_STRIDE);
  }

  private vectors(): Uint8Array {
    const { u8, u32 } = this.host;
    const fx = new Uint8Array(512);
    const view = new DataView(fx.buffer);
    const status = u32[X87_STATUS >> 2];
    view.setUint16(0, u32[X87_CONTROL >> 2], true);
    view.setUint16(2, status, true);
    fx[4] = u32[X87_TAGS >> 2];
    view.setUint32(24, u32[MXCSR >> 2], true);
    const top = (status >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const at = X87_REGISTERS + ((top + i) & 7) * X87_STRIDE;
      fx.set(u8.subarray(at, at + 10), 32 + i * 16);
    }
    for (let i = 0; i < 16; i++) fx.set(u8.subarray(XMM + i * XMM_STRIDE, XMM + i * XMM_STRIDE + 16), 160 + i * 16);
    return fx;
  }

  private changes(): number[] {
    const now = this.memory.readBytes(DATA as GuestPhysicalAddress, DATA_SIZE);
    const list: number[] = [];
    for (let i = 0; i < DATA_SIZE; i++) if (now[i] !== this.pristine[i]) list.push(i * 256 + now[i]);
    if (list.length > 0) this.memory.writeBytes(DATA as GuestPhysicalAddress, this.pristine);
    return list;
  }
}
