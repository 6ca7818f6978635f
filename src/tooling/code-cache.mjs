/**
 * `node code-cache.mjs <cli.js> <guest>`: runs a guest with the built command line and keeps what V8 has compiled for it beside the
 * program, for the next starts (cli-start.cjs).
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

const [, , cli, guest] = process.argv;
process.argv = [process.argv[0], cli, 'run', guest];
process.stdout.write = () => true;
// What has run once and will not again would be forgotten, though it is what a start needs.
setFlagsFromString('--no-flush-bytecode');
const script = createRequire(cli)(cli);
process.on('exit', () => {
  // With other flags than it was made with, V8 would refuse it.
  setFlagsFromString('--flush-bytecode');
  writeFileSync(join(dirname(cli), 'cli-program.js.cache'), script.createCachedData());
  // The guest's own status does not matter.
  process.exitCode = 0;
});
