/**
 * The interpreter against Debian's Bochs on the same guests in one run: the seven-instruction loop and a sieve, 32-bit.
 * `npm run build && node bench/interpreter.mjs`. Each guest runs with few and with many rounds; the difference in time is the
 * rounds' alone, so starting up does not count. Instructions are counted by our own exact clock.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, '../dist/cli.js');
const folder = mkdtempSync(join(tmpdir(), 'ringside-bench-'));

const KERNELS = [
  { name: 'loop of 7', kernel: 1, rounds: [2_000_000, 42_000_000] },
  { name: 'sieve', kernel: 2, rounds: [20, 820] },
];
const REPEATS = 3;

function assemble(kernel, rounds) {
  const rom = join(folder, `${kernel}-${rounds}.bin`);
  const args = ['asm', join(here, 'interpreter.asm'), '-f', 'bin', '-o', rom, '-D', `KERNEL=${kernel}`, '-D', `ROUNDS=${rounds}`];
  if (spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' }).status !== 0) throw new Error('the guest does not assemble');
  return rom;
}

/** Seconds, and instructions where the engine counts them. */
const ENGINES = {
  ringside(rom) {
    const { stdout, status } = spawnSync(process.execPath, [cli, 'run', '--bios', rom, '--json'], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ringside: status ${status}`);
    const { seconds, instructions } = JSON.parse(stdout);
    return { seconds, instructions };
  },
  bochs(rom) {
    const config = join(folder, 'bochsrc');
    const lines = [
      'config_interface: textconfig',
      'display_library: rfb, options="timeout=0"',
      'megs: 32',
      `romimage: file=${rom}`,
      'cpu: model=p3_katmai, count=1, ips=4000000, reset_on_triple_fault=0',
      'clock: sync=none, time0=1',
      'sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy',
      `log: ${join(folder, 'bochs.txt')}`,
      'panic: action=fatal',
    ];
    writeFileSync(config, `${lines.join('\n')}\n`);
    writeFileSync(join(folder, 'commands'), 'c\n');
    const started = performance.now();
    const { error } = spawnSync('bochs', ['-q', '-f', config, '-rc', join(folder, 'commands')], { stdio: 'ignore', timeout: 300_000 });
    if (error) throw error;
    return { seconds: (performance.now() - started) / 1000 };
  },
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

try {
  const results = [];
  for (const { name, kernel, rounds } of KERNELS) {
    const [few, many] = rounds.map((count) => assemble(kernel, count));
    const instructions = ENGINES.ringside(many).instructions - ENGINES.ringside(few).instructions;
    const seconds = Object.fromEntries(
      Object.entries(ENGINES).map(([engine, run]) => [
        engine,
        median(Array.from({ length: REPEATS }, () => run(many).seconds - run(few).seconds)),
      ]),
    );
    const mips = Object.fromEntries(Object.entries(seconds).map(([engine, time]) => [engine, instructions / time / 1e6]));
    results.push({ name, instructions, seconds, mips, ratio: mips.ringside / mips.bochs });
  }
  for (const { name, instructions, mips, ratio } of results) {
    process.stdout.write(
      `${name.padEnd(10)} ${(instructions / 1e6).toFixed(0).padStart(5)} M instructions  ringside ${mips.ringside.toFixed(0).padStart(4)} MIPS  bochs ${mips.bochs.toFixed(0).padStart(4)} MIPS  ratio ${ratio.toFixed(2)}\n`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
