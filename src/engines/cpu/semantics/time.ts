/** RDTSC and RDTSCP. */
import { Intercept, INTERCEPTS, SYS, SYSTEM } from '../layout';
import { ExitReason } from '../vmx/exit-reasons';
import { OWN_EXIT } from '../vmx/own-exits';
import { i32, i64 } from '../wasm/code';
import type { Context, Semantics } from './context';
import { word } from './words';

const EAX = 0;
const ECX = 1;
const EDX = 2;
const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;
const CR4_TSD = 2;
const system = (c: Context, register: number) => c.state(SYSTEM + register * 8);

const intercepted = (c: Context, bit: number) => i32.and(c.state(INTERCEPTS), i32.const(bit));

function readTime(c: Context, reason: number): void {
  const reserved = i32.and(i32.shr_u(system(c, SYS.cr4), i32.const(CR4_TSD)), i32.const(1));
  c.faultIf(i32.and(reserved, i32.ne(system(c, SYS.cpl), i32.const(0))), GENERAL_PROTECTION);
  c.faultIf(intercepted(c, Intercept.timeStamp), OWN_EXIT + reason);
  const time = c.let(i64.type, c.timeStamp());
  c.register(EAX, word(4)).write(i32.wrap(time));
  c.register(EDX, word(4)).write(i32.wrap(i64.shr_u(time, i64.const(32))));
}

export const rdtsc: Semantics = (c) => readTime(c, ExitReason.rdtsc);

/** IA32_TSC_AUX beside the count; a VMCS may take the instruction away. */
export const rdtscp: Semantics = (c) => {
  c.faultIf(intercepted(c, Intercept.noRdtscp), INVALID_OPCODE);
  readTime(c, ExitReason.rdtscp);
  c.register(ECX, word(4)).write(system(c, SYS.tscAux));
};
