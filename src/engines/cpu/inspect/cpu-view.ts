/** A processor as the debugger reads and changes it: see `VirtualCpu`. */
import type { Bits, Instruction } from '../../../isa/types';
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import type { Place } from '../../../shared/transition';
import type { HeldException, RegisterGroup, RegisterValue, VirtualCpu } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import type { Processor } from '../processor';
import type { Processors } from '../processors';
import { Reg, Seg } from '../state';
import { writeCr0, writeCr4 } from '../system/control';
import { EXCEPTIONS, GuestFault, Vector } from '../system/fault';
import { loadLdtr, loadSegment } from '../system/segments';
import { registerFields } from './fields';
import { segmentFields } from './segments';

const GENERAL = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'] as const;
/** In the order in which people look for them. */
const GENERAL_SHOWN = ['eax', 'ebx', 'ecx', 'edx', 'esi', 'edi', 'ebp', 'esp'] as const;
const SEGMENTS: Readonly<Record<string, Seg>> = {
  cs: Seg.cs,
  ss: Seg.ss,
  ds: Seg.ds,
  es: Seg.es,
  fs: Seg.fs,
  gs: Seg.gs,
  ldtr: Seg.ldtr,
  tr: Seg.tr,
};
const CONTROL: Readonly<Record<string, number>> = { cr0: SYS.cr0, cr2: SYS.cr2, cr3: SYS.cr3, cr4: SYS.cr4 };
const DEBUG: Readonly<Record<string, number>> = {
  dr0: SYS.dr0,
  dr1: SYS.dr1,
  dr2: SYS.dr2,
  dr3: SYS.dr3,
  dr6: SYS.dr6,
  dr7: SYS.dr7,
};
const TABLES: Readonly<Record<string, readonly [base: number, limit: number]>> = {
  gdtr: [SYS.gdtrBase, SYS.gdtrLimit],
  idtr: [SYS.idtrBase, SYS.idtrLimit],
};
const MSRS: Readonly<Record<string, number>> = {
  sysenter_cs: SYS.sysenterCs,
  sysenter_esp: SYS.sysenterEsp,
  sysenter_eip: SYS.sysenterEip,
};

interface Part {
  readonly register: number;
  readonly size: 1 | 2 | 4;
  readonly high: boolean;
}

/** `eax` to `bh`: register number, size in bytes, and whether it is a high byte. */
const PARTS: ReadonlyMap<string, Part> = new Map(
  GENERAL.flatMap((name, register): [string, Part][] => {
    const word = name.slice(1);
    const parts: [string, Part][] = [
      [name, { register, size: 4, high: false }],
      [word, { register, size: 2, high: false }],
    ];
    if (register < 4) {
      parts.push([`${word[0]}l`, { register, size: 1, high: false }], [`${word[0]}h`, { register, size: 1, high: true }]);
    }
    return parts;
  }),
);

export class CpuView implements VirtualCpu {
  readonly index: number;
  readonly name: string;
  private readonly cpus: Processors;
  private readonly memory: PhysicalMemory;

  constructor(index: number, cpus: Processors, memory: PhysicalMemory) {
    this.index = index;
    this.name = `vCPU ${index}`;
    this.cpus = cpus;
    this.memory = memory;
  }

  /** The processor, its state in place. */
  private get cpu(): Processor {
    return this.cpus.load(this.index);
  }

  get place(): Place {
    return this.cpu.place();
  }

  get address(): LinearAddress {
    return this.cpu.state.instructionAddress;
  }

  get bits(): Bits {
    return this.cpu.state.codeBits;
  }

  get halted(): boolean {
    return this.cpu.state.sys(SYS.activity) !== 0;
  }

  get heldException(): HeldException | undefined {
    const fault = this.cpu.heldException;
    if (!fault) return undefined;
    const info = EXCEPTIONS[fault.vector];
    return {
      vector: fault.vector,
      mnemonic: info?.mnemonic ?? `vector ${fault.vector}`,
      name: info?.name ?? 'reserved',
      errorCode: info?.errorCode ? fault.errorCode : undefined,
      reason: fault.reason,
      faultAddress: fault.vector === Vector.pf ? this.cpu.state.sys64(SYS.cr2) : undefined,
    };
  }

  registers(): readonly RegisterValue[] {
    const { state } = this.cpu;
    const plain = (name: string, group: RegisterGroup, value: number): RegisterValue => ({
      name,
      group,
      bits: 32,
      value: BigInt(value),
      fields: registerFields(name, value),
    });
    return [
      ...GENERAL_SHOWN.map((name) => plain(name, 'general', state.reg32(Reg[name]))),
      plain('eip', 'general', state.ip),
      plain('eflags', 'flags', state.eflags),
      ...Object.entries(SEGMENTS).map(([name, segment]): RegisterValue => {
        const register = state.segment(segment);
        const system = segment === Seg.ldtr || segment === Seg.tr;
        return {
          name,
          group: system ? 'system' : 'segments',
          bits: 16,
          value: BigInt(register.selector),
          fields: segmentFields(register, state.protectedMode && !state.virtual8086),
        };
      }),
      ...Object.entries(CONTROL).map(([name, slot]) => plain(name, 'control', state.sys(slot))),
      ...Object.entries(DEBUG).map(([name, slot]) => plain(name, 'debug', state.sys(slot))),
      ...Object.entries(TABLES).map(
        ([name, [base, limit]]): RegisterValue => ({
          name,
          group: 'system',
          bits: 32,
          value: BigInt(state.sys(base)),
          fields: [
            { name: 'base', value: BigInt(state.sys(base)) },
            { name: 'limit', value: BigInt(state.sys(limit)), meaning: 'in bytes' },
          ],
        }),
      ),
      { name: 'cpl', group: 'system', bits: 2, value: BigInt(state.cpl), fields: [] },
      ...Object.entries(MSRS).map(([name, slot]) => plain(name, 'system', state.sys(slot))),
      { name: 'tsc', group: 'system', bits: 64, value: BigInt(this.cpu.timeStamp), fields: [] },
    ];
  }

  register(name: string): { value: bigint; bits: number } | undefined {
    const part = PARTS.get(name);
    if (part) return { value: BigInt(this.cpu.state.reg(part.register, part.size, part.high)), bits: part.size * 8 };
    if (name === 'ip') return { value: BigInt(this.cpu.state.ip & 0xffff), bits: 16 };
    if (name === 'flags') return { value: BigInt(this.cpu.state.eflags & 0xffff), bits: 16 };
    const found = this.registers().find((register) => register.name === name);
    return found && { value: found.value, bits: found.bits };
  }

  setRegister(name: string, value: bigint): void {
    const known = this.register(name);
    if (!known) throw new Error(`there is no register "${name}"`);
    if (value < 0n) value = BigInt.asUintN(known.bits, value);
    if (value >> BigInt(known.bits)) throw new Error(`0x${value.toString(16)} does not fit into ${name} of ${known.bits} bits`);
    const number = Number(value);
    try {
      this.set(name, number);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      const mnemonic = EXCEPTIONS[error.vector]?.mnemonic ?? `vector ${error.vector}`;
      throw new Error(
        `loading 0x${value.toString(16)} into ${name} would raise ${mnemonic}(0x${error.errorCode.toString(16)}): ${error.reason}`,
        {
          cause: error,
        },
      );
    }
    this.cpu.state.refresh();
  }

  private set(name: string, value: number): void {
    const { state, mmu } = this.cpu;
    const part = PARTS.get(name);
    if (part) state.setReg(part.register, part.size, value, part.high);
    else if (name === 'eip' || name === 'ip') state.ip = value;
    else if (name === 'eflags') state.eflags = value;
    else if (name === 'flags') state.eflags = ((state.eflags & 0xffff0000) | value) >>> 0;
    else if (name === 'ldtr') loadLdtr(this.cpu, value);
    else if (name in SEGMENTS && name !== 'tr' && name !== 'cs') loadSegment(this.cpu, SEGMENTS[name], value);
    else if (name === 'cs' && (!state.protectedMode || state.virtual8086)) state.setRealSegment(Seg.cs, value);
    else if (name === 'cr0') writeCr0(this.cpu, value);
    else if (name === 'cr4') writeCr4(this.cpu, value);
    else if (name in CONTROL) {
      state.setSys(CONTROL[name], value);
      mmu.flush();
    } else if (name in DEBUG) {
      state.setSys(DEBUG[name], value);
      this.cpu.debugRegistersChanged();
    } else if (name in MSRS) state.setSys(MSRS[name], value);
    else throw new Error(`${name} cannot be changed here`);
  }

  linear(segment: string, offset: number): LinearAddress {
    const number = SEGMENTS[segment];
    if (number === undefined) throw new Error(`there is no segment register "${segment}"`);
    return this.cpu.state.linear(number, offset);
  }

  translate(address: LinearAddress): GuestPhysicalAddress | undefined {
    return this.cpu.mmu.probe(address);
  }

  instructionStarts(from: LinearAddress, to: LinearAddress): readonly LinearAddress[] {
    const starts: LinearAddress[] = [];
    for (let page = Math.floor(from / 4096) * 4096; page < to; page += 4096) {
      const physical = this.translate(page as LinearAddress);
      if (physical === undefined) continue;
      const low = Math.max(from, page) - page;
      const high = Math.min(to, page + 4096) - page;
      for (const offset of this.cpu.blocks.startsInFrame(this.memory.frameOf(physical), low, high))
        starts.push((page + offset) as LinearAddress);
    }
    return starts;
  }

  decode(address: LinearAddress): Instruction | undefined {
    return this.cpu.decodeAt(address);
  }
}
