/**
 * What lies between a guest-physical address and memory while a guest runs: EPT, and the APIC-access page (manual, "Virtualizing
 * Memory-Mapped APIC Accesses").
 */
import { FRAME_SIZE, type PhysicalMemory } from '../../machine/physical-memory';
import type { CpuState } from '../state';
import type { Walker } from '../system/walker';
import { Epte } from './ept';
import { EptTables } from './ept-tables';
import { EptTranslator, Source } from './ept-translator';
import { EptWalker } from './ept-walker';
import { ExitReason } from './exit-reasons';
import type { GuestContext } from './guest-context';
import { VmExit } from './vm-exit';

/** Offset of the task-priority register in the APIC-access page, and of VTPR in the virtual-APIC page. */
const TPR = 0x80;
const WIDEST_VIRTUAL_ACCESS = 4;

/** Access types in the exit qualification (manual, "Exit Qualification for APIC-Access VM Exits"), from bit 12 on. */
const AccessType = {
  [Epte.read]: 0 << 12,
  [Epte.write]: 1 << 12,
  [Epte.execute]: 2 << 12,
  delivery: 3 << 12,
  physicalInDelivery: 10 << 12,
  physical: 15 << 12,
} as const;

const pageOf = (physical: number): number => physical - (physical & (FRAME_SIZE - 1));

/** What an access to memory is, as a right that EPT must give. */
export type GuestAccess = 1 | 2 | 4;

export class GuestMemory {
  private readonly memory: PhysicalMemory;
  private readonly plain: Walker;
  private readonly nested: EptWalker;
  private readonly ept: EptTranslator;
  private context: GuestContext | undefined;
  /** An event is being delivered, as far as exits tell that. */
  delivering = false;
  /** The last access goes to the virtual-APIC page's VTPR, in place of the APIC-access page. */
  redirected = false;
  /** Why the last address led nowhere. */
  exit: VmExit | undefined;

  /** @param plain the walk through page tables that lie at physical addresses */
  constructor(state: CpuState, memory: PhysicalMemory, plain: Walker) {
    this.memory = memory;
    this.plain = plain;
    this.ept = new EptTranslator(memory);
    this.nested = new EptWalker(state, memory, this.ept);
  }

  /** @returns the walker for a guest, or without one for the host */
  use(context: GuestContext | undefined): Walker {
    this.context = context;
    this.redirected = false;
    if (context?.eptPointer === undefined) return this.plain;
    this.ept.use(context.eptPointer, context.pml);
    this.nested.refuses = context.apicAccessPage < 0 ? undefined : (physical) => this.refuseStructure(physical);
    return this.nested;
  }

  /** Forgets what is known of guest-physical addresses. */
  invalidateEpt(): void {
    this.ept.flush();
  }

  /** The extended page tables in force, to be looked at. */
  get tables(): EptTables | undefined {
    const pointer = this.context?.eptPointer;
    return pointer && new EptTables(this.memory, pointer);
  }

  /**
   * Finds what an access at a guest-physical address reaches.
   * @param linear the address that was translated to it @param size of the access in bytes
   * @returns the host-physical address, or -1 with `exit` set
   */
  reach(linear: number, guestPhysical: number, access: GuestAccess, size: number): number {
    const { context } = this;
    this.redirected = false;
    let physical = guestPhysical;
    if (context?.eptPointer !== undefined) {
      physical = this.ept.translate(guestPhysical, access, access, Source.final, linear);
      if (physical < 0) {
        this.exit = this.ept.exit;
        return -1;
      }
    }
    if (context && context.apicAccessPage >= 0 && pageOf(physical) === context.apicAccessPage)
      return this.reachApic(context, physical, access, size);
    return physical;
  }

  /** Only the TPR is virtualized here, and only where all of an access is to it. */
  private reachApic({ virtualApicPage }: GuestContext, physical: number, access: GuestAccess, size: number): number {
    const offset = physical & (FRAME_SIZE - 1);
    if (virtualApicPage >= 0 && offset === TPR && size <= WIDEST_VIRTUAL_ACCESS && access !== Epte.execute) {
      this.redirected = true;
      return virtualApicPage + TPR;
    }
    const type = this.delivering && access !== Epte.execute ? AccessType.delivery : AccessType[access];
    this.exit = new VmExit(ExitReason.apicAccess, { qualification: type | offset });
    return -1;
  }

  /** A paging structure in the APIC-access page: an access that is made with a guest-physical address. */
  private refuseStructure(physical: number): VmExit | undefined {
    if (pageOf(physical) !== this.context?.apicAccessPage) return undefined;
    return new VmExit(ExitReason.apicAccess, { qualification: this.delivering ? AccessType.physicalInDelivery : AccessType.physical });
  }

  /**
   * Where the PDPTEs that CR3 points to lie; loading them counts as a read in any case.
   * @throws VmExit EPT violation without a linear address, EPT misconfiguration
   */
  pdpteTable(guestPhysical: number): number {
    if (this.context?.eptPointer === undefined) return guestPhysical;
    const physical = this.ept.translate(guestPhysical, Epte.read, Epte.read, Source.pdptes, 0);
    const exit = physical < 0 ? this.ept.exit : this.refuseStructure(physical);
    if (exit) throw exit;
    return physical;
  }

  /** After a write to VTPR: of its four bytes only the first is kept (manual, "APIC-Write Emulation"). */
  trimTpr(): void {
    const at = (this.context?.virtualApicPage ?? 0) + TPR;
    this.memory.write(at, 4, this.memory.read(at, 1));
  }
}
