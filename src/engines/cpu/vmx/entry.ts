/** VM entry (manual, "VM Entries"), from the checks to the guest's first instruction. */
import { Activity, SYS } from '../layout';
import { Seg } from '../state';
import type { Cpu } from '../system/cpu';
import { INT_NAMES, INTERRUPT_NAMES } from '../../transition-rows';
import { readPdptes, setPdptes } from '../system/paging';
import { PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from './control-bits';
import { MSR_ENTRY_SIZE } from './entry-checks/msr-loading';
import type { CheckWorld, ControlWords, EntryCheck } from './entry-checks/check';
import { failEntry } from './exit';
import { ExitReason } from './exit-reasons';
import { Field } from './fields';
import type { GuestContext } from './guest-context';
import { loadGuestRegisters, loadPdptesFromVmcs, usesPdptes } from './guest-state';
import { InstructionError } from './instruction-errors';
import { Interruptibility } from './interruptibility';
import { injectedEvent, InterruptionType, INTERRUPTION_VALID } from './interruption';
import { logEntry } from './log';
import { loadMsrs } from './msr-lists';
import { fail, succeed } from './outcome';
import { noteRefusal } from './refusal';
import { Nmi, type Vmx } from './vmx';
import type { Vmcs } from './vmcs';

const SECONDARY = SECONDARY_CONTROLS.mask;
const PRIMARY = PRIMARY_CONTROLS.mask;
const PIN = PIN_CONTROLS.mask;

/** What checks look at. */
export function checkWorld(cpu: Cpu, vmcs: Vmcs): CheckWorld {
  const { state, vmx } = cpu;
  return {
    vmcs,
    controls: vmx.controlWords(vmcs),
    processor: {
      longMode: state.longMode,
      ...vmx.registerBits,
      currentVmcs: vmcs.address,
    },
    memory: (address) => cpu.mmu.memory.readWord(address) >>> 0,
  };
}

/** VMLAUNCH and VMRESUME, once they know their VMCS. */
export function enterGuest(cpu: Cpu, vmcs: Vmcs, how: 'vmlaunch' | 'vmresume'): void {
  const { vmx } = cpu;
  const world = checkWorld(cpu, vmcs);
  const controlFlaw = vmx.checker.firstFailure(world, 'controls');
  if (controlFlaw) {
    fail(cpu, InstructionError.controls, controlFlaw, world);
    return;
  }
  const hostFlaw = vmx.checker.firstFailure(world, 'host state');
  if (hostFlaw) {
    fail(cpu, InstructionError.hostState, hostFlaw, world);
    return;
  }
  const address = cpu.state.linear(Seg.cs, cpu.here);
  const refuse = (reason: number, qualification: number, seen: CheckWorld, check?: EntryCheck): void => {
    noteRefusal(cpu, reason, how, { check, world: seen, address });
    failEntry(cpu, vmcs, reason, qualification);
  };
  const guestFlaw = vmx.checker.firstFailure(world, 'guest state');
  if (guestFlaw) {
    refuse(ExitReason.invalidGuestState, guestFlaw.qualification ?? 0, world, guestFlaw);
    return;
  }
  succeed(cpu);
  const from = cpu.place();
  const { state } = cpu;
  const origin = { from, address, fromSelector: state.selector(Seg.cs), fromOffset: cpu.here };
  loadGuest(cpu, vmcs, world.controls);
  const refused = loadMsrs(cpu, vmcs.value(Field.entryMsrLoadAddress), vmcs.low(Field.entryMsrLoadCount));
  if (refused > 0) {
    refuse(ExitReason.msrLoading, refused, refusingMsr(world, refused));
    return;
  }
  if (how === 'vmlaunch') vmcs.launched = true;
  vmx.refusal = undefined;
  begin(cpu, vmx, vmcs, world.controls);
  vmx.history.record(vmcs, 'entry', -1, how === 'vmlaunch', cpu.instructionCount);
  logEntry(cpu, how, origin, vmcs.low(Field.entryInterruptionInfo));
}

/** What checks see once an entry of the list of MSRs could not be loaded. @param number of the entry, from 1 */
function refusingMsr(world: CheckWorld, number: number): CheckWorld {
  const list = world.vmcs.value(Field.entryMsrLoadAddress) + (number - 1) * MSR_ENTRY_SIZE;
  const [index, , low, high] = [0, 4, 8, 12].map((offset) => world.memory(list + offset));
  return { ...world, acceptsMsr: (...asked) => asked.some((value, i) => value !== [index, low, high][i]) };
}

/** How the guest's addresses are translated. */
export function guestContext(vmcs: Vmcs, { primary, secondary }: ControlWords): GuestContext {
  const virtualApic = primary & PRIMARY.tprShadow ? vmcs.value(Field.virtualApicAddress) : -1;
  return {
    eptPointer: secondary & SECONDARY.ept ? [vmcs.low(Field.eptPointer), vmcs.high(Field.eptPointer)] : undefined,
    vpid: secondary & SECONDARY.vpid ? vmcs.low(Field.vpid) : 0,
    apicAccessPage: secondary & SECONDARY.apicAccesses ? vmcs.value(Field.apicAccessAddress) : -1,
    virtualApicPage: virtualApic,
    pml: secondary & SECONDARY.pml ? { address: vmcs.value(Field.pmlAddress), index: vmcs.low(Field.pmlIndex) } : undefined,
  };
}

function loadGuest(cpu: Cpu, vmcs: Vmcs, controls: ControlWords): void {
  const { state, mmu } = cpu;
  mmu.noteControls();
  loadGuestRegisters(state, vmcs, controls);
  mmu.enterGuest(guestContext(vmcs, controls));
  if (!usesPdptes(state)) return;
  if (controls.secondary & SECONDARY.ept) {
    loadPdptesFromVmcs(state, vmcs);
    return;
  }
  // They have been checked.
  setPdptes(state, readPdptes(mmu.memory, state.cr3) ?? []);
}

/** Non-register state, what is injected, and the controls. */
function begin(cpu: Cpu, vmx: Vmx, vmcs: Vmcs, controls: ControlWords): void {
  const { state } = cpu;
  cpu.monitor.clear();
  const interruptibility = vmcs.low(Field.guestInterruptibilityState);
  const blocksNmis = (interruptibility & Interruptibility.nmi) !== 0;
  const virtual = (controls.pin & PIN.virtualNmis) !== 0;
  const waiting = state.sys(SYS.nmi) & Nmi.waits;
  state.setSys(SYS.nmi, waiting | (blocksNmis ? (virtual ? Nmi.virtuallyBlocked : Nmi.blocked) : 0));
  state.setSys(SYS.shadow, interruptibility & Interruptibility.movSs ? 2 : interruptibility & Interruptibility.sti ? 1 : 0);
  state.setSys(SYS.activity, vmcs.low(Field.guestActivityState));
  // Bits 0 to 3, 12 (one of them enabled) and 14 (single step) are DR6's but for bit 12.
  const pending = vmcs.low(Field.guestPendingDebugExceptions);
  state.setSys(SYS.pendingDebug, pending & 0x400f);
  cpu.debugRegistersChanged();
  vmx.begin(controls);
  inject(cpu, vmx, vmcs);
  if (controls.primary & PRIMARY.monitorTrapFlag && vmx.monitorTrap === 'no') vmx.monitorTrap = 'next';
  if (controls.primary & PRIMARY.tprShadow) vmx.checkTpr();
}

const MTF_VECTOR = 0;

/** Makes ready what the VM-entry interruption-information field asks for. */
function inject(cpu: Cpu, vmx: Vmx, vmcs: Vmcs): void {
  const info = vmcs.low(Field.entryInterruptionInfo);
  if (!(info & INTERRUPTION_VALID)) return;
  const { state } = cpu;
  const type = (info >>> 8) & 7;
  if (type === InterruptionType.other && (info & 0xff) === MTF_VECTOR) {
    vmx.monitorTrap = 'now';
    return;
  }
  // What is injected wakes a halted processor, and finds no shadow.
  state.setSys(SYS.activity, Activity.active);
  const [length, code] = [vmcs.low(Field.entryInstructionLength), vmcs.low(Field.entryExceptionErrorCode)];
  const vector = info & 0xff;
  const name = type === InterruptionType.nmi ? 'NMI' : (type === InterruptionType.external ? INTERRUPT_NAMES : INT_NAMES)[vector];
  vmx.injection = injectedEvent(info, code, state.ip, length, name);
}
