/** Task switches always leave the guest (manual, "Exit Qualification for Task Switches"). */
import type { TaskSwitch } from '../system/tasks';
import { ExitReason } from './exit-reasons';
import { VmExit } from './vm-exit';

/** Sources in bits 31:30. */
const SOURCES = { call: 0, return: 1, jump: 2 } as const;
const TASK_GATE_IN_IDT = 3;

export function taskSwitchExit({ selector, how, byEvent }: TaskSwitch): VmExit {
  const source = byEvent ? TASK_GATE_IN_IDT : SOURCES[how];
  return new VmExit(ExitReason.taskSwitch, { qualification: ((source << 30) | selector) >>> 0 });
}
