/**
 * Virtual-8086 mode extensions (manual, "8086 Emulation": "Software Interrupt Handling Methods", "Protected-Mode Virtual Interrupts"):
 * with CR4.VME a program whose IOPL is below 3 has VIF for its IF, and INT n goes to its own handlers where the TSS's redirection
 * bitmap says so. CR4.PVI does the former for programs in ring 3.
 */
import type { LinearAddress } from '../../../shared/addresses';
import { Cr4, type CpuState, Flag, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { gp } from './fault';
import { before, type Event, report } from './interrupts';
import { StackCursor } from './stack';

/** Offset of the I/O bitmap's offset in a 32-bit TSS; the redirection bitmap ends where the I/O bitmap begins. */
const BITMAP_OFFSET = 102;
const REDIRECTION_BYTES = 32;
const IF_TO_VIF = 10;

/** VIF stands for IF: CPL is above IOPL, and CR4 has the extension of the mode. */
export function hasVirtualFlag({ virtual8086, cpl, iopl, cr4 }: CpuState): boolean {
  return cpl === 3 && iopl < 3 && (cr4 & (virtual8086 ? Cr4.vme : Cr4.pvi)) !== 0;
}

/** FLAGS as a program sees them: where VIF stands for IF, that in its place, and an IOPL of 3. */
export function shownFlags({ eflags, iopl }: CpuState): number {
  if (iopl === 3) return eflags & 0xffff;
  return (eflags & 0xffff & ~Flag.if) | Flag.iopl | ((eflags >>> IF_TO_VIF) & Flag.if);
}

/**
 * POPF and IRET with 16 bits under VME where IOPL is below 3: IF goes to VIF, IOPL stays.
 * @throws GuestFault #GP(0) for TF, and for IF while VIP is set
 */
export function takeVirtualFlags({ state, instruction }: Cpu, value: number): void {
  const name = instruction.row.mnemonic.toUpperCase();
  if (value & Flag.tf) throw gp(0, `${name} would set TF, which CR4.VME leaves to the monitor`);
  if (value & Flag.if && state.flag(Flag.vip)) throw gp(0, `${name} would set VIF while VIP is set`);
  const changeable = 0xffff & ~(Flag.iopl | Flag.if);
  const rest = state.eflags & ~(changeable | Flag.vif);
  state.eflags = (rest | (value & 0x7fd5 & changeable) | Flag.one | ((value & Flag.if) << IF_TO_VIF)) >>> 0;
}

/** INT n in virtual-8086 mode goes to the program's own handler. @throws GuestFault #GP(0) where the TSS has no bitmap */
export function redirects({ state, mmu }: Cpu, vector: number): boolean {
  if (!state.virtual8086 || !(state.cr4 & Cr4.vme)) return false;
  const [base, limit] = [state.segBase(Seg.tr), state.segLimit(Seg.tr)];
  if (limit < BITMAP_OFFSET + 1) throw gp(0, 'the TSS has no room for the redirection bitmap');
  const at = mmu.read(((base + BITMAP_OFFSET) >>> 0) as LinearAddress, 2, false) - REDIRECTION_BYTES + (vector >> 3);
  if (at > limit) throw gp(0, "the redirection bitmap lies beyond the TSS's limit");
  return ((mmu.read(((base + at) >>> 0) as LinearAddress, 1, false) >> (vector & 7)) & 1) === 0;
}

/** Delivers INT n as in real mode, without leaving virtual-8086 mode: methods 5 (IOPL 3) and 6. */
export function deliverRedirected(cpu: Cpu, event: Event): void {
  const { state, mmu } = cpu;
  before(cpu, event);
  const entry = event.vector * 4;
  const offset = mmu.read(entry as LinearAddress, 2, false);
  const selector = mmu.read((entry + 2) as LinearAddress, 2, false);
  const stack = StackCursor.current(state, mmu);
  stack.push(2, shownFlags(state));
  stack.push(2, state.selector(Seg.cs));
  stack.push(2, event.returnTo);
  if (offset > state.segLimit(Seg.cs)) throw gp(0, "the handler's offset lies beyond the limit of CS");
  state.setRegAddress(Reg.esp, stack.pointer);
  state.setFlag((state.iopl === 3 ? Flag.if : Flag.vif) | Flag.tf | Flag.rf, false);
  state.setRealSegment(Seg.cs, selector);
  state.ip = offset;
  state.refresh();
  report(cpu, selector, offset);
}
