import { expect, it } from 'vitest';
import bios from '../../src/engines/emulator/bios/bios.asm';
import { runMachine } from '../support/machine';
import { qemuMissing, runQemu } from '../support/qemu';
import devices from './guests/devices.asm';

it.skipIf(qemuMissing)(
  `the devices answer a guest as QEMU's do${qemuMissing ? ` (${qemuMissing})` : ''}`,
  async () => {
    const disk = new Uint8Array(20 * 16 * 63 * 512);
    for (let i = 0; i < disk.length; i++) disk[i] = (i >> 9) * 7 + i;
    disk.set(devices);
    const ours = runMachine({ disk, bios, startTime: Date.parse('2026-01-01T12:00:00Z') / 1000 });
    const theirs = await runQemu({ disk, bios });
    expect(theirs.console.endsWith('end\n')).toBe(true);
    expect(ours.console.split('\n')).toEqual(theirs.console.split('\n'));
  },
  60_000,
);
