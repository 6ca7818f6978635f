/** The command line's files. */
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import type { ReadFile } from '../engines/launch';
import { UsageError } from './options';

/** Larger files are no guest of ours. */
const LARGEST = 2 ** 31;

/** @throws UsageError that says why the file cannot be read */
export function readInput(path: string): Uint8Array {
  try {
    const status = statSync(path);
    if (status.isDirectory()) throw new UsageError(`${path}: is a directory`);
    // Devices may never end.
    if (!status.isFile() && !status.isFIFO()) throw new UsageError(`${path}: is no file`);
    if (status.size > LARGEST) throw new UsageError(`${path}: ${status.size} bytes are too large`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${path}: ${code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : `cannot be read (${code ?? 'unknown'})`}`,
    );
  }
}

/** For the engines: undefined where a file cannot be read. */
export const readFile: ReadFile = (path) => {
  try {
    return readInput(path);
  } catch {
    return undefined;
  }
};

const unwritable = (path: string, error: unknown): UsageError =>
  new UsageError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);

/** @throws UsageError that says why the file cannot be written */
export function writeOutput(path: string, content: Uint8Array | string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** A file that grows while the guest runs. Its methods throw UsageError where it cannot be written. */
export class OutputFile {
  private readonly path: string;
  private readonly descriptor: number;

  constructor(path: string) {
    this.path = path;
    try {
      this.descriptor = openSync(path, 'w');
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  write(content: Uint8Array | string): void {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at);
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
