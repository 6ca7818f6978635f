/** The ACPI and MP tables, held against ACPICA's disassembler and the specification's sums. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import bios from '../../src/engines/emulator/bios/bios.asm';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { Pc } from '../../src/engines/machine/pc';
import type { GuestPhysicalAddress } from '../../src/shared/addresses';
import { missing } from '../support/programs';
import { ControlLog, ManualClock } from './support';

const iaslMissing = missing({ iasl: 'acpica-tools' });

const machine = new Pc({ host: new HostMemory(0), clock: new ManualClock(), control: new ControlLog(), memory: 4 << 20, bios, cpus: 3 });
const bytesAt = (address: number, length: number): Uint8Array => machine.memory.readBytes(address as GuestPhysicalAddress, length);
const u32 = (address: number): number => machine.memory.read(address, 4);
const textAt = (address: number, length: number): string => String.fromCharCode(...bytesAt(address, length));
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

/** As ACPI and MP systems search: at multiples of 16. */
function search(signature: string, from: number): number {
  for (let at = from; at < 0x100000; at += 16) if (textAt(at, signature.length) === signature) return at;
  throw new Error(`no ${signature}`);
}

const tableAt = (address: number): Uint8Array => bytesAt(address, u32(address + 4));

function tables(): Map<string, Uint8Array> {
  const rsdp = search('RSD PTR ', 0xe0000);
  const rsdt = u32(rsdp + 16);
  const all = new Map<string, Uint8Array>([['rsdt', tableAt(rsdt)]]);
  all.set('xsdt', tableAt(u32(rsdp + 24)));
  for (let at = rsdt + 36; at < rsdt + u32(rsdt + 4); at += 4) all.set(textAt(u32(at), 4).toLowerCase(), tableAt(u32(at)));
  const fadt = [...Array(2).keys()].map((i) => u32(rsdt + 36 + i * 4)).find((at) => textAt(at, 4) === 'FACP') as number;
  all.set('dsdt', tableAt(u32(fadt + 40)));
  all.set('facs', tableAt(u32(fadt + 36)));
  return all;
}

describe('ACPI tables', () => {
  it('are found from the root pointer, and sum up to 0', () => {
    const rsdp = search('RSD PTR ', 0xe0000);
    expect([sum(bytesAt(rsdp, 20)), sum(bytesAt(rsdp, 36))]).toEqual([0, 0]);
    const found = tables();
    expect([...found.keys()]).toEqual(['rsdt', 'xsdt', 'facp', 'apic', 'dsdt', 'facs']);
    for (const [name, bytes] of found) if (name !== 'facs') expect([name, sum(bytes)]).toEqual([name, 0]);
    expect([found.get('facp')?.length, found.get('facs')?.length]).toEqual([244, 64]);
    expect(new DataView((found.get('xsdt') as Uint8Array).buffer).getUint32(36, true)).toBe(u32(u32(rsdp + 16) + 36));
  });

  it.skipIf(iaslMissing)(`are what ACPICA's disassembler expects${iaslMissing ? ` (${iaslMissing})` : ''}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'ringside-acpi-'));
    try {
      const found = tables();
      for (const [name, bytes] of found) writeFileSync(join(folder, `${name}.dat`), bytes);
      const run = (...args: string[]): string => execFileSync('iasl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
      for (const name of found.keys()) run('-d', `${name}.dat`);
      const source = (name: string): string => readFileSync(join(folder, `${name}.dsl`), 'utf8');
      for (const name of found.keys()) expect(source(name)).not.toMatch(/Invalid|Incorrect|Error|\*\*\*\*/);
      // What it made of the DSDT compiles to the same code.
      expect(run('-oa', '-tc', 'dsdt.dsl')).toMatch(/0 Errors/);
      const again = readFileSync(join(folder, 'dsdt.aml'));
      expect([...again.subarray(36)]).toEqual([...(found.get('dsdt') as Uint8Array).subarray(36)]);
      expect(source('apic').match(/Local Apic ID : 0[012]/g)).toHaveLength(3);
      expect(source('dsdt')).toContain('EisaId ("PNP0501")');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the MP table', () => {
  it('is found in the BIOS, and lists processors, bus, IOAPIC and interrupts', () => {
    const pointer = search('_MP_', 0xf0000);
    expect([sum(bytesAt(pointer, 16)), bytesAt(pointer, 16)[9]]).toEqual([0, 4]);
    const at = u32(pointer + 4);
    const length = machine.memory.read(at + 4, 2);
    const table = bytesAt(at, length);
    expect([textAt(at, 4), sum(table)]).toEqual(['PCMP', 0]);
    const kinds: number[] = [];
    for (let entry = 44; entry < length; entry += table[entry] === 0 ? 20 : 8) kinds.push(table[entry]);
    expect(kinds).toHaveLength(machine.memory.read(at + 34, 2));
    expect(kinds).toEqual([0, 0, 0, 1, 2, ...new Array<number>(15).fill(3), 4, 4]);
  });
});
