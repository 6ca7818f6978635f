/**
 * Address spaces as types: an address is never a bare number across a module's edge.
 *
 * Every address is a safe integer counted in bytes. Linear addresses are unsigned below 4 GiB in the 16- and 32-bit
 * modes; in 64-bit mode they are canonical and sign-extended, so that 48 bits fit a double exactly.
 */
export type LinearAddress = number & { readonly space: 'linear' };

/** What the guest's page tables produce. */
export type GuestPhysicalAddress = number & { readonly space: 'guest-physical' };

/** What the nested translation of a monitor produces; equal to guest-physical without one. */
export type HostPhysicalAddress = number & { readonly space: 'host-physical' };

/** A logical address: selector and offset. */
export interface FarPointer {
  readonly selector: number;
  readonly offset: number;
}

/** As people write it: 8 hexadecimal digits, or all 16 where it has more than 32 bits (canonical addresses above are signed numbers). */
export function formatLinear(address: number): string {
  const digits = address >= 0 && address < 2 ** 32 ? 8 : 16;
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16).padStart(digits, '0')}`;
}
