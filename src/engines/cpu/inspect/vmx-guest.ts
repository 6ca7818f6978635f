/** How the guest of a VMCS is paged, while the hypervisor runs: what VM entry would load. */
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Cr0, type CpuState, Efer } from '../state';
import { type AccessState, readPdptes } from '../system/paging';
import { ENTRY_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from '../vmx/control-bits';
import { EptTables } from '../vmx/ept-tables';
import { Field } from '../vmx/fields';
import type { VmcsReader } from '../vmx/vmcs';
import type { Paged } from './page-tables';

const PDPTES = [Field.guestPdpte0, Field.guestPdpte1, Field.guestPdpte2, Field.guestPdpte3];
const DPL_SHIFT = 5;

/** As "Loading Guest Control Registers, Debug Registers, and MSRs" has it. @param host whose IA32_EFER stays where it is not loaded */
function eferOf(vmcs: VmcsReader, host: CpuState): number {
  const entry = vmcs.low(Field.entryControls);
  if (entry & ENTRY_CONTROLS.mask.loadEfer) return vmcs.low(Field.guestEfer);
  const mode = Efer.lma | Efer.lme;
  return (entry & ENTRY_CONTROLS.mask.ia32eModeGuest ? host.efer | mode : host.efer & ~mode) >>> 0;
}

export function guestPaging(vmcs: VmcsReader, host: CpuState, memory: PhysicalMemory): Paged {
  const secondary = vmcs.low(Field.primaryControls) & PRIMARY_CONTROLS.mask.secondaryControls ? vmcs.low(Field.secondaryControls) : 0;
  const nested = (secondary & SECONDARY_CONTROLS.mask.ept) !== 0;
  const eptTables = nested ? new EptTables(memory, [vmcs.low(Field.eptPointer), vmcs.high(Field.eptPointer)]) : undefined;
  const cr0 = vmcs.low(Field.guestCr0);
  const cr3 = vmcs.low(Field.guestCr3);
  const efer = eferOf(vmcs, host);
  const flags = vmcs.low(Field.guestRflags);
  const pdptes = nested
    ? PDPTES.map((field) => [vmcs.low(field), vmcs.high(field)] as const)
    : (readPdptes(memory, cr3) ?? PDPTES.map(() => [0, 0] as const));
  /** CR3 and what was loaded with it; nothing else of the system registers decides about paging. */
  const half = (slot: number, high: boolean): number => {
    if (slot === SYS.cr3) return high ? vmcs.high(Field.guestCr3) : cr3;
    return pdptes[slot - SYS.pdpte0]?.[high ? 1 : 0] ?? 0;
  };
  const state: AccessState = {
    cr0,
    cr3,
    cr4: vmcs.low(Field.guestCr4),
    efer,
    paging: (cr0 & Cr0.pg) !== 0,
    longMode: (efer & Efer.lma) !== 0,
    cpl: ((vmcs.low(Field.guestSsAccessRights) >> DPL_SHIFT) & 3) as AccessState['cpl'],
    sys: (slot) => half(slot, false),
    sysHigh: (slot) => half(slot, true),
    flag: (bit) => (flags & bit) !== 0,
  };
  return { state, mmu: { eptTables } };
}
