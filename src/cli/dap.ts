/** `ringside dap`: the debug adapter on stdio or TCP. */
import { parseNumber, parseOptions, UsageError } from './options';

export function dap(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args, { port: { type: 'string' } });
  if (positionals.length > 0) throw new UsageError(`dap takes no "${positionals[0]}"`);
  const port = values.port === undefined ? undefined : parseNumber(values.port as string, 'port');
  throw new UsageError(`not implemented: the debug adapter ${port === undefined ? 'on stdio' : `on port ${port}`}`);
}
