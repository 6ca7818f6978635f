/** The descriptor tables and the task-state segment, for their panel. */
import type { VirtualCpu } from '../../engines/engine';
import { formatLinear } from '../../shared/addresses';
import type { DescriptorsBody, TssField, TssView } from '../../shared/panel-protocol';
import { hexOf } from '../expressions/format';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { addressField, inLongMode, wordAt } from '../state/cpu-facts';
import { type DescriptorReader, readDescriptors, showTable, tableOf, type Table } from './descriptors';
import { placeInCode } from './places';

export function descriptorsOf(guest: Guest, cpu: VirtualCpu): DescriptorsBody {
  const { engine, program, environment } = guest;
  environment.vcpu = cpu.index;
  const { mode } = cpu.place;
  const real = mode === 'real';
  const reader: DescriptorReader = { engine, cpu, program, environment };
  const tables = (['GDT', 'LDT', 'IDT'] as const).flatMap((name) => tableOf(cpu, name) ?? []).filter(({ name }) => !real || name === 'IDT');
  const tss = real ? undefined : tssOf(guest, cpu);
  return {
    mode,
    tables: tables.map((table) => {
      const shown = showTable(table, real);
      const readable = engine.readMemory(cpu.index, 'linear', table.base, 1).length > 0;
      if (!readable) return { ...shown, descriptors: [], problem: `the table at ${shown.base} is not mapped` };
      return real
        ? { ...shown, descriptors: [], vectors: vectorsOf(guest, cpu, table) }
        : { ...shown, descriptors: readDescriptors(reader, table, true) };
    }),
    ...(tss && { tss }),
  };
}

const VECTOR = 4;

/** Far pointers (manual, "Interrupt and Exception Handling in Real-Address Mode"). */
function vectorsOf({ engine, program }: Guest, cpu: VirtualCpu, { base, limit }: Table) {
  const bytes = engine.readMemory(cpu.index, 'linear', base, Math.min(limit + 1, 256 * VECTOR));
  return Array.from({ length: Math.floor(bytes.length / VECTOR) }, (_, index) => ({
    index,
    at: placeInCode((wordAt(bytes, index * VECTOR + 2, 2) << 4) + wordAt(bytes, index * VECTOR, 2), program),
    memoryReference: formatReference({ space: 'linear', address: base + index * VECTOR }),
  }));
}

interface TssSpec {
  readonly name: string;
  readonly offset: number;
  readonly size: 2 | 4 | 8;
  readonly kind?: 'code' | 'stack';
  readonly meaning?: string;
}

const fields = (size: 2 | 4 | 8, start: number, step: number, names: readonly string[]): TssSpec[] =>
  names.map((name, i) => ({ name, offset: start + i * step, size }));

/** Manual, "32-Bit Task-State Segment". */
const TSS_32: readonly TssSpec[] = [
  { name: 'link', offset: 0, size: 2, meaning: 'selector of the task that this one is nested in' },
  ...[0, 1, 2].flatMap((ring): TssSpec[] => [
    { name: `ESP${ring}`, offset: 4 + ring * 8, size: 4, kind: 'stack', meaning: `stack for ring ${ring}` },
    { name: `SS${ring}`, offset: 8 + ring * 8, size: 2 },
  ]),
  { name: 'CR3', offset: 0x1c, size: 4 },
  { name: 'EIP', offset: 0x20, size: 4, kind: 'code' },
  ...fields(4, 0x24, 4, ['EFLAGS', 'EAX', 'ECX', 'EDX', 'EBX', 'ESP', 'EBP', 'ESI', 'EDI']),
  ...fields(2, 0x48, 4, ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDT']),
  { name: 'T', offset: 0x64, size: 2, meaning: 'bit 0: a switch to this task raises #DB' },
  { name: 'I/O map', offset: 0x66, size: 2, meaning: 'offset of the I/O permission bitmap' },
];

/** Manual, "16-Bit Task-State Segment (TSS)". */
const TSS_16: readonly TssSpec[] = [
  { name: 'link', offset: 0, size: 2, meaning: 'selector of the task that this one is nested in' },
  ...[0, 1, 2].flatMap((ring): TssSpec[] => [
    { name: `SP${ring}`, offset: 2 + ring * 4, size: 2, meaning: `stack for ring ${ring}` },
    { name: `SS${ring}`, offset: 4 + ring * 4, size: 2 },
  ]),
  ...fields(2, 0x0e, 2, ['IP', 'FLAGS', 'AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI', 'ES', 'CS', 'SS', 'DS', 'LDT']),
];

/** Manual, "64-Bit TSS Format". */
const TSS_64: readonly TssSpec[] = [
  ...[0, 1, 2].map(
    (ring): TssSpec => ({ name: `RSP${ring}`, offset: 4 + ring * 8, size: 8, kind: 'stack', meaning: `stack for ring ${ring}` }),
  ),
  ...[1, 2, 3, 4, 5, 6, 7].map(
    (ist): TssSpec => ({ name: `IST${ist}`, offset: 0x1c + ist * 8, size: 8, kind: 'stack', meaning: `interrupt stack ${ist}` }),
  ),
  { name: 'I/O map', offset: 0x66, size: 2, meaning: 'offset of the I/O permission bitmap' },
];

const WIDE_TSS = 8;
const MOST_TSS = 0x68;

function tssOf({ engine, program }: Guest, cpu: VirtualCpu): TssView | undefined {
  const register = cpu.registerNamed('tr');
  const base = addressField(cpu, 'tr', 'base');
  const limit = addressField(cpu, 'tr', 'limit');
  const type = register?.fields.find(({ name }) => name === 'type');
  if (!register || register.value === 0n || base === undefined || limit === undefined || !type) return undefined;
  const specs = inLongMode(cpu) ? TSS_64 : Number(type.value) & WIDE_TSS ? TSS_32 : TSS_16;
  const bytes = engine.readMemory(cpu.index, 'linear', base, Math.min(limit + 1, MOST_TSS));
  return {
    selector: Number(register.value),
    type: type.meaning ?? '',
    base: formatLinear(base),
    limit: hexOf(BigInt(limit), 32),
    memoryReference: formatReference({ space: 'linear', address: base }),
    fields: specs
      .filter(({ offset, size }) => offset + size <= bytes.length)
      .map(({ name, offset, size, kind, meaning }): TssField => {
        const value = wordAt(bytes, offset, size);
        const shown = { name, value: hexOf(BigInt(value), size * 8), meaning };
        if (name === 'I/O map' && value > limit) return { ...shown, meaning: 'beyond the limit: no I/O permission bitmap' };
        if (kind === 'code') return { ...shown, at: placeInCode(value, program) };
        return kind === 'stack' && value !== 0
          ? { ...shown, memoryReference: formatReference({ space: 'linear', address: value }) }
          : shown;
      }),
  };
}
