/** What the user says of a hypervisor's calls: `hypercalls.json`, a list of numbers, names and arguments. */

/** How an argument's bits are to be read. */
export const ARGUMENT_TYPES = ['u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64', 'bool', 'address', 'string'] as const;
export type ArgumentType = (typeof ARGUMENT_TYPES)[number];

export interface HypercallArgument {
  readonly name: string;
  /** General register, lower case. */
  readonly register: string;
  readonly type: ArgumentType;
}

export interface Hypercall {
  readonly number: number;
  readonly name: string;
  readonly arguments: readonly HypercallArgument[];
  /** The register that holds what it gives back. */
  readonly result: string;
}

/** A part of a general register. */
export interface RegisterPart {
  /** Encoding, 0 to 15. */
  readonly index: number;
  /** Bytes. */
  readonly size: 2 | 4 | 8;
}

const NAMES = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const FORM = /^(?:([re]?)(ax|cx|dx|bx|sp|bp|si|di)|r(8|9|1[0-5])([dw]?))$/;

/** @returns undefined for what is no general register of 16 bits or more */
export function registerPart(name: string): RegisterPart | undefined {
  const match = FORM.exec(name);
  if (!match) return undefined;
  const [, prefix, low, number, suffix] = match;
  if (low !== undefined) return { index: NAMES.indexOf(low), size: prefix === 'r' ? 8 : prefix === 'e' ? 4 : 2 };
  return { index: Number(number), size: suffix === 'd' ? 4 : suffix === 'w' ? 2 : 8 };
}

const RESULT = 'rax';

/** @throws Error with one line that says what is wrong with the text, and in which call */
export function parseHypercalls(text: string): ReadonlyMap<number, Hypercall> {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON: ${(error as Error).message.replaceAll('\n', ' ')}`, { cause: error });
  }
  if (!Array.isArray(list)) throw new Error('it must be a list of calls');
  const calls = new Map<number, Hypercall>();
  for (const [i, item] of list.entries()) {
    const call = readCall(item, `call ${i + 1}`);
    if (calls.has(call.number))
      throw new Error(`call ${i + 1}: the number ${call.number} is that of '${calls.get(call.number)?.name}', too`);
    calls.set(call.number, call);
  }
  return calls;
}

function readCall(item: unknown, where: string): Hypercall {
  const { number, name, arguments: list = [], result = RESULT, ...rest } = fieldsOf(item, where);
  refuseOthers(rest, where);
  if (!Number.isSafeInteger(number) || (number as number) < 0) throw new Error(`${where}: "number" must be a whole number from 0 on`);
  if (typeof name !== 'string' || name === '') throw new Error(`${where}: "name" must be text`);
  if (!Array.isArray(list)) throw new Error(`${where}: "arguments" must be a list`);
  return {
    number: number as number,
    name,
    arguments: list.map((argument, i) => readArgument(argument, `${where} '${name}', argument ${i + 1}`)),
    result: readRegister(result, `${where}: "result"`),
  };
}

function readArgument(item: unknown, where: string): HypercallArgument {
  const { name, register, type = 'u64', ...rest } = fieldsOf(item, where);
  refuseOthers(rest, where);
  if (typeof name !== 'string' || name === '') throw new Error(`${where}: "name" must be text`);
  if (!ARGUMENT_TYPES.includes(type as ArgumentType)) throw new Error(`${where}: "type" must be one of ${ARGUMENT_TYPES.join(', ')}`);
  return { name, register: readRegister(register, `${where}: "register"`), type: type as ArgumentType };
}

function readRegister(value: unknown, where: string): string {
  const name = typeof value === 'string' ? value.toLowerCase() : '';
  if (!registerPart(name)) throw new Error(`${where} must be a general register, such as rbx or ecx`);
  return name;
}

function fieldsOf(item: unknown, where: string): Record<string, unknown> {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) throw new Error(`${where}: it must be an object`);
  return item as Record<string, unknown>;
}

function refuseOthers(rest: Record<string, unknown>, where: string): void {
  const [other] = Object.keys(rest);
  if (other !== undefined) throw new Error(`${where}: there is no "${other}"`);
}
