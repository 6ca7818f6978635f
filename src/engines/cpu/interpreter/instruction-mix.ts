/**
 * How often each instruction ran, while the machine is profiled. ENTER records and regions count whole blocks; the processor's loop notes
 * where a run began inside a block, or ended before its end.
 */
import { INSTRUCTIONS, familyOf } from '../../../isa/table';
import type { Instruction } from '../../../isa/types';
import type { HostMemory } from '../../machine/host-memory';
import { RECORDS, RECORDS_END } from '../layout';
import type { Block } from './blocks';
import { ENTER, RECORD, RECORD_SIZE } from './records';

const numberOf = (record: number): number => (record - RECORDS) / RECORD_SIZE;

export interface MixCounts {
  /** Each with the most frequent first. */
  readonly byClass: Readonly<Record<string, number>>;
  readonly byMnemonic: Readonly<Record<string, number>>;
  readonly total: number;
}

export class InstructionMix {
  private readonly host: HostMemory;
  /** The row of each record's instruction, plus 1; 0 for records of none. */
  private readonly rows = new Uint16Array((RECORDS_END - RECORDS) / RECORD_SIZE);
  /** By record: how many more runs began than ended there, those of whole blocks aside. */
  private readonly edges = new Map<number, number>();
  /** By row: what ran in blocks that are forgotten, and alone in no block. */
  private readonly past = new Float64Array(INSTRUCTIONS.length);

  constructor(host: HostMemory) {
    this.host = host;
  }

  /** A record was written. */
  note(record: number, { row }: Instruction): void {
    this.rows[numberOf(record)] = row.id + 1;
  }

  /** A run of instructions begins at a record inside a block. */
  begin(record: number): void {
    this.edge(record, 1);
  }

  /**
   * A run ends before a record.
   * @param unpaid instructions at the block's end that were not expected to run
   */
  end(record: number, unpaid = 0): void {
    this.edge(record, -1);
    if (unpaid === 0) return;
    const { i32 } = this.host;
    let planned = record;
    while (i32[(planned + RECORD.rest) >> 2] > unpaid) planned += RECORD_SIZE;
    this.edge(planned, 1);
  }

  private edge(record: number, change: number): void {
    const rest = this.host.i32[(record + RECORD.rest) >> 2];
    // Behind a block's last instruction nothing changes.
    if (rest === 0) return;
    if (record === RECORDS) this.past[this.rows[0] - 1] += change;
    else this.edges.set(record, (this.edges.get(record) ?? 0) + change);
  }

  /** Keeps the counts of blocks whose records are about to be used for others. */
  keep(blocks: Iterable<Block>): void {
    this.add(blocks, this.past);
    this.edges.clear();
  }

  private add(blocks: Iterable<Block>, counts: Float64Array): void {
    const { rows, edges } = this;
    for (const { start, records } of blocks) {
      let runs = Number(this.host.view.getBigInt64(start + ENTER.runs, true));
      for (let record = start + RECORD_SIZE; record < start + records * RECORD_SIZE; record += RECORD_SIZE) {
        runs += edges.get(record) ?? 0;
        const row = rows[numberOf(record)];
        if (row > 0) counts[row - 1] += runs;
      }
    }
  }

  /** @param blocks all that have been built since the last `keep`, dropped ones, too */
  counts(blocks: Iterable<Block>): MixCounts {
    const counts = this.past.slice();
    this.add(blocks, counts);
    const byClass = new Map<string, number>();
    const byMnemonic = new Map<string, number>();
    let total = 0;
    counts.forEach((count, id) => {
      if (count === 0) return;
      const { mnemonic } = INSTRUCTIONS[id];
      const family = familyOf(id);
      byClass.set(family, (byClass.get(family) ?? 0) + count);
      byMnemonic.set(mnemonic, (byMnemonic.get(mnemonic) ?? 0) + count);
      total += count;
    });
    return { byClass: sorted(byClass), byMnemonic: sorted(byMnemonic), total };
  }
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a, first], [b, second]) => second - first || (a < b ? -1 : 1)));
}
