/** What the debugger asks of a processor again and again. */
import type { AddressSpace, Engine, VirtualCpu } from '../../engines/engine';
import { formatLinear, type LinearAddress } from '../../shared/addresses';

/** The value of a field of a register, as `cs`'s `base`. */
export function fieldOf(cpu: VirtualCpu, register: string, field: string): bigint | undefined {
  return cpu.registerNamed(register)?.fields.find(({ name }) => name === field)?.value;
}

/** A field that holds a linear address. */
export function addressField(cpu: VirtualCpu, register: string, field: string): number | undefined {
  const value = fieldOf(cpu, register, field);
  return value === undefined ? undefined : signedAddress(value);
}

/** Unsigned 64 bits as addresses are counted: those of the canonical upper half are negative. */
export const signedAddress = (value: bigint): number => Number(BigInt.asIntN(64, value));

/** An address as registers and expressions hold it. */
export const unsignedAddress = (address: number): bigint => BigInt.asUintN(64, BigInt(address));

/** In IA-32e mode, whatever the code size. */
export const inLongMode = ({ place: { mode } }: VirtualCpu): boolean => mode === 'long' || mode === 'compatibility';

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
  return cpu.linear('ss', signedAddress(pointer));
}

/** Linear address in the frame pointer, taken in the stack segment. */
export function frameBase(cpu: VirtualCpu): number {
  const base = cpu.register(BASES[stackWidth(cpu)])?.value ?? 0n;
  return cpu.linear('ss', signedAddress(base));
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
  if (cpu.bits === 64) {
    cpu.setRegister('rip', unsignedAddress(address));
    return;
  }
  const offset = (address - codeBase(cpu)) >>> 0;
  const limit = fieldOf(cpu, 'cs', 'limit');
  if (limit !== undefined && BigInt(offset) > limit) {
    throw new Error(
      `${formatLinear(address)} lies outside the code segment (offset 0x${offset.toString(16)}, limit 0x${limit.toString(16)})`,
    );
  }
  cpu.setRegister('eip', BigInt(offset));
}

/** A little-endian number of 1 to 8 bytes, of 8 signed as addresses are; undefined where memory ends. Exact below 2^53. */
export function readNumber(engine: Engine, cpu: number, space: AddressSpace, address: number, size: number): number | undefined {
  const bytes = engine.readMemory(cpu, space, address, size);
  if (bytes.length < size) return undefined;
  return wordAt(bytes, 0, size);
}

/** The same out of bytes that were read. */
export function wordAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = Math.min(size, 4) - 1; i >= 0; i--) value = value * 256 + bytes[at + i];
  if (size !== 8) return value;
  const high = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24);
  return high * 2 ** 32 + value;
}

export const linear = (address: number): LinearAddress => address as LinearAddress;

/** Linear address as programs count it in this mode. */
export function wrapAddress(cpu: VirtualCpu, address: number): number {
  return cpu.bits === 64 ? address : address >>> 0;
}
