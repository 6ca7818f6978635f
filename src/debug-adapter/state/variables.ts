/** The scopes of a frame and what is in them: registers by group, and their fields. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { FloatNotation, RegisterField, RegisterGroup, RegisterValue, VirtualCpu } from '../../engines/engine';
import { formatFloat, parseFloatText } from '../expressions/floats';
import { hexOf } from '../expressions/format';
import { formatReference } from '../memory/reference';
import { signedAddress } from './cpu-facts';

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
  { name: 'MSRs', group: 'msr' },
  { name: 'x87', group: 'x87' },
  { name: 'MMX', group: 'mmx' },
  { name: 'SSE', group: 'sse' },
];

/** What a variables reference stands for. */
export type Container = RegisterContainer | { readonly kind: 'hypercall'; readonly vcpu: number };

export type RegisterContainer =
  | { readonly kind: 'group'; readonly vcpu: number; readonly group: RegisterGroup }
  | { readonly kind: 'register'; readonly vcpu: number; readonly name: string }
  /** The elements of a vector register, cut one way. */
  | { readonly kind: 'lanes'; readonly vcpu: number; readonly name: string; readonly lane: string };

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
  readonly float?: FloatNotation;
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
  rdi: 'es',
};
/** Registers that hold linear addresses. */
const LINEAR: ReadonlySet<string> = new Set([
  'cr2',
  'dr0',
  'dr1',
  'dr2',
  'dr3',
  'gdtr',
  'idtr',
  'ia32_sysenter_esp',
  'ia32_sysenter_eip',
  'ia32_lstar',
  'ia32_cstar',
  'ia32_fs_base',
  'ia32_gs_base',
  'ia32_kernel_gs_base',
]);
/** Address bits of CR3 and IA32_APIC_BASE. */
const PAGE_MASK = 0xffffffffff000n;
const PHYSICAL: ReadonlySet<string> = new Set(['cr3', 'ia32_apic_base']);

/** Where the memory view goes from a register. */
function memoryOf({ name, group, value }: RegisterValue, cpu: VirtualCpu): string | undefined {
  if (PHYSICAL.has(name)) return formatReference({ space: 'physical', address: Number(value & PAGE_MASK) });
  if (LINEAR.has(name)) return formatReference({ space: 'linear', address: signedAddress(value) });
  if (group !== 'general') return undefined;
  return formatReference({ space: 'linear', address: cpu.linear(POINTER_SEGMENTS[name] ?? 'ds', signedAddress(value)) });
}

/** What is in a container now. */
export function entriesOf(container: RegisterContainer, cpu: VirtualCpu, hex = false): Entry[] {
  if (container.kind === 'group') return cpu.registers(container.group).flatMap((register) => registerEntries(register, cpu, hex));
  const register = cpu.registerNamed(container.name);
  if (!register) return [];
  if (container.kind === 'lanes')
    return register.fields.filter(({ lane }) => lane === container.lane).map((field) => fieldEntry(register, field, hex));
  return [
    ...register.fields.filter(({ lane }) => lane === undefined).map((field) => fieldEntry(register, field, hex)),
    ...[...new Set(register.fields.flatMap(({ lane }) => lane ?? []))].map((lane) => laneEntry(register, lane, cpu, hex)),
  ];
}

/** All elements of one cut in a line, the lowest first. */
function laneEntry(register: RegisterValue, lane: string, cpu: VirtualCpu, hex: boolean): Entry {
  const fields = register.fields.filter((field) => field.lane === lane);
  return {
    name: lane,
    expression: register.name,
    value: `{${fields.map((field) => laneText(field, hex)).join(', ')}}`,
    type: `${fields.length} × ${lane}`,
    children: { kind: 'lanes', vcpu: cpu.index, name: register.name, lane },
    readOnly: true,
  };
}

/** Numbers with a fraction in decimal; whole ones in hexadecimal with all digits. */
function laneText({ value, low = 0, high = low, float }: RegisterField, hex: boolean): string {
  return float && !hex ? formatFloat(value, float) : hexOf(value, high - low + 1);
}

/** A register; of the flags, each by its name as well. */
function registerEntries(register: RegisterValue, cpu: VirtualCpu, hex: boolean): Entry[] {
  const entry = registerEntry(register, cpu, hex);
  if (register.group !== 'flags') return [entry];
  return [{ ...entry, children: undefined }, ...register.fields.map((field) => fieldEntry(register, field, hex, true))];
}

function registerEntry(register: RegisterValue, cpu: VirtualCpu, hex = false): Entry {
  const { name, bits, value, fields, float, meaning } = register;
  const text = registerText(value, bits, hex);
  const shown = float && !hex ? `${formatFloat(value, float)}  (${[text, meaning].filter(Boolean).join(', ')})` : text;
  return {
    name,
    expression: name,
    value: shown,
    type: `${bits} bits`,
    float,
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
  const { name, value, low, high = low, meaning, lane, float } = field;
  const bits = low === undefined || high === undefined ? (field.bits ?? 32) : high - low + 1;
  const small = low === undefined && !WIDE_FIELDS.has(name) && !hex;
  const plain = small ? String(value) : registerText(value, bits, hex);
  // Elements show the number in decimal too.
  const decimal = float ? formatFloat(value, float) : String(value);
  const text = lane === undefined || hex ? plain : float ? `${decimal}  (${plain})` : value < 10n ? plain : `${plain}  (${decimal})`;
  return {
    name,
    expression: byName ? name.toLowerCase() : `${register.name}.${name.toLowerCase()}`,
    value: meaning ? `${text}  (${meaning})` : text,
    type: low === undefined ? 'hidden' : low === high ? `bit ${low}` : `bits ${low} to ${high}`,
    ...(BASE_FIELDS.has(name) && { memoryReference: formatReference({ space: 'linear', address: signedAddress(value) }) }),
    readOnly: low === undefined,
    float,
  };
}

/** The value in what the view shows, for a value that is typed over it. */
export function stripMeaning(text: string): string {
  return text.replace(/\s{2}\(.*\)\s*$/s, '');
}

/** What is typed over a number with a fraction is one too, unless it is hexadecimal: then it is the bits. */
export function valueText({ float }: Entry, text: string): string {
  const bits = float && !/^\s*0x/i.test(text) ? parseFloatText(text.trim(), float) : undefined;
  return bits === undefined ? text : `0x${bits.toString(16)}`;
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
