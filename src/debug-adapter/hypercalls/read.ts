/** The file of hypercalls that belongs to a launch. */
import { UserError } from '../protocol/errors';
import type { LaunchAttributes } from '../launch/attributes';
import { type Hypercall, parseHypercalls } from './table';

/** @param read gives a file's contents @throws UserError with one line for a file that is bad, or was named and is not there */
export function readHypercalls(
  file: LaunchAttributes['hypercalls'],
  read: (path: string) => Uint8Array | undefined,
): ReadonlyMap<number, Hypercall> {
  const bytes = file && read(file.path);
  if (!bytes) {
    if (file && !file.optional) throw new UserError(`${file.path}: the file cannot be read`, true);
    return new Map();
  }
  try {
    return parseHypercalls(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new UserError(`${file.path}: ${(error as Error).message}`, true);
  }
}
