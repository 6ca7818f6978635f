/** The real processor: harness.c, built once a run, and what it says of the host. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuModel } from '../../src/engines/cpu/system/models';
import type { Width } from './wire';

/** Nothing that the handler of signals calls may use thread-local storage or vectors, which belong to the case. */
const FLAGS =
  '-O2 -static -ffreestanding -fno-builtin -fno-stack-protector -fno-tree-loop-distribute-patterns -fno-tree-vectorize -mgeneral-regs-only';

/** Where CPUID shows a set, as leaf's place in the harness's answer, register and bit. */
const HOST_BITS: Readonly<Record<string, readonly [leaf: number, register: number, bit: number]>> = {
  sse3: [0, 2, 0],
  pclmulqdq: [0, 2, 1],
  ssse3: [0, 2, 9],
  cx16: [0, 2, 13],
  'sse4.1': [0, 2, 19],
  'sse4.2': [0, 2, 20],
  movbe: [0, 2, 22],
  popcnt: [0, 2, 23],
  aes: [0, 2, 25],
  xsave: [0, 2, 26],
  rdrand: [0, 2, 30],
  bmi1: [1, 1, 3],
  bmi2: [1, 1, 8],
  invpcid: [1, 1, 10],
  rdseed: [1, 1, 18],
  adx: [1, 1, 19],
  smap: [1, 1, 20],
  clflushopt: [1, 1, 23],
  clwb: [1, 1, 24],
  sha: [1, 1, 29],
  rdpid: [1, 2, 22],
  xsaveopt: [2, 0, 0],
  xsavec: [2, 0, 1],
  xsaves: [2, 0, 3],
  lzcnt: [3, 2, 5],
  prefetchw: [3, 2, 8],
  rdtscp: [3, 3, 27],
  // Not CPUID's but the system's word, behind the leaves.
  fsgsbase: [4, 0, 0],
};

/** In the harness's answer: whether descriptors can be set. */
const DESCRIPTORS_AT = 68;

export class Native {
  /** Why it cannot be asked here. */
  readonly missing: string | undefined;
  private readonly directory = mkdtempSync(join(tmpdir(), 'ringside-silicon-'));
  private readonly program = join(this.directory, 'harness');
  private readonly facts: Buffer = Buffer.alloc(0);
  private batches = 0;

  constructor(width: Width) {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      this.missing = 'needs Linux on an x86-64 processor';
      return;
    }
    const source = new URL('harness.c', import.meta.url).pathname;
    const built = spawnSync('gcc', [`-m${width}`, ...FLAGS.split(' '), '-o', this.program, source], { encoding: 'utf8' });
    if (built.status !== 0) {
      this.missing = `needs a C compiler for ${width}-bit programs: apt-get install gcc gcc-multilib`;
      return;
    }
    const asked = spawnSync(this.program, ['facts']);
    if (asked.status !== 0) this.missing = `needs a kernel that runs ${width}-bit programs`;
    else if (asked.stdout.readUInt32LE(DESCRIPTORS_AT) === 0) this.missing = 'needs a kernel that lets programs have segment descriptors';
    else this.facts = asked.stdout;
  }

  /** Whether the processors of both sides have a set. */
  get shares(): (feature: string) => boolean {
    const model = cpuModel('max');
    return (feature) => {
      if (!model.has(feature)) return false;
      const bit = HOST_BITS[feature];
      return bit === undefined || ((this.facts.readUInt32LE(bit[0] * 16 + bit[1] * 4) >>> bit[2]) & 1) === 1;
    };
  }

  /**
   * Runs a batch beside this process.
   * @param input `inputHead`, then cases
   * @returns the results
   */
  async run(...input: readonly Uint8Array[]): Promise<Uint8Array> {
    const [from, to] = ['in', 'out'].map((name) => join(this.directory, `${name}${this.batches}`));
    this.batches++;
    writeFileSync(from, Buffer.concat(input));
    try {
      await promisify(execFile)(this.program, [from, to]);
      return new Uint8Array(readFileSync(to));
    } finally {
      rmSync(from, { force: true });
      rmSync(to, { force: true });
    }
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
