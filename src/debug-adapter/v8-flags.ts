/** What V8 is told, in a process of our own, about compiling WebAssembly. Nothing but speed depends on it. */
import { setFlagsFromString } from 'node:v8';

/** Versions in which what compiled code says of its conditions (WebAssembly's proposal "Branch Hinting") is read only on demand. */
const HINTS_ON_DEMAND = { first: 10, last: 13 };
/** The version (Node.js 20) that gives large functions quickly allocated registers: their loops run at two thirds of the speed. */
const QUICK_REGISTERS = '11.3.';

export function setCompilerFlags(): void {
  const { v8 } = process.versions;
  const version = Number.parseInt(v8, 10);
  if (version >= HINTS_ON_DEMAND.first && version <= HINTS_ON_DEMAND.last) setFlagsFromString('--experimental-wasm-branch-hinting');
  if (v8.startsWith(QUICK_REGISTERS)) setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');
}
