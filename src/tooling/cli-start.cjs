#!/usr/bin/env node
/**
 * Starts the command line. What V8 made of it when it was built (code-cache.mjs) is used where it is the same V8, which
 * looks for itself and takes nothing else; so the program need not be compiled at each start.
 */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { Script } = require('node:vm');

// As in src/debug-adapter/v8-flags.ts; here, so that flags are the same when the cache is made and when it is used.
const { v8 } = process.versions;
const version = Number.parseInt(v8, 10);
if (version >= 10 && version <= 13) setFlagsFromString('--experimental-wasm-branch-hinting');
if (v8.startsWith('11.3.')) setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions');

const filename = join(__dirname, 'cli-program.js');

function cached() {
  try {
    return readFileSync(`${filename}.cache`);
  } catch {
    return undefined;
  }
}

// Meanwhile other threads compile the interpreter's handlers (src/cli/handlers-ahead.ts).
if (process.argv[2] === 'run') globalThis.ringsideHandlers = WebAssembly.compile(readFileSync(join(__dirname, 'handlers.wasm')));
// The program is one function (esbuild.mjs), and all of it ASCII, which is read the quickest as Latin 1.
const script = new Script(readFileSync(filename, 'latin1'), { filename, cachedData: cached() });
script.runInThisContext()(exports, require, module, filename, __dirname);
module.exports = script;
