/** A kernel on two processors ends in the same state however it is watched. */
import { describe, expect, it } from 'vitest';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { launch } from '../../src/engines/launcher';
import { digest } from '../system/support';
import { kernelFiles, kernelMissing } from '../support/kernels';

const MEMORY = 128 << 20;
/** The second processor is at work by then. */
const INSTRUCTIONS = 150e6;
const COMMAND_LINE = 'earlyprintk=serial,ttyS0 console=ttyS0 nokaslr mitigations=off';

type Go = (engine: EmulatorEngine, end: number) => void;

const free: Go = (engine, end) => {
  while (engine.instructionCount < end) engine.run({ instructions: end - engine.instructionCount });
};

const WAYS: Readonly<Record<string, Go>> = {
  'run again': free,
  'in slices of odd lengths': (engine, end) => {
    let length = 1;
    while (engine.instructionCount < end) {
      length = (length * 31 + 7) % 99_991;
      engine.run({ instructions: Math.min(length + 1, end - engine.instructionCount) });
    }
  },
  'with probes that never stop, and stretches of single steps': (engine, end) => {
    const ignore = (): boolean => false;
    engine.probes.add({ kind: 'exception' }, ignore);
    engine.probes.add({ kind: 'transition' }, ignore);
    engine.probes.add({ kind: 'port' }, ignore);
    engine.probes.add({ kind: 'opcode', mnemonics: new Set(['cpuid', 'wrmsr', 'iretq', 'syscall', 'invlpg']) }, ignore);
    while (engine.instructionCount < end) {
      engine.run({ instructions: Math.min(3_000_001, end - engine.instructionCount) });
      for (let i = 0; i < 500 && engine.instructionCount < end; i++) engine.run({ instructions: 1, step: true, cpu: i & 1 });
    }
  },
};

const missing = kernelMissing('amd64');

describe.skipIf(missing)(`the amd64 kernel with two processors ${missing ?? ''}`, () => {
  const run = (go: Go): string => {
    const files: Record<string, Uint8Array> = { ...kernelFiles('amd64') };
    const options = { kernel: '/vmlinuz', append: COMMAND_LINE, memory: MEMORY, unpackKernel: true, cpus: 2 };
    const { engine } = launch(options, (path) => files[path]);
    if (!(engine instanceof EmulatorEngine)) throw new Error('another engine');
    go(engine, INSTRUCTIONS);
    expect(engine.instructionCount).toBe(INSTRUCTIONS);
    return digest(engine, MEMORY);
  };
  let expected: string | undefined;

  it.each(Object.keys(WAYS))(
    'ends the same %s',
    (way) => {
      expected ??= run(free);
      expect(run(WAYS[way])).toBe(expected);
    },
    300_000,
  );
});
