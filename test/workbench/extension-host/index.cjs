/**
 * The suite that runs inside VS Code's extension host: by the browser workbench here, by @vscode/test-electron on machines
 * that can download VS Code. Exports `run()` as both expect.
 */
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const Mocha = require('mocha');

exports.run = async function run() {
  const mocha = new Mocha({ ui: 'bdd', timeout: 60_000, reporter: 'json', reporterOption: { output: process.env.RINGSIDE_MOCHA_REPORT } });
  mocha.addFile(join(__dirname, 'debugging.cjs'));
  mocha.addFile(join(__dirname, 'panels.cjs'));
  const failures = await new Promise((resolve, reject) => {
    try {
      mocha.run(resolve);
    } catch (error) {
      reject(error);
    }
  });
  if (process.env.RINGSIDE_MOCHA_DONE) writeFileSync(process.env.RINGSIDE_MOCHA_DONE, String(failures));
  if (failures > 0) throw new Error(`${failures} tests failed`);
};
