/** All cases of checks on VM entry, by the checks' ids. */
import { CONTROL_CASES } from './entry-checks-control-cases';
import { GUEST_CASES } from './entry-checks-guest-cases';
import { HOST_CASES } from './entry-checks-host-cases';
import { SEGMENT_CASES } from './entry-checks-segment-cases';
import type { Case } from './entry-checks-support';

export const CASES: ReadonlyMap<string, Case> = new Map([...CONTROL_CASES, ...HOST_CASES, ...GUEST_CASES, ...SEGMENT_CASES]);
