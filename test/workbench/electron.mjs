/**
 * The suite of the extension host in a desktop VS Code that @vscode/test-electron downloads, for machines that can:
 * `npm run build && node test/workbench/electron.mjs`.
 */
import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTests } from '@vscode/test-electron';
import { root, say } from '../../src/tooling/shell.mjs';

const folder = mkdtempSync(join(tmpdir(), 'ringside-workspace-'));
cpSync(join(root, 'samples'), folder, { recursive: true });
const report = join(folder, 'report.json');

try {
  await runTests({
    extensionDevelopmentPath: root,
    extensionTestsPath: join(root, 'test/workbench/extension-host/index.cjs'),
    launchArgs: [folder, '--disable-extensions', '--disable-workspace-trust'],
    extensionTestsEnv: { RINGSIDE_MOCHA_REPORT: report },
  });
} finally {
  try {
    const { stats } = JSON.parse(readFileSync(report, 'utf8'));
    process.stdout.write(`${stats.passes} passed, ${stats.failures} failed\n`);
  } catch {
    say('VS Code left no report: could it be downloaded?');
    process.exitCode = 1;
  }
}
