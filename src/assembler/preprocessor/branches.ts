/** %if, %elif, %else and %endif: which lines of a frame are emitted. */

import type { Token } from '../lexer';
import { type Condition, type ConditionHost, conditionalDirective } from './conditions';
import type { Preprocessor } from './preprocessor';

function decide(condition: Condition, test: () => boolean): void {
  // A condition that cannot be evaluated hides all its branches: their problems would only follow from it.
  condition.taken = true;
  const result = test();
  condition.active = result;
  condition.taken = result;
}

function otherwise(pp: Preprocessor, open: Condition, at: Token): void {
  if (open.seenElse) pp.fail(at, 'a second %else: expected %endif');
  open.seenElse = true;
  open.active = !open.taken;
  open.taken = true;
}

function closeOrElse(pp: Preprocessor, name: string, at: Token): void {
  const { conditions } = pp.frame;
  const open = conditions.at(-1);
  if (!open) pp.fail(at, `${at.text} without a %if before it`);
  if (name === 'endif') conditions.pop();
  else otherwise(pp, open, at);
}

/**
 * Carries out a directive of the family.
 * @param name lower case, without the percent sign
 * @returns false where it is none of the family
 */
export function runBranch(pp: Preprocessor, host: ConditionHost, name: string, at: Token, rest: readonly Token[]): boolean {
  if (name === 'else' || name === 'endif') {
    closeOrElse(pp, name, at);
    return true;
  }
  if (!name.startsWith('if') && !name.startsWith('elif')) return false;
  const directive = conditionalDirective(name);
  if (!directive) pp.fail(at, `unknown preprocessor directive '${at.text}'`);
  const { conditions } = pp.frame;
  if (directive.branch === 'if') {
    const outer = pp.emitting && !pp.frame.left;
    const condition: Condition = { line: at.line, column: at.column, outer, active: false, taken: !outer, seenElse: false };
    conditions.push(condition);
    if (outer) decide(condition, () => directive.test(rest, at, host) !== directive.negated);
    return true;
  }
  const open = conditions.at(-1);
  if (!open) pp.fail(at, `${at.text} without a %if before it`);
  if (open.seenElse) pp.fail(at, `${at.text} after %else: expected %endif`);
  open.active = false;
  if (!open.taken) {
    // Nothing was emitted before the line, so its macro parameters are not put in yet.
    const tokens = pp.substitute(rest);
    decide(open, () => directive.test(tokens, at, host) !== directive.negated);
  }
  return true;
}
