/** Watching changes nothing: stepped, probed everywhere, in slices of odd lengths or run free, a guest ends in the same state. */
import { describe, expect, it } from 'vitest';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import type { EngineStop, RunRequest } from '../../src/engines/engine';
import type { LinearAddress } from '../../src/shared/addresses';
import { assembleGuest, makeRom } from './harness';
import { digest } from './support';

const MEMORY = 8 << 20;
const LIMIT = 60e6;

type Way = (engine: EmulatorEngine) => (request: RunRequest) => EngineStop;

const free: Way = (engine) => () => engine.run({ instructions: 1_000_000 });

const WAYS: Readonly<Record<string, Way>> = {
  'stepped one instruction at a time': (engine) => () => {
    let stop = engine.run({ instructions: 1, step: true });
    for (let i = 0; i < 10_000 && stop.reason === 'slice'; i++) stop = engine.run({ instructions: 1, step: true });
    return stop;
  },
  'in slices of odd lengths': (engine) => {
    let length = 1;
    return () => {
      length = (length * 31 + 7) % 997;
      return engine.run({ instructions: length + 1 });
    };
  },
  'with probes on everything, none of which stops': (engine) => {
    const ignore = (): boolean => false;
    for (let page = 0; page < 64; page++) {
      engine.probes.add({ kind: 'code', address: (0x100000 + page * 64) as LinearAddress }, ignore);
      engine.probes.add({ kind: 'data', address: (0x80000 + page * 4096) as LinearAddress, length: 4, access: 'readWrite' }, ignore);
    }
    engine.probes.add({ kind: 'exception' }, ignore);
    engine.probes.add({ kind: 'transition' }, ignore);
    engine.probes.add({ kind: 'port' }, ignore);
    engine.probes.add({ kind: 'opcode', mnemonics: new Set(['mov', 'push', 'movs', 'iret', 'int']) }, ignore);
    return () => engine.run({ instructions: 1_000_000 });
  },
  'stopped at every access to a page of data': (engine) => {
    engine.probes.add({ kind: 'data', address: 0x90000 as LinearAddress, length: 1, access: 'readWrite' });
    engine.probes.add({ kind: 'exception' });
    return () => {
      const stop = engine.run({ instructions: 1_000_000 });
      if (stop.reason !== 'probe') return stop;
      engine.passProbes(0);
      return { ...stop, reason: 'slice' };
    };
  },
};

function run(rom: Uint8Array, way: Way, cpus = 1): { serial: string; state: string } {
  const engine = new EmulatorEngine({ memory: MEMORY, bios: rom, cpus });
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  const go = way(engine);
  for (;;) {
    const stop = go({ instructions: 0 });
    if (stop.reason === 'exited') return { serial, state: digest(engine, MEMORY) };
    if (stop.reason !== 'slice' || engine.instructionCount > LIMIT) throw new Error(`${stop.reason} ${stop.text ?? ''} after\n${serial}`);
  }
}

const GUESTS = [
  { name: 'segments' },
  { name: 'interrupts' },
  { name: 'virtual' },
  { name: 'long-interrupts' },
  { name: 'long-pair', cpus: 2 },
  { name: 'long-x2apic', cpus: 2 },
];

describe.each(GUESTS)('the guest $name', ({ name, cpus }) => {
  const rom = makeRom(assembleGuest(`${name}.asm`));
  const expected = run(rom, free, cpus);

  it.each(Object.keys(WAYS))('ends the same %s', (way) => {
    const { serial, state } = run(rom, WAYS[way], cpus);
    expect(serial).toBe(expected.serial);
    expect(state).toBe(expected.state);
  });
});
