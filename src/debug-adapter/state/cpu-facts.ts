/** What the debugger asks of a processor again and again. */
import type { AddressSpace, Engine, VirtualCpu } from '../../engines/engine';
import type { LinearAddress } from '../../shared/addresses';

/** The value of a field of a register, as `cs`'s `base`. */
export function fieldOf(cpu: VirtualCpu, register: string, field: string): bigint | undefined {
  const found = cpu.registers().find(({ name }) => name === register);
  return found?.fields.find(({ name }) => name === field)?.value;
}

/** Bytes that the stack pointer counts in, by SS's size, or 8 in 64-bit mode. */
export function stackWidth(cpu: VirtualCpu): 2 | 4 | 8 {
  if (cpu.bits === 64) return 8;
  return fieldOf(cpu, 'ss', 'D/B') === 1n ? 4 : 2;
}

const POINTERS = { 2: 'sp', 4: 'esp', 8: 'rsp' } as const;
const BASES = { 2: 'bp', 4: 'ebp', 8: 'rbp' } as const;

/** Linear address of the top of the stack. */
export function stackTop(cpu: VirtualCpu): number {
  const pointer = cpu.register(POINTERS[stackWidth(cpu)])?.value ?? 0n;
  return cpu.linear('ss', Number(pointer));
}

/** Linear address in the frame pointer, taken in the stack segment. */
export function frameBase(cpu: VirtualCpu): number {
  const base = cpu.register(BASES[stackWidth(cpu)])?.value ?? 0n;
  return cpu.linear('ss', Number(base));
}

/** Linear address of offset 0 of the code segment. */
export function codeBase(cpu: VirtualCpu): number {
  return cpu.linear('cs', 0);
}

/**
 * Lets a processor go on at an address.
 * @throws Error when the address lies outside the code segment
 */
export function setInstructionAddress(cpu: VirtualCpu, address: number): void {
  if (cpu.register('rip')) {
    cpu.setRegister('rip', BigInt(address));
    return;
  }
  const offset = (address - codeBase(cpu)) >>> 0;
  const limit = fieldOf(cpu, 'cs', 'limit');
  if (limit !== undefined && BigInt(offset) > limit) {
    throw new Error(
      `0x${address.toString(16)} lies outside the code segment (offset 0x${offset.toString(16)}, limit 0x${limit.toString(16)})`,
    );
  }
  cpu.setRegister('eip', BigInt(offset));
}

/** A little-endian number of 1 to 8 bytes; undefined where memory ends. Exact below 2^53. */
export function readNumber(engine: Engine, cpu: number, space: AddressSpace, address: number, size: number): number | undefined {
  const bytes = engine.readMemory(cpu, space, address, size);
  if (bytes.length < size) return undefined;
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i];
  return value;
}

export const linear = (address: number): LinearAddress => address as LinearAddress;

/** Linear address as programs count it in this mode. */
export function wrapAddress(cpu: VirtualCpu, address: number): number {
  return cpu.bits === 64 ? address : address >>> 0;
}
