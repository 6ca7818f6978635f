/** Runs one guest image on Debian's QEMU and Bochs and on ours, and compares what they say on COM1, line by line. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { EmulatorEngine, type MachineOptions } from '../../src/engines/emulator/engine';
import { missing } from '../support/programs';

const GUESTS = fileURLToPath(new URL('./guests/', import.meta.url));
const ROM_SIZE = 0x40000;
const BOOT_SIZE = 0x10000;
const MEMORY_MIB = 32;
const TIMEOUT = 30_000;

export type Oracle = 'qemu' | 'bochs';

/** The computer that a guest is meant for, on each side. */
export interface Machine {
  readonly qemu: readonly string[];
  /** A processor model of Bochs', and how many. */
  readonly bochs: { readonly model: string; readonly count: number };
  readonly ours: Pick<MachineOptions, 'cpu' | 'cpus'>;
}

/** For 16- and 32-bit guests. */
export const LEGACY: Machine = {
  qemu: ['qemu-system-i386', '-M', 'isapc', '-cpu', 'pentium3,-apic'],
  bochs: { model: 'p3_katmai', count: 1 },
  ours: {},
};

/** For 64-bit guests. */
export const LONG: Machine = {
  qemu: ['qemu-system-x86_64', '-M', 'pc', '-cpu', 'max,vendor=GenuineIntel'],
  bochs: { model: 'tigerlake', count: 1 },
  ours: {},
};

/** Two processors. */
export const PAIR: Machine = {
  qemu: [...LONG.qemu, '-smp', '2'],
  bochs: { ...LONG.bochs, count: 2 },
  ours: { cpus: 2 },
};

/** Why an oracle cannot run here, or undefined. */
export const oracleMissing: Readonly<Record<Oracle, string | undefined>> = {
  qemu: missing({ 'qemu-system-i386': 'qemu-system-x86', 'qemu-system-x86_64': 'qemu-system-x86' }),
  bochs: missing({ bochs: 'bochs', '/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_rfb_gui.so': 'bochs' }),
};

/** Where an oracle does not do as the manual says. */
export interface Fault {
  readonly oracle: Oracle;
  /** Names of the experiments concerned. */
  readonly experiments: readonly string[];
  readonly reason: string;
}

/** @param defines single-line macros @throws Error with the assembler's complaints */
export function assembleGuest(name: string, defines: Readonly<Record<string, string>> = {}): Uint8Array {
  const read = (path: string): Uint8Array => readFileSync(path.startsWith('/') ? path : join(GUESTS, path));
  const path = join(GUESTS, name);
  const result = assemble({ path, text: new TextDecoder().decode(read(path)), read: (file) => read(file), defines });
  if (!result.ok) throw new Error(result.diagnostics.map(({ file, line, message }) => `${file}:${line}: ${message}`).join('\n'));
  return result.image;
}

/** A BIOS image that enters a flat guest at 1 MiB. */
export function makeRom(guest: Uint8Array): Uint8Array {
  if (guest.length > ROM_SIZE - BOOT_SIZE) throw new Error(`a guest of ${guest.length} bytes does not fit the ROM`);
  const rom = new Uint8Array(ROM_SIZE);
  rom.set(guest);
  rom.set(assembleGuest('boot.asm'), ROM_SIZE - BOOT_SIZE);
  return rom;
}

/** @returns what the guest said on COM1 @throws Error where it does not come to an end */
export function runOurs(rom: Uint8Array, machine: Machine = LEGACY, limit = 100e6): string {
  const engine = new EmulatorEngine({ memory: MEMORY_MIB << 20, bios: rom, ...machine.ours });
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  for (;;) {
    const stop = engine.run({ instructions: 1_000_000 });
    if (stop.reason === 'exited') return serial;
    if (stop.reason !== 'slice' || engine.instructionCount > limit) {
      throw new Error(`ours: ${stop.reason} at 0x${stop.address.toString(16)} (${stop.text ?? ''}) after\n${serial}`);
    }
  }
}

/** @returns what the guest said on COM1, up to where it ended or hung */
export async function runOracle(oracle: Oracle, rom: Uint8Array, machine: Machine = LEGACY): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), `ringside-${oracle}-`));
  const file = (name: string): string => join(folder, name);
  try {
    writeFileSync(file('rom.img'), rom);
    writeFileSync(file('serial.txt'), '');
    writeFileSync(file('bochsrc'), bochsConfiguration(folder, machine));
    // Debian's Bochs has its debugger built in, which waits for this before the first instruction.
    writeFileSync(file('commands'), 'c\n');
    const [program, ...args] =
      oracle === 'qemu'
        ? [
            [...machine.qemu, '-m', String(MEMORY_MIB), '-bios', file('rom.img')],
            ['-nodefaults', '-display', 'none', '-no-reboot', '-monitor', 'none', '-serial', `file:${file('serial.txt')}`],
            ['-device', 'isa-debug-exit,iobase=0xf4'],
          ].flat()
        : ['bochs', '-q', '-f', file('bochsrc'), '-rc', file('commands')];
    await ended(program, args);
    return readFileSync(file('serial.txt'), 'latin1');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The remote framebuffer needs no terminal, and with no timeout it waits for nobody. */
const bochsConfiguration = (folder: string, { bochs: { model, count } }: Machine): string =>
  [
    'config_interface: textconfig',
    'display_library: rfb, options="timeout=0"',
    `megs: ${MEMORY_MIB}`,
    `romimage: file=${join(folder, 'rom.img')}`,
    `cpu: model=${model}, count=${count}, ips=4000000, reset_on_triple_fault=0, ignore_bad_msrs=0`,
    'clock: sync=none, time0=1',
    `com1: enabled=1, mode=file, dev=${join(folder, 'serial.txt')}`,
    'sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy',
    `log: ${join(folder, 'log.txt')}`,
    'panic: action=fatal',
    '',
  ].join('\n');

function ended(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: 'ignore' });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT);
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** A line is `name: what happened`. */
const nameOf = (line: string): string => line.split(': ')[0];

/** Lines by experiment. */
function byExperiment(text: string): Map<string, string> {
  const lines = new Map<string, string>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const name = nameOf(line);
    if (lines.has(name)) throw new Error(`two experiments are named "${name}"`);
    lines.set(name, line);
  }
  return lines;
}

/** QEMU never sets RF in the frame of a fault (the manual, "Debug Exceptions": all faults but instruction breakpoints do). */
const withoutResume = (line: string | undefined): string | undefined =>
  line?.replace(
    /flags=([0-9a-f]{6})/,
    (_, flags: string) => `flags=${(Number.parseInt(flags, 16) & ~0x10000).toString(16).padStart(6, '0')}`,
  );

/**
 * Runs a guest on an oracle and on ours.
 * @param known `faults` of the oracles, each of which must really show; `manual` are whole lines that ours must say
 */
export async function compareGuest(
  rom: Uint8Array,
  oracle: Oracle,
  known: { readonly faults: readonly Fault[]; readonly manual?: readonly string[] },
  machine: Machine = LEGACY,
): Promise<void> {
  const ours = byExperiment(runOurs(rom, machine));
  for (const line of known.manual ?? []) expect(ours.get(nameOf(line))).toBe(line);
  const theirs = byExperiment(await runOracle(oracle, rom, machine));
  const excused = known.faults.filter((fault) => fault.oracle === oracle).flatMap(({ experiments }) => experiments);
  const seen = oracle === 'qemu' ? withoutResume : (line: string | undefined) => line;
  const differing = [...ours.keys()].filter((name) => seen(ours.get(name)) !== seen(theirs.get(name)));
  const report = differing
    .filter((name) => !excused.includes(name))
    .map((name) => `ours:  ${ours.get(name)}\n${oracle}: ${theirs.get(name) ?? '(nothing)'}`);
  expect(report.join('\n'), `${oracle} and ours differ`).toBe('');
  const fine = excused.filter((name) => !differing.includes(name));
  expect(fine, `${oracle} does right what the table calls its fault`).toEqual([]);
  const extra = [...theirs.keys()].filter((name) => !ours.has(name));
  expect(extra, `lines that only ${oracle} has`).toEqual([]);
}
