/** Lines into statements. */

import { type AssemblerRegister, type Distance, isMnemonic, NO_PREFIXES, type PrefixRequest } from '../isa/encoder';
import { Cursor } from './cursor';
import { parseDataItems } from './data-parser';
import { type Expression, parseExpression, type Warn } from './expressions';
import { isOperationName, keywordOf, type PrefixName } from './keywords';
import { type Token, TokenKind } from './lexer';
import type { LogicalLine } from './preprocessor/frames';
import type { Diagnostics } from './source';
import type { Body, LabelSyntax, MemorySyntax, OperandSyntax, Statement } from './statements';
import { stringText } from './strings';

const PREFIX_EFFECTS: Readonly<Record<PrefixName, Partial<PrefixRequest>>> = {
  a16: { addressSize: 16 },
  a32: { addressSize: 32 },
  a64: { addressSize: 64 },
  asp: { addressSize: -1 },
  o16: { operandSize: 2 },
  o32: { operandSize: 4 },
  o64: { operandSize: 8 },
  osp: { operandSize: -1 },
  lock: { lock: true },
  rep: { repeat: 'rep' },
  repe: { repeat: 'rep' },
  repne: { repeat: 'repne' },
  wait: { wait: true },
  xacquire: { repeat: 'repne', elision: true },
  xrelease: { repeat: 'rep', elision: true },
};

function isConstant(expression: Expression): boolean {
  switch (expression.op) {
    case 'integer':
    case 'register':
      return true;
    case 'symbol':
    case 'here':
    case 'base':
      return false;
    case 'unary':
      return isConstant(expression.operand);
    case 'binary':
      return isConstant(expression.left) && isConstant(expression.right);
    case 'conditional':
      return isConstant(expression.condition) && isConstant(expression.yes) && isConstant(expression.no);
    case 'wrt':
      return false;
  }
}

function isConstantOperand(operand: OperandSyntax): boolean {
  if (operand.kind === 'register') return true;
  if (operand.kind === 'far') return isConstant(operand.selector) && isConstant(operand.offset);
  return isConstant(operand.expression);
}

class LineParser {
  private readonly source: LogicalLine;
  private readonly cursor: Cursor;
  private readonly warn: Warn;
  private prefixes: PrefixRequest = NO_PREFIXES;
  private times: Expression | undefined;
  private timesToken: Token | undefined;

  constructor(source: LogicalLine, diagnostics: Diagnostics) {
    this.source = source;
    this.cursor = new Cursor(source.tokens, source.line, source.expansion);
    this.warn = (token, code, message) => diagnostics.warning(this.cursor.place(token), code, message);
  }

  parse(): Statement {
    const { cursor } = this;
    if (cursor.is('[')) return this.statement(undefined, this.directive());
    const label = this.label();
    this.readPrefixes();
    const body = this.body(label);
    if (!cursor.done)
      cursor.fail(`expected ${body.kind === 'instruction' ? 'a comma or ' : ''}the end of the line, found ${cursor.describe()}`);
    return this.statement(label, body);
  }

  private statement(label: LabelSyntax | undefined, body: Body): Statement {
    return { label, times: this.times, timesToken: this.timesToken, body, source: this.source };
  }

  /** `[name arguments]`: the primitive form of directives. */
  private directive(): Body {
    const { cursor } = this;
    const token = cursor.peek();
    const last = cursor.tokens.at(-1);
    if (last?.text !== ']') cursor.fail("expected ']' at the end of the directive", last);
    if (token.kind !== TokenKind.Identifier) cursor.fail('expected the name of a directive', token);
    const rest = cursor.tokens.slice(2, -1);
    cursor.at = cursor.tokens.length;
    return { kind: 'directive', name: token.text.toLowerCase(), arguments: rest, token };
  }

  private label(): LabelSyntax | undefined {
    const { cursor } = this;
    const { token } = cursor;
    if (token.kind !== TokenKind.Identifier) {
      return cursor.fail(`expected a label or an instruction at the start of the line, found ${cursor.describe()}`);
    }
    const escaped = token.text.startsWith('$');
    if (!escaped && (keywordOf(token.text) || isMnemonic(token.text.toLowerCase()))) {
      // An instruction's name with a colon behind it is a label, as anything that is no keyword.
      if (!isOperationName(token.text) || cursor.tokens[cursor.at + 1]?.text !== ':') return undefined;
    }
    cursor.at++;
    const colon = cursor.take(':');
    if (cursor.done && !colon) {
      this.warn(token, 'label-orphan', 'label alone on a line without a colon might be in error');
    }
    return { name: escaped ? token.text.slice(1) : token.text, token };
  }

  /** TIMES, segment overrides and instruction prefixes, in any order. */
  private readPrefixes(): void {
    const { cursor } = this;
    for (;;) {
      const { token } = cursor;
      const keyword = token.kind === TokenKind.Identifier ? keywordOf(token.text) : undefined;
      if (keyword?.kind === 'pseudo' && keyword.name === 'times') {
        if (this.times) cursor.fail('an instruction can have one TIMES only');
        cursor.at++;
        this.timesToken = token;
        this.times = parseExpression(cursor, this.warn);
      } else if (keyword?.kind === 'prefix') {
        cursor.at++;
        this.addPrefix(token, PREFIX_EFFECTS[keyword.name]);
      } else if (keyword?.kind === 'register' && keyword.register.class === 'segment') {
        cursor.at++;
        this.addPrefix(token, { segment: keyword.register.index });
      } else {
        return;
      }
    }
  }

  private addPrefix(token: Token, effect: Partial<PrefixRequest>): void {
    for (const key of Object.keys(effect) as (keyof PrefixRequest)[]) {
      if (this.prefixes[key] !== NO_PREFIXES[key]) this.cursor.fail('the instruction has conflicting prefixes', token);
    }
    this.prefixes = { ...this.prefixes, ...effect };
  }

  private body(label: LabelSyntax | undefined): Body {
    const { cursor } = this;
    const { token } = cursor;
    if (cursor.done) {
      if (this.prefixes !== NO_PREFIXES) return { kind: 'prefixes', prefixes: this.prefixes };
      if (this.times) cursor.fail('expected an instruction after TIMES and its count');
      return { kind: 'none' };
    }
    if (token.kind === TokenKind.Identifier) {
      const keyword = keywordOf(token.text);
      switch (keyword?.kind) {
        case 'data':
          cursor.at++;
          return { kind: 'data', items: parseDataItems(cursor, keyword.size, this.warn) };
        case 'reserve': {
          cursor.at++;
          return { kind: 'reserve', size: keyword.size, count: parseExpression(cursor, this.warn), token };
        }
        case 'pseudo':
          cursor.at++;
          return keyword.name === 'equ' ? this.equ(label, token) : this.incbin(token);
        default:
      }
      const mnemonic = token.text.toLowerCase();
      if (isMnemonic(mnemonic)) return this.instruction(mnemonic, token);
    }
    return this.noInstruction(label);
  }

  private noInstruction(label: LabelSyntax | undefined): never {
    const { cursor } = this;
    // `movv ax, bx`: what looks like a label without a colon is most likely a misspelt or missing instruction.
    if (label && cursor.tokens[1] === cursor.token && cursor.token.space) {
      cursor.fail(`unknown instruction '${label.token.text}': expected an instruction of the table, or a label and a colon`, label.token);
    }
    return cursor.fail(`expected an instruction, found ${cursor.describe()}`);
  }

  private equ(label: LabelSyntax | undefined, token: Token): Body {
    if (!label) this.cursor.fail('expected a label before EQU', token);
    const value = parseExpression(this.cursor, this.warn);
    return { kind: 'equ', value, token };
  }

  private incbin(token: Token): Body {
    const { cursor } = this;
    const name = cursor.next();
    if (name.kind !== TokenKind.String)
      cursor.fail('expected the name of a file, in quotes, after INCBIN', name.text === '' ? token : name);
    const skip = cursor.take(',') ? parseExpression(cursor, this.warn) : undefined;
    const length = skip && cursor.take(',') ? parseExpression(cursor, this.warn) : undefined;
    return { kind: 'incbin', path: stringText(name.text), skip, length, token: name };
  }

  private instruction(mnemonic: string, token: Token): Body {
    const { cursor } = this;
    cursor.at++;
    const operands: OperandSyntax[] = [];
    if (!cursor.done) {
      operands.push(this.operand());
      while (cursor.take(',')) operands.push(this.operand());
    }
    const constant = operands.every(isConstantOperand);
    return { kind: 'instruction', mnemonic, prefixes: this.prefixes, operands, constant, token };
  }

  private operand(): OperandSyntax {
    const { cursor } = this;
    let size = 0;
    let strict = false;
    let distance: Distance | undefined;
    let to = false;
    for (;;) {
      const keyword = cursor.token.kind === TokenKind.Identifier ? keywordOf(cursor.token.text) : undefined;
      if (keyword?.kind === 'size') size = this.onceSize(size, keyword.size);
      else if (keyword?.kind === 'modifier' && keyword.name === 'strict') strict = true;
      else if (keyword?.kind === 'modifier' && isDistance(keyword.name)) distance = keyword.name;
      else if (keyword?.kind === 'modifier' && keyword.name === 'to') to = true;
      else break;
      cursor.at++;
    }
    const sizes = { size, strict, distance };
    const { token } = cursor;
    if (cursor.is('[')) return this.memory(sizes, -1);
    const segment = this.segmentBefore(':');
    if (segment >= 0 && cursor.is('[')) return this.memory(sizes, segment);
    if (segment >= 0) cursor.fail(`expected '[' after the segment register, found ${cursor.describe()}`);
    const expression = parseExpression(cursor, this.warn);
    if (cursor.take(':')) return this.far(sizes, expression, token);
    if (expression.op === 'register') return this.register({ ...sizes, to }, expression.register, token);
    return { kind: 'value', ...sizes, expression, token };
  }

  private onceSize(before: number, size: number): number {
    if (before !== 0 && before !== size) this.cursor.fail('the operand has conflicting sizes');
    return size;
  }

  private register(
    sizes: { size: number; strict: boolean; distance: Distance | undefined; to: boolean },
    register: AssemblerRegister,
    token: Token,
  ): OperandSyntax {
    if (sizes.size !== 0 && register.size !== 0 && sizes.size !== register.size) {
      this.warn(token, 'regsize', 'invalid register size specification ignored');
    }
    return { kind: 'register', ...sizes, register, token };
  }

  private far(sizes: { size: number; strict: boolean; distance: Distance | undefined }, selector: Expression, token: Token): OperandSyntax {
    const { cursor } = this;
    let { size } = sizes;
    for (;;) {
      const keyword = cursor.token.kind === TokenKind.Identifier ? keywordOf(cursor.token.text) : undefined;
      if (keyword?.kind !== 'size') break;
      size = this.onceSize(size, keyword.size);
      cursor.at++;
    }
    if (sizes.distance !== undefined) cursor.fail(`'${sizes.distance}' cannot stand before a segment and an offset`, token);
    return { kind: 'far', ...sizes, size, selector, offset: parseExpression(cursor, this.warn), token };
  }

  /** Number of the segment register at the cursor, where this operator follows it; both are then behind the cursor. Else -1. */
  private segmentBefore(operator: string): number {
    const { cursor } = this;
    const keyword = cursor.token.kind === TokenKind.Identifier ? keywordOf(cursor.token.text) : undefined;
    if (keyword?.kind !== 'register' || keyword.register.class !== 'segment') return -1;
    if (cursor.peek().text !== operator) return -1;
    cursor.at += 2;
    return keyword.register.index;
  }

  private memory(sizes: { size: number; strict: boolean; distance: Distance | undefined }, outer: number): MemorySyntax {
    const { cursor } = this;
    const token = cursor.next();
    let segment = outer;
    let displacementSize: MemorySyntax['displacementSize'] = 0;
    let noSplit = false;
    let addressing: 'rel' | 'abs' | undefined;
    for (;;) {
      const keyword = cursor.token.kind === TokenKind.Identifier ? keywordOf(cursor.token.text) : undefined;
      if (keyword?.kind === 'size' && keyword.size <= 8) displacementSize = keyword.size as 1 | 2 | 4 | 8;
      else if (keyword?.kind === 'modifier' && keyword.name === 'nosplit') noSplit = true;
      else if (keyword?.kind === 'modifier' && (keyword.name === 'rel' || keyword.name === 'abs')) addressing = keyword.name;
      else if (keyword?.kind === 'prefix') this.addPrefix(cursor.token, this.addressPrefix(keyword.name));
      else {
        const override = this.segmentBefore(':');
        if (override < 0) break;
        if (segment >= 0 && segment !== override) cursor.fail('the instruction has conflicting segment overrides');
        segment = override;
        continue;
      }
      cursor.at++;
    }
    const expression = parseExpression(cursor, this.warn);
    cursor.expect(']', 'to end the effective address');
    return { kind: 'memory', ...sizes, segment, displacementSize, noSplit, addressing, expression, token };
  }

  private addressPrefix(name: PrefixName): Partial<PrefixRequest> {
    if (!/^a(16|32|64|sp)$/.test(name)) this.cursor.fail(`the prefix '${name}' cannot stand in an effective address`);
    return PREFIX_EFFECTS[name];
  }
}

const isDistance = (name: string): name is Distance => name === 'near' || name === 'far' || name === 'short';

/**
 * Parses one line.
 * @throws SourceError at the first thing that is not understood
 */
export function parseLine(source: LogicalLine, diagnostics: Diagnostics): Statement {
  return new LineParser(source, diagnostics).parse();
}
