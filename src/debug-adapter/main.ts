/** The debug adapter's process: on standard input and output, or `--port N`. */
import type { AddressInfo } from 'node:net';
import { setCompilerFlags } from './v8-flags';
import { serveStdio, serveTcp } from './server';

async function main(argv: readonly string[]): Promise<void> {
  const [option, value] = argv;
  if (option === undefined) {
    await serveStdio();
    return;
  }
  const port = Number(value);
  if (option !== '--port' || value === undefined || !Number.isInteger(port) || port < 0 || port > 65535) {
    process.stderr.write('usage: debug-adapter [--port N]\n');
    process.exitCode = 2;
    return;
  }
  const server = await serveTcp(port);
  process.stderr.write(`listening on 127.0.0.1:${(server.address() as AddressInfo).port}\n`);
}

setCompilerFlags();
main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`debug-adapter: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
