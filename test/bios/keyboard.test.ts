import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import bios from '../../src/engines/emulator/bios/bios.asm';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { MemoryBlockDevice } from '../../src/engines/machine/devices/block';
import { KEYS } from '../../src/engines/machine/devices/scancodes';
import { missing } from '../support/programs';
import keys from './guests/keys.asm';

const SEABIOS = '/usr/share/seabios/bios.bin';
const seabiosMissing = missing({ [SEABIOS]: 'seabios' });

/** Types each chord on a machine with this BIOS and gives what the guest reads. */
function type(image: Uint8Array, writable: boolean, chords: readonly (readonly string[])[]): string {
  const disk = new Uint8Array(1 << 20);
  disk.set(keys);
  const engine = new EmulatorEngine({ memory: 4 << 20, bios: image, biosWritable: writable, disk: new MemoryBlockDevice(disk) });
  let text = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'console') text += String.fromCharCode(byte);
  };
  const pending = [...chords];
  let idle = 0;
  for (let turn = 0; turn < 1_000_000; turn++) {
    const { reason } = engine.run({ instructions: 100_000, returnWhenIdle: true });
    if (reason === 'slice') continue;
    if (reason !== 'idle') return text;
    // The next chord is typed once the last one's bytes have come over the wire, each at a wake-up.
    if (++idle % 12 === 0 && text.includes('>')) {
      const chord = pending.shift() ?? [];
      for (const code of chord) engine.input({ kind: 'key', code, pressed: true });
      for (const code of [...chord].reverse()) engine.input({ kind: 'key', code, pressed: false });
    }
    engine.skipIdle();
  }
  throw new Error(`the guest read no Escape: ${text}`);
}

/** Keys that do not come out of INT 16h: they change flags, stop the machine or belong to an operating system. */
const SILENT = new Set(['Pause', 'PrintScreen', 'MetaLeft', 'MetaRight', 'ContextMenu', 'Escape', 'IntlBackslash']);
const MODIFIERS = ['ShiftLeft', 'ShiftRight', 'ControlLeft', 'ControlRight', 'AltLeft', 'AltRight', 'CapsLock', 'NumLock', 'ScrollLock'];
const plain = KEYS.filter((key) => !SILENT.has(key) && !MODIFIERS.includes(key));
/** What our BIOS has and SeaBIOS has not: numbers typed with Alt and the keypad, and the key code of Ctrl+/. */
const known = (modifier: string, key: string): boolean =>
  (modifier === 'AltLeft' && /^Numpad\d$/.test(key)) || (modifier === 'ControlLeft' && key === 'Slash');
/** All keys alone and with each modifier, then under the locks. */
const round = [
  ...plain.map((key) => [key]),
  ...['ShiftLeft', 'ControlLeft', 'AltLeft'].flatMap((modifier) =>
    plain.filter((key) => !known(modifier, key)).map((key) => [modifier, key]),
  ),
  ['CapsLock'],
  ...plain.map((key) => [key]),
  ['ShiftRight', 'KeyA'],
  ['CapsLock'],
  ['NumLock'],
  ...plain.filter((key) => key.startsWith('Numpad')).map((key) => [key]),
  ['NumLock'],
  ['Escape'],
];
const chords = [...round, ...round];

it.skipIf(seabiosMissing)(
  `keys come out of our INT 16h as out of SeaBIOS'${seabiosMissing ? ` (${seabiosMissing})` : ''}`,
  () => {
    const ours = type(bios, false, chords).split('>')[1];
    const theirs = type(new Uint8Array(readFileSync(SEABIOS)), true, chords).split('>')[1];
    expect(ours.split('\n')).toEqual(theirs.split('\n'));
  },
  120_000,
);
