const assert = require('node:assert/strict');
const vscode = require('vscode');
const { start, stopAll, waitFor, messages } = require('./session.cjs');

const sample = (path) => vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, path).fsPath;

describe('what the panels are made of', () => {
  afterEach(stopAll);

  it('registers its commands and views', async () => {
    const commands = await vscode.commands.getCommands(true);
    for (const name of ['ringside.debugFile', 'ringside.exportTrapLog', 'ringside.showSerial', 'ringside.rings.focus', 'ringside.trapLog.focus', 'ringside.screen.focus']) {
      assert.ok(commands.includes(name), `no command ${name}`);
    }
  });

  it('logs every transition of the rings sample with its cause', async () => {
    const breakpoint = new vscode.FunctionBreakpoint('service');
    vscode.debug.addBreakpoints([breakpoint]);
    const { session, stopped } = await start({
      type: 'ringside',
      request: 'launch',
      name: 'rings',
      program: sample('rings/rings.asm'),
      stopOnEntry: false,
    });
    vscode.debug.removeBreakpoints([breakpoint]);
    assert.equal(stopped.reason, 'function breakpoint');
    const { rows, byCause } = await session.customRequest('ringside/transitions', { start: 0, count: 1000 });
    assert.ok(byCause['INT 0x80'] >= 1);
    const gate = rows.at(-1);
    assert.equal(gate.cause, 'CALL');
    assert.equal(gate.from.ring, 3);
    assert.equal(gate.to.ring, 1);
    const view = await session.customRequest('ringside/transition', { sequence: gate.sequence });
    assert.ok(view.checks.length > 0 && view.checks.every(({ passed }) => passed));
    assert.ok(view.details.some(({ name }) => name === 'stack switch'));
  });

  it('gives the serial line to a terminal', async () => {
    const from = messages.length;
    await vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], {
      type: 'ringside',
      request: 'launch',
      name: 'serial',
      program: sample('rings/rings.asm'),
      stopOnEntry: false,
    });
    await waitFor('serial event', ({ event }) => event === 'ringside/serial', from);
    await waitFor('end', ({ event }) => event === 'terminated', from);
    assert.ok(vscode.window.terminals.some(({ name }) => name.includes('COM1')));
  });
});
