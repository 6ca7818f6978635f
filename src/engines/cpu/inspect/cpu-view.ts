/** A processor as the debugger reads and changes it: see `VirtualCpu`. */
import type { Bits, Instruction } from '../../../isa/types';
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import type { Place } from '../../../shared/transition';
import type { HeldException, PageTables, RegisterField, RegisterGroup, RegisterValue, SavedGuest, VirtualCpu } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { VmxFacts } from '../../vmx-facts';
import { SYS } from '../layout';
import type { Processor } from '../processor';
import type { Processors } from '../processors';
import { isCanonical } from '../state';
import { EXCEPTIONS, GuestFault, Vector } from '../system/fault';
import { PageTableView } from './page-tables';
import { partNamed, type RegisterSpec, SEGMENTS, specNamed, specsOf } from './register-set';
import { savedGuest } from './saved-guest';
import { VmxView } from './vmx-view';

/** Low parts of the instruction pointer and the flags; `keeps` the rest when it is written. */
const LOW_PARTS: ReadonlyMap<string, { readonly of: readonly string[]; readonly bits: number; readonly keeps: boolean }> = new Map([
  ['ip', { of: ['eip', 'rip'], bits: 16, keeps: false }],
  ['eip', { of: ['rip'], bits: 32, keeps: false }],
  ['flags', { of: ['eflags', 'rflags'], bits: 16, keeps: true }],
  ['eflags', { of: ['rflags'], bits: 32, keeps: false }],
]);

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
      faultAddress: fault.vector === Vector.pf ? fault.information : undefined,
    };
  }

  registers(group?: RegisterGroup): readonly RegisterValue[] {
    const { cpu } = this;
    return specsOf(cpu)
      .filter((spec) => (group === undefined || spec.group === group) && (spec.exists?.(cpu) ?? true))
      .map((spec) => this.valueOf(spec));
  }

  registerNamed(name: string): RegisterValue | undefined {
    const spec = specNamed(this.cpu, name);
    return spec && this.valueOf(spec);
  }

  /** Fields are made when someone looks at them: there are hundreds. */
  private valueOf({ name, group, bits, read, fields, float, meaning }: RegisterSpec): RegisterValue {
    const { cpu } = this;
    // By then another processor's state may lie in place.
    const present = (): Processor => this.cpu;
    const value = read(cpu);
    let made: readonly RegisterField[] | undefined;
    return {
      name,
      group,
      bits,
      value,
      float,
      meaning: meaning?.(cpu),
      get fields() {
        made ??= fields?.(present(), value) ?? [];
        return made;
      },
    };
  }

  register(name: string): { value: bigint; bits: number } | undefined {
    const { cpu } = this;
    const spec = specNamed(cpu, name);
    if (spec) return { value: spec.read(cpu), bits: spec.bits };
    const part = partNamed(cpu, name);
    if (part) return { value: BigInt(cpu.state.reg(part.register, part.size, part.high)), bits: part.size * 8 };
    const low = LOW_PARTS.get(name);
    const whole = low && low.of.map((each) => specNamed(cpu, each)).find((each) => each !== undefined);
    return whole && { value: BigInt.asUintN(low.bits, whole.read(cpu)), bits: low.bits };
  }

  setRegister(name: string, value: bigint): void {
    const known = this.register(name);
    if (!known) throw new Error(`there is no register "${name}"`);
    if (value < 0n) value = BigInt.asUintN(known.bits, value);
    if (value >> BigInt(known.bits)) throw new Error(`0x${value.toString(16)} does not fit into ${name} of ${known.bits} bits`);
    try {
      this.set(name, value);
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

  private set(name: string, value: bigint): void {
    const { cpu } = this;
    const spec = specNamed(cpu, name);
    const part = partNamed(cpu, name);
    const low = LOW_PARTS.get(name);
    if (spec) {
      if (!spec.write) throw new Error(`${name} cannot be changed here`);
      spec.write(cpu, value);
    } else if (part) cpu.state.setReg(part.register, part.size, Number(value), part.high);
    else if (low) {
      const whole = low.of.map((each) => specNamed(cpu, each)).find((each) => each !== undefined);
      // As the instruction pointer always did, what is written to a part of it is all of it.
      if (whole) whole.write?.(cpu, low.keeps ? ((whole.read(cpu) >> BigInt(low.bits)) << BigInt(low.bits)) | value : value);
    }
  }

  linear(segment: string, offset: number): LinearAddress {
    const number = Object.hasOwn(SEGMENTS, segment) ? SEGMENTS[segment] : undefined;
    if (number === undefined) throw new Error(`there is no segment register "${segment}"`);
    return this.cpu.state.linear(number, offset);
  }

  translate(address: LinearAddress): GuestPhysicalAddress | undefined {
    const { state, mmu } = this.cpu;
    const exists = state.longMode ? isCanonical(address) : address >= 0 && address < 2 ** 32;
    return exists ? mmu.probe(address) : undefined;
  }

  get pageTables(): PageTables {
    return new PageTableView(() => this.cpu, this.memory);
  }

  get vmx(): VmxFacts | undefined {
    return this.cpu.model.has('vmx') ? new VmxView(() => this.cpu, this.memory) : undefined;
  }

  get savedGuest(): SavedGuest | undefined {
    return savedGuest(this.cpu, this.memory);
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
