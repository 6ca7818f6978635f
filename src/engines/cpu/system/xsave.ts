/** XSAVE and its kin (manual, "Managing State Using the XSAVE Feature Set"): x87 and SSE, in the standard and the compacted form. */
import { SYS, XMM, XMM_STRIDE } from '../layout';
import { Cr0, Cr4, Reg } from '../state';
import { requireRing0 } from './control';
import type { Cpu } from './cpu';
import { GuestFault, gp, ud, Vector } from './fault';
import type { Helper } from './helpers';
import { areaAddress, readOperandBytes, writeOperandBytes } from './operands';
import { MXCSR_MASK, X87State } from './x87-state';

/** Bits of XCR0, XSTATE_BV and the requested-feature bitmap. */
const X87 = 1;
const SSE = 2;

const LEGACY = 512;
const HEADER = 64;
const AREA = LEGACY + HEADER;
const MXCSR_AT = 24;
const STATE_AT = LEGACY;
const COMPACTION_AT = LEGACY + 8;
const INITIAL_CONTROL = 0x37f;
const INITIAL_MXCSR = 0x1f80;
const COMPACTED = 0x80000000;

/** Checks what all have in common. @returns the components that are asked for and enabled */
function enter(cpu: Cpu, write: boolean): { unit: X87State; requested: number } {
  const { state, instruction } = cpu;
  const name = instruction.row.mnemonic.toUpperCase();
  if (!(state.cr4 & Cr4.osxsave)) throw ud(`${name} needs CR4.OSXSAVE`);
  if (state.cr0 & Cr0.ts) throw new GuestFault(Vector.nm, 0, `${name} with CR0.TS set`);
  const [operand] = instruction.operands;
  if (operand.kind !== 'memory') throw ud(`${name} needs memory`);
  const { first, at } = areaAddress(cpu, operand, AREA, 64, write);
  const user = state.cpl === 3;
  const requested = state.sys(SYS.xcr0) & state.reg32(Reg.eax);
  // What processors touch first, a fault shows.
  if (write) {
    cpu.mmu.checkWrite(at(AREA - 1), 1, user);
    cpu.mmu.checkWrite(at(requested & X87 ? 0 : requested & SSE ? MXCSR_AT : STATE_AT), 1, user);
    cpu.mmu.checkWrite(first, AREA, user);
  } else cpu.mmu.read(at(COMPACTION_AT), 4, user);
  return { unit: new X87State(cpu), requested };
}

/** The components that are not in their initial state. */
export function inUse(cpu: Cpu): number {
  const unit = new X87State(cpu);
  const area = new DataView(new ArrayBuffer(LEGACY));
  unit.saveLegacyX87(area, true);
  area.setUint16(0, area.getUint16(0, true) ^ INITIAL_CONTROL, true);
  const x87 = new Uint8Array(area.buffer).some((byte) => byte !== 0);
  const { u32 } = cpu.state.host;
  const registers = Array.from({ length: 16 }, (_, i) => (XMM + i * XMM_STRIDE) >> 2);
  const sse = registers.some((at) => (u32[at] | u32[at + 1] | u32[at + 2] | u32[at + 3]) !== 0);
  return (x87 ? X87 : 0) | (sse ? SSE : 0);
}

interface SaveForm {
  /** Leaves out components in their initial state. */
  readonly optimized: boolean;
  readonly compacted: boolean;
  readonly wide: boolean;
}

function save(cpu: Cpu, { optimized, compacted, wide }: SaveForm): void {
  const { unit, requested } = enter(cpu, true);
  const [operand] = cpu.instruction.operands;
  const area = new DataView(readOperandBytes(cpu, operand, AREA).buffer);
  const used = inUse(cpu) | (compacted && unit.mxcsr !== INITIAL_MXCSR ? SSE : 0);
  const written = optimized ? requested & used : requested;
  if (written & X87) unit.saveLegacyX87(area, wide);
  if (compacted ? written & SSE : requested & SSE) {
    area.setUint32(MXCSR_AT, unit.mxcsr, true);
    area.setUint32(MXCSR_AT + 4, MXCSR_MASK, true);
  }
  if (written & SSE) unit.saveXmm(area, cpu.state.codeBits);
  const kept = compacted ? 0 : area.getUint32(STATE_AT, true) & ~requested;
  area.setUint32(STATE_AT, (kept | (requested & used)) >>> 0, true);
  if (compacted) {
    area.setUint32(STATE_AT + 4, 0, true);
    area.setUint32(COMPACTION_AT, requested, true);
    area.setUint32(COMPACTION_AT + 4, COMPACTED, true);
  }
  writeOperandBytes(cpu, operand, new Uint8Array(area.buffer, 0, LEGACY + (compacted ? 16 : 8)));
}

/** Refuses what no processor of this kind can have written. @returns whether the area is compacted */
function checkHeader(cpu: Cpu, area: DataView, supervisor: boolean): boolean {
  const word = (at: number): number => area.getUint32(at, true);
  const compacted = (word(COMPACTION_AT + 4) & COMPACTED) !== 0;
  const enabled = cpu.state.sys(SYS.xcr0);
  if (compacted ? !cpu.model.has('xsavec') : supervisor) throw gp(0, 'the form of the XSAVE area is not one that this instruction takes');
  if (word(STATE_AT) & ~enabled || word(STATE_AT + 4)) throw gp(0, 'XSTATE_BV has components that XCR0 has not');
  if (compacted) {
    const components = word(COMPACTION_AT);
    if (components & ~enabled || word(COMPACTION_AT + 4) !== COMPACTED) throw gp(0, 'XCOMP_BV has components that XCR0 has not');
    if (word(STATE_AT) & ~components) throw gp(0, 'XSTATE_BV has components that XCOMP_BV has not');
  }
  for (let at = compacted ? 16 : 8; at < (compacted ? HEADER : 24); at += 4) {
    if (word(LEGACY + at)) throw gp(0, 'reserved bytes of the XSAVE header are not zero');
  }
  return compacted;
}

function restore(cpu: Cpu, supervisor: boolean, wide: boolean): void {
  const { unit, requested } = enter(cpu, false);
  const area = new DataView(readOperandBytes(cpu, cpu.instruction.operands[0], AREA).buffer);
  const compacted = checkHeader(cpu, area, supervisor);
  const present = area.getUint32(STATE_AT, true);
  const takesMxcsr = requested & SSE && (!compacted || present & SSE);
  const mxcsr = area.getUint32(MXCSR_AT, true);
  if (takesMxcsr && mxcsr & ~MXCSR_MASK) throw gp(0, 'bits of MXCSR that do not exist are set');
  const initial = new DataView(new ArrayBuffer(AREA));
  initial.setUint16(0, INITIAL_CONTROL, true);
  if (requested & X87) unit.loadLegacyX87(present & X87 ? area : initial, wide);
  if (requested & SSE) {
    unit.loadXmm(present & SSE ? area : initial, cpu.state.codeBits);
    unit.mxcsr = takesMxcsr ? mxcsr : INITIAL_MXCSR;
  }
}

const saver =
  (form: Omit<SaveForm, 'wide'>) =>
  (wide: boolean): Helper =>
  (cpu) =>
    save(cpu, { ...form, wide });

const plain = saver({ optimized: false, compacted: false });
const optimized = saver({ optimized: true, compacted: false });
const compacted = saver({ optimized: true, compacted: true });
const restorer =
  (supervisor: boolean) =>
  (wide: boolean): Helper =>
  (cpu) => {
    if (supervisor) requireRing0(cpu);
    restore(cpu, supervisor, wide);
  };
/** No component is the supervisor's, so XSAVES does what XSAVEC does, in ring 0. */
const supervisorSave =
  (wide: boolean): Helper =>
  (cpu) => {
    requireRing0(cpu);
    compacted(wide)(cpu);
  };

const FORMS: Readonly<Record<string, (wide: boolean) => Helper>> = {
  xsave: plain,
  xsaveopt: optimized,
  xsavec: compacted,
  xsaves: supervisorSave,
  xrstor: restorer(false),
  xrstors: restorer(true),
};

/** By the instruction table's names, `xsave64` and the like with 64-bit pointers. */
export const XSAVE_HELPERS: Readonly<Record<string, Helper>> = Object.fromEntries(
  Object.entries(FORMS).flatMap(([name, form]) => [
    [name, form(false)],
    [`${name}64`, form(true)],
  ]),
);
