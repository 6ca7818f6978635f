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
