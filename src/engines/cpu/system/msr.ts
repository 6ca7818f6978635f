/** Model-specific registers (manual, "Model-Specific Registers"). */
import { SYS } from '../layout';
import type { Cpu } from './cpu';
import { gp } from './fault';

const IA32_TSC = 0x10;

/** Registers of 32 bits that are a slot of the state. */
const SLOTS: Readonly<Record<number, number | undefined>> = {
  0x174: SYS.sysenterCs,
  0x175: SYS.sysenterEsp,
  0x176: SYS.sysenterEip,
};

const unknown = (index: number) => gp(0, `MSR 0x${index.toString(16)} does not exist on this processor`);

/** @returns low and high 32 bits @throws GuestFault #GP(0) for a register that does not exist */
export function readMsr(cpu: Cpu, index: number): readonly [low: number, high: number] {
  if (index === IA32_TSC) return [cpu.timeStamp % 2 ** 32, Math.floor(cpu.timeStamp / 2 ** 32)];
  const slot = SLOTS[index];
  if (slot === undefined) throw unknown(index);
  return [cpu.state.sys(slot), 0];
}

/** @throws GuestFault #GP(0) for a register that does not exist */
export function writeMsr(cpu: Cpu, index: number, low: number, high: number): void {
  if (index === IA32_TSC) {
    cpu.setTimeStamp(high * 2 ** 32 + low);
    return;
  }
  const slot = SLOTS[index];
  if (slot === undefined) throw unknown(index);
  cpu.state.setSys(slot, low);
}
