/** What compiled code says of its conditions (WebAssembly's proposal "Branch Hinting") V8 reads only if it is told to, up to version 13. */
import { setFlagsFromString } from 'node:v8';

const FIRST = 10;
const LAST = 13;

/** Has V8 read branch hints, in a process of our own. Nothing but speed depends on it. */
export function readBranchHints(): void {
  const version = Number.parseInt(process.versions.v8, 10);
  if (version >= FIRST && version <= LAST) setFlagsFromString('--experimental-wasm-branch-hinting');
}
