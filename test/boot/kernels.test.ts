/** Debian's kernels begin to run, entered in every way. */
import { describe, expect, it } from 'vitest';
import type { LaunchOptions } from '../../src/engines/launch';
import { kernelFiles, kernelMissing, type KernelName } from '../support/kernels';
import { runKernel } from './support';

const COMMAND_LINE = 'earlyprintk=serial,ttyS0 console=ttyS0 nokaslr mitigations=off acpi=off nolapic noapic pci=off nosmp';

const WAYS: readonly (readonly [KernelName, string, Partial<LaunchOptions>])[] = [
  ['686', 'unpacked, by the 32-bit boot protocol', { unpackKernel: true }],
  ['amd64', 'unpacked, by PVH', { unpackKernel: true, kernelEntry: 'pvh' }],
  ['amd64', 'unpacked, by the 64-bit boot protocol', { unpackKernel: true, kernelEntry: '64' }],
];

describe.each(WAYS)('the %s kernel, %s', (name, _way, options) => {
  const reason = kernelMissing(name);
  it.skipIf(reason)(
    `says its version, its command line and its memory${reason ? ` (${reason})` : ''}`,
    () => {
      const files = { ...kernelFiles(name) };
      const { serial } = runKernel(
        { kernel: '/vmlinuz', initrd: '/initramfs', append: COMMAND_LINE, memory: 256 << 20, ...options },
        files,
        60_000_000,
      );
      expect(serial).toMatch(/Linux version 6\.1\.0-\d+-/);
      expect(serial).toContain(COMMAND_LINE);
      expect(serial).toMatch(/BIOS-e820: \[mem 0x0000000000100000-0x000000000fffffff\] usable/);
      expect(serial).toMatch(/RAMDISK: \[mem 0x0fe/);
    },
    60_000,
  );
});
