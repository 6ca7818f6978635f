/** The real processor as an oracle: harness.c, built once a run. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Silicon {
  /** Why it cannot be asked here. */
  readonly missing: string | undefined;
  private readonly directory = mkdtempSync(join(tmpdir(), 'ringside-float-'));
  private readonly program = join(this.directory, 'harness');

  constructor() {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      this.missing = 'needs Linux on an x86-64 processor';
      return;
    }
    const source = new URL('harness.c', import.meta.url).pathname;
    const built = spawnSync('gcc', ['-O1', '-o', this.program, source], { encoding: 'utf8' });
    if (built.status !== 0) this.missing = 'needs a C compiler: apt-get install gcc';
  }

  /** Runs cases (struct test each) and gives their results (struct result each). */
  run(cases: Uint8Array): Uint8Array {
    return execFileSync(this.program, { input: cases, maxBuffer: 2 ** 30 });
  }

  dispose(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
