/** All checks on VM entry (manual, "VM Entries"), in the manual's order. */
import { Field } from '../fields';
import type { CheckArea, CheckWorld, EntryCheck, FailedCheck } from './check';
import { EXECUTION_CONTROL_CHECKS } from './execution-controls';
import { ENTRY_CONTROL_CHECKS, EXIT_CONTROL_CHECKS } from './exit-and-entry-controls';
import { GUEST_NON_REGISTER_CHECKS } from './guest-activity';
import { GUEST_CONTROL_REGISTER_CHECKS } from './guest-control-registers';
import { GUEST_PDPTE_CHECKS } from './guest-pdptes';
import { GUEST_SEGMENT_CHECKS } from './guest-segments';
import { GUEST_TABLE_RIP_AND_RFLAGS_CHECKS } from './guest-tables-rip-rflags';
import { HOST_STATE_CHECKS } from './host-state';
import { MSR_LOADING_CHECKS } from './msr-loading';

export const ENTRY_CHECKS: readonly EntryCheck[] = [
  ...EXECUTION_CONTROL_CHECKS,
  ...EXIT_CONTROL_CHECKS,
  ...ENTRY_CONTROL_CHECKS,
  ...HOST_STATE_CHECKS,
  ...GUEST_CONTROL_REGISTER_CHECKS,
  ...GUEST_SEGMENT_CHECKS,
  ...GUEST_TABLE_RIP_AND_RFLAGS_CHECKS,
  ...GUEST_NON_REGISTER_CHECKS,
  ...GUEST_PDPTE_CHECKS,
  ...MSR_LOADING_CHECKS,
];

const of = (area: CheckArea): readonly EntryCheck[] => ENTRY_CHECKS.filter((check) => check.area === area);
/** The same by area. */
export const OF_AREA: Readonly<Record<CheckArea, readonly EntryCheck[]>> = {
  controls: of('controls'),
  'host state': of('host state'),
  'guest state': of('guest state'),
  'MSR loading': of('MSR loading'),
};

/** The first check of an area that refuses, in the manual's order; undefined when all hold. */
export function firstFailure(world: CheckWorld, area: CheckArea): EntryCheck | undefined {
  const rows = OF_AREA[area];
  for (let i = 0; i < rows.length; i++) if (!rows[i].holds(world)) return rows[i];
  return undefined;
}

/** What a check refused, with what it saw. */
export const explain = (world: CheckWorld, check: EntryCheck): FailedCheck => ({
  check,
  values: check.fields.map((field) => ({ field, low: world.vmcs.low(Field[field]), high: world.vmcs.high(Field[field]) })),
  found: check.found?.(world) ?? [],
});

/** "Why did it fail?": every check that would refuse, of one area or of all. */
export const allFailures = (world: CheckWorld, area?: CheckArea): readonly FailedCheck[] =>
  (area === undefined ? ENTRY_CHECKS : OF_AREA[area]).filter((check) => !check.holds(world)).map((check) => explain(world, check));
