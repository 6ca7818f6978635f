/**
 * The 16- and 32-bit system behaviour held against QEMU and Bochs: the same image, the same lines on COM1. Where an oracle
 * and the manual disagree the manual wins, and the table here names what differs and why.
 */
import { describe, it } from 'vitest';
import { assembleGuest, compareGuest, type Fault, makeRom, type Oracle, oracleMissing } from './harness';

interface Guest {
  readonly name: string;
  /** Oracles that are not asked at all, with the reason. */
  readonly without?: Partial<Record<Oracle, string>>;
  readonly faults?: readonly Fault[];
  /** What the manual demands where no oracle does it. */
  readonly manual?: readonly string[];
}

const qemu = (reason: string, experiments: readonly string[]): Fault => ({ oracle: 'qemu', reason, experiments });
const bochs = (reason: string, experiments: readonly string[]): Fault => ({ oracle: 'bochs', reason, experiments });

/** One experiment in each ring. */
const rings = (name: string): string[] => [0, 1, 2, 3].map((ring) => name.replace('$', String(ring)));

const GUESTS: readonly Guest[] = [
  { name: 'virtual-extensions', without: { qemu: 'TCG does not have the extensions' } },
  { name: 'segments' },
  {
    name: 'x87',
    faults: [
      qemu('looks for pending exceptions in WAIT alone', ['FLD1 with a pending exception']),
      qemu('leaves the upper halves of the environment 0', ['FNSTENV']),
      qemu('takes any value for MXCSR', ['LDMXCSR with a reserved bit']),
      qemu('never raises #XM', ['0 / 0 without OSXMMEXCPT', '0 / 0 with OSXMMEXCPT']),
      qemu('stops where IRQ 13 is raised', ['WAIT by IRQ 13']),
      bochs('raises IRQ 13 and runs the instruction that waits before the interrupt is taken', ['WAIT by IRQ 13']),
    ],
    manual: ['WAIT by IRQ 13: vector=2d eip=+00000002 cs=0008 flags=000200 depth=0000'],
  },
  { name: 'limits', without: { qemu: 'TCG checks neither limits nor types of segments at an access' } },
  {
    name: 'transfers',
    faults: [
      qemu('switches stacks and keeps CPL on the way through a gate to conforming code', [
        'CALL ring 1 to 0120',
        'CALL ring 2 to 0120',
        'CALL ring 3 to 0120',
      ]),
      qemu('gives #GP, not #NP, for a JMP through a gate to code that is not present', ['JMP  ring 0 to 0130']),
      qemu('gives #NP or #TS, not #SS, for a stack segment that is not present', [
        'RETF onto SS = 00c3',
        'IRET onto SS = 00c3',
        'CALL with SS = 00e9',
      ]),
      bochs('gives #NP, not #SS, for an IRET to a stack segment that is not present', ['IRET onto SS = 00c3']),
      bochs('pushes SP alone where the outer stack has 16 bits; the manual, CALL: "Push(oldESP)"', ['from the 16-bit stack']),
      qemu('does not check the limits of inner stacks', ['inner stack without room', 'inner stack pointer beyond the limit']),
      qemu('does not check offsets in gates and returns against the limit of CS', [
        'gate to an offset beyond the limit',
        'the same within ring 0',
        'RETF beyond the limit',
        'IRET beyond the limit',
      ]),
      qemu('names the selector in the error code of a far CALL beyond the limit', ['far CALL beyond the limit']),
      qemu('reads through a null selector', ['far CALL through a pointer that is not readable']),
    ],
    manual: ['IRET onto SS = 00c3: vector=0c error=00c0 eip=+00000017 cs=0008 flags=010000 depth=0014'],
  },
  {
    name: 'interrupts',
    faults: [
      qemu('gives #TS, not #GP, for a task gate with a selector of the LDT', rings('INT in ring $ gate 19')),
      qemu("does not check the gate's offset against the limit of CS", rings('INT in ring $ gate 1d')),
      qemu('does not know INT1 on this processor', ['INT1 is not checked']),
      qemu('leaves EXT clear where delivering an exception faults', [
        '#UD through a gate that is not present',
        '#UD through no gate',
        '#UD to code that is not present',
        '#UD to a null selector',
        '#UD to data',
        '#UD beyond the GDT',
        '#UD outward',
        '#UD onto a wrong stack',
        '#UD onto a null stack',
      ]),
      qemu('gives #TS, not #SS, for a stack segment that is not present', ['#UD onto a stack that is not present']),
      qemu('does not check the limit of SS', [
        'the stack itself broken, #DF through a task gate',
        'EIP, CS, ESP, SS, EFLAGS of the broken stack',
      ]),
      bochs('leaves RF set by the first fault; #DF is an abort, and RF is pushed as 1 for faults alone ("Debug Exceptions")', [
        '#GP without a gate',
        '#DE without a gate leads to #NP',
        '#UD without a gate, and none for the #GP',
        'INT n without a gate, and none for the #GP',
        '#SS without a gate',
        '#NP without a gate',
        'EIP, CS, ESP, SS, EFLAGS in the old TSS',
        'EIP, CS, ESP, SS, EFLAGS of the broken stack',
      ]),
    ],
    manual: ['EIP, CS, ESP, SS, EFLAGS of the broken stack: 0000001f 00000008 00002000 000000c0 00000002'],
  },
  {
    name: 'tasks',
    faults: [
      qemu('gives #TS, not #GP, for a task gate with a selector of the LDT', [
        ...rings('JMP  ring $ to 00c8'),
        ...rings('CALL ring $ to 00c8'),
      ]),
      qemu('keeps the upper halves that a 16-bit TSS does not hold', ['CALL to a 16-bit task, EAX ESP CR0 TR flags link descriptors']),
      qemu('saves stale status flags at an IRET from a task', ["the task's registers", '16-bit TSS after it']),
      qemu('pushes a wrong EIP for a fault that belongs to the new task', ['CALL to a task in ring 3 with data of ring 0']),
      qemu('does not set RF in the EFLAGS that it saves', ["saved EIP's flags"]),
      qemu('does not know the T bit', ['T bit of the new task', 'DR6 after the T bit']),
      qemu('leaves LE of DR7 set at a task switch', ['DR7']),
      qemu('leaves EXT clear where delivering an exception faults', ['#UD to a task that is too small', '#UD to a busy task']),
      bochs('drops the single-step trap of an instruction that switches tasks', ['TF of the old task']),
    ],
  },
  {
    name: 'bad-tasks',
    without: { qemu: 'for faults of the new task it pushes a wrong EIP, and does not check the stack they are pushed to' },
    faults: [
      bochs('checks SS before the DPL of CS; the manual: "Exception Conditions Checked During a Task Switch"', [
        'TSS 4c  = 0009',
        'TSS 4c  = 0038',
      ]),
    ],
    manual: [
      'TSS 4c  = 0009: vector=0a error=0008 eip=+00000599 cs=0009 flags=014000 ss:esp=0010:0008c000',
      'TSS 4c  = 0038: vector=0a error=0038 eip=+00000599 cs=0038 flags=014000 depth=3008',
    ],
  },
  {
    name: 'paging',
    faults: [
      qemu('writes the lowest of the registers of PUSHA first', ['PUSHA into a page that is not present']),
      qemu('leaves U/S of the error code clear where far returns read the stack of ring 3', [
        'RETF with CS on the other page',
        'IRET with EFLAGS on the other page',
      ]),
      qemu('leaves P of the error code clear for reserved bits; the manual: they are checked in entries that are present', [
        'large page with a reserved bit set',
        'large page with a reserved bit set, ring 3 write',
      ]),
      qemu('sets the accessed bit by a doubleword, so CR2 names its start', ['accessed bit in a read-only page']),
      bochs('executes an old decoding of an instruction over a page boundary after INVLPG', ['from the other page']),
    ],
  },
  {
    name: 'virtual',
    faults: [
      qemu('finds a new EIP beyond the limit of CS only when it fetches there', [
        'IRETD beyond 64 KiB',
        '32-bit far JMP beyond 64 KiB',
        'near JMP beyond 64 KiB',
      ]),
      bochs('finds an EIP beyond the limit of CS only after IRET', ['IRETD beyond 64 KiB']),
      qemu('does not check limits at accesses', [
        'word at the limit',
        'doubleword over the limit',
        '32-bit address beyond the limit',
        'stack word at the limit',
        'PUSH with SP 1',
        'wrap of the instruction pointer',
      ]),
      qemu('leaves EXT clear where delivering an exception faults, and lets a handler run in ring 1', [
        '#UD to a conforming handler',
        '#UD to a handler in ring 1',
        '#UD to a handler in ring 3',
      ]),
    ],
    manual: ['IRETD beyond 64 KiB: vector=0d error=0000 eip=+0000000f cs=2000 flags=033000 ss:esp=3000:00000ff4'],
  },
  {
    name: 'privileges',
    faults: [
      qemu('takes unknown MSRs', [
        'instruction 18 ring 0',
        'instruction 19 ring 0',
        'RDMSR of an MSR that does not exist',
        'WRMSR of an MSR that does not exist',
      ]),
      qemu('checks the privilege before the register exists', ['CR1 in ring 3', 'DR4 with CR4.DE in ring 3']),
      qemu('keeps bit 12 of DR6, which is reserved and 0', ['DR4']),
      qemu('has no alignment check', ['#AC of a doubleword', '#AC of a word', '#AC of a PUSH', '#AC of a POP', '#AC of MOVSD']),
    ],
  },
  { name: 'bad-control', without: { qemu: 'it takes these values and does not come back' } },
  {
    name: 'debug',
    faults: [
      bochs('lets a second MOV SS in a row cover nothing, which the manual allows', ['traps of two MOV SS']),
      qemu('lets LSS cover the next instruction', ['traps of LSS does not cover the next']),
      qemu('does not know INT1 on this processor', ['ICEBP with TF', 'traps of ICEBP with TF', 'ICEBP', 'traps of ICEBP']),
      qemu('does not hold instruction and data breakpoints back after MOV SS', [
        'traps of instruction breakpoint after MOV SS',
        'traps of by MOV SS itself',
      ]),
      qemu('breaks again before each iteration of REP', ['traps of instruction breakpoint on a REP']),
      qemu('does not align the address of a data breakpoint to its length', ['traps of length makes the address aligned']),
      qemu('takes data breakpoints at the access and not after the instruction, and one at a time', [
        'traps of instructions that read twice',
        'traps of a read before a fault',
        'traps of two breakpoints at once',
        'traps of data breakpoint with TF',
      ]),
      qemu('does not know GD', ['traps of GD', 'DR7 after GD']),
      qemu('keeps the bits of DR7 that are reserved and 0', ['fixed bits are']),
    ],
  },
  { name: 'real', faults: [qemu('takes LOCK before any instruction that is not undefined with it here', ['LOCK BT', 'LOCK MOV'])] },
  { name: 'exact', without: { qemu: 'its timer follows the host, and need not come amid a string however often it is repeated' } },
  { name: 'real-limits', without: { qemu: 'TCG checks no limits, and goes on at what the limits forbid' } },
];

describe.each(GUESTS)('the guest $name', ({ name, without = {}, faults = [], manual }) => {
  for (const oracle of ['qemu', 'bochs'] as const) {
    if (without[oracle]) continue;
    it(`says the same on ${oracle} and on ours`, async (ctx) => {
      if (oracleMissing[oracle]) ctx.skip(oracleMissing[oracle]);
      await compareGuest(makeRom(assembleGuest(`${name}.asm`)), oracle, { faults, manual });
    });
  }

  it('has an oracle for each line where one of them is at fault', () => {
    const faulty = (oracle: Oracle): readonly string[] =>
      faults.filter((fault) => fault.oracle === oracle).flatMap(({ experiments }) => experiments);
    const named = (line: string): string => line.split(': ')[0];
    const alone = faulty('qemu').filter((experiment) => without.bochs || faulty('bochs').includes(experiment));
    const aloneToo = without.qemu ? faulty('bochs') : [];
    const open = [...alone, ...aloneToo].filter((experiment) => !(manual ?? []).some((line) => named(line) === experiment));
    if (open.length > 0) throw new Error(`neither an oracle nor the manual is quoted for: ${open.join('; ')}`);
  });
});
