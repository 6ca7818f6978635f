/** The VMX samples do what their READMEs say. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { launch } from '../../src/engines/launcher';
import { missing } from '../support/programs';

const SAMPLES = join(import.meta.dirname, '../../samples');

const buildMissing = missing({ make: 'make', gcc: 'gcc' });

/** The indented lines of a README from a certain one on. */
function shownBy(sample: string, first: string): string {
  const lines = readFileSync(join(SAMPLES, sample, 'README.md'), 'utf8').split('\n');
  const from = lines.indexOf(`    ${first}`);
  const to = lines.findIndex((line, i) => i > from && !line.startsWith('    '));
  return lines
    .slice(from, to)
    .map((line) => `${line.trim()}\n`)
    .join('');
}

/** What a sample says on COM1. */
function run(path: string): { readonly serial: string; readonly reason: string } {
  const read = (name: string): Uint8Array | undefined => {
    try {
      return new Uint8Array(readFileSync(join(resolve(SAMPLES, path), '..', basename(name))));
    } catch {
      return undefined;
    }
  };
  const { engine } = launch({ program: basename(path), memory: 32 << 20 }, read);
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  const { reason } = engine.run({ instructions: 3_000_000 });
  return { serial, reason };
}

describe('vmx-hello', () => {
  it('prints what its README shows', () => {
    const serial = shownBy('vmx-hello', 'hypervisor: in VMX root operation');
    expect(serial.split('\n')).toHaveLength(5);
    expect(run('vmx-hello/vmx-hello.asm')).toEqual({ serial, reason: 'exited' });
  });
});

describe('vmx-c', () => {
  it.skipIf(buildMissing)(`builds and prints what its README shows${buildMissing ? ` (${buildMissing})` : ''}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-vmx-c-'));
    try {
      execFileSync('make', ['-C', join(SAMPLES, 'vmx-c'), `OUT=${join(folder, 'hypervisor.elf')}`], { stdio: 'pipe' });
      const serial = shownBy('vmx-c', 'hypervisor: in VMX root operation');
      expect(serial.split('\n')).toHaveLength(8);
      expect(run(join(folder, 'hypervisor.elf'))).toEqual({ serial, reason: 'exited' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** As the table in the README says it. */
const BROKEN: readonly (readonly [string, string])[] = [
  ['01-feature-control', '#GP'],
  ['02-revision', 'VMXON, VMCLEAR or VMPTRLD failed'],
  ['03-controls', 'VMLAUNCH failed with error 7'],
  ['04-address-space', 'VMLAUNCH failed with error 8'],
  ['05-host-tr', 'VMLAUNCH failed with error 8'],
  ['06-link-pointer', 'VM exit 33 with qualification 4'],
  ['07-tr-type', 'VM exit 33 with qualification 0'],
  ['08-rflags', 'VM exit 33 with qualification 0'],
  ['09-vmlaunch-again', 'guest: hello\nVMRESUME failed with error 4'],
  ['10-same-instruction', `${'guest: hello\n'.repeat(20)}the guest does not get on`],
];

describe('vmx-broken', () => {
  it.each(BROKEN)('%s fails as the README says', (name, said) => {
    expect(run(`vmx-broken/${name}.asm`)).toEqual({ serial: `${said}\n`, reason: 'exited' });
  });
});
