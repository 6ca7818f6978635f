/** The names of expressions in a running guest: registers, flags, fields, symbols and what the moment knows. */
import type { AddressSpace, Engine, VirtualCpu } from '../../engines/engine';
import type { ProbeEvent } from '../../engines/probes';
import type { ProcessorMode } from '../../shared/transition';
import { addressField, readNumber, signedAddress, unsignedAddress } from '../state/cpu-facts';
import type { Program } from '../sources/program';
import type { Environment, EnvironmentSymbol } from './environment';

/** EFLAGS bits by name (manual, "EFLAGS Register"). */
export const FLAG_BITS: Readonly<Record<string, readonly [low: number, width: number]>> = {
  cf: [0, 1],
  pf: [2, 1],
  af: [4, 1],
  zf: [6, 1],
  sf: [7, 1],
  tf: [8, 1],
  if: [9, 1],
  df: [10, 1],
  of: [11, 1],
  iopl: [12, 2],
  nt: [14, 1],
  rf: [16, 1],
  vm: [17, 1],
  ac: [18, 1],
  vif: [19, 1],
  vip: [20, 1],
  id: [21, 1],
};

const mask = (width: number): bigint => (1n << BigInt(width)) - 1n;

const numberOf = (value: number | undefined): bigint => BigInt(Math.trunc(value ?? 0));

/** NASM's character constant: the first character is the lowest byte. */
const characters = (text: string): bigint => [...text].reduceRight((value, letter) => (value << 8n) | BigInt(letter.charCodeAt(0)), 0n);

/** Variables of the moment; those of an event are 0 when there is none of its kind. */
const VARIABLES: Readonly<Record<string, (environment: GuestEnvironment) => bigint>> = {
  '': ({ cpu }) => unsignedAddress(cpu.address),
  vcpu: ({ cpu }) => BigInt(cpu.index),
  ring: ({ cpu }) => BigInt(cpu.place.ring),
  guestring: ({ cpu }) => BigInt(cpu.place.guestRing),
  // As the character constants 'off', 'root' and 'non-root', of which NASM makes numbers.
  vmx: ({ cpu }) => characters(cpu.place.vmx),
  nonroot: ({ cpu }) => (cpu.place.vmx === 'non-root' ? 1n : 0n),
  count: ({ engine }) => BigInt(engine.instructionCount),
  hits: ({ hits }) => BigInt(hits),
  vector: ({ event, cpu }) => numberOf(event?.exception?.vector ?? event?.transition?.cause ?? cpu.heldException?.vector),
  error: ({ event, cpu }) => numberOf(event?.exception?.errorCode ?? cpu.heldException?.errorCode),
  port: ({ event }) => numberOf(event?.port?.port),
  value: ({ event }) => numberOf(event?.port?.value),
  size: ({ event }) => numberOf(event?.port?.size ?? event?.access?.size),
  write: ({ event }) => ((event?.port?.write ?? event?.access?.write) ? 1n : 0n),
  address: ({ event, cpu }) => unsignedAddress(event?.access?.address ?? event?.address ?? cpu.address),
};

export const VARIABLE_NAMES: readonly string[] = Object.keys(VARIABLES).filter((name) => name !== '');

export class GuestEnvironment implements Environment {
  readonly engine: Engine;
  private readonly program: Program;
  /** Whose registers are meant. */
  vcpu = 0;
  /** What a probe came upon, while it decides. */
  event: ProbeEvent | undefined;
  /** How often it came there. */
  hits = 0;

  constructor(engine: Engine, program: Program, vcpu = 0) {
    this.engine = engine;
    this.program = program;
    this.vcpu = vcpu;
  }

  get cpu(): VirtualCpu {
    return this.engine.cpus[this.vcpu];
  }

  get bits(): 16 | 32 | 64 {
    return this.cpu.bits;
  }

  register(name: string): ReturnType<Environment['register']> {
    const { cpu } = this;
    const whole = cpu.register(name);
    if (whole) return name.startsWith('st') ? { ...whole, float: cpu.registerNamed(name)?.float } : whole;
    const flag = Object.hasOwn(FLAG_BITS, name) ? FLAG_BITS[name] : undefined;
    if (flag) {
      const flags = cpu.register('eflags')?.value ?? 0n;
      return { value: (flags >> BigInt(flag[0])) & mask(flag[1]), bits: flag[1] };
    }
    const field = this.field(name);
    return field && { value: field.value, bits: field.bits, float: field.field.float };
  }

  /** `cs.base`, `cr0.pe`. */
  private field(name: string) {
    const dot = name.indexOf('.');
    if (dot <= 0) return undefined;
    const register = this.cpu.registerNamed(name.slice(0, dot));
    const field = register?.fields.find((each) => each.name.toLowerCase() === name.slice(dot + 1));
    if (!register || !field) return undefined;
    const bits = field.low === undefined ? (field.bits ?? 32) : (field.high ?? field.low) - field.low + 1;
    return { register, field, value: field.value, bits };
  }

  setRegister(name: string, value: bigint): void {
    const { cpu } = this;
    if (cpu.register(name)) {
      cpu.setRegister(name, value);
      return;
    }
    const flag = Object.hasOwn(FLAG_BITS, name) ? FLAG_BITS[name] : undefined;
    if (flag) {
      setBits(cpu, 'eflags', flag[0], flag[1], value);
      return;
    }
    const found = this.field(name);
    if (!found) throw new Error(`there is no register "${name}"`);
    const { low, high = low } = found.field;
    if (low === undefined || high === undefined) throw new Error(`${name} is a hidden part: load the segment register to change it`);
    setBits(cpu, found.register.name, low, high - low + 1, value);
  }

  variable(name: string): (() => bigint) | undefined {
    const lower = name.toLowerCase();
    const read = Object.hasOwn(VARIABLES, lower) ? VARIABLES[lower] : undefined;
    return read && (() => read(this));
  }

  symbol(name: string): EnvironmentSymbol | undefined {
    const { cpu, program } = this;
    const here = program.seenFrom(cpu.place.vmx);
    const symbol = here.symbolNamed(name, cpu.address) ?? program.symbolNamed(name, cpu.address);
    return symbol && { value: symbol.address, constant: symbol.kind === 'constant', size: symbol.size };
  }

  linear(segment: string, offset: bigint): number {
    const { cpu } = this;
    const wrapped = cpu.bits === 64 ? BigInt.asIntN(64, offset) : BigInt.asUintN(32, offset);
    return cpu.linear(segment, signedAddress(wrapped));
  }

  selectorBase(selector: number): number {
    const { cpu, engine } = this;
    return selectorBase(selector, cpu.place.mode, descriptorAddress(cpu, selector), (address, size) =>
      readNumber(engine, cpu.index, 'linear', address, size),
    );
  }

  readMemory(space: AddressSpace, address: number, length: number): Uint8Array {
    return this.engine.readMemory(this.vcpu, space, address, length);
  }

  writeMemory(space: AddressSpace, address: number, bytes: Uint8Array): number {
    return this.engine.writeMemory(this.vcpu, space, address, bytes);
  }
}

/**
 * Linear base of the segment that a selector names. @param entry linear address of its descriptor
 * @throws Error with one line where there is none
 */
export function selectorBase(
  selector: number,
  mode: ProcessorMode,
  entry: number | undefined,
  read: (address: number, size: number) => number | undefined,
): number {
  if (mode === 'real' || mode === 'virtual-8086') return selector << 4;
  const low = entry === undefined ? undefined : read(entry, 4);
  const high = entry === undefined ? undefined : read(entry + 4, 4);
  if (low === undefined || high === undefined) throw new Error(`the selector 0x${selector.toString(16)} names no descriptor`);
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  if (mode !== 'long' && mode !== 'compatibility') return base;
  const isSegment = (high & 0x1000) !== 0;
  // System descriptors have 16 bytes; a code segment with L set, and in 64-bit mode any, begins at 0.
  if (!isSegment) return ((read((entry as number) + 8, 4) ?? 0) | 0) * 2 ** 32 + base;
  return mode === 'long' || (high & 0x200800) === 0x200800 ? 0 : base;
}

function setBits(cpu: VirtualCpu, register: string, low: number, width: number, value: bigint): void {
  if (value >> BigInt(width)) throw new Error(`0x${value.toString(16)} does not fit ${width} bits`);
  const old = cpu.register(register)?.value ?? 0n;
  cpu.setRegister(register, (old & ~(mask(width) << BigInt(low))) | (value << BigInt(low)));
}

/** Linear address of the descriptor that a selector names; undefined for null selectors and those beyond the table. */
export function descriptorAddress(cpu: VirtualCpu, selector: number): number | undefined {
  const index = selector & ~7;
  const table = selector & 4 ? 'ldtr' : 'gdtr';
  if (table === 'gdtr' && index === 0) return undefined;
  const base = addressField(cpu, table, 'base');
  const limit = addressField(cpu, table, 'limit');
  return base === undefined || limit === undefined || index + 7 > limit ? undefined : base + index;
}
