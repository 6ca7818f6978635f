/** The latest VM entries and exits of a processor, each with all fields as they were: a ring that is made with the first of them. */
import type { Vmcs } from './vmcs';
import { VMCS_USED, VmcsCopy } from './vmcs';

const KEPT = 512;

export interface RecordedMoment {
  readonly sequence: number;
  readonly kind: 'entry' | 'exit' | 'failed entry';
  readonly count: number;
  readonly vmcs: number;
  /** Basic exit reason; -1 for entries. */
  readonly reason: number;
  /** Of entries: VMLAUNCH rather than VMRESUME. */
  readonly launch: boolean;
}

const KINDS = ['entry', 'exit', 'failed entry'] as const;
type Kind = (typeof KINDS)[number];

export class VmxHistory {
  private bytes: Uint8Array | undefined;
  private readonly counts = new Float64Array(KEPT);
  private readonly regions = new Float64Array(KEPT);
  private readonly reasons = new Int16Array(KEPT);
  private readonly kinds = new Uint8Array(KEPT);
  private readonly launches = new Uint8Array(KEPT);
  /** Entries and exits so far. */
  total = 0;

  get first(): number {
    return Math.max(0, this.total - KEPT);
  }

  clear(): void {
    this.bytes = undefined;
    this.total = 0;
  }

  /** @param reason basic exit reason, or -1 @param count the session's instruction count */
  record(vmcs: Vmcs, kind: Kind, reason: number, launch: boolean, count: number): void {
    this.bytes ??= new Uint8Array(KEPT * VMCS_USED);
    const slot = this.total++ % KEPT;
    this.counts[slot] = count;
    this.regions[slot] = vmcs.address;
    this.reasons[slot] = reason;
    this.kinds[slot] = KINDS.indexOf(kind);
    this.launches[slot] = launch ? 1 : 0;
    vmcs.copyInto(this.bytes, slot * VMCS_USED);
  }

  moment(sequence: number): RecordedMoment | undefined {
    if (sequence < this.first || sequence >= this.total) return undefined;
    const slot = sequence % KEPT;
    return {
      sequence,
      kind: KINDS[this.kinds[slot]],
      count: this.counts[slot],
      vmcs: this.regions[slot],
      reason: this.reasons[slot],
      launch: this.launches[slot] !== 0,
    };
  }

  /** Fields at that time. */
  fieldsAt(sequence: number): VmcsCopy | undefined {
    if (!this.bytes || sequence < this.first || sequence >= this.total) return undefined;
    return new VmcsCopy(this.bytes, (sequence % KEPT) * VMCS_USED);
  }
}
