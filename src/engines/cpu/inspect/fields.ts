/** Registers taken apart for people: bit fields with names and meanings (manual, Volume 3). */
import type { RegisterField } from '../../engine';

interface FieldSpec {
  readonly name: string;
  readonly low: number;
  readonly high?: number;
  readonly meaning?: string;
}

function split(value: number, specs: readonly FieldSpec[]): RegisterField[] {
  return specs.map(({ name, low, high = low, meaning }) => ({
    name,
    value: (BigInt(value) >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n),
    low,
    high,
    meaning,
  }));
}

const bit = (name: string, low: number, meaning: string): FieldSpec => ({ name, low, meaning });

const EFLAGS: readonly FieldSpec[] = [
  bit('CF', 0, 'carry'),
  bit('PF', 2, 'even parity of the low byte'),
  bit('AF', 4, 'adjust: carry out of bit 3'),
  bit('ZF', 6, 'zero'),
  bit('SF', 7, 'sign'),
  bit('TF', 8, 'trap: single step'),
  bit('IF', 9, 'interrupts enabled'),
  bit('DF', 10, 'direction: strings go down'),
  bit('OF', 11, 'overflow'),
  { name: 'IOPL', low: 12, high: 13, meaning: 'least privileged ring that may use ports, CLI and STI' },
  bit('NT', 14, 'nested task'),
  bit('RF', 16, 'resume: no instruction breakpoint on the next instruction'),
  bit('VM', 17, 'virtual-8086 mode'),
  bit('AC', 18, 'alignment check'),
  bit('VIF', 19, 'virtual interrupt flag'),
  bit('VIP', 20, 'virtual interrupt pending'),
  bit('ID', 21, 'CPUID exists if this can be changed'),
];

const CR0: readonly FieldSpec[] = [
  bit('PE', 0, 'protected mode'),
  bit('MP', 1, 'WAIT obeys TS'),
  bit('EM', 2, 'no x87: its instructions raise #NM'),
  bit('TS', 3, 'task switched: x87 instructions raise #NM'),
  bit('ET', 4, '387 or later'),
  bit('NE', 5, 'x87 errors raise #MF'),
  bit('WP', 16, 'ring 0 obeys read-only pages'),
  bit('AM', 18, 'EFLAGS.AC is obeyed in ring 3'),
  bit('NW', 29, 'not write-through'),
  bit('CD', 30, 'cache disabled'),
  bit('PG', 31, 'paging'),
];

const CR3: readonly FieldSpec[] = [
  bit('PWT', 3, 'page directory write-through'),
  bit('PCD', 4, 'page directory not cached'),
  { name: 'directory', low: 12, high: 31, meaning: 'frame number of the page directory' },
];

const CR4: readonly FieldSpec[] = [
  bit('VME', 0, 'virtual-8086 extensions'),
  bit('PVI', 1, 'protected-mode virtual interrupts'),
  bit('TSD', 2, 'RDTSC for ring 0 only'),
  bit('DE', 3, 'debugging extensions'),
  bit('PSE', 4, '4 MiB pages'),
  bit('PAE', 5, 'physical address extension'),
  bit('MCE', 6, 'machine checks'),
  bit('PGE', 7, 'global pages'),
];

const DR6: readonly FieldSpec[] = [
  bit('B0', 0, 'breakpoint 0 was met'),
  bit('B1', 1, 'breakpoint 1 was met'),
  bit('B2', 2, 'breakpoint 2 was met'),
  bit('B3', 3, 'breakpoint 3 was met'),
  bit('BD', 13, 'an access to debug registers under GD'),
  bit('BS', 14, 'single step'),
  bit('BT', 15, 'task switch with T set'),
];

const DR7: readonly FieldSpec[] = [
  ...[0, 1, 2, 3].flatMap((n) => [
    bit(`L${n}`, n * 2, `breakpoint ${n} enabled for this task`),
    bit(`G${n}`, n * 2 + 1, `breakpoint ${n} enabled`),
  ]),
  bit('GD', 13, 'accesses to debug registers raise #DB'),
  ...[0, 1, 2, 3].flatMap((n): FieldSpec[] => [
    { name: `R/W${n}`, low: 16 + n * 4, high: 17 + n * 4, meaning: '0 execution, 1 write, 2 port, 3 read or write' },
    { name: `LEN${n}`, low: 18 + n * 4, high: 19 + n * 4, meaning: '0 one byte, 1 two, 2 eight, 3 four' },
  ]),
];

const SPECS: Readonly<Record<string, readonly FieldSpec[] | undefined>> = {
  eflags: EFLAGS,
  cr0: CR0,
  cr3: CR3,
  cr4: CR4,
  dr6: DR6,
  dr7: DR7,
};

/** The named bits of a register; none for one that is a plain number. */
export function registerFields(name: string, value: number): readonly RegisterField[] {
  const specs = SPECS[name];
  return specs ? split(value, specs) : [];
}
