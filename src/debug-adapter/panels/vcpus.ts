/** The processor that a panel asks about. */
import type { VirtualCpu } from '../../engines/engine';
import type { Guest } from '../guest';
import { UserError } from '../protocol/errors';
import { describe } from '../protocol/shapes';

/** @throws UserError for a processor that is not there */
export function vcpuOf({ engine }: Guest, index: number): VirtualCpu {
  const cpu = engine.cpus[index];
  if (!cpu) throw new UserError(`there is no vCPU ${describe(index)}; there are 0 to ${engine.cpus.length - 1}`);
  return cpu;
}
