/** VMX of a processor for people: see `VmxFacts`. */
import type { LinearAddress } from '../../../shared/addresses';
import type { VmxOperation } from '../../../shared/transition';
import type {
  EntryCheckResults,
  FailingCheck,
  NamedValue,
  VmcsFieldValue,
  VmcsRegion,
  VmxFacts,
  VmxFailure,
  VmxHistoryView,
  VmxMoment,
} from '../../vmx-facts';
import type { PageTables } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { Processor } from '../processor';
import { checkWorld } from '../vmx/entry';
import type { FailedCheck, FoundValue } from '../vmx/entry-checks/check';
import { allFailures, ENTRY_CHECKS, OF_AREA } from '../vmx/entry-checks/index';
import { exitReasonName } from '../vmx/exit-reasons';
import { fieldByEncoding, fieldByKey, VMCS_FIELDS, type VmcsField } from '../vmx/fields';
import type { VmxHistory } from '../vmx/history';
import { InstructionError, INSTRUCTION_ERRORS } from '../vmx/instruction-errors';
import type { Refusal } from '../vmx/refusal';
import type { Vmcs, VmcsReader } from '../vmx/vmcs';
import { PageTableView } from './page-tables';
import { guestPaging } from './vmx-guest';
import { decodeField, wholeOf } from './vmx-parts';
import { purposeOf } from './vmx-purposes';

const OPERATIONS: readonly VmxOperation[] = ['off', 'root', 'non-root'];
const LOW = 0xffffffffn;

const bitsOf = ({ width }: VmcsField): 16 | 32 | 64 => (width === 'natural' ? 64 : width);

export class VmxView implements VmxFacts {
  private readonly processor: () => Processor;
  private readonly memory: PhysicalMemory;

  /** @param processor puts the processor's state in place */
  constructor(processor: () => Processor, memory: PhysicalMemory) {
    this.processor = processor;
    this.memory = memory;
  }

  private get current(): Vmcs | undefined {
    const { vmx } = this.processor();
    return vmx.operation === 0 ? undefined : vmx.current;
  }

  get operation(): VmxOperation {
    return OPERATIONS[this.processor().vmx.operation];
  }

  get vmxonPointer(): number | undefined {
    const { vmx } = this.processor();
    return vmx.operation === 0 ? undefined : vmx.vmxonPointer;
  }

  get region(): VmcsRegion | undefined {
    const { current } = this;
    if (!current) return undefined;
    const { address, launched, abortIndicator } = current;
    return { address, launched, abortIndicator, shadow: this.processor().vmx.isShadow(current) };
  }

  fields(): readonly VmcsFieldValue[] {
    const { current } = this;
    return current ? fieldsOf(current) : [];
  }

  setField(key: string, value: bigint): void {
    const { current } = this;
    if (!current) throw new Error('there is no current VMCS');
    const field = VMCS_FIELDS.find((each) => each.key === key || each.name === key);
    if (!field) throw new Error(`there is no VMCS field "${key}"`);
    const bits = bitsOf(field);
    const unsigned = value < 0n ? BigInt.asUintN(bits, value) : value;
    if (unsigned >> BigInt(bits) || (value < 0n && BigInt.asIntN(bits, value) !== value)) {
      throw new Error(`${value < 0n ? value : `0x${value.toString(16)}`} does not fit into ${field.name} of ${bits} bits`);
    }
    current.setHalves(field.encoding, Number(unsigned & LOW), Number(unsigned >> 32n));
  }

  check(): EntryCheckResults | undefined {
    const { current } = this;
    if (!current) return undefined;
    return {
      total: ENTRY_CHECKS.length,
      byArea: Object.fromEntries(Object.entries(OF_AREA).map(([area, checks]) => [area, checks.length])),
      failing: allFailures(checkWorld(this.processor(), current)).map(failingCheck),
    };
  }

  get failure(): VmxFailure | undefined {
    const { refusal } = this.processor().vmx;
    return refusal && failureOf(refusal);
  }

  get guestTables(): PageTables | undefined {
    const { processor, memory } = this;
    if (this.operation !== 'root' || !this.current) return undefined;
    return new PageTableView(() => guestPaging(this.current as Vmcs, processor().state, memory), memory);
  }

  get history(): VmxHistoryView {
    const history = (): VmxHistory => this.processor().vmx.history;
    return {
      first: history().first,
      total: history().total,
      moment: (sequence) => momentOf(history(), sequence),
      fields: (sequence) => {
        const copy = history().fieldsAt(sequence);
        return copy ? fieldsOf(copy) : [];
      },
    };
  }
}

/** Made readable when someone looks: most are never unfolded. */
function fieldsOf(vmcs: VmcsReader): readonly VmcsFieldValue[] {
  return VMCS_FIELDS.map((field) => {
    const { key, name, encoding, width, group, readOnly } = field;
    const value = wholeOf(vmcs, encoding);
    const { parts, meaning } = decodeField(key, value, vmcs);
    const purpose = purposeOf(field);
    const natural = width === 'natural';
    return {
      key,
      name,
      encoding,
      bits: bitsOf(field),
      natural,
      group,
      readOnly,
      value,
      parts,
      purpose,
      ...(meaning !== undefined && { meaning }),
    };
  });
}

const joined = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const foundValue = ({ name, low, high, bits }: FoundValue): NamedValue => ({ name, value: joined(low, bits === 64 ? high : 0), bits });

function failingCheck({ check: { id, area, section, rule }, values, found }: FailedCheck): FailingCheck {
  const fields = values.map(({ field: key, low, high }): NamedValue => {
    const field = fieldByKey(key);
    return { name: field.name, value: joined(low, high), bits: bitsOf(field), field: key };
  });
  return { id, area, section, rule, values: [...fields, ...found.map(foundValue)] };
}

const ABORTS: Readonly<Record<number, string>> = {
  1: 'an MSR could not be saved',
  2: 'the host has PDPTEs that may not be loaded',
  3: 'the current VMCS is corrupted',
  4: 'an MSR of the host could not be loaded',
  5: 'there was a machine check during the exit',
  6: 'the host was in IA-32e mode, and "host address-space size" is 0',
};

/** What errors without a number mean, by instruction. */
const INVALID: Readonly<Record<string, string>> = {
  VMXON:
    'The region must lie at a multiple of 4 KiB that the processor can address, and begin with the VMCS revision identifier of IA32_VMX_BASIC.',
  VMREAD: 'There is no current VMCS: VMPTRLD makes one current.',
  VMWRITE: 'There is no current VMCS: VMPTRLD makes one current.',
  VMLAUNCH: 'There is no current VMCS, or it is a shadow VMCS.',
  VMRESUME: 'There is no current VMCS, or it is a shadow VMCS.',
};

const EXPLANATIONS: Readonly<Record<number, string>> = {
  [InstructionError.vmclearAddress]: 'The address must be a multiple of 4 KiB that the processor can address.',
  [InstructionError.vmptrldAddress]: 'The address must be a multiple of 4 KiB that the processor can address.',
  [InstructionError.vmptrldRevision]:
    'The region must begin with the VMCS revision identifier of IA32_VMX_BASIC; software writes it there.',
  [InstructionError.vmlaunchNotClear]:
    'VMLAUNCH wants a VMCS whose launch state is clear; behind the first entry VMRESUME is the instruction.',
  [InstructionError.vmresumeNotLaunched]: 'VMRESUME wants a VMCS that VMLAUNCH has launched since its VMCLEAR.',
  [InstructionError.readOnlyComponent]: 'Fields of VM-exit information are read-only here: IA32_VMX_MISC, bit 29.',
  [InstructionError.eventsBlockedByMovSs]: 'The instruction before it loaded SS.',
  [InstructionError.vmcallInRoot]: 'In root operation VMCALL calls an SMM monitor, of which there is none.',
};

const ENTRY_FAILURES: readonly number[] = [33, 34];

function failureOf({ number, instruction, values, count, address, failures }: Refusal): VmxFailure {
  const abort = instruction === 'VMX ABORT';
  const shown = values
    .map(foundValue)
    .map((value) => (value.name === 'field encoding' ? { ...value, meaning: fieldName(value.value) } : value));
  const explanation = number === undefined ? INVALID[instruction] : abort ? ABORTS[number] : EXPLANATIONS[number];
  return {
    instruction,
    ...(number !== undefined && { number }),
    title: titleOf(number, abort),
    ...(explanation !== undefined && { explanation }),
    values: shown,
    count,
    address: address as LinearAddress,
    checks: failures.map(failingCheck),
  };
}

function titleOf(number: number | undefined, abort: boolean): string {
  if (number === undefined) return 'VMfailInvalid: CF is set, no error number';
  if (abort) return `VMX abort, indicator ${number}`;
  if (ENTRY_FAILURES.includes(number)) return `VM exit ${number}: ${exitReasonName(number)}`;
  return `VM-instruction error ${number}: ${INSTRUCTION_ERRORS[number] ?? 'unknown'}`;
}

/** Of an encoding as VMREAD takes it. */
function fieldName(encoding: bigint): string {
  const field = encoding < 0x8000n ? fieldByEncoding(Number(encoding) & ~1) : undefined;
  if (!field) return 'no field of this processor has it';
  return encoding & 1n ? `upper half of ${field.name}${field.width === 64 ? '' : ', which has none'}` : field.name;
}

function momentOf(history: VmxHistory, sequence: number): VmxMoment | undefined {
  const moment = history.moment(sequence);
  if (!moment) return undefined;
  const { kind, count, vmcs, reason, launch } = moment;
  const what = kind === 'entry' ? (launch ? 'VMLAUNCH' : 'VMRESUME') : exitReasonName(reason);
  return { sequence, kind, count, vmcs, what, ...(reason >= 0 && { reason }) };
}
