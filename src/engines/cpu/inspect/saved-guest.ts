/** The guest that waits in a VMCS while its hypervisor runs: see `SavedGuest`. Reading it changes nothing. */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import type { Place, ProcessorMode, Ring } from '../../../shared/transition';
import type { SavedGuest } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { Processor } from '../processor';
import { Attr, Cr0, Flag, isCanonical, Seg } from '../state';
import { walk } from '../system/paging';
import { ENTRY_CONTROLS } from '../vmx/control-bits';
import { Field, GUEST_SEGMENT_FIELDS } from '../vmx/fields';
import type { Vmcs } from '../vmx/vmcs';
import type { Paged } from './page-tables';
import { guestPaging } from './vmx-guest';

/** Bit 16 of access rights: the register is unusable. */
const UNUSABLE = 0x10000;
const STACK_MASK = { 16: 0xffff, 32: 0xffffffff } as const;

/** @returns undefined unless the processor is in VMX root operation with a VMCS that has been launched */
export function savedGuest({ vmx, state }: Processor, memory: PhysicalMemory): SavedGuest | undefined {
  const { current } = vmx;
  if (!vmx.root || !current?.launched) return undefined;
  return new GuestOfVmcs(current, memory, guestPaging(current, state, memory));
}

class GuestOfVmcs implements SavedGuest {
  private readonly fields: Vmcs;
  private readonly memory: PhysicalMemory;
  private readonly paged: Paged;

  constructor(fields: Vmcs, memory: PhysicalMemory, paged: Paged) {
    this.fields = fields;
    this.memory = memory;
    this.paged = paged;
  }

  get vmcs(): number {
    return this.fields.address;
  }

  get exitReason(): number {
    return this.fields.low(Field.exitReason);
  }

  get exitAddress(): LinearAddress {
    return this.fields.value(Field.hostRip) as LinearAddress;
  }

  get exitStack(): number {
    return this.fields.value(Field.hostRsp);
  }

  /** LMA of the guest: exits save it in this control. */
  private get longMode(): boolean {
    return (this.fields.low(Field.entryControls) & ENTRY_CONTROLS.mask.ia32eModeGuest) !== 0;
  }

  private rights(segment: Seg): number {
    return this.fields.low(GUEST_SEGMENT_FIELDS[segment].accessRights);
  }

  private base(segment: Seg): number {
    return this.fields.value(GUEST_SEGMENT_FIELDS[segment].base);
  }

  private get mode(): ProcessorMode {
    const { fields, bits } = this;
    if (!(fields.low(Field.guestCr0) & Cr0.pe)) return 'real';
    if (fields.low(Field.guestRflags) & Flag.vm) return 'virtual-8086';
    if (this.longMode) return bits === 64 ? 'long' : 'compatibility';
    return bits === 32 ? 'protected-32' : 'protected-16';
  }

  get place(): Place {
    const { mode } = this;
    const ring = (mode === 'real' ? 0 : mode === 'virtual-8086' ? 3 : (this.rights(Seg.ss) >> Attr.dplShift) & 3) as Ring;
    return { ring, guestRing: ring, mode, vmx: 'non-root' };
  }

  get bits(): 16 | 32 | 64 {
    const rights = this.rights(Seg.cs);
    if (this.longMode && rights & Attr.long) return 64;
    return rights & Attr.big ? 32 : 16;
  }

  get codeBase(): number {
    return this.bits === 64 ? 0 : this.base(Seg.cs);
  }

  get address(): LinearAddress {
    const { fields, bits, codeBase } = this;
    const address = bits === 64 ? fields.value(Field.guestRip) : (codeBase + fields.low(Field.guestRip)) % 2 ** 32;
    return address as LinearAddress;
  }

  get stack(): number {
    const { fields } = this;
    if (this.bits === 64) return fields.value(Field.guestRsp);
    const mask = STACK_MASK[this.rights(Seg.ss) & Attr.big ? 32 : 16];
    return (this.base(Seg.ss) + ((fields.low(Field.guestRsp) & mask) >>> 0)) % 2 ** 32;
  }

  get tables(): SavedGuest['tables'] {
    const { fields } = this;
    const ldt = GUEST_SEGMENT_FIELDS[Seg.ldtr];
    return {
      gdt: { base: fields.value(Field.guestGdtrBase), limit: fields.low(Field.guestGdtrLimit) },
      ldt: { base: fields.value(ldt.base), limit: fields.low(ldt.accessRights) & UNUSABLE ? -1 : fields.low(ldt.limit) },
    };
  }

  translate(address: LinearAddress): GuestPhysicalAddress | undefined {
    const exists = this.longMode ? isCanonical(address) : address >= 0 && address < 2 ** 32;
    if (!exists) return undefined;
    const { state, mmu } = this.paged;
    const found = walk(state, this.memory, address, mmu.eptTables);
    return (found.ept ? found.ept.physical : found.physical) as GuestPhysicalAddress | undefined;
  }
}
