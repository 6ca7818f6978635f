/** Carries out one statement in the current pass. */

import type { Assembly } from './assembly';
import { runDirective } from './directives';
import { assembleInstruction, prefixBytes } from './instructions';
import type { Int } from './int64';
import type { Token } from './lexer';
import * as limits from './limits';
import { FatalSourceError } from './source';
import type { Body, DataItem, Statement } from './statements';
import { isInt, isUnknown } from './values';

function count(assembly: Assembly, value: Int, token: Token, what: string): number {
  if (value < 0) {
    if (assembly.final) assembly.fail(token, `${what} is ${value}: it cannot be negative`);
    return 0;
  }
  if (value > limits.MAX_IMAGE_BYTES) {
    throw new FatalSourceError(assembly.place(token), `${what} is ${value}: the limit is ${limits.MAX_IMAGE_BYTES}`);
  }
  return Number(value);
}

/** @returns true where the same bytes stand for the items at any place */
function emitItems(assembly: Assembly, items: readonly DataItem[], at: Token): boolean {
  let constant = true;
  for (const item of items) {
    switch (item.kind) {
      case 'bytes':
        assembly.emit(item.bytes, at);
        break;
      case 'value': {
        const { expression } = item;
        if (expression.op !== 'integer') constant = false;
        assembly.emitValue(assembly.evaluate(expression), item.size, item.token);
        break;
      }
      case 'reserve':
        assembly.reserve(item.size, at);
        constant = false;
        break;
      case 'repeat':
        constant = repeatItems(assembly, item) && constant;
        break;
    }
  }
  return constant;
}

function repeatItems(assembly: Assembly, item: DataItem & { kind: 'repeat' }): boolean {
  const times = count(assembly, assembly.evaluateNumber(item.count, item.token, 'the count of DUP') ?? 0, item.token, 'the count of DUP');
  repeat(assembly, times, item.token, () => emitItems(assembly, item.items, item.token));
  return item.count.op === 'integer';
}

/** Runs something so many times; once and copied where its bytes are always the same. */
function repeat(assembly: Assembly, times: number, token: Token, once: () => boolean): void {
  if (times === 0) return;
  const start = assembly.location.offset;
  const constant = once();
  const length = assembly.location.offset - start;
  if (constant) {
    assembly.repeatLast(length, times - 1, token);
    return;
  }
  if (times > limits.MAX_TIMES_EVALUATED) {
    throw new FatalSourceError(
      assembly.place(token),
      `more than ${limits.MAX_TIMES_EVALUATED} repetitions of something that must be evaluated each time`,
    );
  }
  for (let i = 1; i < times; i++) once();
}

function incbin(assembly: Assembly, body: Body & { kind: 'incbin' }): void {
  const content = readFile(assembly, body);
  const skip = body.skip ? count(assembly, assembly.evaluateNumber(body.skip, body.token, 'the offset') ?? 0, body.token, 'the offset') : 0;
  const most = body.length
    ? count(assembly, assembly.evaluateNumber(body.length, body.token, 'the length') ?? 0, body.token, 'the length')
    : content.length;
  const part = content.subarray(skip, Math.min(content.length, skip + most));
  if (body.length && part.length < most) assembly.warn(body.token, 'other', `the file '${body.path}' ends before ${most} bytes are read`);
  assembly.emit(part, body.token);
}

const encoder = new TextEncoder();

function readFile(assembly: Assembly, body: Body & { kind: 'incbin' }): Uint8Array {
  for (const prefix of ['', ...assembly.includePaths]) {
    const content = assembly.read(prefix && !prefix.endsWith('/') ? `${prefix}/${body.path}` : prefix + body.path);
    if (content !== undefined) return typeof content === 'string' ? encoder.encode(content) : content;
  }
  return assembly.fail(body.token, `cannot read the file '${body.path}'`);
}

/** @returns true where the same bytes stand for the body at any place */
function executeBody(assembly: Assembly, body: Body, at: Token): boolean {
  switch (body.kind) {
    case 'instruction':
      return assembleInstruction(assembly, body);
    case 'prefixes':
      assembly.emit(prefixBytes(assembly, body.prefixes), at);
      return true;
    case 'data':
      return emitItems(assembly, body.items, at);
    case 'reserve': {
      const value = assembly.evaluateNumber(body.count, body.token, 'the count') ?? 0;
      const elements = count(assembly, value, body.token, 'the count');
      assembly.reserve(elements * body.size, body.token);
      return false;
    }
    case 'incbin':
      incbin(assembly, body);
      return false;
    case 'directive':
      runDirective(assembly, body.name, body.arguments, body.token);
      return false;
    default:
      return true;
  }
}

function defineEqu(assembly: Assembly, statement: Statement, body: Body & { kind: 'equ' }): void {
  const { label } = statement;
  if (!label) return;
  const value = assembly.evaluate(body.value);
  if (isUnknown(value)) return;
  if (!isInt(value)) assembly.relocatable(value, body.token);
  assembly.define(assembly.symbols.fullName(label.name), label.token, 'equ', value);
}

function defineLabel(assembly: Assembly, statement: Statement): void {
  const { label } = statement;
  if (!label) return;
  const { symbols } = assembly;
  const full = symbols.fullName(label.name);
  if (!label.name.startsWith('.')) symbols.prefix = label.name;
  assembly.define(full, label.token, 'label', assembly.here());
}

/**
 * Carries out a statement.
 * @throws SourceError for what cannot be done
 */
export function execute(assembly: Assembly, statement: Statement): void {
  assembly.beginStatement(statement);
  const { body, times } = statement;
  if (body.kind === 'equ') {
    defineEqu(assembly, statement, body);
    return;
  }
  defineLabel(assembly, statement);
  if (body.kind === 'none') return;
  const [at] = statement.source.tokens;
  if (!times) {
    executeBody(assembly, body, at);
    return;
  }
  const token = statement.timesToken ?? at;
  const value = assembly.evaluateNumber(times, token, 'the count of TIMES') ?? 0;
  const rounds = count(assembly, value, token, 'the count of TIMES');
  if (body.kind === 'incbin' || body.kind === 'reserve') {
    reserveTimes(assembly, body, rounds, at);
    return;
  }
  repeat(assembly, rounds, token, () => executeBody(assembly, body, at));
}

function reserveTimes(assembly: Assembly, body: Body & { kind: 'incbin' | 'reserve' }, rounds: number, at: Token): void {
  if (body.kind === 'reserve') {
    const value = assembly.evaluateNumber(body.count, body.token, 'the count') ?? 0;
    const elements = count(assembly, value, body.token, 'the count');
    assembly.reserve(count(assembly, elements * body.size * rounds, body.token, 'the reserved space'), body.token);
    return;
  }
  repeat(assembly, rounds, at, () => {
    incbin(assembly, body);
    return true;
  });
}
