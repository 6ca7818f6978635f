const assert = require('node:assert/strict');
const vscode = require('vscode');
const { start, stopAll, waitFor, messages } = require('./session.cjs');

const sample = (path) => vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, path).fsPath;

describe('what the panels are made of', () => {
  afterEach(stopAll);

  it('registers its commands and views', async () => {
    const commands = await vscode.commands.getCommands(true);
    for (const name of [
      'ringside.debugFile',
      'ringside.exportTrapLog',
      'ringside.showSerial',
      'ringside.rings.focus',
      'ringside.trapLog.focus',
      'ringside.pageTables.focus',
      'ringside.descriptors.focus',
      'ringside.walkPages',
      'ringside.checkVmcs',
      'ringside.exportVmcs',
      'ringside.vmcs.focus',
      'ringside.screen.focus',
    ]) {
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

describe('editing assembly', () => {
  it('marks problems, and explains an instruction on hover', async () => {
    const uri = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, 'typo.asm');
    await vscode.workspace.fs.writeFile(uri, Buffer.from('bits 32\ncli\nmvo eax, 1\n'));
    const document = await vscode.workspace.openTextDocument(uri);
    assert.equal(document.languageId, 'nasm');
    await vscode.window.showTextDocument(document);
    const problems = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no problems came')), 30_000);
      const look = () => {
        const found = vscode.languages.getDiagnostics(uri);
        if (found.length === 0) return;
        clearTimeout(timer);
        subscription.dispose();
        resolve(found);
      };
      const subscription = vscode.languages.onDidChangeDiagnostics(look);
      look();
    });
    assert.deepEqual(
      problems.map(({ range }) => range.start.line),
      [2],
    );
    const [hover] = await vscode.commands.executeCommand('vscode.executeHoverProvider', uri, new vscode.Position(1, 1));
    assert.match(hover.contents.map(({ value }) => value).join(), /CLI/);
  });
});
