/** Filters at the border of VMX: exits by reason, and entries that fail. */
import type { VirtualCpu } from '../../engines/engine';
import { ExitReason, exitReasonName } from '../../engines/cpu/vmx/exit-reasons';
import type { ProbeEvent } from '../../engines/probes';
import type { FailingCheck } from '../../engines/vmx-facts';
import type { Environment, EnvironmentSymbol } from '../expressions/environment';
import type { GuestEnvironment } from '../expressions/guest-environment';
import type { FilterSpec } from './filters';
import { parseRanges, within } from './ranges';
import { expressionTest } from './conditions';

/** `eptViolation` as people write it: `ept_violation`. */
const REASONS: ReadonlyMap<string, number> = new Map(
  Object.entries(ExitReason).map(([key, number]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), number]),
);
const WIDE_NAMES: ReadonlyMap<string, string> = new Map(['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp'].map((name) => [`r${name}`, `e${name}`]));
const NEW_REGISTER = /^r(8|9|1[0-5])$/;

/** What a condition sees of a VM exit: its reason, also by name, its qualification, and the guest's general registers. */
class ExitEnvironment implements Environment {
  private readonly inner: GuestEnvironment;

  constructor(inner: GuestEnvironment) {
    this.inner = inner;
  }

  get bits(): Environment['bits'] {
    return this.inner.bits;
  }

  register(name: string): ReturnType<Environment['register']> {
    const { cause = -1, extra = 0 } = this.inner.event?.transition ?? {};
    if (name === 'reason') return { value: BigInt.asUintN(16, BigInt(cause)), bits: 16 };
    if (name === 'qualification') return { value: BigInt.asUintN(64, BigInt(extra)), bits: 64 };
    const reason = REASONS.get(name);
    if (reason !== undefined) return { value: cause === reason ? 1n : 0n, bits: 1 };
    const known = this.inner.register(name);
    if (known) return known;
    // A condition may be set before the processor is in 64-bit mode.
    const narrow = WIDE_NAMES.get(name);
    if (narrow) return { value: this.inner.register(narrow)?.value ?? 0n, bits: 64 };
    return NEW_REGISTER.test(name) ? { value: 0n, bits: 64 } : undefined;
  }

  setRegister(name: string, value: bigint): void {
    this.inner.setRegister(name, value);
  }

  variable(name: string): (() => bigint) | undefined {
    return this.inner.variable(name);
  }

  symbol(name: string): EnvironmentSymbol | undefined {
    return this.inner.symbol(name);
  }

  linear(segment: string, offset: bigint): number {
    return this.inner.linear(segment, offset);
  }

  selectorBase(selector: number): number {
    return this.inner.selectorBase(selector);
  }

  readMemory(...args: Parameters<Environment['readMemory']>): Uint8Array {
    return this.inner.readMemory(...args);
  }

  writeMemory(...args: Parameters<Environment['writeMemory']>): number {
    return this.inner.writeMemory(...args);
  }
}

/** Reasons as numbers and ranges, or an expression. */
function exitTest(condition: string | undefined, environment: GuestEnvironment): (event: ProbeEvent) => boolean {
  const ranges = condition === undefined || condition.trim() === '' ? undefined : parseRanges(condition);
  if (ranges) return ({ transition }) => within(ranges, transition?.cause ?? -1);
  return expressionTest(condition, environment, new ExitEnvironment(environment));
}

const VM_EXIT: FilterSpec = {
  id: 'vm-exit',
  label: 'VM exit',
  description: 'Stops after VM exits, where the hypervisor begins to handle them.',
  condition:
    'exit reasons such as 18, 48-49, or an expression with reason, qualification, reasons by name and registers: vmcall && eax == 3',
  arm: (condition, environment) => {
    const test = exitTest(condition, environment);
    return [
      {
        place: { kind: 'transition' },
        decide: (event) => event.transition?.kind === 'vm-exit' && test(event),
        describe: ({ event: { transition } }) => {
          const { transitions } = environment.engine;
          const details = transitions.get(transitions.total - 1)?.details ?? [];
          return {
            id: 'VM exit',
            description: transition ? `VM exit ${transition.cause}, ${transition.causeName}` : 'VM exit',
            details: details.map(({ name, value, meaning }) => `${name} ${value}${meaning === undefined ? '' : `: ${meaning}`}`),
          };
        },
      },
    ];
  },
};

/** Entries that fail too late to be foreseen, which are told as exits of the hypervisor. */
const LATE_FAILURES: readonly number[] = [ExitReason.msrLoading, ExitReason.machineCheckDuringEntry];

interface Refusal {
  readonly title: string;
  readonly details: readonly string[];
}

/** Why the VMLAUNCH or VMRESUME that comes next will be refused; undefined where it will not. */
export function refusalAhead({ place, vmx }: VirtualCpu, mnemonic: string): Refusal | undefined {
  if (place.vmx !== 'root' || place.ring !== 0 || !vmx) return undefined;
  const name = mnemonic.toUpperCase();
  const { region } = vmx;
  if (!region || region.shadow) {
    const why = region ? 'the current VMCS is a shadow VMCS' : 'there is no current VMCS';
    return { title: `${name} will fail: ${why} (VMfailInvalid)`, details: [] };
  }
  if (mnemonic === 'vmlaunch' && region.launched) {
    return {
      title: `${name} will fail with error 4: the VMCS has been launched already`,
      details: ['VMRESUME enters it again, VMCLEAR makes it clear.'],
    };
  }
  if (mnemonic === 'vmresume' && !region.launched) {
    return { title: `${name} will fail with error 5: the VMCS has not been launched`, details: ['The first entry is made by VMLAUNCH.'] };
  }
  const failing = vmx.check()?.failing ?? [];
  if (failing.length === 0) return undefined;
  return { title: `${name} will fail ${OUTCOMES[failing[0].area] ?? ''}: ${failing[0].rule}`, details: failing.map(checkLine) };
}

/** What a failed check of an area comes to. */
const OUTCOMES: Readonly<Record<string, string>> = {
  controls: 'with error 7',
  'host state': 'with error 8',
  'guest state': `with exit ${ExitReason.invalidGuestState}`,
  'MSR loading': `with exit ${ExitReason.msrLoading}`,
};

function checkLine({ rule, section, values }: FailingCheck): string {
  const seen = values.map(({ name, value, meaning }) => `${name} 0x${value.toString(16)}${meaning ? ` (${meaning})` : ''}`).join(', ');
  return `${rule.replace(/\.$/, '')}${seen ? `; ${seen}` : ''} ("${section}")`;
}

const VM_ENTRY_FAILURE: FilterSpec = {
  id: 'vm-entry-failure',
  label: 'Failing VM entry',
  description: 'Stops before a VMLAUNCH or VMRESUME that will be refused, and says which check does so.',
  arm: (_, { engine }) => [
    {
      place: { kind: 'opcode', mnemonics: new Set(['vmlaunch', 'vmresume']) },
      decide: ({ cpu, instruction }) => refusalAhead(engine.cpus[cpu], instruction?.row.mnemonic ?? '') !== undefined,
      describe: ({ event: { cpu, instruction } }) => {
        const { title = 'VM entry', details = [] } = refusalAhead(engine.cpus[cpu], instruction?.row.mnemonic ?? '') ?? {};
        return { id: 'failing VM entry', description: title, details };
      },
    },
    {
      place: { kind: 'transition' },
      decide: ({ transition }) =>
        transition?.kind === 'vm-exit' && transition.from.vmx === 'root' && LATE_FAILURES.includes(transition.cause),
      describe: ({ event: { transition } }) => ({
        id: 'failed VM entry',
        description: `${exitReasonName(transition?.cause ?? 0)}, exit qualification ${transition?.extra ?? 0}`,
        details: [],
      }),
    },
  ],
};

export const VMX_FILTERS: readonly FilterSpec[] = [VM_EXIT, VM_ENTRY_FAILURE];
