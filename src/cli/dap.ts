/** `ringside dap`: the debug adapter on stdio or TCP. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serveStdio, serveTcp } from '../debug-adapter/server';
import { parseNumber, parseOptions, UsageError } from './options';

/** On stdio until the client leaves; on a loopback port until the process is ended. */
export async function dap(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args, { port: { type: 'string' } });
  if (positionals.length > 0) throw new UsageError(`dap takes no "${positionals[0]}"`);
  if (values.port === undefined) {
    await serveStdio();
    return 0;
  }
  const port = parseNumber(values.port as string, 'port');
  if (port > 65_535) throw new UsageError(`--port: ${port} is no port`);
  const server = await serveTcp(port).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--port: ${port} cannot be listened on (${error.code ?? error.message})`);
  });
  process.stderr.write(`ringside: listening on 127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  await once(server, 'close');
  return 0;
}
