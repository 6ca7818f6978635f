/** The scopes of a frame and what is in them: registers by group, and their fields. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RegisterField, RegisterGroup, RegisterValue, VirtualCpu } from '../../engines/engine';
import { hexOf } from '../expressions/format';
import { formatReference } from '../memory/reference';

export interface ScopeSpec {
  readonly name: string;
  readonly group: RegisterGroup;
}

/** Only one scope may carry the hint `registers`: the editor shows it in a view of its own. */
export const SCOPES: readonly ScopeSpec[] = [
  { name: 'Registers', group: 'general' },
  { name: 'Flags', group: 'flags' },
  { name: 'Segments', group: 'segments' },
  { name: 'Control', group: 'control' },
  { name: 'Debug', group: 'debug' },
  { name: 'System', group: 'system' },
];

/** What a variables reference stands for. */
export type Container =
  | { readonly kind: 'group'; readonly vcpu: number; readonly group: RegisterGroup }
  | { readonly kind: 'register'; readonly vcpu: number; readonly name: string };

/** One line of the variables view, before it has a reference. */
export interface Entry {
  readonly name: string;
  /** As an expression. */
  readonly expression: string;
  readonly value: string;
  readonly type?: string;
  readonly children?: Container;
  readonly memoryReference?: string;
  readonly readOnly: boolean;
}

/** The segment that a register's value counts in. */
const POINTER_SEGMENTS: Readonly<Record<string, string>> = {
  eip: 'cs',
  esp: 'ss',
  ebp: 'ss',
  edi: 'es',
  rip: 'cs',
  rsp: 'ss',
  rbp: 'ss',
};
/** Registers that hold linear addresses. */
const LINEAR: ReadonlySet<string> = new Set(['cr2', 'dr0', 'dr1', 'dr2', 'dr3', 'gdtr', 'idtr', 'sysenter_esp', 'sysenter_eip']);
const PAGE_MASK = 0xfffff000;

/** Where the memory view goes from a register. */
function memoryOf({ name, group, value }: RegisterValue, cpu: VirtualCpu): string | undefined {
  if (name === 'cr3') return formatReference({ space: 'physical', address: (Number(value) & PAGE_MASK) >>> 0 });
  if (LINEAR.has(name)) return formatReference({ space: 'linear', address: Number(value) });
  if (group !== 'general') return undefined;
  return formatReference({ space: 'linear', address: cpu.linear(POINTER_SEGMENTS[name] ?? 'ds', Number(value)) });
}

/** What is in a container now. */
export function entriesOf(container: Container, cpu: VirtualCpu, hex = false): Entry[] {
  const registers = cpu.registers();
  if (container.kind === 'register') {
    const register = registers.find(({ name }) => name === container.name);
    return register ? register.fields.map((field) => fieldEntry(register, field, hex)) : [];
  }
  return registers.filter(({ group }) => group === container.group).flatMap((register) => registerEntries(register, cpu, hex));
}

/** A register; of the flags, each by its name as well. */
function registerEntries(register: RegisterValue, cpu: VirtualCpu, hex: boolean): Entry[] {
  const entry = registerEntry(register, cpu, hex);
  if (register.group !== 'flags') return [entry];
  return [{ ...entry, children: undefined }, ...register.fields.map((field) => fieldEntry(register, field, hex, true))];
}

function registerEntry(register: RegisterValue, cpu: VirtualCpu, hex = false): Entry {
  const { name, bits, value, fields } = register;
  return {
    name,
    expression: name,
    value: registerText(value, bits, hex),
    type: `${bits} bits`,
    ...(fields.length > 0 && { children: { kind: 'register', vcpu: cpu.index, name } }),
    memoryReference: memoryOf(register, cpu),
    readOnly: false,
  };
}

/** Single bits and rings are plain numbers, unless all is to be hexadecimal. */
function registerText(value: bigint, bits: number, hex = false): string {
  return bits < 4 && !hex ? String(value) : hexOf(value, bits);
}

const BASE_FIELDS: ReadonlySet<string> = new Set(['base']);

/** Hidden parts that are addresses or sizes. */
const WIDE_FIELDS: ReadonlySet<string> = new Set(['base', 'limit']);

function fieldEntry(register: RegisterValue, field: RegisterField, hex: boolean, byName = false): Entry {
  const { name, value, low, high = low, meaning } = field;
  const bits = low === undefined || high === undefined ? 32 : high - low + 1;
  const small = low === undefined && !WIDE_FIELDS.has(name) && !hex;
  const text = small ? String(value) : registerText(value, bits, hex);
  return {
    name,
    expression: byName ? name.toLowerCase() : `${register.name}.${name.toLowerCase()}`,
    value: meaning ? `${text}  (${meaning})` : text,
    type: low === undefined ? 'hidden' : low === high ? `bit ${low}` : `bits ${low} to ${high}`,
    ...(BASE_FIELDS.has(name) && { memoryReference: formatReference({ space: 'linear', address: Number(value) }) }),
    readOnly: low === undefined,
  };
}

/** The value in what the view shows, for a value that is typed over it. */
export function stripMeaning(text: string): string {
  return text.replace(/\s{2}\(.*\)\s*$/s, '');
}

export function toVariable(entry: Entry, reference: number): DebugProtocol.Variable {
  const { name, value, type, memoryReference, expression, readOnly } = entry;
  return {
    name,
    value,
    type,
    variablesReference: reference,
    evaluateName: expression,
    ...(memoryReference !== undefined && { memoryReference }),
    ...(readOnly && { presentationHint: { attributes: ['readOnly'] } }),
  };
}
