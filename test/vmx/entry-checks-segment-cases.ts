/** Segment registers: for each check the nearest VMCS that it refuses and the nearest that it lets pass. */
import type { FieldKey } from '../../src/engines/cpu/vmx/fields';
import { CaseTable, type Values } from './entry-checks-support';

const table = new CaseTable();
const add = table.add.bind(table);
export const SEGMENT_CASES = table.cases;

const LONG = '64-bit guest';
const PAE = 'PAE guest';
const REAL = 'unrestricted guest in real mode';
const V8086 = 'guest in virtual-8086 mode';

const DATA = ['Ds', 'Es', 'Fs', 'Gs'] as const;
const USER = ['Cs', 'Ss', ...DATA] as const;
type Register = (typeof USER)[number] | 'Tr' | 'Ldtr';
const id = (name: Register, what: string): string => `guest.${name.toLowerCase()}.${what}`;
const rights = (name: Register, value: number): Values => ({ [`guest${name}AccessRights`]: value });
const limit = (name: Register, value: number): Values => ({ [`guest${name}Limit`]: value });
const base = (name: Register, value: number | bigint): Values => ({ [`guest${name}Base`]: value });
const selector = (name: Register, value: number): Values => ({ [`guest${name}Selector`]: value });

// Selectors.
const LDTR: Values = { ...rights('Ldtr', 0x82), ...limit('Ldtr', 0xffff) };
add(LONG, 'guest.tr.ti', selector('Tr', 0x1c), selector('Tr', 0x18));
add(LONG, 'guest.ldtr.ti', selector('Ldtr', 0x1c), selector('Ldtr', 0x18), { with: LDTR });
// The DPLs of SS and CS are the RPL's of SS, so that only CS's selector is wrong.
add(LONG, 'guest.ss.rpl', selector('Cs', 9), selector('Cs', 8));

// Bases.
for (const name of USER) add(V8086, id(name, 'virtual-8086.base'), base(name, 0x10010), base(name, 0x10000));
const canonical = (name: Register, fields: Values = {}): void =>
  add(LONG, id(name, 'base.canonical'), base(name, 0x8000_0000_0000n), base(name, 0xffff_8000_0000_0000n), { with: fields });
canonical('Tr');
canonical('Fs');
canonical('Gs');
canonical('Ldtr', LDTR);
for (const name of ['Cs', 'Ss', 'Ds', 'Es'] as const) add(LONG, id(name, 'base.high'), base(name, 0x1_0000_0000n), base(name, 0xffffffff));

// Virtual-8086 mode.
for (const name of USER) {
  add(V8086, id(name, 'virtual-8086.limit'), limit(name, 0xfffff), limit(name, 0xffff));
  add(V8086, id(name, 'virtual-8086.access-rights'), rights(name, 0x93), rights(name, 0xf3));
}

// Types.
add(LONG, 'guest.cs.type', rights('Cs', 0xa093), rights('Cs', 0xa099));
add(LONG, 'guest.ss.type', rights('Ss', 0xc091), rights('Ss', 0xc097));
for (const name of DATA) {
  add(LONG, id(name, 'type.accessed'), rights(name, 0xc092), rights(name, 0xc091));
  add(LONG, id(name, 'type.readable'), rights(name, 0xc099), rights(name, 0xc09b));
}

// Single bits; an unusable register may have any value.
const UNUSABLE = 0x10000;
const usual = (name: Register): number => (name === 'Cs' ? 0xa09b : 0xc093);
const flip = (name: Register, what: string, bit: number): void => {
  const wrong = usual(name) ^ bit;
  add(LONG, id(name, what), rights(name, wrong), rights(name, name === 'Cs' ? usual(name) : wrong | UNUSABLE));
};
for (const name of USER) {
  flip(name, 's', 0x10);
  flip(name, 'p', 0x80);
  flip(name, 'reserved-11-8', 0x800);
  add(LONG, id(name, 'reserved-31-17'), rights(name, usual(name) + 0x80000000), rights(name, usual(name) | 0x1000));
  // Byte granularity counts to 1 MiB, page granularity in whole pages.
  add(LONG, id(name, 'g.bytes'), limit(name, 0xffffeffe), limit(name, 0xffffefff));
  add(LONG, id(name, 'g.pages'), limit(name, 0x1ffffe), limit(name, 0xffffe), { with: rights(name, usual(name) & ~0x8000) });
}
add(LONG, 'guest.cs.d', rights('Cs', 0xe09b), rights('Cs', 0xc09b));

// Privilege levels.
const dpl = (rightsOf0: number, level: number): number => rightsOf0 | (level << 5);
// Real-mode CS is data; that rule on DPL is on SS's, too, but holds.
add(REAL, 'guest.cs.dpl.data', rights('Cs', dpl(0x93, 1)), rights('Cs', 0x93));
add(LONG, 'guest.cs.dpl.non-conforming', rights('Cs', dpl(0xa09b, 1)), rights('Cs', 0xa09b));
const STACK_OF_RING_2: Values = { ...selector('Ss', 2), ...selector('Cs', 2), ...rights('Ss', dpl(0xc093, 2)) };
add(LONG, 'guest.cs.dpl.conforming', rights('Cs', dpl(0xa09f, 3)), rights('Cs', dpl(0xa09f, 1)), { with: STACK_OF_RING_2 });
add(
  LONG,
  'guest.ss.dpl.rpl',
  { ...rights('Ss', dpl(0xc093, 1)), ...rights('Cs', dpl(0xa09b, 1)) },
  { ...rights('Ss', 0xc093), ...rights('Cs', 0xa09b) },
);
add(
  REAL,
  'guest.ss.dpl.zero',
  { ...rights('Ss', dpl(0x93, 1)), ...rights('Cs', dpl(0x9b, 1)) },
  { ...rights('Ss', 0x93), ...rights('Cs', 0x9b) },
);
for (const name of DATA) {
  const conforming = dpl(0xc09f, 0);
  add(LONG, id(name, 'dpl'), rights(name, 0xc09b), rights(name, conforming), { with: selector(name, 0x11) });
}

// TR and LDTR.
add(LONG, 'guest.tr.type', rights('Tr', 0x83), rights('Tr', 0x8b));
const bit = (name: 'Tr' | 'Ldtr', what: string, bad: number, good: number, fields: Values = {}): void =>
  add(PAE, id(name, what), rights(name, bad), rights(name, good), { with: fields });
bit('Tr', 's', 0x9b, 0x83);
bit('Tr', 'p', 0x0b, 0x8b);
bit('Tr', 'reserved-11-8', 0x18b, 0x8b);
bit('Tr', 'usable', 0x1008b, 0x8b);
bit('Tr', 'reserved-31-17', 0x2008b, 0x108b);
bit('Ldtr', 'type', 0x83, 0x10083, LDTR);
bit('Ldtr', 's', 0x92, 0x10092, LDTR);
bit('Ldtr', 'p', 0x02, 0x10002, LDTR);
bit('Ldtr', 'reserved-11-8', 0x882, 0x10882, LDTR);
bit('Ldtr', 'reserved-31-17', 0x20082, 0x30082, LDTR);
for (const name of ['Tr', 'Ldtr'] as const) {
  const usable = name === 'Tr' ? 0x8b : 0x82;
  const key: FieldKey = `guest${name}AccessRights`;
  add(LONG, id(name, 'g.bytes'), limit(name, 0x1000), limit(name, 0x1fff), { with: { [key]: usable | 0x8000 } });
  add(LONG, id(name, 'g.pages'), limit(name, 0x100000), limit(name, 0xfffff), { with: { [key]: usable } });
}
