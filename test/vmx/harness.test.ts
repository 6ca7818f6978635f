/** The harness itself, as far as it goes without VMX: its host comes up, notes and faults are written down. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fault, GP, judge, PF, source, UD, type VmxCase } from './harness/cases';
import { assembleHost } from './harness/run';
import { missing } from '../support/programs';

const HARNESS = `${join(import.meta.dirname, 'harness')}/`;
const nasmMissing = missing({ nasm: 'nasm' });

const HOSTS: readonly Pick<VmxCase, 'host' | 'paging'>[] = [{ host: 64 }, { host: 32 }, { host: 32, paging: 'plain' }];

describe.each(HOSTS)('a host of $host bits with paging $paging', (host) => {
  it('notes values and faults, in ring 0 and in ring 3', () =>
    judge({
      ...host,
      name: 'notes',
      root: `
        note 0x1234
        try ud2
        mov eax, 0x60
        try mov gs, eax
        int 0x30
        and dword [DIRECTORIES + 0x80], ~1          ; of both PAE's and long mode's 2 MiB pages
        and dword [DIRECTORY32 + 0x20], ~1
        mov xax, cr3
        mov cr3, xax
        try mov [0x2000000], eax
        in_user
        try hlt
        note 3
        int 0x30
        try jmp [.nowhere]
        in_host
        note 4
        finish
        align 8
      .nowhere: dq 0x2000000`,
      notes: [4660, fault(UD), fault(GP, 96), fault(48), fault(PF, 2), fault(GP), 3, fault(48), fault(PF, host.host === 64 ? 20 : 4), 4],
    }));

  it.skipIf(nasmMissing)(`is the same program for nasm${nasmMissing ? ` (${nasmMissing})` : ''}`, () => {
    const text = source({ ...host, name: 'empty' });
    const folder = mkdtempSync(join(tmpdir(), 'ringside-vmx-'));
    try {
      writeFileSync(join(folder, 'case.asm'), text);
      execFileSync('nasm', ['-f', 'bin', '-w-all', '-I', HARNESS, '-o', join(folder, 'case'), join(folder, 'case.asm')]);
      expect(Buffer.compare(readFileSync(join(folder, 'case')), assembleHost(text).image)).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
