/** Whether to stop where a probe stands: condition, hit count and log message, evaluated inside the engine's loop. */
import type { Decide } from '../../engines/probes';
import { compile } from '../expressions/compile';
import type { GuestEnvironment } from '../expressions/guest-environment';
import { parseExpression } from '../expressions/parser';
import { parseHitCondition } from './hit-conditions';
import { compileLogMessage } from './log-message';

export interface GuardText {
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

/** Takes lines for the debug console. */
export type Log = (line: string) => void;

/**
 * @returns what a probe asks; one for each breakpoint, as it counts
 * @throws ExpressionError or UserError for text that is wrong
 */
export function compileGuard(text: GuardText, environment: GuestEnvironment, log: Log): Decide {
  const condition = present(text.condition) ? compile(parseExpression(text.condition), environment) : undefined;
  const hitCondition = present(text.hitCondition) ? parseHitCondition(text.hitCondition) : undefined;
  const message = present(text.logMessage) ? compileLogMessage(text.logMessage, environment) : undefined;
  let hits = 0;
  return (event) => {
    environment.vcpu = event.cpu;
    environment.event = event;
    environment.hits = hits + 1;
    try {
      if (condition && condition().value === 0n) return false;
      hits++;
      if (hitCondition && !hitCondition(hits)) return false;
      if (!message) return true;
      log(message());
      return false;
    } catch (error) {
      // A condition that cannot be told must not be passed over in silence.
      log(`condition '${text.condition}': ${(error as Error).message}`);
      return true;
    } finally {
      environment.event = undefined;
    }
  };
}

function present(text: string | undefined): text is string {
  return text !== undefined && text.trim() !== '';
}
