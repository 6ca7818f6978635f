/** Conditions of filters that are expressions. */
import type { ProbeEvent } from '../../engines/probes';
import { compile } from '../expressions/compile';
import type { Environment } from '../expressions/environment';
import type { GuestEnvironment } from '../expressions/guest-environment';
import { parseExpression } from '../expressions/parser';

/**
 * A condition that is an expression.
 * @param names what the names in it stand for, if not what the guest has
 * @throws Error with one line for text that is wrong
 */
export function expressionTest(
  condition: string | undefined,
  environment: GuestEnvironment,
  names: Environment = environment,
): (event: ProbeEvent) => boolean {
  if (condition === undefined || condition.trim() === '') return () => true;
  const evaluate = compile(parseExpression(condition), names);
  return (event) => {
    environment.vcpu = event.cpu;
    environment.event = event;
    try {
      return evaluate().value !== 0n;
    } catch {
      // What cannot be told must not be passed over in silence.
      return true;
    } finally {
      environment.event = undefined;
    }
  };
}
