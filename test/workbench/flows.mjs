/** What a user does at the screen. Each flow has a workbench of its own, with rings.asm open. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const STEP = 30_000;

/** Polls until a value is there. @param frame the document in which it is to be, if one: without it there is nothing to wait for */
async function eventually(what, get, frame) {
  const end = Date.now() + STEP;
  for (;;) {
    const value = await get().catch(() => undefined);
    if (value) return value;
    if (frame?.isDetached()) throw new Error(`the document in which ${what} was to come has gone`);
    if (Date.now() > end) throw new Error(`${what} did not come`);
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

/** Runs a command by its title from the palette. */
async function command(page, title) {
  const row = page.locator('.quick-input-list .monaco-list-row').filter({ hasText: title }).first();
  for (let tries = 0; tries < 5; tries++) {
    await page.keyboard.press('F1');
    await page.locator('.quick-input-widget input').waitFor({ state: 'visible', timeout: STEP });
    await page.keyboard.type(title);
    try {
      await row.waitFor({ state: 'visible', timeout: 4000 });
      await row.click();
      return;
    } catch {
      await page.keyboard.press('Escape');
    }
  }
  throw new Error(`the palette has no ${title}`);
}

/** By its label, as a user does: the settings' names change between releases. @param kind the class that the workbench gets */
async function chooseTheme(page, label, kind) {
  await page.locator('.monaco-editor .view-line').first().waitFor({ timeout: STEP });
  const row = page.locator('.quick-input-list .monaco-list-row').filter({ hasText: label }).first();
  await eventually(`the theme ${label}`, async () => {
    await page.keyboard.press('Escape');
    await command(page, 'Preferences: Color Theme');
    // What is typed before the list is there is lost.
    await page.locator('.quick-input-list .monaco-list-row').filter({ hasText: 'Modern' }).first().waitFor({ timeout: 5000 });
    await page.keyboard.type(label);
    await row.waitFor({ state: 'visible', timeout: 5000 });
    await row.click();
    await page.locator(`.monaco-workbench.${kind}`).waitFor({ timeout: 5000 });
    return true;
  });
}

async function goToLine(page, line) {
  await page.keyboard.press('Control+g');
  await page.locator('.quick-input-widget input').waitFor({ state: 'visible', timeout: STEP });
  await page.keyboard.type(String(line));
  await page.keyboard.press('Enter');
  await page.locator('.quick-input-widget').waitFor({ state: 'hidden', timeout: STEP });
  await page
    .locator('.statusbar-item')
    .filter({ hasText: `Ln ${line},` })
    .first()
    .waitFor({ timeout: 5000 });
}

/** Waits for the stop and gives the call stack's texts. */
async function stopped(page, line) {
  const frames = page.locator('.debug-call-stack .stack-frame');
  return eventually(`the stop at line ${line}`, async () => {
    const texts = await frames.allTextContents();
    return line === undefined || texts[0]?.includes(`${line}:`) ? texts.length > 0 && texts : undefined;
  });
}

/** The document inside the panel whose text matches. */
function panelFrame(page, text) {
  return eventually(`the panel with ${text}`, async () => {
    for (const frame of page.frames()) {
      if (!frame.url().includes('fake.html')) continue;
      if (
        text.test(
          (await frame
            .locator('body')
            .textContent({ timeout: 1000 })
            .catch(() => '')) ?? '',
        )
      )
        return frame;
    }
    return undefined;
  });
}

/**
 * Does something in the panel whose text matches. The workbench may load a panel's document anew at any time, most of all where much is
 * under way: then everything is done again, in the new one.
 * @param work given the document, and a way to wait for something in it
 */
async function inPanel(page, text, work) {
  for (let tries = 1; ; tries++) {
    const frame = await panelFrame(page, text);
    try {
      return await work(frame, (what, get) => eventually(what, get, frame));
    } catch (error) {
      if (!frame.isDetached() || tries === 5) throw error;
    }
  }
}

/** Line, from 1, in rings.asm. */
async function lineOf(folder, text) {
  const { readFileSync } = await import('node:fs');
  return (
    readFileSync(`${folder}/rings/rings.asm`, 'utf8')
      .split('\n')
      .findIndex((line) => line.includes(text)) + 1
  );
}

async function startInRing3({ page, folder }) {
  const line = (await lineOf(folder, 'program:')) + 1;
  await page.locator('.monaco-editor .view-line').first().waitFor({ timeout: STEP });
  const glyph = page.locator('.glyph-margin-widgets [class*=codicon-debug-breakpoint], .cgmr[class*=codicon-debug-breakpoint]').first();
  // A workbench that is still settling may swallow a key.
  await eventually('the breakpoint', async () => {
    // Once more would take it away again.
    if (await glyph.isVisible()) return true;
    await page.keyboard.press('Control+1');
    await goToLine(page, line);
    await page.keyboard.press('F9');
    await glyph.waitFor({ timeout: 5000 });
    return true;
  });
  await page.keyboard.press('F5');
  await stopped(page, (await lineOf(folder, 'boot:')) + 1);
  await page.keyboard.press('F5');
  await stopped(page, line);
  return line;
}

async function panels(label, { page, folder, shot }, theme, kind) {
  await chooseTheme(page, theme, kind);
  await startInRing3({ page, folder });
  await command(page, 'Ringside: Focus on Rings View');
  await inPanel(page, /last transition/, async (rings) => {
    assert.match(await rings.locator('.summary').textContent(), /ring 3/);
    assert.match(await rings.locator('.last').textContent(), /IRET/);
  });
  await shot(`${label}-rings`);
  await command(page, 'Ringside: Focus on Trap Log View');
  await inPanel(page, /changes only/, async (log, comes) => {
    await comes('rows in the trap log', async () => (await log.locator('.rows .row').count()) > 3);
    // A document that remembers has it unfolded already.
    if ((await log.locator('.unfolded').count()) === 0) await log.locator('.rows .row .cause').last().click();
    await comes('an unfolded transition', async () => (await log.locator('.unfolded').count()) === 1);
  });
  await shot(`${label}-trap-log`);
}

/** Makes room for the other views. */
async function collapse(page, names) {
  for (const name of names) {
    const header = page.locator(`.panel .pane-header[aria-expanded=true]`).filter({ hasText: name }).first();
    const box = await header.boundingBox();
    if (box) await page.mouse.click(box.x + 30, box.y + 10);
  }
}

const KERNEL = fileURLToPath(new URL('../../.cache/kernels/amd64/', import.meta.url));

/** Starts a guest by a launch.json that has it alone. */
async function startNamed({ page, folder }, configuration) {
  const { name } = configuration;
  const launch = { version: '0.2.0', configurations: [{ type: 'ringside', request: 'launch', ...configuration }] };
  mkdirSync(join(folder, '.vscode'));
  writeFileSync(join(folder, '.vscode/launch.json'), JSON.stringify(launch));
  await eventually(`the start of ${name}`, async () => {
    await page.keyboard.press('Control+p');
    await page.locator('.quick-input-widget input').waitFor({ state: 'visible', timeout: STEP });
    await page.keyboard.type(`debug ${name}`);
    const row = page.locator('.quick-input-list .monaco-list-row').filter({ hasText: name }).first();
    await row.waitFor({ state: 'visible', timeout: 5000 });
    await row.click();
    await page.locator('.debug-toolbar .codicon-debug-stop').first().waitFor({ timeout: STEP });
    return true;
  });
}

/** A hypervisor whose VMLAUNCH failed: why, and a field that is put right. */
async function vmcsPanel(label, { page, folder, shot }, theme, kind) {
  await chooseTheme(page, theme, kind);
  const program = join(folder, 'vmx-broken/06-link-pointer.asm');
  await startNamed({ page, folder }, { name: 'broken', program, stopOnEntry: false, breakOn: ['stop'] });
  await stopped(page);
  await command(page, 'Ringside: Focus on VMCS View');
  const panel = /VMXON region/;
  await inPanel(page, panel, (vmcs, comes) => comes('the failure', async () => (await vmcs.locator('.failure').count()) > 0));
  await command(page, 'View: Toggle Maximized Panel');
  await collapse(page, ['Rings', 'Trap Log']);
  await inPanel(page, panel, async (vmcs, comes) => {
    await comes('why it failed', async () => /VM exit 33.*VMCS link pointer/s.test(await vmcs.locator('.failure').textContent()));
    await comes('the fields', async () => (await vmcs.locator('.fields tbody tr').count()) > 140);
  });
  await shot(`${label}-vmcs-failed`);
  await command(page, 'Ringside: Check VMCS now');
  await inPanel(page, panel, async (vmcs, comes) => {
    const results = vmcs.locator('.results');
    await comes('the checks', async () => /2 of \d+ checks/.test(await results.textContent()));
    await results.getByRole('button', { name: 'VMCS link pointer' }).first().click();
    await vmcs.getByRole('button', { name: 'change VMCS link pointer' }).click();
    await vmcs.locator('.edit input').fill('-1');
    await vmcs.locator('.edit input').press('Enter');
    await comes('the new value', async () => /0xffffffffffffffff/.test(await vmcs.locator('#field-vmcsLinkPointer').textContent()));
    await vmcs.getByRole('button', { name: 'check now' }).click();
    await comes('the checks again', async () => /All \d+ checks/.test(await results.textContent()));
    await vmcs.getByRole('button', { name: 'changes since' }).click();
    await comes('the difference', async () => /1 field differs/.test(await vmcs.locator('.diff').textContent()));
    await vmcs.locator('#search').fill('link pointer');
    await comes('the field alone', async () => (await vmcs.locator('.fields tbody').count()) === 1);
  });
  await shot(`${label}-vmcs-changed`);
  await inPanel(page, panel, async (vmcs) => {
    await vmcs.locator('#search').fill('');
    await vmcs.locator('#field-exitReason button.fold').click();
    await vmcs.locator('#field-pinControls button.fold').click();
    await vmcs.locator('#field-pinControls').scrollIntoViewIfNeeded();
  });
  await shot(`${label}-vmcs-fields`);
}

const LONG_MODE = fileURLToPath(new URL('../debug-adapter/guests/long.asm', import.meta.url));

/** A guest of the built-in hypervisor: its page tables and the hypervisor's. */
async function nestedWalk(label, { page, folder, shot }, theme, kind) {
  await chooseTheme(page, theme, kind);
  const program = join(folder, 'long.asm');
  cpSync(LONG_MODE, program);
  await startNamed({ page, folder }, { name: 'nested', program, engine: 'vmx', stopOnEntry: false, breakOn: ['kernel'] });
  await stopped(page);
  await command(page, 'Ringside: Focus on Page Tables View');
  const panel = /linear.*to.*size/s;
  await walk(page, panel, '$', '.lead', /guest-physical.*host-physical/s);
  await command(page, 'View: Toggle Maximized Panel');
  await collapse(page, ['Rings', 'Trap Log']);
  await inPanel(page, panel, async (tables, comes) => {
    await tables.locator('.nested .fold').last().click();
    await comes('levels of the second dimension', async () => (await tables.locator('.level-of-nested').count()) > 1);
  });
  await shot(`${label}-nested-walk`);
}

/** Debian's kernel, stopped at a function by its name: its page tables and descriptor tables. */
async function kernelPanels(label, { page, folder, shot }, theme, kind) {
  await chooseTheme(page, theme, kind);
  await startNamed(
    { page, folder },
    {
      name: 'debian',
      kernel: `${KERNEL}vmlinuz`,
      initrd: `${KERNEL}initramfs.cpio`,
      unpackKernel: true,
      append: 'console=ttyS0 nokaslr nolapic noapic nosmp',
      memory: '256M',
      breakOn: ['sched_init'],
    },
  );
  await page
    .locator('.debug-call-stack')
    .getByText('sched_init')
    .first()
    .waitFor({ timeout: 2 * STEP });
  await shot(`${label}-kernel-stop`);
  await command(page, 'Ringside: Focus on Page Tables View');
  const tablesText = /linear.*to.*size/s;
  await inPanel(page, tablesText, async (tables, comes) => {
    await comes('the levels', async () => (await tables.locator('.levels .level').count()) === 3);
    assert.match(await tables.locator('.lead').textContent(), /sched_init.*physical.*2 MiB/s);
    await comes('the map', async () => /_text/.test(await tables.locator('.regions').textContent()));
  });
  await walk(page, tablesText, '0', '.reason', /is not present/);
  await shot(`${label}-page-tables-panel`);
  await command(page, 'View: Toggle Maximized Panel');
  await collapse(page, ['Rings', 'Trap Log']);
  await walk(page, tablesText, 'linux_banner', '.lead', /linux_banner/, (tables) => tables.locator('.verdicts .failed').first().click());
  await shot(`${label}-page-tables`);
  await command(page, 'Ringside: Focus on Descriptor Tables View');
  await collapse(page, ['Page Tables']);
  for (const [name, text] of [
    ['IDT', /asm_exc_page_fault/],
    ['GDT', /busy 64-bit TSS/],
    ['TSS', /IST1/],
  ]) {
    await inPanel(page, /copy as JSON/, async (descriptors, comes) => {
      await descriptors.getByRole('tab', { name }).click();
      await comes(`the ${name}`, async () => text.test(await descriptors.locator('.grid').textContent()));
    });
    await shot(`${label}-${name.toLowerCase()}`);
  }
}

/** Asks the Page Tables panel for an address, and waits for a part of its answer. @param then is done last */
function walk(page, panel, address, part, text, then = async () => {}) {
  return inPanel(page, panel, async (tables, comes) => {
    await tables.locator('#address').fill(address);
    await tables.locator('#address').press('Enter');
    await comes(`the walk of ${address}`, async () => text.test(await tables.locator(part).textContent()));
    await then(tables);
  });
}

export const flows = [
  {
    name: 'F5 without a launch.json, a gutter breakpoint, steps from ring 3 to ring 0',
    async run({ page, folder, shot }) {
      const line = await startInRing3({ page, folder });
      for (const step of [1, 2]) {
        await page.keyboard.press('F10');
        await stopped(page, line + step);
      }
      await page.keyboard.press('F11');
      await stopped(page, (await lineOf(folder, 'system_call:')) + 1);
      // The editor asks for the first frame alone, and for the others when there is time.
      await page.locator('.debug-call-stack').getByText('ring 3 → ring 0').first().waitFor({ timeout: STEP });
      const registers = page.locator('.debug-variables .monaco-list-row').filter({ hasText: /^eip/ });
      assert.match(await eventually('eip in the variables view', () => registers.first().textContent()), /0x0000/);
      await shot('stepping');
    },
  },
  { name: 'the panels in the dark theme', run: (context) => panels('dark', context, 'Dark Modern', 'vs-dark') },
  { name: 'the panels in the light theme', run: (context) => panels('light', context, 'Light Modern', 'vs') },
  { name: 'the panels in high contrast', run: (context) => panels('high-contrast', context, 'Dark High Contrast', 'hc-black') },
  { name: 'the VMCS in the dark theme', run: (context) => vmcsPanel('dark', context, 'Dark Modern', 'vs-dark') },
  { name: 'the VMCS in the light theme', run: (context) => vmcsPanel('light', context, 'Light Modern', 'vs') },
  { name: 'the VMCS in high contrast', run: (context) => vmcsPanel('high-contrast', context, 'Dark High Contrast', 'hc-black') },
  { name: 'a walk in two dimensions', run: (context) => nestedWalk('dark', context, 'Dark Modern', 'vs-dark') },
  ...(existsSync(KERNEL)
    ? [
        { name: 'a kernel in the dark theme', run: (context) => kernelPanels('dark', context, 'Dark Modern', 'vs-dark') },
        { name: 'a kernel in the light theme', run: (context) => kernelPanels('light', context, 'Light Modern', 'vs') },
        { name: 'a kernel in high contrast', run: (context) => kernelPanels('high-contrast', context, 'Dark High Contrast', 'hc-black') },
      ]
    : []),
];
