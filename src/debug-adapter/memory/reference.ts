/** Memory references: an address with its space, as `linear:0x7c00`, `phys:0xb8000` or, of the guest that a hypervisor has left, `guest:0x7c00`. */
import type { AddressSpace } from '../../engines/engine';
import type { Location } from '../expressions/values';
import { UserError } from '../protocol/errors';

const SPACES: Readonly<Record<string, AddressSpace>> = { linear: 'linear', phys: 'physical', physical: 'physical', guest: 'guest' };
const NAMES: Readonly<Record<AddressSpace, string>> = { linear: 'linear', physical: 'phys', guest: 'guest' };
const FORM = /^\s*(?:(\w+):)?(-?(?:0x[\da-f]+|\d+))\s*$/i;

/** @throws UserError for what is no memory reference; a number alone is a linear address */
export function parseReference(text: string): Location {
  const match = FORM.exec(text);
  const space = SPACES[(match?.[1] ?? 'linear').toLowerCase()];
  const digits = match?.[2] ?? '';
  const number = digits.startsWith('-') ? -BigInt(digits.slice(1)) : match ? BigInt(digits) : 0n;
  const address = Number(BigInt.asIntN(64, number));
  if (!match || space === undefined || !Number.isSafeInteger(address) || number >> 64n > 0n) {
    throw new UserError(
      `'${text}' is no memory reference; write linear:0x7c00, phys:0xb8000 or, of the guest that a hypervisor has left, guest:0x7c00`,
    );
  }
  return { space, address };
}

export function formatReference({ space, address }: Location): string {
  return `${NAMES[space]}:0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}
