/** What the arguments of a request must look like; a client that sends something else is told what is wrong, and where. */
import { UserError } from './errors';

/**
 * - a name: that type; with `?` it may be left out
 * - an object: its properties (others are let through)
 * - an array of one: a list of such
 * - `optional`: the rest may be left out as a whole
 */
type Shape = string | { readonly [property: string]: Shape } | readonly [Shape] | { readonly optional: Shape };

const TYPES: Readonly<Record<string, { readonly test: (value: unknown) => boolean; readonly name: string }>> = {
  string: { test: (value) => typeof value === 'string', name: 'a string' },
  boolean: { test: (value) => typeof value === 'boolean', name: 'true or false' },
  integer: { test: (value) => Number.isSafeInteger(value), name: 'an integer' },
  natural: { test: (value) => Number.isSafeInteger(value) && (value as number) >= 0, name: 'an integer of at least 0' },
  object: { test: isObject, name: 'an object' },
  base64: {
    test: (value) => typeof value === 'string' && /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value),
    name: 'base64 text',
  },
  granularity: {
    test: (value) => ['statement', 'line', 'instruction'].includes(value as string),
    name: "'statement', 'line' or 'instruction'",
  },
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const thread: Shape = { threadId: 'integer' };
const step: Shape = { threadId: 'integer', granularity: 'granularity?' };
const source: Shape = { path: 'string?', name: 'string?', sourceReference: 'integer?' };
const format: Shape = { optional: { hex: 'boolean?' } };
const conditions = { condition: 'string?', hitCondition: 'string?' } as const;

/** By command; one that is not here takes no arguments, or any. */
const SHAPES: Readonly<Record<string, Shape>> = {
  initialize: { adapterID: 'string?', linesStartAt1: 'boolean?', columnsStartAt1: 'boolean?', pathFormat: 'string?' },
  launch: 'object',
  cancel: { requestId: 'integer?', progressId: 'string?' },
  setBreakpoints: { source, breakpoints: { optional: [{ line: 'integer', column: 'integer?', ...conditions, logMessage: 'string?' }] } },
  setFunctionBreakpoints: { breakpoints: [{ name: 'string', ...conditions }] },
  setInstructionBreakpoints: { breakpoints: [{ instructionReference: 'string', offset: 'integer?', ...conditions }] },
  setExceptionBreakpoints: { filters: ['string'], filterOptions: { optional: [{ filterId: 'string', condition: 'string?' }] } },
  setDataBreakpoints: { breakpoints: [{ dataId: 'string', accessType: 'string?', ...conditions }] },
  dataBreakpointInfo: { name: 'string', variablesReference: 'natural?', bytes: 'natural?', asAddress: 'boolean?' },
  breakpointLocations: { source, line: 'integer', endLine: 'integer?' },
  exceptionInfo: thread,
  continue: thread,
  pause: thread,
  next: step,
  stepIn: step,
  stepOut: step,
  goto: { threadId: 'integer', targetId: 'integer' },
  gotoTargets: { source, line: 'integer' },
  stackTrace: { threadId: 'integer', startFrame: 'natural?', levels: 'natural?' },
  scopes: { frameId: 'integer' },
  variables: { variablesReference: 'integer', start: 'natural?', count: 'natural?', format },
  setVariable: { variablesReference: 'integer', name: 'string', value: 'string', format },
  setExpression: { expression: 'string', value: 'string', frameId: 'integer?', format },
  evaluate: { expression: 'string', frameId: 'integer?', context: 'string?', format },
  completions: { text: 'string', column: 'integer', line: 'integer?' },
  disassemble: { memoryReference: 'string', offset: 'integer?', instructionOffset: 'integer?', instructionCount: 'natural' },
  readMemory: { memoryReference: 'string', offset: 'integer?', count: 'natural' },
  writeMemory: { memoryReference: 'string', offset: 'integer?', allowPartial: 'boolean?', data: 'base64' },
  source: { sourceReference: 'integer' },
  modules: { optional: { startModule: 'natural?', moduleCount: 'natural?' } },
  'ringside/transitions': { start: 'natural', count: 'natural', filter: 'object?' },
  'ringside/transition': { sequence: 'natural' },
  'ringside/exportTransitions': { start: 'natural?', count: 'natural?', filter: 'object?' },
  'ringside/screen': { since: 'string?' },
  'ringside/input': { kind: 'string' },
};

/** @throws UserError naming the first argument that is not as it must be */
export function checkArguments(command: string, args: unknown): void {
  const shape = SHAPES[command];
  if (shape === undefined) return;
  check(shape, args, '', command);
}

function check(shape: Shape, value: unknown, path: string, command: string): void {
  if (typeof shape === 'string') {
    if (shape.endsWith('?') && (value === undefined || value === null)) return;
    const type = TYPES[shape.replace('?', '')];
    if (!type.test(value)) wrong(command, path, type.name, value);
  } else if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return wrong(command, path, 'a list', value);
    value.forEach((item, i) => check(shape[0], item, `${path}[${i}]`, command));
  } else if ('optional' in shape) {
    if (value !== undefined && value !== null) check(shape.optional, value, path, command);
  } else {
    if (!isObject(value)) return wrong(command, path, 'an object', value);
    for (const [name, inner] of Object.entries(shape)) check(inner, value[name], path ? `${path}.${name}` : name, command);
  }
}

function wrong(command: string, path: string, expected: string, value: unknown): never {
  const what = path ? `'${path}' of ${command}` : `the arguments of ${command}`;
  throw new UserError(`${what} must be ${expected}, not ${describe(value)}`);
}

/** A value in a few characters. */
export function describe(value: unknown): string {
  if (value === undefined) return 'absent';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
