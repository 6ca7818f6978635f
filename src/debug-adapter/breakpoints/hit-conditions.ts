/** Hit conditions: `5`, `= 5`, `> 10`, `>= 10`, `< 3`, `<= 3`, `!= 4`, `% 10`. */
import { UserError } from '../protocol/errors';

const FORM = /^\s*(=|==|!=|<>|>|>=|<|<=|%)?\s*(\d+|0x[\da-f]+)\s*$/i;

const TESTS: Readonly<Record<string, (hits: number, count: number) => boolean>> = {
  '=': (hits, count) => hits === count,
  '==': (hits, count) => hits === count,
  '!=': (hits, count) => hits !== count,
  '<>': (hits, count) => hits !== count,
  '>': (hits, count) => hits > count,
  '>=': (hits, count) => hits >= count,
  '<': (hits, count) => hits < count,
  '<=': (hits, count) => hits <= count,
  '%': (hits, count) => hits % count === 0,
};

/**
 * A number alone means from that hit on.
 * @returns whether to stop at the n-th hit, counted from 1
 * @throws UserError for text that is no hit condition
 */
export function parseHitCondition(text: string): (hits: number) => boolean {
  const match = FORM.exec(text);
  const count = Number(match?.[2]);
  const operator = match?.[1] ?? '>=';
  if (!match || !Number.isSafeInteger(count))
    throw new UserError(`'${text}' is no hit count; write a number, or one of = != < <= > >= % before it`);
  if (operator === '%' && count === 0) throw new UserError('a hit count of % 0 never comes');
  return (hits) => TESTS[operator](hits, count);
}
