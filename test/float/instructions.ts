/** Random x87 and SSE instructions with state that makes them do something, run on the silicon and on our processor. */
import { execFileSync } from 'node:child_process';
import { buildHandlers } from '../../src/engines/cpu/interpreter/handlers';
import {
  MXCSR,
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
import { Cr0, Cr4, Seg } from '../../src/engines/cpu/state';
import { EXCEPTIONS } from '../../src/engines/cpu/system/fault';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { X87State } from '../../src/engines/cpu/system/x87-state';
import { Clock } from '../../src/engines/machine/clock';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';
import { PortBus } from '../../src/engines/machine/ports';
import { TransitionLog } from '../../src/engines/transitions';
import { decode, isFailure } from '../../src/isa/decoder';
import { MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import type { Instruction, InstructionRow } from '../../src/isa/types';
import type { GuestPhysicalAddress } from '../../src/shared/addresses';
import { putCompanion, putOperand, type Random } from './operands';

export const DATA = 0x20000000;
export const DATA_SIZE = 0x2000;
export const CODE = 0x20100000;
const CODE_SIZE = 0x1000;
const START = 0x800;
const AREA = 512;
/** Of struct test and struct result in state-harness.c. */
const TEST = { registers: 0, eflags: 128, length: 136, code: 137, fx: 152, size: 152 + AREA } as const;
const RESULT = { registers: 0, eflags: 128, rip: 136, vector: 144, error: 152, cr2: 160, changes: 168, fx: 176, size: 176 + AREA } as const;
const ST = 32;
const XMM_AREA = 160;
const XMM_COUNT = 16;

export interface Case {
  readonly instruction: Instruction;
  readonly code: Uint8Array;
  /** struct test. */
  readonly bytes: Uint8Array;
}

export interface Outcome {
  readonly registers: readonly bigint[];
  readonly eflags: number;
  readonly rip: bigint;
  readonly vector: number;
  readonly error: number;
  /** The area of FXSAVE64. */
  readonly fx: Uint8Array;
  /** Changed bytes of the data region as `offset * 256 + value`, ascending. */
  readonly changes: readonly number[];
}

const STATUS_FLAGS = [0x1, 0x4, 0x10, 0x40, 0x80, 0x800];
const FORMATS = ['f32', 'f64', 'f80'] as const;

/** The data region: numbers of all formats side by side. */
export function dataRegion(random: Random): Uint8Array {
  const bytes = new Uint8Array(DATA_SIZE);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + 16 <= DATA_SIZE; at += 16) {
    const format = random.of(FORMATS);
    putOperand(view, at, format, random);
    if (format !== 'f80') putCompanion(view, at + 8, at, format, random);
  }
  return bytes;
}

function putX87(view: DataView, at: number, random: Random): void {
  const control = (random.below(3) ? 0x3f : random.word() & 0x3f) | (random.of([0, 2, 3, 3, 3]) << 8) | (random.below(4) << 10) | 0x40;
  const flags = random.below(4) ? 0 : random.word() & 0x7f;
  // Pending exceptions now and then only: they keep the instruction from running.
  const quiet = random.below(8) ? flags & (control | 0x40) : flags;
  const summary = quiet & ~control & 0x3f ? 0x8080 : 0;
  view.setUint16(at, control, true);
  view.setUint16(at + 2, quiet | summary | (random.below(8) << 11) | (random.word() & 0x4700), true);
  view.setUint8(at + 4, random.below(4) ? 0xff : random.word() & 0xff);
  for (let i = 0; i < 8; i++) {
    if (i === 0 || random.below(2)) putOperand(view, at + ST + i * 16, 'f80', random);
    else putCompanion(view, at + ST + i * 16, at + ST + (i - 1) * 16, 'f80', random);
  }
}

function putSse(view: DataView, at: number, random: Random): void {
  const masks = random.below(3) ? 0x3f : random.word() & 0x3f;
  const flags = random.below(2) ? 0x20 : random.below(4) ? 0 : random.word() & 0x3f;
  view.setUint32(at + 24, (masks << 7) | (random.below(4) << 13) | (random.below(4) ? 0 : random.word() & 0x8040) | flags, true);
  for (let i = 0; i < XMM_COUNT; i++) {
    const format = random.of(['f32', 'f64'] as const);
    const size = format === 'f32' ? 4 : 8;
    for (let j = 0; j < 16; j += size) {
      const slot = at + XMM_AREA + i * 16 + j;
      if (i > 0 && random.below(3) === 0) putCompanion(view, slot, slot - 16, format, random);
      else putOperand(view, slot, format, random);
    }
  }
}

/** A random encoding of a row; registers as bases hold addresses within the data. */
function encode(row: InstructionRow, random: Random): Uint8Array {
  const pattern = parseEncoding(row.encoding);
  const bytes: number[] = [];
  if (pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 2) bytes.push(0x66);
  const prefix = { '66': 0x66, F2: 0xf2, F3: 0xf3 }[pattern.mandatory as string];
  if (prefix !== undefined) bytes.push(prefix);
  if (random.below(3) === 0) bytes.push(0x40 | random.below(16));
  bytes.push(...MAP_BYTES[pattern.map], pattern.opcode + (pattern.plusRegister ? random.below(8) : 0));
  if (pattern.modrm !== 'none') {
    const digit = pattern.modrm === 'digit' ? pattern.digit : random.below(8);
    const register = pattern.registerOnly || random.below(2) === 0;
    bytes.push(pattern.modrm === 'fixed' ? pattern.modrmByte : ((register ? 3 : random.below(2)) << 6) | (digit << 3) | random.below(8));
  }
  const tail = Array.from({ length: 10 }, () => random.below(256));
  return Uint8Array.from([...bytes, ...tail, ...new Array<number>(10).fill(0)]).subarray(0, 30);
}

/** A case of a row, or undefined where the random bytes are another instruction. */
export function makeCase(row: InstructionRow, random: Random): Case | undefined {
  const encoded = encode(row, random);
  const instruction = decode(encoded, 0, 64);
  if (isFailure(instruction) || instruction.row !== row) return undefined;
  const memory = instruction.operands.find((operand) => operand.kind === 'memory');
  if (memory?.kind === 'memory' && (memory.ripRelative || memory.addressSize !== 64)) return undefined;
  const bytes = new Uint8Array(TEST.size);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 16; i++) {
    const value = random.below(8) ? DATA + 0x400 + (random.below(0x1000) & (random.below(8) ? ~15 : -1)) : random.word();
    view.setBigUint64(i * 8, BigInt(value), true);
  }
  // Displacements that keep an aligned base's alignment, mostly.
  const code = encoded.slice(0, instruction.length);
  view.setBigUint64(TEST.eflags, BigInt(STATUS_FLAGS.reduce((flags, bit) => flags | (random.below(2) ? bit : 0), 0x202)), true);
  view.setUint8(TEST.length, code.length);
  bytes.set(code, TEST.code);
  putX87(view, TEST.fx, random);
  putSse(view, TEST.fx, random);
  return { instruction, code, bytes };
}

/** Runs cases on the real processor. */
export function runOnSilicon(program: string, data: Uint8Array, cases: readonly Case[]): Outcome[] {
  const output = execFileSync(program, { input: Buffer.concat([data, ...cases.map(({ bytes }) => bytes)]), maxBuffer: 2 ** 30 });
  const view = new DataView(output.buffer, output.byteOffset, output.length);
  const outcomes: Outcome[] = [];
  for (let at = 0; at < output.length; ) {
    const count = Number(view.getBigUint64(at + RESULT.changes, true));
    const first = at + RESULT.size;
    outcomes.push({
      registers: Array.from({ length: 16 }, (_, i) => view.getBigUint64(at + i * 8, true)),
      eflags: Number(view.getBigUint64(at + RESULT.eflags, true)),
      rip: view.getBigUint64(at + RESULT.rip, true),
      vector: Number(view.getBigUint64(at + RESULT.vector, true)),
      error: Number(view.getBigUint64(at + RESULT.error, true)),
      fx: output.subarray(at + RESULT.fx, at + RESULT.size),
      changes: Array.from({ length: count }, (_, i) => view.getUint16(first + i * 4, true) * 256 + view.getUint8(first + i * 4 + 2)),
    });
    at = first + count * 4;
  }
  return outcomes;
}

const [PML4, PDPT, DIRECTORY, TABLE] = [0x1000, 0x2000, 0x3000, 0x4000];
const PRESENT_WRITABLE_USER = 7;
const DATA_FRAME = 0x8000;
const CODE_FRAME = 0xc000;

/** Our processor in the harness's place: 64-bit code in ring 3 with the same two regions mapped. */
export class Subject {
  private readonly cpu: Processor;
  private readonly memory: PhysicalMemory;
  private readonly host = new HostMemory(RESERVED);
  private readonly pristine: Uint8Array;

  constructor(data: Uint8Array) {
    this.pristine = data;
    this.memory = new PhysicalMemory(this.host);
    this.memory.addRam(0, 1 << 20);
    const machine = {
      host: this.host,
      memory: this.memory,
      ports: new PortBus(),
      clock: new Clock(),
      log: new TransitionLog(4096),
      handlers: buildHandlers(),
      model: { ...cpuModel('max'), has: () => true },
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
    const put = (address: number, value: number): void => this.memory.write(address, 4, value);
    put(PML4, PDPT | PRESENT_WRITABLE_USER);
    put(PDPT, DIRECTORY | PRESENT_WRITABLE_USER);
    put(DIRECTORY + (DATA >>> 21) * 8 - (DATA >>> 30) * 4096, TABLE | PRESENT_WRITABLE_USER);
    for (const [base, frame, size] of [
      [DATA, DATA_FRAME, DATA_SIZE],
      [CODE, CODE_FRAME, CODE_SIZE],
    ]) {
      for (let at = 0; at < size; at += 4096) put(TABLE + (((base + at) >>> 12) & 0x1ff) * 8, (frame + at) | PRESENT_WRITABLE_USER);
    }
    this.memory.writeBytes(DATA_FRAME as GuestPhysicalAddress, data);
  }

  run({ bytes, code }: Case): Outcome {
    const { cpu } = this;
    const { state } = cpu;
    const test = new DataView(bytes.buffer, bytes.byteOffset);
    cpu.reset();
    state.setSys(SYS.cr3, PML4);
    state.setSys(SYS.cr4, Cr4.pae | Cr4.osfxsr | Cr4.osxmmexcpt);
    state.setSys(SYS.efer, 0xd00);
    state.setSys(SYS.cr0, (Cr0.pe | Cr0.pg | Cr0.wp | Cr0.et | Cr0.ne | Cr0.mp) >>> 0);
    state.setCpl(3);
    const flat = { base: 0, limit: 0xffffffff, unusable: false };
    state.setSegment(Seg.cs, { ...flat, selector: 0x33, attributes: 0xa0fb });
    for (const segment of [Seg.ss, Seg.ds, Seg.es]) state.setSegment(segment, { ...flat, selector: 0x2b, attributes: 0xc0f3 });
    for (let i = 0; i < 16; i++) state.setRegHalves(i, test.getUint32(i * 8, true), test.getUint32(i * 8 + 4, true));
    state.eflags = test.getUint32(TEST.eflags, true);
    state.ip = CODE + START;
    state.refresh();
    this.load(new DataView(bytes.buffer, bytes.byteOffset + TEST.fx, AREA));
    const page = new Uint8Array(CODE_SIZE).fill(0xcc);
    page.set(code, START);
    this.memory.writeBytes(CODE_FRAME as GuestPhysicalAddress, page);
    cpu.mmu.flush();
    cpu.step();
    const held = cpu.heldException;
    return {
      registers: Array.from({ length: 16 }, (_, i) => (BigInt(state.regHigh(i) >>> 0) << 32n) | BigInt(state.reg32(i) >>> 0)),
      eflags: state.eflags,
      // A completed instruction runs into the INT3 behind it.
      rip: BigInt(held ? state.ip : state.ip + 1),
      vector: held ? held.vector : 3,
      error: held && EXCEPTIONS[held.vector]?.errorCode ? held.errorCode : 0,
      fx: this.save(),
      changes: this.changes(),
    };
  }

  private load(fx: DataView): void {
    const { u32 } = this.host;
    const view = new DataView(this.host.memory.buffer);
    u32[X87_CONTROL >> 2] = fx.getUint16(0, true);
    u32[X87_STATUS >> 2] = fx.getUint16(2, true);
    u32[X87_TAGS >> 2] = fx.getUint8(4);
    const top = (fx.getUint16(2, true) >> 11) & 7;
    for (let i = 0; i < 8; i++) {
      const to = X87_REGISTERS + ((top + i) & 7) * X87_STRIDE;
      for (let j = 0; j < 16; j++) view.setUint8(to + j, j < 10 ? fx.getUint8(ST + i * 16 + j) : 0);
    }
    u32[MXCSR >> 2] = fx.getUint32(24, true);
    for (let i = 0; i < XMM_COUNT; i++) {
      for (let j = 0; j < 16; j++) view.setUint8(XMM + i * XMM_STRIDE + j, fx.getUint8(XMM_AREA + i * 16 + j));
    }
    view.setBigUint64(X87_IP, fx.getBigUint64(8, true), true);
    view.setBigUint64(X87_DP, fx.getBigUint64(16, true), true);
  }

  private save(): Uint8Array {
    const area = new Uint8Array(AREA);
    const view = new DataView(area.buffer);
    const unit = new X87State(this.cpu);
    unit.saveLegacyX87(view, true);
    view.setUint32(24, unit.mxcsr, true);
    unit.saveXmm(view, 64);
    return area;
  }

  private changes(): number[] {
    const now = this.memory.readBytes(DATA_FRAME as GuestPhysicalAddress, DATA_SIZE);
    const list: number[] = [];
    for (let i = 0; i < DATA_SIZE; i++) if (now[i] !== this.pristine[i]) list.push(i * 256 + now[i]);
    if (list.length > 0) this.memory.writeBytes(DATA_FRAME as GuestPhysicalAddress, this.pristine);
    return list;
  }
}
