/** The list of MSRs that an entry loads behind the guest state: what each of its entries must be like. */
import { Field } from '../fields';
import type { CheckWorld, EntryCheck, FoundValue } from './check';
import { checks, type Row, readable, unsigned } from './predicates';

/** Bytes of an entry: index, a reserved word, the value. */
export const MSR_ENTRY_SIZE = 16;
const FS_BASE = 0xc0000100;
const GS_BASE = 0xc0000101;
const X2APIC_BITS = 0x000008;
const BIOS_UPDATE_TRIGGER = 0x79;
const SMM_MONITOR_CONTROL = 0x9b;
const SMBASE = 0x9e;

/** What an entry of the list must not be. */
interface Rule {
  readonly id: string;
  readonly rule: string;
  /** @param index bits 31:0 of the entry @param reserved bits 63:32 */
  readonly refuses: (index: number, reserved: number) => boolean;
}

const RULES: readonly Rule[] = [
  {
    id: 'msr-loading.segment-base',
    rule: 'No entry of the VM-entry MSR-load area may name IA32_FS_BASE (C0000100H) or IA32_GS_BASE (C0000101H).',
    refuses: (index) => index === FS_BASE || index === GS_BASE,
  },
  {
    id: 'msr-loading.x2apic',
    rule: 'No entry of the VM-entry MSR-load area may name an MSR of the local APIC in x2APIC mode (bits 31:8 of the index are 000008H).',
    refuses: (index) => index >>> 8 === X2APIC_BITS,
  },
  {
    id: 'msr-loading.smm',
    rule: 'No entry of the VM-entry MSR-load area may name an MSR that can be written in SMM only: IA32_SMM_MONITOR_CTL (9BH), IA32_SMBASE (9EH).',
    refuses: (index) => index === SMM_MONITOR_CONTROL || index === SMBASE,
  },
  {
    id: 'msr-loading.model-specific',
    rule: 'No entry of the VM-entry MSR-load area may name IA32_BIOS_UPDT_TRIG (79H) on this processor.',
    refuses: (index) => index === BIOS_UPDATE_TRIGGER,
  },
  {
    id: 'msr-loading.reserved',
    rule: 'Bits 63:32 of each entry of the VM-entry MSR-load area must be 0.',
    refuses: (_, reserved) => reserved !== 0,
  },
];

/** Whether VM entry may try to write what an entry of its list says. @param index bits 31:0 of the entry @param reserved bits 63:32 */
export const isLoadable = (index: number, reserved: number): boolean => RULES.every((rule) => !rule.refuses(index, reserved));

const aligned = readable('entryMsrLoadAddress', MSR_ENTRY_SIZE);
/** As many as a list should have (IA32_VMX_MISC): beyond, processors may do what they want. */
const LIMIT = 512;

type Refuses = (world: CheckWorld, at: number) => boolean;
const wordAt = (world: CheckWorld, at: number): number => (at < 2 ** 40 ? world.memory(at) : 0);

/** Number of the first entry, from 1, that is refused; 0 if none is. */
function firstRefused(world: CheckWorld, refuses: Refuses): number {
  const { vmcs } = world;
  const count = Math.min(vmcs.low(Field.entryMsrLoadCount), LIMIT);
  if (count === 0 || !aligned(world)) return 0;
  const list = unsigned(world, Field.entryMsrLoadAddress);
  for (let number = 1; number <= count; number++) if (refuses(world, list + (number - 1) * MSR_ENTRY_SIZE)) return number;
  return 0;
}

/** The entry that is refused. */
function foundEntry(world: CheckWorld, refuses: Refuses): readonly FoundValue[] {
  const number = firstRefused(world, refuses);
  if (number === 0) return [];
  const at = unsigned(world, Field.entryMsrLoadAddress) + (number - 1) * MSR_ENTRY_SIZE;
  return [
    { name: 'entry, counted from 1', low: number, high: 0, bits: 32 },
    { name: 'MSR index', low: wordAt(world, at), high: wordAt(world, at + 4), bits: 64 },
    { name: 'value', low: wordAt(world, at + 8), high: wordAt(world, at + 12), bits: 64 },
  ];
}

const row = (id: string, rule: string, refuses: Refuses): Row => [
  id,
  rule,
  ['entryMsrLoadAddress', 'entryMsrLoadCount'],
  (world) => firstRefused(world, refuses) === 0,
  (world) => foundEntry(world, refuses),
  'reads memory',
];

/**
 * Not asked before the entry, but while it loads one MSR after the other: the number of the first that is refused is the exit qualification.
 * The last row needs a processor that says what WRMSR would do (`CheckWorld.acceptsMsr`).
 */
export const MSR_LOADING_CHECKS: readonly EntryCheck[] = checks('MSR loading', 'Loading MSRs', [
  ...RULES.map(({ id, rule, refuses }) => row(id, rule, (world, at) => refuses(wordAt(world, at), wordAt(world, at + 4)))),
  row('msr-loading.wrmsr', 'WRMSR at CPL 0 must accept the index and value of each entry of the VM-entry MSR-load area.', (world, at) => {
    const [index, reserved] = [wordAt(world, at), wordAt(world, at + 4)];
    return isLoadable(index, reserved) && world.acceptsMsr?.(index, wordAt(world, at + 8), wordAt(world, at + 12)) === false;
  }),
]);
