/** Debian's kernels from the first instruction to a shell, and off again. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engines/engine';
import type { LaunchOptions } from '../../src/engines/launch';
import { launch } from '../../src/engines/launcher';
import { kernelFiles, kernelMissing, type KernelName } from '../support/kernels';

const SMALLEST = 'acpi=off nolapic noapic pci=off nosmp';
const PLAIN = 'console=ttyS0 panic=-1 reboot=t nokaslr mitigations=off tsc=reliable no_timer_check lpj=4000000 cryptomgr.notests';
const PROMPT = 'guest# ';
/** More than any of them needs. */
const MOST_INSTRUCTIONS = 3e9;
const SLICE = 20e6;

/** What a kernel says of a processor or firmware that it does not trust. */
const COMPLAINTS =
  /WARNING:|BUG:|Oops|\[Firmware Bug\]|unstable|inconsistent|skipping PAT|no FPU|not trust|unknown, using generic|spurious|Call Trace|hung task|soft lockup/i;

interface Ending {
  readonly serial: string;
  readonly reason: string;
}

/** Types each command at a prompt, until the machine stops. */
function converse(engine: Engine, commands: readonly string[]): Ending {
  let serial = '';
  let waiting = 0;
  const left = [...commands];
  const decoder = new TextDecoder('latin1');
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += decoder.decode(Uint8Array.of(byte));
  };
  for (let done = 0; done < MOST_INSTRUCTIONS; done += SLICE) {
    const stop = engine.run({ instructions: SLICE });
    if (stop.reason !== 'slice') return { serial, reason: stop.reason };
    if (serial.indexOf(PROMPT, waiting) < 0 || left.length === 0) continue;
    waiting = serial.length;
    engine.input({ kind: 'serial', port: 0, bytes: [...new TextEncoder().encode(`${left.shift()}\n`)] });
  }
  return { serial, reason: 'never stopped' };
}

interface Way {
  readonly title: string;
  readonly kernel: KernelName;
  readonly append: string;
  readonly options?: Partial<LaunchOptions>;
  readonly processors: number;
  /** How the machine ends: without ACPI a kernel can only halt. */
  readonly reason: string;
}

const WAYS: readonly Way[] = [
  { title: 'amd64 on the smallest machine', kernel: 'amd64', append: SMALLEST, processors: 1, reason: 'halted' },
  { title: '686 on the smallest machine', kernel: '686', append: SMALLEST, processors: 1, reason: 'halted' },
  {
    title: 'amd64, two processors, ACPI',
    kernel: 'amd64',
    append: '',
    options: { cpus: 2 },
    processors: 2,
    reason: 'exited',
  },
  {
    title: '686 under VMX',
    kernel: '686',
    append: SMALLEST,
    options: { engine: 'vmx' },
    processors: 1,
    reason: 'halted',
  },
  {
    title: 'amd64 under VMX, two processors',
    kernel: 'amd64',
    append: '',
    options: { engine: 'vmx', cpus: 2 },
    processors: 2,
    reason: 'exited',
  },
];

describe.each(WAYS)('$title', ({ kernel, append, options, processors, reason }) => {
  const missing = kernelMissing(kernel);
  it.skipIf(missing)(
    `comes to a shell, knows its processors, and goes off${missing ? ` (${missing})` : ''}`,
    () => {
      const files: Record<string, Uint8Array> = { ...kernelFiles(kernel) };
      const wish: LaunchOptions = {
        kernel: '/vmlinuz',
        initrd: '/initramfs',
        append: `${PLAIN} ${append}`.trim(),
        memory: 256 << 20,
        unpackKernel: true,
        ...options,
      };
      const { engine } = launch(wish, (path) => files[path]);
      const ending = converse(engine, ['cat /proc/cpuinfo', 'dmesg', 'poweroff -f']);
      expect(ending.reason).toBe(reason);
      expect(ending.serial.match(/^processor\s*: \d/gm)).toHaveLength(processors);
      expect(ending.serial).toMatch(/flags\s*: fpu .*\bsse2\b.*\bsse4_2\b.*\baes\b/);
      expect(ending.serial.split('\n').filter((line) => COMPLAINTS.test(line))).toEqual([]);
    },
    900_000,
  );
});
