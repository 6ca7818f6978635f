/** The engines that are measured: how each is started on a guest, and whether it is there. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { LaunchOptions } from '../src/engines/launch';
import type { EngineTask, Tiers } from './as-engine';
import type { Command, Way } from './guest-process';
import type { Width } from './guests';

export const PEERS = ['v86', 'bochs', 'qemu'] as const;
export type Peer = (typeof PEERS)[number];

/** MiB of RAM of every guest's machine. */
const MEGABYTES = 64;

/** A guest's files, made once for all engines. */
export interface GuestFiles {
  /** The flat Multiboot image. */
  readonly image: string;
  /** The ROM that holds it, for engines that load no image. */
  readonly rom: string;
  /** For files of an engine's own. */
  readonly folder: string;
}

export interface BenchEngine {
  /** As in the table. */
  readonly name: string;
  /** Ours, or the peer's name. */
  readonly peer: Peer | undefined;
  readonly widths: readonly Width[];
  /** Says `COUNT`. */
  readonly counts?: boolean;
  /** Its version, or why it cannot run here. */
  readonly version: string;
  readonly missing?: string;
  way(files: GuestFiles, width: Width): Way;
}

export function findProgram(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** The first line of output that has a version in it. */
function versionOf(program: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000, input: '' });
  const text = `${stdout}\n${stderr}`;
  return /\b\d+\.\d+(\.\d+)?\b/.exec(text.split('\n').find((line) => /emulator/i.test(line)) ?? text)?.[0] ?? 'unknown version';
}

/** A process of ours that runs a guest. @param program path of the command line */
export const ownCommand = (program: string, task: EngineTask): Command => ({
  program: process.execPath,
  args: [program, 'bench', '--as-engine', JSON.stringify(task)],
});

/** As the table calls ours. */
export const ownName = (tiers: Tiers): string => (tiers === 'all' ? 'ringside' : 'interpreter');

/** Ours: this program itself, started again. @param program path of the command line */
export const ours = (program: string, tiers: Tiers, breakpoints = 0, engine?: LaunchOptions['engine']): BenchEngine => ({
  name: ownName(tiers),
  peer: undefined,
  widths: [32, 64],
  counts: true,
  version: process.version,
  way: ({ image }) => ({
    kind: 'stdout',
    command: ownCommand(program, {
      launch: { kernel: image, memory: MEGABYTES << 20, tiers, engine },
      from: 'START\n',
      until: 'DONE\n',
      breakpoints,
    }),
  }),
});

const qemu = (): BenchEngine => {
  const programs: Readonly<Record<Width, string>> = { 32: 'qemu-system-i386', 64: 'qemu-system-x86_64' };
  const absent = Object.values(programs).some((name) => !findProgram(name));
  return {
    name: 'qemu',
    peer: 'qemu',
    widths: [32, 64],
    version: absent ? '' : versionOf(programs[64], ['--version']),
    missing: absent ? 'needs qemu-system-i386 and qemu-system-x86_64 (Debian: qemu-system-x86)' : undefined,
    way: ({ image }, width) => ({
      kind: 'stdout',
      command: {
        program: programs[width],
        args: [
          ['-accel', 'tcg', '-cpu', 'max', '-m', String(MEGABYTES), '-nodefaults', '-no-user-config', '-display', 'none'],
          ['-no-reboot', '-serial', 'stdio', '-kernel', image],
        ].flat(),
      },
    }),
  };
};

const v86 = (folder: string): BenchEngine => {
  let version = '';
  try {
    const manifest = createRequire(join(folder, 'v86.mjs'))
      .resolve('v86')
      .replace(/build[/\\][^/\\]*$/, 'package.json');
    ({ version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string });
  } catch {
    // Told below.
  }
  return {
    name: 'v86',
    peer: 'v86',
    // It has no long mode.
    widths: [32],
    version,
    missing: version ? undefined : 'needs the npm package v86 (npm install)',
    way: ({ rom }) => ({
      kind: 'stdout',
      command: { program: process.execPath, args: [join(folder, 'v86.mjs'), 'rom', rom, String(MEGABYTES)] },
    }),
  };
};

const bochs = (): BenchEngine => {
  const program = findProgram('bochs');
  return {
    name: 'bochs',
    peer: 'bochs',
    widths: [32, 64],
    version: program ? versionOf(program, ['--help', 'cpu']) : '',
    missing: program ? undefined : 'needs bochs (Debian: bochs)',
    way: ({ rom, folder }) => ({
      kind: 'tcp',
      command(port) {
        const config = join(folder, 'bochsrc');
        const commands = join(folder, 'bochs-commands');
        const lines = [
          'config_interface: textconfig',
          // The one display that needs neither a terminal nor a screen; nobody has to connect to it.
          'display_library: rfb, options="timeout=0"',
          `megs: ${MEGABYTES}`,
          `romimage: file=${rom}`,
          // Its clock is never held back, and its rate near what Bochs reaches, so that its own timers are not the measured work.
          'cpu: model=corei7_haswell_4770, count=1, ips=100000000, reset_on_triple_fault=0',
          'clock: sync=none, time0=1',
          'sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy',
          `com1: enabled=1, mode=socket-client, dev=127.0.0.1:${port}`,
          `log: ${join(folder, 'bochs.txt')}`,
          'panic: action=fatal',
        ];
        writeFileSync(config, `${lines.join('\n')}\n`);
        // Debian's build starts in its debugger.
        writeFileSync(commands, 'c\n');
        return { program: program ?? 'bochs', args: ['-q', '-f', config, '-rc', commands] };
      },
    }),
  };
};

/** @param folder of the benchmark */
export const peerEngines = (folder: string): Readonly<Record<Peer, BenchEngine>> => ({ v86: v86(folder), bochs: bochs(), qemu: qemu() });
