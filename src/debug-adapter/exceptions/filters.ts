/** The exception filters: everything a person may want to stop at that is no place in the program. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { VirtualCpu } from '../../engines/engine';
import type { Decide, ProbeEvent, ProbeHit, ProbePlace } from '../../engines/probes';
import { format } from '../../isa/formatter';
import { ROWS_BY_SPELLING } from '../../isa/table';
import type { Instruction } from '../../isa/types';
import type { GuestEnvironment } from '../expressions/guest-environment';
import type { ExceptionText } from '../run/probe-owners';
import { labelOf } from '../state/boundaries';
import { expressionTest } from './conditions';
import { describeException } from './describe';
import { parseRanges, within } from './ranges';
import { VMX_FILTERS } from './vmx-filters';

/** What a filter puts into the engine. */
interface ArmedFilter {
  readonly place: ProbePlace;
  readonly decide: Decide;
  readonly describe: (hit: ProbeHit) => ExceptionText;
}

export interface FilterSpec {
  readonly id: string;
  readonly label: string;
  readonly description: string;
  readonly byDefault?: boolean;
  /** What may be asked for in the condition; absent where there is none. */
  readonly condition?: string;
  /** @throws Error with one line for a condition that is wrong. @returns none for a filter that the runner itself obeys */
  arm(condition: string | undefined, environment: GuestEnvironment): ArmedFilter[];
}

/** Vectors of the manual's "Protected-Mode Exceptions and Interrupts" that processors of ours raise. */
const VECTORS: readonly (readonly [vector: number, mnemonic: string, name: string])[] = [
  [0, '#DE', 'Divide Error'],
  [1, '#DB', 'Debug Exception'],
  [3, '#BP', 'Breakpoint'],
  [4, '#OF', 'Overflow'],
  [5, '#BR', 'BOUND Range Exceeded'],
  [6, '#UD', 'Invalid Opcode'],
  [7, '#NM', 'Device Not Available'],
  [8, '#DF', 'Double Fault'],
  [10, '#TS', 'Invalid TSS'],
  [11, '#NP', 'Segment Not Present'],
  [12, '#SS', 'Stack-Segment Fault'],
  [13, '#GP', 'General Protection'],
  [14, '#PF', 'Page Fault'],
  [16, '#MF', 'x87 FPU Floating-Point Error'],
  [17, '#AC', 'Alignment Check'],
  [18, '#MC', 'Machine Check'],
  [19, '#XM', 'SIMD Floating-Point Exception'],
];

export const TRIPLE_FAULT = 'triple-fault';

const EXPRESSION_HINT = 'an expression such as $error == 0x10 or cs == 8';

/** A condition that is a list of numbers and ranges, or else an expression. */
function rangesTest(
  condition: string | undefined,
  environment: GuestEnvironment,
  numberOf: (event: ProbeEvent) => number | undefined,
): (event: ProbeEvent) => boolean {
  const ranges = condition === undefined || condition.trim() === '' ? [] : parseRanges(condition);
  if (!ranges) return expressionTest(condition, environment);
  if (ranges.length === 0) return () => true;
  return (event) => {
    const number = numberOf(event);
    return number !== undefined && within(ranges, number);
  };
}

const cpuOf = (environment: GuestEnvironment, { event }: ProbeHit): VirtualCpu => environment.engine.cpus[event.cpu];

const textOf = (instruction: Instruction | undefined): string => (instruction ? format(instruction) : 'an instruction');

const vectorFilter = ([vector, mnemonic, name]: (typeof VECTORS)[number]): FilterSpec => ({
  id: mnemonic,
  label: `${mnemonic} ${name}`,
  description: `Stops before exception ${vector} is delivered to the guest.`,
  byDefault: vector === 8,
  condition: EXPRESSION_HINT,
  arm: (condition, environment) => [
    {
      place: { kind: 'exception', vector },
      decide: expressionTest(condition, environment),
      describe: (hit) => describeException(cpuOf(environment, hit), hit),
    },
  ],
});

/** Before certain instructions. */
function opcodeFilter(
  mnemonics: ReadonlySet<string>,
  id: string,
  explanation: string,
  test: (event: ProbeEvent) => boolean,
  matches?: (instruction: Instruction) => boolean,
): ArmedFilter {
  return {
    place: { kind: 'opcode', mnemonics, ...(matches && { matches }) },
    decide: test,
    describe: ({ event }) => ({ id, description: `before ${textOf(event.instruction)}`, details: [explanation] }),
  };
}

const INTERRUPTS: Readonly<Record<string, number>> = { int1: 1, int3: 3, into: 4 };

function vectorOfInstruction({ instruction }: ProbeEvent): number | undefined {
  const [operand] = instruction?.operands ?? [];
  return operand?.kind === 'immediate' ? operand.value & 0xff : INTERRUPTS[instruction?.row.mnemonic ?? ''];
}

/** MOV to a control register, LMSW and CLTS. */
const writesControl = ({ row, operands }: Instruction): boolean =>
  row.mnemonic !== 'mov' || (operands[0]?.kind === 'register' && operands[0].class === 'control');

/** The mnemonics that rows call by these spellings. @throws Error for one that is none */
function mnemonicsNamed(text: string | undefined): Set<string> {
  const words = (text ?? '')
    .toLowerCase()
    .split(/[\s,;]+/)
    .filter((word) => word !== '');
  if (words.length === 0) throw new Error('name the instructions to stop at, such as cli, hlt, lgdt');
  return new Set(
    words.flatMap((word) => {
      const rows = ROWS_BY_SPELLING.get(word);
      if (!rows) throw new Error(`'${word}' is no instruction`);
      return rows.map(({ mnemonic }) => mnemonic);
    }),
  );
}

const FILTERS: readonly FilterSpec[] = [
  {
    id: TRIPLE_FAULT,
    label: 'Triple fault',
    description: 'Stops where the processor shuts down, before the machine would be reset.',
    byDefault: true,
    arm: () => [],
  },
  {
    id: 'ring-change',
    label: 'Ring change',
    description: 'Stops after every transition from one ring to another.',
    condition: 'an expression such as $ring == 0',
    arm: (condition, environment) => {
      const test = expressionTest(condition, environment);
      return [
        {
          place: { kind: 'transition' },
          decide: (event) => event.transition !== undefined && event.transition.from.ring !== event.transition.to.ring && test(event),
          describe: ({ event }) => ({
            id: 'ring change',
            description: event.transition ? labelOf(event.transition as never) : 'ring change',
            details: [],
          }),
        },
      ];
    },
  },
  {
    id: 'int',
    label: 'INT n',
    description: 'Stops before software interrupts: INT n, INT3, INTO.',
    condition: 'vectors such as 0x80, 0x10-0x1f',
    arm: (condition, environment) => [
      opcodeFilter(
        new Set(['int', 'int1', 'int3', 'into']),
        'software interrupt',
        'A software interrupt goes through the gate of its vector.',
        rangesTest(condition, environment, vectorOfInstruction),
      ),
    ],
  },
  {
    id: 'iret',
    label: 'IRET',
    description: 'Stops before returns from interrupts and exceptions.',
    condition: EXPRESSION_HINT,
    arm: (condition, environment) => [
      opcodeFilter(
        new Set(['iret', 'iretd', 'iretq']),
        'IRET',
        'IRET takes IP, CS and the flags from the stack, and SS:SP too where it leaves the ring.',
        expressionTest(condition, environment),
      ),
    ],
  },
  {
    id: 'port',
    label: 'Port access',
    description: 'Stops after IN, OUT, INS and OUTS.',
    condition: 'ports such as 0x3f8-0x3ff, 0x20, or an expression with $port, $value, $write, $size',
    arm: (condition, environment) => [
      {
        place: { kind: 'port' },
        decide: rangesTest(condition, environment, ({ port }) => port?.port),
        describe: ({ event: { port } }) => ({
          id: 'port access',
          description: port
            ? `${port.write ? 'OUT to' : 'IN from'} port 0x${port.port.toString(16)}: 0x${port.value.toString(16).padStart(port.size * 2, '0')}`
            : 'port access',
          details: port ? [`${port.size * 8} bits ${port.write ? 'written' : 'read'}`] : [],
        }),
      },
    ],
  },
  {
    id: 'control-register',
    label: 'Control register write',
    description: 'Stops before MOV to CR0 to CR4, LMSW and CLTS.',
    condition: EXPRESSION_HINT,
    arm: (condition, environment) => [
      opcodeFilter(
        new Set(['mov', 'lmsw', 'clts']),
        'control register write',
        'Control registers decide on mode, paging and protection.',
        expressionTest(condition, environment),
        writesControl,
      ),
    ],
  },
  {
    id: 'opcode',
    label: 'Instruction by name',
    description: 'Stops before instructions with given mnemonics. Name them in the condition.',
    condition: 'mnemonics such as cli, hlt, lgdt',
    arm: (condition) => [
      opcodeFilter(mnemonicsNamed(condition), 'instruction', 'One of the instructions that were asked for.', () => true),
    ],
  },
  ...VMX_FILTERS,
  ...VECTORS.map(vectorFilter),
];

export function filterNamed(id: string): FilterSpec | undefined {
  return FILTERS.find((filter) => filter.id.toLowerCase() === id.toLowerCase());
}

/** For the answer to initialize. */
export const SHOWN_FILTERS: readonly DebugProtocol.ExceptionBreakpointsFilter[] = FILTERS.map(
  ({ id, label, description, byDefault, condition }) => ({
    filter: id,
    label,
    description,
    default: byDefault ?? false,
    supportsCondition: condition !== undefined,
    ...(condition !== undefined && { conditionDescription: condition }),
  }),
);
