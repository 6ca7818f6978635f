/** Hosts and guests that judge the processor's VMX, each held against the manual. */
import { describe, it } from 'vitest';
import { CONTROL_REGISTER_CASES } from './cases/control-registers';
import { EVENT_CASES } from './cases/events';
import { HOT_CASES } from './cases/hot';
import { INTERCEPT_CASES } from './cases/intercepts';
import { IO_CASES, MSR_CASES } from './cases/io-and-msrs';
import { MEMORY_CASES } from './cases/memory';
import { MODE_CASES } from './cases/modes';
import { INSTRUCTION_CASES } from './cases/instructions';
import { judge, type VmxCase } from './harness/cases';

const GROUPS: Readonly<Record<string, readonly VmxCase[]>> = {
  'VMX instructions': INSTRUCTION_CASES,
  'instructions that exit': INTERCEPT_CASES,
  'control registers': CONTROL_REGISTER_CASES,
  ports: IO_CASES,
  MSRs: MSR_CASES,
  ...EVENT_CASES,
  ...MODE_CASES,
  ...MEMORY_CASES,
  'hot code': HOT_CASES,
};

describe.each(Object.entries(GROUPS))('%s', (_group, cases) => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (_name, test) => judge(test));
});
