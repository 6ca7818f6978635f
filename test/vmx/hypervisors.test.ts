/** Debian's KVM and Xen in the guest: they find our VMX fit for use, and KVM runs guests of its own, in real and in 64-bit mode. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runKernel } from '../boot/support';
import { cpioArchive } from '../support/cpio';
import { kernelFiles, kernelMissing, kernelModule, type KernelName, xenImage } from '../support/kernels';
import { missing } from '../support/programs';

const MODULES = ['irqbypass', 'kvm', 'kvm-intel'];
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
export PATH=/bin
for module in irqbypass kvm; do busybox insmod /$module.ko || echo "$module: not loaded"; done
attempt() {
  busybox insmod /kvm-intel.ko $1 $2 $3 $4 $5 || echo "kvm-intel: not loaded"
  echo begin
  /kvm $without_real_mode
  echo end
  busybox rmmod kvm_intel
}
attempt nested=1
without_real_mode=1
attempt ept=0
attempt ept=0 vpid=0 flexpriority=0 vnmi=0 preemption_timer=0
poweroff -f
`;
const COMMAND_LINE =
  'rdinit=/start console=ttyS0 panic=-1 reboot=t nokaslr mitigations=off tsc=reliable no_timer_check lpj=4000000 cryptomgr.notests ' +
  'acpi=off nolapic noapic pci=off nosmp quiet';

interface Host {
  readonly kernel: KernelName;
  /** For gcc, which makes programs of that width where it has the library. */
  readonly width: '-m64' | '-m32';
  readonly library: string;
  readonly package: string;
}
const HOSTS: readonly Host[] = [
  { kernel: 'amd64', width: '-m64', library: '/usr/lib/x86_64-linux-gnu/libc.a', package: 'libc6-dev' },
  { kernel: '686', width: '-m32', library: '/usr/lib32/libc.a', package: 'libc6-dev-i386' },
];

const hostMissing = ({ kernel, library, package: name }: Host): string | undefined =>
  kernelMissing(kernel) ??
  missing({ gcc: 'gcc', [library]: name }) ??
  (MODULES.some((module) => !kernelModule(kernel, module))
    ? 'needs modules of Debian’s kernel: node src/tooling/debian-kernels.mjs'
    : undefined);

const IN_REAL_MODE = [
  // 2 + 3; twice 21 is 42.
  'real mode: out 1 bytes to 3f8: 35',
  'real mode: out 1 bytes to 3f8: a',
  'real mode: out 2 bytes to 80: 2a',
  'real mode: halt at 1015, rax 2a, rsi 0',
];
const IN_64_BIT_MODE = [
  // A write where no memory is; what the monitor answers to IN; CPUID as the monitor set it: nothing.
  '64-bit mode: write of 4 bytes at 200000: 9abcdef0',
  '64-bit mode: in 4 bytes from 40',
  '64-bit mode: halt at 101f, rax 0, rsi 5a5a5a5a',
];

/** The program, linked with all that it needs. */
function monitor(width: Host['width']): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-kvm-'));
  try {
    const program = join(folder, 'kvm');
    execFileSync('gcc', [width, '-static', '-O1', '-o', program, join(import.meta.dirname, 'kvm/kvm.c')], { stdio: 'pipe' });
    return new Uint8Array(readFileSync(program));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const xen = xenImage();
const xenMissing = kernelMissing('amd64') ?? (xen ? undefined : 'needs Debian’s Xen: node src/tooling/debian-kernels.mjs');

describe('Xen', () => {
  it.skipIf(xenMissing)(`finds what it wants of VMX and enables it${xenMissing ? ` (${xenMissing})` : ''}`, () => {
    const { '/vmlinuz': kernel } = kernelFiles('amd64');
    // Its first domain does not fit: what is asked here comes before.
    const { serial } = runKernel(
      { kernel: '/xen', initrd: '/vmlinuz', append: 'console=com1 com1=115200 loglvl=all noreboot', memory: 256 << 20 },
      { '/xen': xen as Uint8Array, '/vmlinuz': kernel },
      400e6,
    );
    const said = serial.replaceAll('(XEN) ', '').replaceAll('\r', '');
    expect(said).toMatch(/VMX: Supported advanced features:\n( - .*\n)* - Extended Page Tables \(EPT\)\n/);
    expect(said).toMatch(/ - Unrestricted Guest\n/);
    expect(said).toContain('HVM: VMX enabled\n');
    expect(said).toContain('HVM: HAP page sizes: 4kB, 2MB, 1GB\n');
  });
});

describe.each(HOSTS)('KVM on the $kernel kernel', (host) => {
  const reason = hostMissing(host);
  it.skipIf(reason)(
    `runs its guests on our VMX, with EPT and without${reason ? ` (${reason})` : ''}`,
    () => {
      const { '/vmlinuz': kernel, '/initramfs': initramfs } = kernelFiles(host.kernel);
      const more = cpioArchive([
        { name: 'start', content: new TextEncoder().encode(INIT) },
        { name: 'kvm', content: monitor(host.width) },
        ...MODULES.map((name) => ({ name: `${name}.ko`, content: kernelModule(host.kernel, name) as Uint8Array })),
      ]);
      const { serial } = runKernel(
        { kernel: '/vmlinuz', initrd: '/initramfs', append: COMMAND_LINE, memory: 256 << 20, unpackKernel: true },
        { '/vmlinuz': kernel, '/initramfs': Buffer.concat([initramfs, more]) },
        2e9,
      );
      const said = serial.replaceAll('\r', '');
      expect(said).not.toMatch(/not loaded|vmx_fail|VMX_[A-Z]+ failed|WARNING|BUG:|Oops|unchecked MSR/);
      const outputs = said.split('begin\n').slice(1);
      const wide = host.kernel === 'amd64' ? IN_64_BIT_MODE : [];
      expect(outputs.map((text) => text.slice(0, text.indexOf('end\n')).trim().split('\n'))).toEqual([
        ['KVM version 12', ...IN_REAL_MODE, ...wide, 'done'],
        // Shadow page tables instead of EPT: exits for page faults, INVLPG and CR3.
        ['KVM version 12', ...wide, 'done'],
        ['KVM version 12', ...wide, 'done'],
      ]);
    },
    300_000,
  );
});
