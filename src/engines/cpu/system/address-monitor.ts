/** MONITOR and MWAIT: waiting for a store to a line of memory (manual, "Optimized Monitor and MWAIT"). */
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { GuestPhysicalAddress } from '../../../shared/addresses';
import { MISC_ENABLE } from '../layout';
import { type CpuState, Flag, Reg } from '../state';
import { PRIMARY_CONTROLS } from '../vmx/control-bits';
import type { Cpu } from './cpu';
import { gp, ud } from './fault';
import { effectiveAddress, readOperandAt, segmentNumber } from './operands';

/** Bytes of what is monitored, which CPUID's leaf 5 says. */
export const MONITOR_LINE = 64;
/** IA32_MISC_ENABLE, "ENABLE MONITOR FSM". */
export const MONITOR_ENABLE = 1 << 18;
/** Extension of MWAIT in ECX: interrupts end the wait even where IF masks them. */
const BREAK_ON_INTERRUPT = 1;
/** Instructions of other processors after which a wait ends anyhow, as it always may. */
const PATIENCE = 100_000;

/** CPUID shows MONITOR and MWAIT, and they are there, while IA32_MISC_ENABLE lets them. */
export const monitorEnabled = (state: CpuState): boolean => (state.host.u32[MISC_ENABLE >> 2] & MONITOR_ENABLE) !== 0;

/**
 * What one processor watches. A store is seen by what it changes, whenever someone asks; one that writes what was there already ends
 * the wait late, as other processors go on.
 */
export class AddressMonitor {
  private readonly memory: PhysicalMemory;
  private address = -1 as GuestPhysicalAddress;
  private content: Uint8Array | undefined;
  private waiting = false;
  private endsByInterrupt = false;
  private since = 0;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  get armed(): boolean {
    return this.content !== undefined;
  }

  /** The processor halts by MWAIT rather than by HLT. */
  get waits(): boolean {
    return this.waiting;
  }

  /** An interrupt ends the wait though IF masks it. */
  get breaksOnInterrupt(): boolean {
    return this.waiting && this.endsByInterrupt;
  }

  /** @param address in the line */
  arm(address: number): void {
    this.address = (address - (address % MONITOR_LINE)) as GuestPhysicalAddress;
    this.content = this.line();
  }

  /** @param byInterrupt an interrupt that IF masks ends it, too @param now the machine's count of instructions */
  wait(byInterrupt: boolean, now: number): void {
    this.waiting = true;
    this.endsByInterrupt = byInterrupt;
    this.since = now;
  }

  /** Events, VM entries and VM exits end the monitoring. */
  clear(): void {
    this.content = undefined;
    this.waiting = false;
  }

  /** The wait is over. @param pending an interrupt waits @param now the machine's count of instructions */
  ended(pending: boolean, now: number): boolean {
    if (!this.waiting) return false;
    return (pending && this.endsByInterrupt) || now - this.since >= PATIENCE || this.stored;
  }

  /** Something other than what it was lies in the line. */
  get stored(): boolean {
    const { content } = this;
    if (!content) return false;
    const now = this.line();
    return content.some((byte, i) => byte !== now[i]);
  }

  private line(): Uint8Array {
    return this.memory.readBytes(this.address, MONITOR_LINE);
  }
}

/** Only ring 0 has them. @throws GuestFault #UD */
export function requireMonitor({ state, instruction }: Cpu): void {
  const name = instruction.row.mnemonic.toUpperCase();
  if (!monitorEnabled(state)) throw ud(`IA32_MISC_ENABLE has ${name} turned off`);
  if (state.cpl !== 0) throw ud(`${name} needs ring 0, CPL is ${state.cpl}`);
}

/** RCX in 64-bit mode, else ECX, has only the given bits. */
function checkExtensions({ state, instruction }: Cpu, known: number): void {
  if (state.reg32(Reg.ecx) & ~known || (state.long && state.regHigh(Reg.ecx))) {
    throw gp(0, `${instruction.row.mnemonic.toUpperCase()} has no such extension as ECX asks for`);
  }
}

/** The access is a load of one byte. */
export function monitor(cpu: Cpu): void {
  requireMonitor(cpu);
  checkExtensions(cpu, 0);
  const [operand] = cpu.instruction.operands;
  if (operand.kind !== 'memory') throw new Error('MONITOR takes an address');
  readOperandAt(cpu, operand, 0, 1);
  const linear = cpu.state.linear(segmentNumber(operand), effectiveAddress(cpu, operand));
  cpu.monitor.arm(cpu.mmu.translate(linear, false, false));
}

/** Hints in EAX, which say how deeply to sleep, change nothing. */
export function mwait(cpu: Cpu): void {
  requireMonitor(cpu);
  checkExtensions(cpu, BREAK_ON_INTERRUPT);
  const { state, monitor, vmx } = cpu;
  const byInterrupt = (state.reg32(Reg.ecx) & BREAK_ON_INTERRUPT) !== 0;
  // Manual, "Changes to Instruction Behavior in VMX Non-Root Operation": it would wait for an interrupt whose window it blocks.
  const blocked = byInterrupt && !state.flag(Flag.if) && vmx.nonRoot && vmx.hasPrimary(PRIMARY_CONTROLS.mask.interruptWindowExiting);
  if (!monitor.armed || monitor.stored || blocked) monitor.clear();
  else {
    cpu.halt();
    monitor.wait(byInterrupt, cpu.instructionCount);
  }
}
