/** One WebAssembly memory holds everything a session simulates: processor state, decoded code and the guest's RAM. */

const PAGE = 0x10000;

/**
 * The simulated host's memory and the views on it. Growing replaces the views, so they are read from this object
 * whenever they are used and never kept.
 */
export class HostMemory {
  readonly memory: WebAssembly.Memory;
  u8!: Uint8Array;
  i32!: Int32Array;
  u32!: Uint32Array;
  f64!: Float64Array;
  view!: DataView;
  private next: number;

  /**
   * @param reserved bytes at the bottom for the processor's own structures (see cpu/layout.ts)
   * @param expected bytes that will be allocated, as far as that is known: each time that the memory grows costs the collector something
   * @throws Error when the real host refuses
   */
  constructor(reserved: number, expected = 0) {
    this.next = Math.ceil(reserved / PAGE) * PAGE;
    const initial = Math.min(Math.ceil((this.next + expected) / PAGE), 0xffff);
    try {
      this.memory = new WebAssembly.Memory({ initial, maximum: 0x10000 });
    } catch {
      throw new Error(`not enough host memory: the system refused ${initial * PAGE} bytes`);
    }
    this.refresh();
  }

  /**
   * Takes zeroed memory.
   * @param length bytes; rounded up to 64 KiB
   * @returns host offset of the first byte, 64 KiB aligned
   * @throws Error when the simulated host's 4 GiB are used up or the real host refuses
   */
  allocate(length: number): number {
    const offset = this.next;
    const end = offset + Math.ceil(length / PAGE) * PAGE;
    if (end > 0xffff0000) throw new Error(`not enough host memory: ${length} bytes asked, ${0xffff0000 - offset} left of 4 GiB`);
    if (end > this.u8.length) {
      try {
        this.memory.grow((end - this.u8.length) / PAGE);
      } catch {
        throw new Error(`not enough host memory: the system refused ${length} bytes`);
      }
      this.refresh();
    }
    this.next = end;
    return offset;
  }

  private refresh(): void {
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.f64 = new Float64Array(buffer);
    this.view = new DataView(buffer);
  }
}
