/** Whole guests for the lockstep: made twice, with one tier and with both. */
import { benchFolder } from '../../bench/bench';
import { ROWS } from '../../bench/guests';
import { guestImage } from '../../bench/image';
import { EmulatorEngine, type MachineOptions } from '../../src/engines/emulator/engine';
import type { LaunchOptions } from '../../src/engines/launch';
import { launch } from '../../src/engines/launcher';
import { grubMissing, makeGrubDisk } from '../support/grub';
import { kernelFiles, kernelMissing, type KernelName } from '../support/kernels';
import { assembleGuest, makeRom } from '../system/harness';
import type { Make } from './lockstep';
import { sideOf } from './state';

export interface WholeGuest {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing?: string;
  /** Instructions in the tests; 0 where it runs in the long run alone. */
  readonly short: number;
  readonly long: number;
  /** Compares all memory after so many instructions. */
  readonly memoryEvery?: number;
  /** How it ends in the long run. */
  readonly reason: 'exited' | 'slice' | 'halted' | 'triple-fault';
  readonly make: () => Make;
}

/** From nothing to be read twice. */
const machine =
  (options: () => MachineOptions): (() => Make) =>
  () => {
    const made = options();
    return (tiers, heat) => new EmulatorEngine({ ...made, tiers, heat });
  };

const launched =
  (options: LaunchOptions, files: () => Readonly<Record<string, Uint8Array>>): (() => Make) =>
  () => {
    const read = files();
    return (tiers, heat) => {
      const { engine } = launch({ ...options, tiers }, (path) => read[path]);
      // Nothing has run yet.
      if (tiers === 'all') sideOf(engine).cpus.blocks.heat = heat;
      return engine;
    };
  };

/** Experiments of test/system, with what they take in all; those that are cheap run in the tests. */
const SYSTEM_GUESTS = [
  'segments',
  'limits',
  'transfers',
  'interrupts',
  'tasks',
  'privileges',
  'paging',
  'virtual',
  'virtual-extensions',
  'real',
  'debug',
  'x87',
  'exact',
  'long-modes',
  'long-interrupts',
  'long-rings',
  'long-paging',
  'long-state',
];
const QUICK = new Set(['transfers', 'paging', 'real', 'debug', 'exact', 'long-rings', 'long-paging']);

const system = (name: string, cpus: number, short: number): WholeGuest => ({
  name: `test/system ${name}`,
  short,
  long: 60e6,
  reason: 'exited',
  make: machine(() => ({ memory: 8 << 20, bios: makeRom(assembleGuest(`${name}.asm`)), cpus })),
});

const kernel = (name: KernelName, cpus: number): WholeGuest => ({
  name: `the kernel ${name} on ${cpus === 1 ? 'one processor' : `${cpus} processors`}`,
  missing: kernelMissing(name),
  short: name === 'amd64' && cpus === 1 ? 1.5e6 : 0,
  long: 60e6,
  memoryEvery: 20e6,
  reason: 'slice',
  make: launched(
    {
      kernel: '/vmlinuz',
      initrd: '/initramfs',
      append: 'earlyprintk=serial,ttyS0 console=ttyS0 nokaslr mitigations=off',
      memory: 128 << 20,
      unpackKernel: true,
      cpus,
    },
    () => ({ ...kernelFiles(name) }),
  ),
});

/** Guests of the benchmark that take few instructions, or do what no other does. */
const QUICK_BENCH = /^(self-modify|code-generator|page-faults|system-calls-int|sysenter|syscall|interrupts|indirect-calls|fib|x87)-/;

export const WHOLE_GUESTS: readonly WholeGuest[] = [
  ...SYSTEM_GUESTS.map((name) => system(name, 1, QUICK.has(name) ? 60e6 : 0)),
  ...['long-pair', 'long-x2apic'].map((name) => system(name, 2, name === 'long-pair' ? 60e6 : 0)),
  ...ROWS.map(
    (row): WholeGuest => ({
      name: `bench ${row.id}`,
      short: QUICK_BENCH.test(row.id) ? 300_000 : 0,
      long: 20e6,
      reason: 'exited',
      make: launched({ kernel: '/guest', memory: 64 << 20 }, () => ({ '/guest': guestImage(benchFolder(import.meta.filename), row, 1) })),
    }),
  ),
  {
    name: 'the BIOS and GRUB to its prompt',
    missing: grubMissing,
    short: 2e6,
    long: 40e6,
    memoryEvery: 10e6,
    reason: 'slice',
    make: launched({ disks: ['/disk'], memory: 32 << 20 }, () => ({ '/disk': makeGrubDisk() })),
  },
  kernel('686', 1),
  kernel('amd64', 1),
  kernel('amd64', 2),
];
