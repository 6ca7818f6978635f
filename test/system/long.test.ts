/**
 * 64-bit system behaviour held against Bochs and QEMU: the same image, the same lines on COM1. Where an oracle and the manual
 * disagree the manual wins, and the table here names what differs and why.
 */
import { describe, expect, it } from 'vitest';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { assembleGuest, compareGuest, type Fault, LONG, type Machine, makeRom, type Oracle, oracleMissing, PAIR } from './harness';

interface Guest {
  readonly name: string;
  readonly machine?: Machine;
  /** Oracles that are not asked at all, with the reason. */
  readonly without?: Partial<Record<Oracle, string>>;
  readonly faults?: readonly Fault[];
  /** What the manual demands where no oracle does it. */
  readonly manual?: readonly string[];
}

const qemu = (reason: string, experiments: readonly string[]): Fault => ({ oracle: 'qemu', reason, experiments });
const bochs = (reason: string, experiments: readonly string[]): Fault => ({ oracle: 'bochs', reason, experiments });

const GUESTS: readonly Guest[] = [
  { name: 'long-modes', without: { qemu: 'it takes reserved bits and modes that do not go together, and does not come back' } },
  {
    name: 'long-interrupts',
    faults: [
      qemu('gives index * 16 in the error code for a gate, with EXT clear', [
        'from compatibility mode',
        'type 0',
        'task gate',
        '16-bit interrupt gate',
        '16-bit trap gate',
        'call gate',
        'busy TSS',
        'data',
        'not present',
        'wrong type and not present',
        'DPL 0 from ring 3',
        'DPL 0 and not present from ring 3',
        'INT beyond the IDT',
        'INT beyond the IDT from ring 3',
        'INT at the last gate but a byte',
        '#UD through no gate',
        '#UD through a gate that is not present',
        'INT3 in ring 3 needs DPL 3',
        'INT 1 does',
        'INT 13 has an error code',
      ]),
      qemu('leaves EXT clear where delivering an exception faults', [
        '#UD through a null selector',
        '#UD through 32-bit code',
        '#UD through code that is not present',
        '#UD through an interrupt stack that is not canonical',
        '#UD with a TSS too short for IST 1',
      ]),
      qemu('finds an address that is not canonical only when it fetches there', [
        'handler not canonical',
        'handler not canonical, negative',
        '#UD through a handler that is not canonical',
        'IRETQ to an RIP that is not canonical',
        'IRETQ to an RIP that is not canonical in ring 3',
      ]),
      qemu('gives #GP, not #SS, for stacks and RBP; an access that begins in canonical space belongs to it', [
        'IST 3, canonical and not mapped',
        '#SS onto a stack that is not canonical',
        '#UD onto a stack that is not canonical',
        'IRETQ on a stack that is not canonical',
        '#SS with a canonical end',
        '#SS of a PUSH below canonical addresses',
        '#GP of data beyond canonical addresses',
        '#SS of data by RBP',
        '#GP of data by RBP with DS named',
      ]),
      qemu('makes SS null at an interrupt stack without a change of ring; the manual: SS changes with CPL alone', [
        'handler not mapped',
        'trap gate keeps IF',
        'NT, AC and ID in the handler',
      ]),
      qemu('does not know INT1 on this processor', ['INT1 in ring 3 does not']),
      qemu('takes a null SS for code that is not 64-bit', ['IRETQ onto SS 0 in 32-bit code']),
      qemu('takes L and D both set', ['IRETQ to L and D']),
      qemu('keeps all of RIP in compatibility mode', ['IRETQ with a high RIP in 32-bit code']),
      qemu('drops an NMI that comes within the handler of one', ['NMIs, the second held until IRET']),
      bochs('names SS in the error code; the manual, INT n: "#SS(EXT)" with an IDT of 64-bit gates', [
        'IST 3, not canonical',
        'IST 3, next to canonical',
        'RSP0 at the end of the canonical half',
        'RSP0 not canonical',
        '#UD through an interrupt stack that is not canonical',
      ]),
      bochs('leaves RF set by the first fault; #DF is an abort, and RF is pushed as 1 for faults alone ("Debug Exceptions")', [
        '#GP without a gate',
        '#PF without a gate',
        '#DE without a gate',
        '#PF onto a stack that is not mapped',
        '#SS onto a stack that is not canonical',
      ]),
      bochs('clears RF before INT n pushes it', ['IRETQ with RF']),
      bochs('pops no stack where IRETD stays in its ring; the manual, IRET: 64-bit code always does', ['IRETD of 64-bit code']),
    ],
    manual: [
      '#UD through an interrupt stack that is not canonical: vector=0c error=0001 rip=+0000 cs=0008 flags=010000 ss:rsp=0010:0000000000090000',
      '#SS onto a stack that is not canonical: vector=08 error=0000 rip=+000a cs=0008 flags=000000 ss:rsp=0010:0000900000000000',
    ],
  },
  {
    name: 'long-rings',
    without: { qemu: 'it takes a null TR and tables at addresses that are not canonical, and does not come back' },
    faults: [
      bochs('takes the reserved half of IA32_FMASK', ['SFMASK high half']),
      bochs('names SS in the error code; the manual, CALL: "#SS(0)"', ['gate onto a stack that is not canonical']),
    ],
    manual: [
      'SFMASK high half: vector=0d error=0000 rip=+0016 cs=0008 flags=010000 ss:rsp=0010:0000000000090000',
      'gate onto a stack that is not canonical: vector=0c error=0000 rip=+002a cs=002b flags=010000 ss:rsp=0023:0000000000084000',
    ],
  },
  {
    name: 'long-paging',
    faults: [
      qemu('leaves P of the error code clear for reserved bits; the manual: they are checked in entries that are present', [
        'NX without NXE is reserved, read',
        'NX without NXE is reserved, fetch',
        'NX without NXE is reserved, ring 3',
        '2 MiB with bit 13',
        '2 MiB with bit 20',
        '1 GiB with bit 29',
        ...['bit 40 of a PTE', 'bit 51 of a PTE', 'bit 40 of a PDE', 'bit 50 of a PDPTE', 'bit 51 of a PML4E', 'bit 7 of a PML4E'].flatMap(
          (name) => [`${name}, read`, `${name}, ring 3 writes`],
        ),
      ]),
      qemu('looks at the first byte of FXSAVE first; the silicon looks at the last one', ['over the end, FXSAVE']),
      bochs('the same', ['over the end, FXSAVE']),
    ],
    manual: ['over the end, FXSAVE: vector=0e error=0002 rip=+000a cs=0008 flags=010000 cr2=00000080000040ff ss:rsp=0010:0000000000090000'],
  },
  {
    name: 'long-state',
    faults: [
      qemu('has no alignment check', [
        '#AC of a quadword',
        '#AC of a doubleword',
        '#AC of a word written',
        '#AC of a PUSH',
        '#AC in compatibility mode',
      ]),
      qemu('checks the privilege before CR4.OSXSAVE', ['XSETBV without OSXSAVE']),
      qemu('takes MSRs that do not exist and values that they refuse', [
        'MSR that does not exist',
        'MSR that does not exist, high',
        'WRMSR that does not exist',
        'EFER bit 1',
        'EFER bit 63',
        'PAT with type 2',
        'PAT with type 8',
        'MTRR default type 2',
        'MTRR default type reserved bit',
        'MTRR fixed type 3',
        'MTRR capabilities',
        'IA32_MTRR_DEF_TYPE',
        'APIC base reserved bit',
        'APIC base beyond physical addresses',
        'TSC_AUX high half',
      ]),
      qemu('has no RDPID and no compacted form', ['RDPID', 'what RDPID gives', 'compacted', 'XSAVES in ring 3']),
      qemu('takes any value for MXCSR', ['MXCSR reserved bit', 'MXCSR reserved bit without SSE in XSTATE_BV']),
      qemu('looks at CR0.TS at x87 and SSE instructions alone', ['XSAVE with TS']),
      bochs('takes the reserved half of IA32_TSC_AUX', ['TSC_AUX high half']),
      bochs('looks at TF as it was before SYSCALL and SYSRET; operating systems rely on the new one', [
        'steps before SYSCALL',
        'steps after SYSRET',
      ]),
    ],
    manual: ['TSC_AUX high half: vector=0d error=0000 rip=+0016 cs=0008 flags=010000 ss:rsp=0010:0000000000090000'],
  },
  {
    name: 'long-pair',
    machine: PAIR,
    faults: [qemu('MONITOR reads nothing', ['MONITOR of an address that is not canonical'])],
  },
  {
    name: 'long-x2apic',
    machine: PAIR,
    without: { qemu: 'TCG has no x2APIC' },
    faults: [
      bochs('derives no logical ID from the x2APIC ID (manual, "Logical x2APIC ID")', [
        'logical x2APIC ID',
        'logical x2APIC ID of the second',
        'a ping to a logical ID',
      ]),
    ],
    manual: ['logical x2APIC ID: 00000001', 'logical x2APIC ID of the second: 00000002', 'a ping to a logical ID: 02'],
  },
];

describe.each(GUESTS)('the guest $name', ({ name, machine = LONG, without = {}, faults = [], manual }) => {
  for (const oracle of ['qemu', 'bochs'] as const) {
    if (without[oracle]) continue;
    it(`says the same on ${oracle} and on ours`, async (ctx) => {
      if (oracleMissing[oracle]) ctx.skip(oracleMissing[oracle]);
      await compareGuest(makeRom(assembleGuest(`${name}.asm`)), oracle, { faults, manual }, machine);
    });
  }

  it('has an oracle for each line where one of them is at fault', () => {
    const faulty = (oracle: Oracle): readonly string[] =>
      without[oracle] ? [] : faults.filter((fault) => fault.oracle === oracle).flatMap(({ experiments }) => experiments);
    const alone = (['qemu', 'bochs'] as const).flatMap((oracle) => {
      const other: Oracle = oracle === 'qemu' ? 'bochs' : 'qemu';
      return faulty(oracle).filter((experiment) => without[other] || faulty(other).includes(experiment));
    });
    const open = alone.filter((experiment) => !(manual ?? []).some((line) => line.startsWith(`${experiment}: `)));
    expect(open, 'neither an oracle nor the manual is quoted for these').toEqual([]);
  });
});

it('comes back from a guest whose every fault leads to the next', () => {
  const engine = new EmulatorEngine({ memory: 4 << 20, bios: makeRom(assembleGuest('endless.asm')) });
  let stop = engine.run({ instructions: 10_000 });
  for (let i = 0; i < 4 && stop.reason === 'slice'; i++) stop = engine.run({ instructions: 10_000 });
  expect(stop.reason).toBe('slice');
  expect(engine.instructionCount).toBeGreaterThanOrEqual(50_000);
});
