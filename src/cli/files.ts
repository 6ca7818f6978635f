/** The command line's files. */
import { readFileSync, statSync } from 'node:fs';
import type { ReadFile } from '../engines/launch';
import { UsageError } from './options';

/** Larger files are no guest of ours. */
const LARGEST = 2 ** 31;

/** @throws UsageError that says why the file cannot be read */
export function readInput(path: string): Uint8Array {
  try {
    const status = statSync(path);
    if (status.isDirectory()) throw new UsageError(`${path}: is a directory`);
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
