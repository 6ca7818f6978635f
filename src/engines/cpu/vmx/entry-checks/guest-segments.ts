/**
 * Segment registers of the guest: a row for each register and rule. Access rights:
 *
 *     31      17  16  15  14  13  12  11   8  7  6 5  4  3    0
 *     | reserved | U | G |D/B| L |AVL|reserved| P|DPL |S | type |
 *
 * U is 1 for an unusable register. A guest in virtual-8086 mode has rules of its own.
 */
import { Cr0, Flag } from '../../state';
import { Field, type FieldKey } from '../fields';
import type { EntryCheck } from './check';
import { canonical, checks, control, fieldsOf, or, type Predicate, type Row, some, unless, upperFirst, when, zero } from './predicates';
import { ALL_ONES } from './registers';

const DATA = ['Ds', 'Es', 'Fs', 'Gs'] as const;
const USER = ['Cs', 'Ss', ...DATA] as const;
const ALL = [...USER, 'Tr', 'Ldtr'] as const;
type UserRegister = (typeof USER)[number];
type Register = (typeof ALL)[number];

const selectorOf = (name: Register): FieldKey => `guest${name}Selector`;
const baseOf = (name: Register): FieldKey => `guest${name}Base`;
const limitOf = (name: Register): FieldKey => `guest${name}Limit`;
const rightsOf = (name: Register): FieldKey => `guest${name}AccessRights`;

const ACCESSED = 1;
const READABLE = 2;
const CODE = 8;
/** S: 1 for code and data, 0 for system descriptors. */
const S = 1 << 4;
const PRESENT = 1 << 7;
const RESERVED_LOW = 0xf00;
const LONG = 1 << 13;
const BIG = 1 << 14;
const GRANULAR = 1 << 15;
const UNUSABLE = 1 << 16;
const RESERVED_HIGH = 0xfffe0000;

const typeOf = (rights: number): number => rights & 15;
const dplOf = (rights: number): number => (rights >>> 5) & 3;
const RPL = 3;
const TI = 4;

const unrestricted = control('secondary', 'unrestrictedGuest');
const guest64 = control('entry', 'ia32eModeGuest');
const virtual8086 = some('guestRflags', Flag.vm);
/** Rules that bind CS and SS to their selectors do not apply. */
const free = or(unrestricted.on, virtual8086);

/** When rules on a register's access rights apply, in words. CS and TR are always usable. */
const CONDITION: Readonly<Record<Register, string>> = {
  Cs: 'Unless the guest is in virtual-8086 mode, ',
  ...(Object.fromEntries(
    ['Ss', ...DATA].map((name) => [name, `Unless the guest is in virtual-8086 mode or ${name.toUpperCase()} is unusable, `]),
  ) as Record<Exclude<UserRegister, 'Cs'>, string>),
  Tr: '',
  Ldtr: 'If LDTR is usable, ',
};
const unusable = (name: Register): Predicate => some(rightsOf(name), UNUSABLE);
/** When they do not; undefined for TR, whose always apply. */
const exempt = (name: Register): Predicate | undefined => {
  if (name === 'Tr') return undefined;
  if (name === 'Ldtr') return unusable(name);
  return name === 'Cs' ? virtual8086 : or(unusable(name), virtual8086);
};
/** A rule on a register in use; the sentence goes on behind the condition. */
function rowOf(name: Register, id: string, rule: string, test: Predicate, others: readonly FieldKey[] = []): Row {
  const unlessThis = exempt(name);
  const flags: readonly FieldKey[] = name === 'Tr' || name === 'Ldtr' ? [] : ['guestRflags'];
  return [
    idOf(name, id),
    upperFirst(CONDITION[name] + rule),
    fieldsOf(rightsOf(name), ...others, ...flags),
    unlessThis ? unless(unlessThis, test) : test,
  ];
}
/** One on its access rights alone. */
function rights(name: Register, id: string, rule: string, test: (rights: number) => boolean): Row {
  const field = Field[rightsOf(name)];
  return rowOf(name, id, rule, ({ vmcs }) => test(vmcs.low(field)));
}
const idOf = (name: Register, id: string): string => `guest.${name.toLowerCase()}.${id}`;
const bitsOf = (name: Register, bits: string): string => `${bits} of the ${name.toUpperCase()} access rights`;

const SELECTORS: readonly Row[] = [
  ['guest.tr.ti', 'TI (bit 2) of the guest TR selector must be 0.', ['guestTrSelector'], zero('guestTrSelector', TI)],
  [
    'guest.ldtr.ti',
    'If LDTR is usable, TI (bit 2) of the guest LDTR selector must be 0.',
    ['guestLdtrSelector', 'guestLdtrAccessRights'],
    unless(unusable('Ldtr'), zero('guestLdtrSelector', TI)),
  ],
  [
    'guest.ss.rpl',
    'Unless the guest is in virtual-8086 mode or "unrestricted guest" is 1, the RPL of the guest SS selector must equal that of CS.',
    ['guestSsSelector', 'guestCsSelector', 'guestRflags', 'secondaryControls'],
    unless(free, ({ vmcs }) => ((vmcs.low(Field.guestSsSelector) ^ vmcs.low(Field.guestCsSelector)) & RPL) === 0),
  ],
];

const highHalf = (name: 'Cs' | 'Ss' | 'Ds' | 'Es'): Row => [
  idOf(name, 'base.high'),
  `${name === 'Cs' ? 'Bits' : `If ${name.toUpperCase()} is usable, bits`} 63:32 of the guest ${name.toUpperCase()} base must be 0.`,
  name === 'Cs' ? [baseOf(name)] : [baseOf(name), rightsOf(name)],
  name === 'Cs' ? zero(baseOf(name), 0, ALL_ONES) : unless(unusable(name), zero(baseOf(name), 0, ALL_ONES)),
];
const canonicalBase = (name: 'Tr' | 'Fs' | 'Gs'): Row => [
  idOf(name, 'base.canonical'),
  `The guest ${name.toUpperCase()} base must be canonical.`,
  [baseOf(name)],
  canonical(baseOf(name)),
];
const BASES: readonly Row[] = [
  ...USER.map((name): Row => {
    const [selector, base] = [Field[selectorOf(name)], Field[baseOf(name)]];
    return [
      idOf(name, 'virtual-8086.base'),
      `If the guest is in virtual-8086 mode, the guest ${name.toUpperCase()} base must be the selector shifted left by 4 bits.`,
      [baseOf(name), selectorOf(name), 'guestRflags'],
      when(virtual8086, ({ vmcs }) => vmcs.low(base) === vmcs.low(selector) << 4 && vmcs.high(base) === 0),
    ];
  }),
  canonicalBase('Tr'),
  canonicalBase('Fs'),
  canonicalBase('Gs'),
  [
    'guest.ldtr.base.canonical',
    'If LDTR is usable, the guest LDTR base must be canonical.',
    ['guestLdtrBase', 'guestLdtrAccessRights'],
    unless(unusable('Ldtr'), canonical('guestLdtrBase')),
  ],
  highHalf('Cs'),
  highHalf('Ss'),
  highHalf('Ds'),
  highHalf('Es'),
];

const VIRTUAL_8086_LIMIT = 0xffff;
/** Present, DPL 3, expand-up data, writable, accessed. */
const VIRTUAL_8086_RIGHTS = 0xf3;
const in8086Mode = (name: UserRegister, id: string, key: FieldKey, what: string, value: number, text: string): Row => [
  idOf(name, `virtual-8086.${id}`),
  `If the guest is in virtual-8086 mode, the guest ${name.toUpperCase()} ${what} must be ${text}.`,
  [key, 'guestRflags'],
  when(virtual8086, ({ vmcs }) => vmcs.low(Field[key]) === value),
];
const LIMITS: readonly Row[] = USER.map((name) => in8086Mode(name, 'limit', limitOf(name), 'limit', VIRTUAL_8086_LIMIT, '0000FFFFH'));
const RIGHTS_8086: readonly Row[] = USER.map((name) =>
  in8086Mode(name, 'access-rights', rightsOf(name), 'access rights', VIRTUAL_8086_RIGHTS, '000000F3H'),
);

/** Types: accessed, writable, expand-up data; and such data that may expand down. */
const DATA_RW = 3;
const DATA_RW_DOWN = 7;
const BUSY_TSS_16 = 3;
const BUSY_TSS = 11;
const LDT = 2;
const isAccessedCode = (type: number): boolean => (type & (CODE | ACCESSED)) === (CODE | ACCESSED);
const isConforming = (type: number): boolean => type >= 12;

const TYPES: readonly Row[] = [
  rowOf(
    'Cs',
    'type',
    `the type (${bitsOf('Cs', 'bits 3:0')}) must be 9, 11, 13 or 15 (accessed code), or 3 if "unrestricted guest" is 1.`,
    (world) => {
      const type = typeOf(world.vmcs.low(Field.guestCsAccessRights));
      return isAccessedCode(type) || (type === DATA_RW && unrestricted.on(world));
    },
    ['secondaryControls'],
  ),
  rights(
    'Ss',
    'type',
    `the type (${bitsOf('Ss', 'bits 3:0')}) must be 3 or 7 (accessed data, writable).`,
    (value) => typeOf(value) === DATA_RW || typeOf(value) === DATA_RW_DOWN,
  ),
  ...DATA.flatMap((name) => [
    rights(
      name,
      'type.accessed',
      `bit 0 of the type (${bitsOf(name, 'bits 3:0')}) must be 1 (accessed).`,
      (value) => (value & ACCESSED) !== 0,
    ),
    rights(
      name,
      'type.readable',
      `bit 1 of the type (${bitsOf(name, 'bits 3:0')}) must be 1 (readable) if bit 3 is 1 (code).`,
      (value) => (value & (CODE | READABLE)) !== CODE,
    ),
  ]),
];

const S_BITS: readonly Row[] = USER.map((name) =>
  rights(name, 's', `S (${bitsOf(name, 'bit 4')}) must be 1.`, (value) => (value & S) !== 0),
);

const csRights = Field.guestCsAccessRights;
const ssRights = Field.guestSsAccessRights;
const csDpl = (id: string, rule: string, test: (csRights: number, ssRights: number) => boolean): Row =>
  rowOf('Cs', `dpl.${id}`, `${rule}.`, ({ vmcs }) => test(vmcs.low(csRights), vmcs.low(ssRights)), ['guestSsAccessRights']);

const DPLS: readonly Row[] = [
  rights('Cs', 'dpl.data', 'the DPL of CS must be 0 if its type is 3.', (value) => typeOf(value) !== DATA_RW || dplOf(value) === 0),
  csDpl(
    'non-conforming',
    'the DPL of CS must equal that of SS if the type of CS is 9 or 11 (non-conforming code)',
    (cs, ss) => !isAccessedCode(typeOf(cs)) || isConforming(typeOf(cs)) || dplOf(cs) === dplOf(ss),
  ),
  csDpl(
    'conforming',
    'the DPL of CS must not be greater than that of SS if the type of CS is 13 or 15 (conforming code)',
    (cs, ss) => !isAccessedCode(typeOf(cs)) || !isConforming(typeOf(cs)) || dplOf(cs) <= dplOf(ss),
  ),
  [
    'guest.ss.dpl.rpl',
    'Unless the guest is in virtual-8086 mode or "unrestricted guest" is 1, the DPL of SS must equal the RPL of its selector.',
    ['guestSsAccessRights', 'guestSsSelector', 'guestRflags', 'secondaryControls'],
    unless(free, ({ vmcs }) => dplOf(vmcs.low(ssRights)) === (vmcs.low(Field.guestSsSelector) & RPL)),
  ],
  [
    'guest.ss.dpl.zero',
    'Unless the guest is in virtual-8086 mode, the DPL of SS must be 0 if the type of CS is 3 or bit 0 (PE) of the guest CR0 is 0.',
    ['guestSsAccessRights', 'guestCsAccessRights', 'guestCr0', 'guestRflags'],
    unless(
      virtual8086,
      ({ vmcs }) =>
        dplOf(vmcs.low(ssRights)) === 0 || (typeOf(vmcs.low(csRights)) !== DATA_RW && (vmcs.low(Field.guestCr0) & Cr0.pe) !== 0),
    ),
  ],
  ...DATA.map((name) => {
    const [access, selector] = [Field[rightsOf(name)], Field[selectorOf(name)]];
    return rowOf(
      name,
      'dpl',
      `the DPL of ${name.toUpperCase()} must not be less than the RPL of its selector if "unrestricted guest" is 0 and the type is in the ` +
        'range 0 to 11 (data or non-conforming code).',
      unless(unrestricted.on, ({ vmcs }) => {
        const value = vmcs.low(access);
        return isConforming(typeOf(value)) || dplOf(value) >= (vmcs.low(selector) & RPL);
      }),
      [selectorOf(name), 'secondaryControls'],
    );
  }),
];

const present = (name: Register): Row => rights(name, 'p', `P (${bitsOf(name, 'bit 7')}) must be 1.`, (value) => (value & PRESENT) !== 0);
const reservedLow = (name: Register): Row =>
  rights(name, 'reserved-11-8', `reserved ${bitsOf(name, 'bits 11:8')} must be 0.`, (value) => (value & RESERVED_LOW) === 0);
const reservedHigh = (name: Register): Row =>
  rights(name, 'reserved-31-17', `reserved ${bitsOf(name, 'bits 31:17')} must be 0.`, (value) => (value & RESERVED_HIGH) === 0);
const granularity = (name: Register): readonly Row[] => {
  const [access, limit] = [Field[rightsOf(name)], Field[limitOf(name)]];
  const isGranular: Predicate = ({ vmcs }) => (vmcs.low(access) & GRANULAR) !== 0;
  const segment = name.toUpperCase();
  return [
    rowOf(
      name,
      'g.bytes',
      `G (${bitsOf(name, 'bit 15')}) must be 0 if any of bits 11:0 of the ${segment} limit is 0.`,
      (world) => !isGranular(world) || (world.vmcs.low(limit) & 0xfff) === 0xfff,
      [limitOf(name)],
    ),
    rowOf(
      name,
      'g.pages',
      `G (${bitsOf(name, 'bit 15')}) must be 1 if any of bits 31:20 of the ${segment} limit is 1.`,
      (world) => isGranular(world) || (world.vmcs.low(limit) & 0xfff00000) === 0,
      [limitOf(name)],
    ),
  ];
};

const D_BIT: Row = rowOf(
  'Cs',
  'd',
  `D/B (${bitsOf('Cs', 'bit 14')}) must be 0 if "IA-32e mode guest" and L (bit 13) are 1.`,
  (world) => (world.vmcs.low(csRights) & (LONG | BIG)) !== (LONG | BIG) || !guest64.on(world),
  ['entryControls'],
);

const system = (name: 'Tr' | 'Ldtr', types: readonly Row[]): readonly Row[] => [
  ...types,
  rights(name, 's', `S (${bitsOf(name, 'bit 4')}) must be 0.`, (value) => (value & S) === 0),
  present(name),
  reservedLow(name),
  ...granularity(name),
];
const TASK_REGISTER: readonly Row[] = [
  ...system('Tr', [
    rowOf(
      'Tr',
      'type',
      `the type (${bitsOf('Tr', 'bits 3:0')}) must be 11 (busy TSS), or 3 (busy 16-bit TSS) if "IA-32e mode guest" is 0.`,
      (world) => {
        const type = typeOf(world.vmcs.low(Field.guestTrAccessRights));
        return type === BUSY_TSS || (type === BUSY_TSS_16 && !guest64.on(world));
      },
      ['entryControls'],
    ),
  ]),
  rights('Tr', 'usable', `${bitsOf('Tr', 'bit 16')} must be 0: TR must be usable.`, (value) => (value & UNUSABLE) === 0),
  reservedHigh('Tr'),
];
const LDT_REGISTER: readonly Row[] = [
  ...system('Ldtr', [
    rights('Ldtr', 'type', `the type (${bitsOf('Ldtr', 'bits 3:0')}) must be 2 (LDT).`, (value) => typeOf(value) === LDT),
  ]),
  reservedHigh('Ldtr'),
];

export const GUEST_SEGMENT_CHECKS: readonly EntryCheck[] = checks('guest state', 'Checks on Guest Segment Registers', [
  ...SELECTORS,
  ...BASES,
  ...LIMITS,
  ...RIGHTS_8086,
  ...TYPES,
  ...S_BITS,
  ...DPLS,
  ...USER.map(present),
  ...USER.map(reservedLow),
  D_BIT,
  ...USER.flatMap(granularity),
  ...USER.map(reservedHigh),
  ...TASK_REGISTER,
  ...LDT_REGISTER,
]);
