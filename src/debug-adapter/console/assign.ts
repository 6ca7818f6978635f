/** Changing registers and memory by hand, and telling everyone who shows them. */
import { assign, type Assigned } from '../expressions/compile';
import { parseExpression } from '../expressions/parser';
import { type Assignment, ExpressionError } from '../expressions/syntax';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { UserError } from '../protocol/errors';
import type { Session } from '../session';

/** @throws UserError */
export function assignText(session: Session, guest: Guest, vcpu: number, target: string, value: string): Assigned {
  try {
    const assignment: Assignment = {
      kind: 'assignment',
      target: parseExpression(target),
      operator: undefined,
      value: parseExpression(value),
      at: 0,
    };
    return carryOut(session, guest, vcpu, assignment);
  } catch (error) {
    throw error instanceof ExpressionError ? new UserError(error.message) : error;
  }
}

/** @throws ExpressionError */
export function carryOut(session: Session, guest: Guest, vcpu: number, assignment: Assignment): Assigned {
  guest.environment.vcpu = vcpu;
  const done = assign(assignment, guest.environment);
  if (done.location) memoryChanged(session, guest, formatReference(done.location), 0, done.size);
  else stateChanged(session, guest);
  return done;
}

/** After a register was changed. */
export function stateChanged(session: Session, guest: Guest): void {
  guest.changed();
  session.dispatcher.event('invalidated', { areas: ['variables', 'stacks'] });
  session.reporter.changed();
}

/** After memory was changed: what shows it, and what is computed from it. */
export function memoryChanged(session: Session, guest: Guest, memoryReference: string, offset: number, count: number): void {
  guest.changed();
  session.dispatcher.event('memory', { memoryReference, offset, count });
  session.dispatcher.event('invalidated', { areas: ['variables', 'stacks'] });
  session.reporter.changed();
}
