/** Evaluating expressions and commands, and completing them. */
import { compile } from '../expressions/compile';
import { explainValue, formatValue } from '../expressions/format';
import { parseStatement } from '../expressions/parser';
import { ExpressionError } from '../expressions/syntax';
import type { Value } from '../expressions/values';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import { carryOut, assignText } from './assign';
import { runCommand } from './commands';
import { complete } from './completions';

export function consoleRequests(session: Session): Handlers {
  return {
    evaluate: async ({ expression, frameId, context, format }) => {
      const { guest } = session;
      const { index: vcpu } = guest.cpuOfFrame(frameId);
      const text = expression.trim();
      if (text === '') throw new UserError('nothing to evaluate');
      if (context === 'repl') {
        const answer = runCommand(session, guest, vcpu, text);
        if (answer !== undefined) return { result: answer, variablesReference: 0 };
      }
      return evaluate(session, guest, vcpu, text, context, format?.hex === true);
    },

    setExpression: ({ expression, value, frameId, format }) => {
      const { guest } = session;
      const { value: changed } = assignText(session, guest, guest.cpuOfFrame(frameId).index, expression, value);
      return { value: formatValue(changed, format?.hex === true), ...memoryOf(changed) };
    },

    completions: ({ text, column }) => {
      const { guest, positions } = session;
      const at = Math.max(0, Math.min(text.length, positions.fromClientColumn(column) - 1));
      const { start, words } = complete(text.slice(0, at), guest);
      return {
        targets: words.map(({ label, type, detail }) => ({
          label,
          type,
          detail,
          start: positions.toClientColumn(start + 1),
          length: at - start,
        })),
      };
    },
  };
}

function memoryOf({ location, target }: Value): { memoryReference?: string } {
  const place = location ?? target;
  return place ? { memoryReference: formatReference(place) } : {};
}

/** @throws UserError that says where in the expression something is wrong */
function evaluate(session: Session, guest: Guest, vcpu: number, text: string, context: string | undefined, hex: boolean) {
  try {
    const statement = parseStatement(text);
    if (statement.kind === 'assignment') {
      if (context !== 'repl') throw new ExpressionError("'=' assigns, which only the console may; to compare write '=='", statement.at);
      const { value } = carryOut(session, guest, vcpu, statement);
      return { result: explainValue(value), variablesReference: 0, ...memoryOf(value) };
    }
    guest.environment.vcpu = vcpu;
    const value = compile(statement, guest.environment)();
    const name = value.target && context === 'repl' ? guest.program.nameOf(value.target.address) : undefined;
    const register = statement.kind === 'name' ? guest.engine.cpus[vcpu].registerNamed(statement.name.toLowerCase()) : undefined;
    const children = register && register.fields.length > 0 && guest.runner.state === 'stopped';
    return {
      result: context === 'repl' ? explainValue(value, name) : formatValue(value, hex),
      type: value.bits === 0 ? 'number' : `${value.bits} bits`,
      variablesReference: children ? guest.containers.add({ kind: 'register', vcpu, name: register.name }) : 0,
      ...memoryOf(value),
    };
  } catch (error) {
    if (error instanceof ExpressionError) throw new UserError(error.message);
    throw error;
  }
}
