/** Debian's KVM in the guest: its modules find our VMX fit for use, and run guests of their own, in real and in 64-bit mode. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runKernel } from '../boot/support';
import { cpioArchive } from '../support/cpio';
import { kernelFiles, kernelMissing, kernelModule } from '../support/kernels';
import { missing } from '../support/programs';

const MODULES = ['irqbypass', 'kvm', 'kvm-intel'];
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
export PATH=/bin
for module in ${MODULES.join(' ')}; do busybox insmod /$module.ko || echo "$module: not loaded"; done
echo begin
/kvm
echo end
poweroff -f
`;
const COMMAND_LINE =
  'rdinit=/start console=ttyS0 panic=-1 reboot=t nokaslr mitigations=off tsc=reliable no_timer_check lpj=4000000 cryptomgr.notests ' +
  'acpi=off nolapic noapic pci=off nosmp quiet';

const modules = MODULES.map((name) => ({ name: `${name}.ko`, content: kernelModule('amd64', name) }));
const reason =
  kernelMissing('amd64') ??
  missing({ gcc: 'gcc', '/usr/lib/x86_64-linux-gnu/libc.a': 'libc6-dev' }) ??
  (modules.some(({ content }) => !content) ? 'needs modules of Debian’s kernel: node src/tooling/debian-kernels.mjs' : undefined);

/** The program, linked with all that it needs. */
function monitor(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-kvm-'));
  try {
    const program = join(folder, 'kvm');
    execFileSync('gcc', ['-static', '-O1', '-o', program, join(import.meta.dirname, 'kvm/kvm.c')], { stdio: 'pipe' });
    return new Uint8Array(readFileSync(program));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('KVM', () => {
  it.skipIf(reason)(
    `runs its guests on our VMX${reason ? ` (${reason})` : ''}`,
    () => {
      const { '/vmlinuz': kernel, '/initramfs': initramfs } = kernelFiles('amd64');
      const more = cpioArchive([
        { name: 'start', content: new TextEncoder().encode(INIT) },
        { name: 'kvm', content: monitor() },
        ...modules.map(({ name, content }) => ({ name, content: content as Uint8Array })),
      ]);
      const { serial } = runKernel(
        { kernel: '/vmlinuz', initrd: '/initramfs', append: COMMAND_LINE, memory: 256 << 20, unpackKernel: true },
        { '/vmlinuz': kernel, '/initramfs': Buffer.concat([initramfs, more]) },
        2e9,
      );
      const said = serial.replaceAll('\r', '');
      expect(said).not.toMatch(/not loaded|vmx_fail|VMX_[A-Z]+ failed|WARNING|BUG:|Oops|unchecked MSR/);
      // 2 + 3; twice 21 is 42; a write where no memory is; what the monitor answers to IN; CPUID as the monitor set it: nothing.
      expect(said.slice(said.indexOf('begin\n'), said.indexOf('end\n')).split('\n')).toEqual([
        'begin',
        'KVM version 12',
        'real mode: out 1 bytes to 3f8: 35',
        'real mode: out 1 bytes to 3f8: a',
        'real mode: out 2 bytes to 80: 2a',
        'real mode: halt at 1015, rax 2a, rsi 0',
        '64-bit mode: write of 4 bytes at 200000: 9abcdef0',
        '64-bit mode: in 4 bytes from 40',
        '64-bit mode: halt at 101f, rax 0, rsi 5a5a5a5a',
        'done',
        '',
      ]);
    },
    300_000,
  );
});
