/**
 * The extension in a real VS Code workbench in headless Chromium: the suite in the extension host, then the flows of a
 * user at the screen. `node test/workbench/run.mjs [host|flows [part of a flow's name]]`
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, installDebianPackages, root, say } from '../../src/tooling/shell.mjs';
import { installWorkbench, startWorkbench, workbenchFolder, workbenchUrl } from '../../src/tooling/workbench.mjs';
import { flows } from './flows.mjs';

const CHROMIUM = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const output = join(workbenchFolder, 'output');

/** Why this machine cannot run them, or undefined. */
function obstacle() {
  if (process.platform !== 'linux') return 'needs Linux for the packaged workbench';
  const missing = installDebianPackages({ chromium: 'chromium', '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf': 'fonts-dejavu-core' });
  return findProgram('chromium') ? undefined : `needs a browser: apt-get install ${missing.join(' ')}`;
}

/** A copy of the samples to work in. */
function workspace() {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ringside-workspace-')));
  cpSync(join(root, 'samples'), folder, { recursive: true });
  return folder;
}

async function openPage(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1500, height: 950 } });
  // Nothing outside this machine is asked for anything.
  await context.route(
    (target) => target.protocol.startsWith('http') && target.hostname !== '127.0.0.1' && !target.hostname.endsWith('.vscode-cdn.net'),
    (route) => route.abort(),
  );
  const page = await context.newPage();
  return { page, go: () => page.goto(url) };
}

async function hostSuite(browser) {
  const folder = workspace();
  const report = join(output, 'extension-host.json');
  rmSync(report, { force: true });
  const workbench = await startWorkbench({
    smoke: true,
    env: { RINGSIDE_MOCHA_REPORT: report, NODE_PATH: join(workbenchFolder, 'node_modules') },
  });
  try {
    const url = workbenchUrl(workbench, folder, [
      ['extensionDevelopmentPath', root],
      ['extensionTestsPath', join(workbenchFolder, 'extension-host/index.cjs')],
    ]);
    const { page, go } = await openPage(browser, url);
    const exited = new Promise((resolve) => page.exposeFunction('codeAutomationExit', resolve));
    await page.exposeFunction('codeAutomationLog', () => {});
    await go();
    const code = await Promise.race([exited, workbench.ended, timeout(180_000, 'the suite in the extension host')]);
    const results = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : undefined;
    if (!results) throw new Error(`the extension host left no report (status ${code})\n${workbench.log().slice(-3000)}`);
    for (const { fullTitle } of results.passes) process.stdout.write(`  ✓ ${fullTitle}\n`);
    for (const { fullTitle, err } of results.failures) process.stdout.write(`  ✗ ${fullTitle}\n    ${err.message}\n`);
    return { passed: results.stats.passes, failed: results.stats.failures };
  } finally {
    await workbench.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function timeout(milliseconds, what) {
  return new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`${what} took longer than ${milliseconds / 1000} s`)), milliseconds).unref(),
  );
}

/** @param filter part of the names of those that are to be run */
async function userFlows(browser, filter = '') {
  let passed = 0;
  let failed = 0;
  for (const { name, run } of flows.filter((flow) => flow.name.includes(filter))) {
    const folder = workspace();
    const workbench = await startWorkbench({ smoke: true });
    const url = workbenchUrl(workbench, folder, [
      ['extensionDevelopmentPath', root],
      ['openFile', join(folder, 'rings/rings.asm')],
    ]);
    const { page, go } = await openPage(browser, url);
    try {
      await go();
      await page.waitForFunction(() => window.driver?.whenWorkbenchRestored, undefined, { timeout: 60_000 });
      await page.evaluate(() => window.driver.whenWorkbenchRestored());
      await run({ page, folder, shot: (label) => page.screenshot({ path: join(output, `${label}.png`) }) });
      process.stdout.write(`  ✓ ${name}\n`);
      passed++;
    } catch (error) {
      failed++;
      await page.screenshot({ path: join(output, `failed-${name.replaceAll(/\W+/g, '-')}.png`) }).catch(() => {});
      process.stdout.write(`  ✗ ${name}\n    ${error.message.slice(0, 1500)}\n`);
    } finally {
      await page.context().close();
      await workbench.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return { passed, failed };
}

async function main([only, filter]) {
  const why = obstacle();
  if (why) {
    say(`skipped: the tests in a real VS Code (${why})`);
    return 0;
  }
  await installWorkbench();
  mkdirSync(output, { recursive: true });
  const { chromium } = createRequire(join(workbenchFolder, 'package.json'))('playwright-core');
  const browser = await chromium.launch({ executablePath: findProgram('chromium'), args: CHROMIUM });
  const results = [];
  try {
    if (only !== 'flows') results.push(await hostSuite(browser));
    if (only !== 'host') results.push(await userFlows(browser, filter));
  } finally {
    await browser.close();
  }
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  process.stdout.write(`${sum('passed')} passed, ${sum('failed')} failed\n`);
  return sum('failed') === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
