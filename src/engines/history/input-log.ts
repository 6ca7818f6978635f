/** Everything that ever came from outside, with the instruction count at which the guest got it: what a replay needs. */
import type { ExternalInput } from '../engine';

export interface LoggedInput {
  /** Instructions completed before it. */
  readonly count: number;
  readonly event: ExternalInput;
}

export class InputLog {
  private readonly entries: LoggedInput[] = [];

  get all(): readonly LoggedInput[] {
    return this.entries;
  }

  record(count: number, event: ExternalInput): void {
    this.entries.push({ count, event });
  }

  clear(): void {
    this.entries.length = 0;
  }
}
