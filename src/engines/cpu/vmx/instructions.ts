/** The VMX instructions (manual, "VMX Instruction Reference"), with their checks in the order of their descriptions. */
import { Cr4, isCanonical, join, Reg } from '../state';
import type { Cpu } from '../system/cpu';
import { gp, ud } from '../system/fault';
import { readOperandAt, readOperandHalves, registerHalves, writeOperandAt, writeRegisterHalves } from '../system/operands';
import { InvvpidType } from '../system/translation-sets';
import { CR0_FIXED0, CR4_FIXED0 } from './capabilities';
import { SECONDARY_CONTROLS, VM_FUNCTIONS } from './control-bits';
import { isValidEptPointer } from './ept-pointer';
import { enterGuest, guestContext } from './entry';
import { ExitReason } from './exit-reasons';
import { Field, fieldByEncoding } from './fields';
import { FeatureControl } from './feature-control';
import { InstructionError } from './instruction-errors';
import { fail, failInvalid, succeed } from './outcome';
import { VmExit } from './vm-exit';
import { SHADOW_INDICATOR, Vmcs, VMCS_REVISION } from './vmcs';
import { isPageAddress } from './vmx';

const name = ({ instruction }: Cpu): string => instruction.row.mnemonic.toUpperCase();
const SECONDARY = SECONDARY_CONTROLS.mask;

// --- where they may run

/** #UD where no VMX instruction exists: real, virtual-8086 and compatibility mode. */
export function requireMode(cpu: Cpu): void {
  const { state } = cpu;
  if (!state.protectedMode || state.virtual8086) throw ud(`${name(cpu)} needs protected mode`);
  if (state.longMode && !state.long) throw ud(`${name(cpu)} does not exist in compatibility mode`);
}

function requireRing0(cpu: Cpu): void {
  if (cpu.state.cpl !== 0) throw gp(0, `${name(cpu)} needs ring 0, CPL is ${cpu.state.cpl}`);
}

/** #UD outside VMX operation; in non-root operation `intercepts.ts` has made an exit by now. */
function requireRoot(cpu: Cpu): void {
  if (cpu.vmx.operation === 0) throw ud(`${name(cpu)} needs VMX operation: VMXON has not been executed`);
  requireMode(cpu);
  requireRing0(cpu);
}

const operandHalves = (cpu: Cpu): readonly [low: number, high: number] => readOperandHalves(cpu, cpu.instruction.operands[0]);

// --- VMX operation

export function vmxon(cpu: Cpu): void {
  const { state, vmx } = cpu;
  requireMode(cpu);
  if (!(state.cr4 & Cr4.vmxe)) throw ud('VMXON needs CR4.VMXE');
  requireRing0(cpu);
  if (vmx.root) {
    fail(cpu, InstructionError.vmxonInRoot);
    return;
  }
  if ((state.cr0 & CR0_FIXED0) >>> 0 !== CR0_FIXED0 || (state.cr4 & CR4_FIXED0) !== CR4_FIXED0) {
    throw gp(0, 'VMXON needs the bits of CR0 and CR4 that IA32_VMX_CR0_FIXED0 and IA32_VMX_CR4_FIXED0 name');
  }
  const control = state.sys(FeatureControl.slot);
  if ((control & FeatureControl.enabled) !== FeatureControl.enabled) {
    throw gp(0, 'VMXON needs IA32_FEATURE_CONTROL with the lock bit and "enable VMX outside SMX operation" set');
  }
  const [low, high] = operandHalves(cpu);
  if (!isPageAddress(low, high) || cpu.mmu.memory.readWord(join(low, high)) !== VMCS_REVISION) {
    failInvalid(cpu);
    return;
  }
  vmx.startOperation(join(low, high));
  succeed(cpu);
}

export function vmxoff(cpu: Cpu): void {
  requireRoot(cpu);
  cpu.vmx.endOperation();
  succeed(cpu);
}

// --- VMCS regions

export function vmclear(cpu: Cpu): void {
  requireRoot(cpu);
  const { vmx } = cpu;
  const [low, high] = operandHalves(cpu);
  const address = join(low, high);
  if (!isPageAddress(low, high)) fail(cpu, InstructionError.vmclearAddress);
  else if (address === vmx.vmxonPointer) fail(cpu, InstructionError.vmclearVmxonPointer);
  else {
    new Vmcs(cpu.mmu.memory, address).launched = false;
    if (vmx.current?.address === address) vmx.forgetCurrent();
    succeed(cpu);
  }
}

export function vmptrld(cpu: Cpu): void {
  requireRoot(cpu);
  const { vmx } = cpu;
  const [low, high] = operandHalves(cpu);
  const address = join(low, high);
  if (!isPageAddress(low, high)) fail(cpu, InstructionError.vmptrldAddress);
  else if (address === vmx.vmxonPointer) fail(cpu, InstructionError.vmptrldVmxonPointer);
  else if ((cpu.mmu.memory.readWord(address) & ~SHADOW_INDICATOR) !== VMCS_REVISION) fail(cpu, InstructionError.vmptrldRevision);
  else {
    vmx.makeCurrent(address);
    succeed(cpu);
  }
}

export function vmptrst(cpu: Cpu): void {
  requireRoot(cpu);
  const pointer = cpu.vmx.current?.address;
  const [operand] = cpu.instruction.operands;
  // The pointer of no VMCS is all ones.
  writeOperandAt(cpu, operand, 0, 8, pointer ?? -1);
  succeed(cpu);
}

// --- fields

/** The VMCS that VMREAD and VMWRITE name fields of. */
const namedVmcs = ({ vmx }: Cpu): Vmcs | undefined => (vmx.nonRoot ? vmx.linked : vmx.current);

interface NamedField {
  readonly encoding: number;
  /** The upper half of a 64-bit field alone. */
  readonly high: boolean;
  readonly readOnly: boolean;
  readonly wide: boolean;
}

const RESERVED = 0xffff9000;

function namedField(low: number, high: number): NamedField | undefined {
  const field = high === 0 && (low & RESERVED) === 0 ? fieldByEncoding(low & ~1) : undefined;
  const upper = (low & 1) !== 0;
  if (!field || (upper && field.width !== 64)) return undefined;
  return { encoding: field.encoding, high: upper, readOnly: field.readOnly, wide: field.width === 64 || field.width === 'natural' };
}

export function vmread(cpu: Cpu): void {
  if (!cpu.vmx.nonRoot) requireRoot(cpu);
  const [destination, source] = cpu.instruction.operands;
  const vmcs = namedVmcs(cpu);
  if (!vmcs) {
    failInvalid(cpu);
    return;
  }
  const field = namedField(...registerHalves(cpu, source));
  if (!field) {
    fail(cpu, InstructionError.unsupportedComponent);
    return;
  }
  const { encoding } = field;
  const low = field.high ? vmcs.high(encoding) : vmcs.low(encoding);
  const high = field.wide && !field.high ? vmcs.high(encoding) : 0;
  if (destination.kind === 'register') writeRegisterHalves(cpu, destination, low, high);
  else if (cpu.state.long) writeOperandAt(cpu, destination, 0, 8, join(low, high));
  else writeOperandAt(cpu, destination, 0, 4, low);
  succeed(cpu);
}

export function vmwrite(cpu: Cpu): void {
  if (!cpu.vmx.nonRoot) requireRoot(cpu);
  const [name, source] = cpu.instruction.operands;
  const vmcs = namedVmcs(cpu);
  if (!vmcs) {
    failInvalid(cpu);
    return;
  }
  const [low, high] = sourceHalves(cpu, source);
  const field = namedField(...registerHalves(cpu, name));
  if (!field) fail(cpu, InstructionError.unsupportedComponent);
  else if (field.readOnly) fail(cpu, InstructionError.readOnlyComponent);
  else {
    store(vmcs, field, low, high);
    succeed(cpu);
  }
}

function sourceHalves(cpu: Cpu, source: Cpu['instruction']['operands'][number]): readonly [low: number, high: number] {
  if (source.kind === 'register') return registerHalves(cpu, source);
  return cpu.state.long ? readOperandHalves(cpu, source) : [readOperandAt(cpu, source, 0, 4), 0];
}

/** Outside 64-bit mode the upper half of a 64-bit field is cleared by a full write, as the manual has it of wider fields. */
function store(vmcs: Vmcs, { encoding, high: upper, wide }: NamedField, low: number, high: number): void {
  if (upper) vmcs.setHalves(encoding, vmcs.low(encoding), low);
  else if (wide) vmcs.setHalves(encoding, low, high);
  else vmcs.setHalves(encoding, encoding < 0x2000 ? low & 0xffff : low, 0);
}

// --- VM entry

const launch =
  (how: 'vmlaunch' | 'vmresume') =>
  (cpu: Cpu): void => {
    requireRoot(cpu);
    const { vmx } = cpu;
    const vmcs = vmx.current;
    if (!vmcs || vmx.isShadow(vmcs)) failInvalid(cpu);
    else if (cpu.blockedByMovSs) fail(cpu, InstructionError.eventsBlockedByMovSs);
    else if (how === 'vmlaunch' && vmcs.launched) fail(cpu, InstructionError.vmlaunchNotClear);
    else if (how === 'vmresume' && !vmcs.launched) fail(cpu, InstructionError.vmresumeNotLaunched);
    else enterGuest(cpu, vmcs, how);
  };

export const vmlaunch = launch('vmlaunch');
export const vmresume = launch('vmresume');

// --- calls

/** There is no SMM monitor to call. */
export function vmcall(cpu: Cpu): void {
  requireRoot(cpu);
  fail(cpu, InstructionError.vmcallInRoot);
}

const MOST_FUNCTIONS = 64;
const EPTP_LIST_ENTRIES = 512;

export function vmfunc(cpu: Cpu): void {
  const { vmx, state } = cpu;
  if (!vmx.nonRoot || !vmx.hasSecondary(SECONDARY.vmFunctions)) throw ud('VMFUNC needs non-root operation with "enable VM functions"');
  const number = state.reg32(Reg.eax);
  if (number >= MOST_FUNCTIONS) throw ud(`there is no VM function ${number}`);
  const vmcs = vmx.current as Vmcs;
  const enabled = number < 32 ? (vmcs.low(Field.vmFunctionControls) >>> number) & 1 : 0;
  const index = state.reg32(Reg.ecx);
  if (!enabled || 1 << number !== VM_FUNCTIONS.mask.eptpSwitching || index >= EPTP_LIST_ENTRIES) throw new VmExit(ExitReason.vmfunc);
  const at = vmcs.value(Field.eptpListAddress) + index * 8;
  const [low, high] = [cpu.mmu.memory.readWord(at) >>> 0, cpu.mmu.memory.readWord(at + 4) >>> 0];
  if (!isValidEptPointer(low, high)) throw new VmExit(ExitReason.vmfunc);
  vmcs.setHalves(Field.eptPointer, low, high);
  if (cpu.mmu.guest?.pml) vmcs.set(Field.pmlIndex, cpu.mmu.guest.pml.index & 0xffff);
  cpu.mmu.noteControls();
  cpu.mmu.enterGuest(guestContext(vmcs, vmx.controls));
}

// --- invalidation

export function invept(cpu: Cpu): void {
  requireRoot(cpu);
  const [register, memory] = cpu.instruction.operands;
  const [type, typeHigh] = registerHalves(cpu, register);
  const [low, high] = [readOperandAt(cpu, memory, 0, 4), readOperandAt(cpu, memory, 4, 4)];
  readOperandAt(cpu, memory, 8, 4);
  readOperandAt(cpu, memory, 12, 4);
  const single = type === 1;
  if (typeHigh || type < 1 || type > 2 || (single && !isValidEptPointer(low, high))) {
    fail(cpu, InstructionError.invalidOperand);
    return;
  }
  cpu.mmu.invalidateEpt(single ? [low, high] : 'all');
  succeed(cpu);
}

export function invvpid(cpu: Cpu): void {
  requireRoot(cpu);
  const [register, memory] = cpu.instruction.operands;
  const [type, typeHigh] = registerHalves(cpu, register);
  const [vpid, rest] = [readOperandAt(cpu, memory, 0, 4), readOperandAt(cpu, memory, 4, 4)];
  const linear = join(readOperandAt(cpu, memory, 8, 4), readOperandAt(cpu, memory, 12, 4));
  const unknown = typeHigh !== 0 || type > InvvpidType.retainGlobals;
  const flawed = unknown || vpid >>> 16 !== 0 || rest !== 0 || (type !== InvvpidType.all && vpid === 0);
  if (flawed || (type === InvvpidType.address && !isCanonical(linear))) fail(cpu, InstructionError.invalidOperand);
  else {
    cpu.mmu.invalidateVpid(type as InvvpidType, vpid);
    succeed(cpu);
  }
}
