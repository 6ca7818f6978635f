/** A guest that uses its local APIC, the IOAPIC and pc-testdev, on ours and on QEMU's. */
import { expect, it } from 'vitest';
import bios from '../../src/engines/emulator/bios/bios.asm';
import { runMachine } from '../support/machine';
import { qemuMissing, runQemu } from '../support/qemu';
import apic from './guests/apic.asm';

it.skipIf(qemuMissing)(
  `APICs interrupt a guest as QEMU's do${qemuMissing ? ` (${qemuMissing})` : ''}`,
  async () => {
    const disk = new Uint8Array(20 * 16 * 63 * 512);
    disk.set(apic);
    const theirs = await runQemu({ disk, machine: 'pc', devices: ['pc-testdev'] });
    expect(theirs.serial.endsWith('end: \n')).toBe(true);
    const ours = runMachine({ disk, bios });
    // Manual, "Local APIC State After It Has Been Software Disabled": the masks of all local vectors are set. QEMU leaves them.
    const disabled = 'software disable: 00010400 000000FF ';
    expect(ours.serial).toContain(disabled);
    const lines = (text: string): string[] => text.split('\n').filter((line) => !line.startsWith('software disable'));
    expect(lines(ours.serial)).toEqual(lines(theirs.serial));
  },
  60_000,
);
