/** `npm test`: everything, after setting up what it needs. */
import { join } from 'node:path';
import { fetchKernels } from './debian-kernels.mjs';
import { installDebianPackages, installPackages, root, run, say } from './shell.mjs';

/** Programs (or files) that tests hold ours against, and the Debian packages that bring them. */
const ORACLES = {
  nasm: 'nasm',
  'qemu-system-i386': 'qemu-system-x86',
  gcc: 'gcc',
  '/usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a': 'gcc-multilib',
  ld: 'binutils',
  gdb: 'gdb',
  bochs: 'bochs',
  'grub-mkimage': 'grub-common',
  '/usr/lib/grub/i386-pc/boot.img': 'grub-pc-bin',
  '/usr/share/seabios/bios-256k.bin': 'seabios',
  '/boot/memtest86+x64.bin': 'memtest86+',
  iasl: 'acpica-tools',
  xz: 'xz-utils',
  zstd: 'zstd',
  lz4: 'lz4',
};

const bin = (name) => join(root, 'node_modules/.bin', name);

/** In this order; the first that fails ends the run. */
const STEPS = [
  ['types', bin('tsc'), ['--noEmit']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings']],
  ['format', bin('biome'), ['format', '.']],
  ['build', process.execPath, ['esbuild.mjs']],
  ['unit tests, oracles, debug adapter transcripts', bin('vitest'), ['run']],
  ['the extension in a real workbench', process.execPath, ['test/workbench/run.mjs']],
];

async function main() {
  await installPackages();
  const missing = installDebianPackages(ORACLES);
  if (missing.length > 0) say(`some tests will be skipped; to run them: apt-get install ${missing.join(' ')}`);
  const kernels = fetchKernels();
  if (kernels.length > 0) say(`tests of these Linux kernels will be skipped, they could not be fetched: ${kernels.join(', ')}`);
  for (const [name, command, args] of STEPS) {
    say(name);
    const status = await run(command, args);
    if (status !== 0) {
      say(`failed: ${name}`);
      return status;
    }
  }
  return 0;
}

process.exitCode = await main();
