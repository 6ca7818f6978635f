/** The walk through a guest's page tables where they are reached through EPT: each of its entries lies at a guest-physical address. */
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { CpuState } from '../state';
import { Pte } from '../system/paging';
import { Walker } from '../system/walker';
import { Epte } from './ept';
import { type EptTranslator, Source } from './ept-translator';
import type { VmExit } from './vm-exit';

const READ_WRITE = Epte.read | Epte.write;

export class EptWalker extends Walker {
  private readonly ept: EptTranslator;
  /** The exit that touching a host-physical address is instead, if any address is such. */
  refuses: ((hostPhysical: number) => VmExit | undefined) | undefined;
  private linear = 0;
  /** Guest-physical addresses of the entries that the walk went through, and the rights that EPT gives there. */
  private readonly places = new Float64Array(4);
  private readonly given = new Uint8Array(4);

  constructor(state: CpuState, memory: PhysicalMemory, ept: EptTranslator) {
    super(state, memory);
    this.ept = ept;
  }

  override walk(linear: number): number {
    this.linear = linear;
    this.exit = undefined;
    return super.walk(linear);
  }

  /** With accessed and dirty flags for EPT every such access counts as a write (manual, "Accessed and Dirty Flags for EPT"). */
  protected override take(address: number): number {
    const { ept, depth } = this;
    const needed = ept.tracks ? READ_WRITE : Epte.read;
    const place = ept.translate(address, needed, needed, Source.structure, this.linear);
    this.exit = place < 0 ? ept.exit : this.refuses?.(place);
    this.places[depth] = address;
    this.given[depth] = ept.rights;
    if (this.exit === undefined) return super.take(place);
    // It ends as if the entry were not present.
    this.addresses[depth] = -1;
    this.entries[this.depth++] = 0;
    return 0;
  }

  protected override upper(): number {
    return this.memory.readWord(this.addresses[this.depth - 1] + 4);
  }

  /** Setting a flag is a write to the guest's table; where EPT forbids it, that is reported as a read and a write. */
  override markAccessed(whole: boolean, write: boolean): void {
    const { entries } = this;
    const last = this.depth - 1;
    for (let i = 0; i <= last; i++) {
      const wanted = i < last ? Pte.accessed : whole ? Pte.accessed | (write ? Pte.dirty : 0) : 0;
      if ((entries[i] & wanted) === wanted) continue;
      if (!(this.given[i] & Epte.write)) {
        this.ept.violate(this.places[i], READ_WRITE, Source.structure, this.linear, this.given[i]);
        this.exit = this.ept.exit;
        return;
      }
      this.mark(i, wanted);
    }
  }

  override get writableNow(): boolean {
    return super.writableNow && this.ept.writableNow;
  }
}
