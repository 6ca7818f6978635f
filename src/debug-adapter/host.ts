/** What the adapter needs of where it runs: Node, or a browser's worker. */
import type { ReadFile } from '../engines/launch';

export interface AdapterHost {
  readonly readFile: ReadFile;
  /** A path as an absolute one. */
  resolve(path: string): string;
  /** Runs a task after what waits in the event loop. */
  soon(task: () => void): void;
  /** @returns a function that calls it off */
  later(milliseconds: number, task: () => void): () => void;
  /** Milliseconds of real time, from any start. */
  now(): number;
}
