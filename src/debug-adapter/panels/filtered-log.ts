/** The trap log behind a filter: the sequence numbers that pass, kept up as the log grows. */
import type { TransitionLog } from '../../engines/transitions';
import type { TransitionFilter } from '../../shared/panel-protocol';
import { filterTest } from './transition-views';

/** Entries looked at before others get a turn. */
const PIECE = 20_000;

export class FilteredLog {
  private readonly log: TransitionLog;
  private key = '';
  private test: ReturnType<typeof filterTest>;
  private matches: number[] = [];
  /** Matches at the front that the log has forgotten. */
  private dropped = 0;
  private next = 0;

  constructor(log: TransitionLog) {
    this.log = log;
  }

  /**
   * Looks at what was logged since the last time.
   * @param breathe called between pieces of the work; may throw to give up
   */
  async update(filter: TransitionFilter | undefined, breathe: () => Promise<void>): Promise<void> {
    const { log } = this;
    const key = JSON.stringify(filter ?? {});
    if (key !== this.key || log.total < this.next) {
      this.key = key;
      this.test = filterTest(filter);
      this.matches = [];
      this.dropped = 0;
      this.next = 0;
    }
    if (!this.test) return;
    this.next = Math.max(this.next, log.first);
    while (this.next < log.total) {
      const end = Math.min(log.total, this.next + PIECE);
      for (; this.next < end; this.next++) {
        const raw = log.raw(this.next);
        if (raw && this.test(raw)) this.matches.push(this.next);
      }
      if (this.next < log.total) {
        await breathe();
        // Another filter may have come in between.
        if (this.key !== key) return;
      }
    }
    this.forget();
  }

  private forget(): void {
    const { first } = this.log;
    while (this.dropped < this.matches.length && this.matches[this.dropped] < first) this.dropped++;
    if (this.dropped > PIECE) {
      this.matches.splice(0, this.dropped);
      this.dropped = 0;
    }
  }

  get size(): number {
    return this.test ? this.matches.length - this.dropped : this.log.total - this.log.first;
  }

  /** Sequence numbers of the rows from an index on. */
  page(start: number, count: number): number[] {
    if (this.test) return this.matches.slice(this.dropped + start, this.dropped + start + count);
    const first = this.log.first + start;
    return Array.from({ length: Math.max(0, Math.min(count, this.log.total - first)) }, (_, i) => first + i);
  }
}
