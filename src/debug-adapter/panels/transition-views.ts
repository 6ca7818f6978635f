/** Rows and details of the trap log. */
import type { LoggedTransition } from '../../engines/transitions';
import { describeTransition } from '../../engines/transition-details';
import type { TransitionFilter, TransitionRow, TransitionView } from '../../shared/panel-protocol';
import { UserError } from '../protocol/errors';
import { describe } from '../protocol/shapes';
import type { Guest } from '../guest';
import { placeInCode } from './places';

export function rowOf(raw: LoggedTransition, { program }: Guest): TransitionRow {
  const { sequence, count, vcpu, kind, causeName, from, to, address } = raw;
  return { sequence, count, vcpu, kind, cause: causeName, from, to, at: placeInCode(address, program) };
}

export function viewOf(raw: LoggedTransition, guest: Guest): TransitionView {
  const target = targetAddress(raw, guest);
  return {
    ...describeTransition(raw),
    at: placeInCode(raw.address, guest.program),
    ...(target !== undefined && { targetAt: placeInCode(target, guest.program) }),
  };
}

/** Linear address of where execution went, by the descriptor that its selector names now. */
function targetAddress({ to, toSelector, toOffset }: LoggedTransition, { environment }: Guest): number | undefined {
  if (to.mode === 'real' || to.mode === 'virtual-8086') return (toSelector << 4) + toOffset;
  try {
    return environment.selectorBase(toSelector) + toOffset;
  } catch {
    return undefined;
  }
}

const LISTS: readonly (readonly [name: keyof TransitionFilter, type: 'string' | 'number'])[] = [
  ['kinds', 'string'],
  ['causes', 'string'],
  ['rings', 'number'],
  ['vcpus', 'number'],
];

/** @throws UserError for a filter that is not as it must be */
export function checkFilter(filter: TransitionFilter | undefined): void {
  if (!filter) return;
  for (const [name, type] of LISTS) {
    const value = filter[name];
    if (value === undefined) continue;
    if (!Array.isArray(value) || value.some((item) => typeof item !== type)) {
      throw new UserError(`'filter.${name}' must be a list of ${type}s, not ${describe(value)}`);
    }
  }
}

/** @returns whether an entry is let through; undefined where all are */
export function filterTest(filter: TransitionFilter | undefined): ((raw: LoggedTransition) => boolean) | undefined {
  if (!filter) return undefined;
  const kinds = filter.kinds && new Set<string>(filter.kinds);
  const causes = filter.causes && new Set(filter.causes);
  const rings = filter.rings && new Set<number>(filter.rings);
  const vcpus = filter.vcpus && new Set(filter.vcpus);
  const { changesOnly } = filter;
  if (!kinds && !causes && !rings && !vcpus && !changesOnly) return undefined;
  return ({ kind, causeName, from, to, vcpu }) =>
    (!kinds || kinds.has(kind)) &&
    (!causes || causes.has(causeName)) &&
    (!rings || rings.has(from.ring) || rings.has(to.ring)) &&
    (!vcpus || vcpus.has(vcpu)) &&
    (!changesOnly || from.ring !== to.ring || from.mode !== to.mode);
}
