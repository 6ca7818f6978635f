/** What the names in an expression stand for, and where its memory is: the guest, as the expressions see it. */
import type { AddressSpace, FloatNotation } from '../../engines/engine';

export interface Environment {
  /** Code size at the next instruction: the size of `[…]` where nothing says another. */
  readonly bits: 16 | 32 | 64;
  /** A register, a part of one, a flag or a field (`cs.base`), lower case. */
  register(name: string): { readonly value: bigint; readonly bits: number; readonly float?: FloatNotation } | undefined;
  /** @throws Error with one line that says why it cannot be changed */
  setRegister(name: string, value: bigint): void;
  /** `$error`, `$vector`, `$port` and what else the moment knows, without the `$`; undefined for a name that never exists. */
  variable(name: string): (() => bigint) | undefined;
  symbol(name: string): EnvironmentSymbol | undefined;
  /** Linear address of an offset in a segment register (lower case). */
  linear(segment: string, offset: bigint): number;
  /** Linear base of the segment that a selector names now. @throws Error with one line */
  selectorBase(selector: number): number;
  /** Shorter than asked where memory ends. */
  readMemory(space: AddressSpace, address: number, length: number): Uint8Array;
  /** @returns bytes written */
  writeMemory(space: AddressSpace, address: number, bytes: Uint8Array): number;
}

export interface EnvironmentSymbol {
  /** Linear address, or the number of an EQU. */
  readonly value: number;
  readonly constant: boolean;
  /** Bytes of what stands there; 0 where unknown. */
  readonly size: number;
}
