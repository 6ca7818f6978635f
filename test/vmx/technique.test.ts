/** Whole guests under the built-in hypervisor: they say what they say without it. */
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guestImage } from '../../bench/image';
import { ROWS } from '../../bench/guests';
import { launch } from '../../src/engines/launcher';
import { type LaunchOptions, LaunchError } from '../../src/engines/launch';

const ROOT = resolve(import.meta.dirname, '../..');
const SLICE = 1e6;
const MOST = 60e6;

interface Ending {
  readonly reason: string;
  readonly code: number | undefined;
  readonly text: string | undefined;
  readonly output: string;
  readonly kinds: Readonly<Record<string, number>>;
  readonly causes: Readonly<Record<string, number>>;
}

function run(options: LaunchOptions, files: Readonly<Record<string, Uint8Array>> = {}): Ending {
  const read = (path: string): Uint8Array | undefined => {
    if (files[path]) return files[path];
    try {
      return readFileSync(path);
    } catch {
      return undefined;
    }
  };
  const { engine } = launch(options, read);
  let output = '';
  engine.onOutput = (_, byte) => {
    output += String.fromCharCode(byte);
  };
  for (let done = 0; done < MOST; done += SLICE) {
    const { reason, code, text } = engine.run({ instructions: SLICE });
    if (reason === 'slice') continue;
    const { byKind, byCause } = engine.transitions.counts();
    return { reason, code, text, output, kinds: byKind, causes: byCause };
  }
  throw new Error(`it never stopped: ${output}`);
}

const SAMPLES = ['boot-sector', 'rings', 'tasks'].map((name) => join(ROOT, 'samples', name, `${name}.asm`));
/** One of each kind and width. */
const KERNELS = ROWS.filter(({ kind, width }, i) => ROWS.findIndex((row) => row.kind === kind && row.width === width) === i);
const FEW_ROUNDS = 2;

describe('guests under the built-in hypervisor', () => {
  it.each([
    ...SAMPLES.map((path) => [basename(path), path, readFileSync(path)] as const),
    ...KERNELS.map((row) => [row.name, '/guest', row] as const),
  ])('%s ends as under emulation', (_, program, what) => {
    const files: Record<string, Uint8Array> = 'kind' in what ? { '/guest': guestImage(join(ROOT, 'bench'), what, FEW_ROUNDS) } : {};
    const emulated = run({ program }, files);
    const guest = run({ program, engine: 'vmx' }, files);
    const end = ({ reason, code, output }: Ending) => ({ reason, code, output });
    expect(guest.text).toBeUndefined();
    expect(end(guest)).toEqual(end(emulated));
    expect(guest.kinds['vm-exit']).toBeGreaterThan(0);
    // The hypervisor has entries of its own alone more than exits: the last exit may be the end.
    expect(Math.abs(guest.kinds['vm-entry'] - guest.kinds['vm-exit'])).toBeLessThanOrEqual(1);
  });

  it('leaves the guest for each task switch', () => {
    const path = join(ROOT, 'samples/tasks/tasks.asm');
    const [emulated, guest] = [run({ program: path }), run({ program: path, engine: 'vmx' })];
    expect(guest.kinds['task-switch']).toBe(emulated.kinds['task-switch']);
    expect(guest.causes['task switch']).toBe(emulated.kinds['task-switch']);
  });

  it('refuses a processor without VMX', () => {
    expect(() => run({ program: SAMPLES[0], engine: 'vmx', cpu: 'pentium' })).toThrow(LaunchError);
  });
});

/** Code of a boot sector between `org` and the signature, that reports by port 0xE9 and ends by port 0xF4. */
const sector = (code: string): Uint8Array =>
  new TextEncoder().encode(
    `bits 16\norg 0x7c00\ncli\nxor ax, ax\nmov ds, ax\nmov ss, ax\nmov sp, 0x7c00\n${code}\nmov dx, 0xf4\nmov al, 0\nout dx, al\nhlt\n`,
  );

const both = (code: string): [emulated: Ending, guest: Ending] => {
  const files = { '/guest.asm': sector(code) };
  return [run({ program: '/guest.asm' }, files), run({ program: '/guest.asm', engine: 'vmx' }, files)];
};

describe('what a guest may notice', () => {
  it.each([
    [
      'CR0.NE is its own',
      'smsw ax\nand al, 0x20\nadd al, "0"\nout 0xe9, al\nmov eax, cr0\nor al, 0x20\nmov cr0, eax\nsmsw ax\nout 0xe9, al',
    ],
    [
      'XSETBV of nonsense is #GP',
      'mov word [13 * 4], .there\nmov word [13 * 4 + 2], 0\nmov eax, cr4\nor eax, 0x40000\nmov cr4, eax\nxor eax, eax\nxor edx, edx\nxor ecx, ecx\nxsetbv\njmp .end\n.there: mov al, "G"\nout 0xe9, al\n.end:',
    ],
    ['strings of ports', 'mov si, .text\nmov cx, 3\nmov dx, 0xe9\ncld\nrep outsb\njmp .end\n.text: db "abc"\n.end:'],
    [
      'words and doublewords of ports',
      'mov dx, 0xe9\nmov ax, 0x4241\nout dx, al\nin al, 0x21\nout 0xe9, al\nmov eax, -1\nmov dx, 0x700\nin eax, dx\nout 0xe9, al',
    ],
    ['memory where the hypervisor is', 'mov ax, 0\nmov es, ax\nmov al, "x"\nout 0xe9, al'],
    ['#UD of VMCALL', 'mov word [6 * 4], .there\nmov word [6 * 4 + 2], 0\nvmclear [0x500]\n.there: mov al, "U"\nout 0xe9, al'],
  ])('%s', (_, code) => {
    const [emulated, guest] = both(code);
    expect(guest.text).toBeUndefined();
    expect([guest.reason, guest.code, guest.output]).toEqual([emulated.reason, emulated.code, emulated.output]);
    expect(guest.output).not.toBe('');
  });
});
