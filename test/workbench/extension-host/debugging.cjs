const assert = require('node:assert/strict');
const vscode = require('vscode');
const { start, stopAll, untilStopped, waitFor, messages } = require('./session.cjs');

const folder = () => vscode.workspace.workspaceFolders[0].uri;
const sample = (path) => vscode.Uri.joinPath(folder(), path);

async function topFrame(session) {
  const { stackFrames } = await session.customRequest('stackTrace', { threadId: 1, startFrame: 0, levels: 20 });
  return stackFrames[0];
}

/** Line number, from 1, of the first line that contains a text. */
function lineOf(document, text) {
  const index = document
    .getText()
    .split('\n')
    .findIndex((line) => line.includes(text));
  assert.ok(index >= 0, `no line contains ${text}`);
  return index + 1;
}

describe('debugging a guest', () => {
  afterEach(async () => {
    vscode.debug.removeBreakpoints(vscode.debug.breakpoints);
    await stopAll();
  });

  it('starts on the open file without a launch.json and stops at its first instruction', async () => {
    const document = await vscode.workspace.openTextDocument(sample('rings/rings.asm'));
    await vscode.window.showTextDocument(document);
    const stopped = await untilStopped(() => vscode.commands.executeCommand('workbench.action.debug.start'));
    assert.equal(stopped.reason, 'entry');
    const frame = await topFrame(vscode.debug.activeDebugSession);
    // A workbench in a browser gives paths as URIs of its server.
    assert.ok(frame.source.path.endsWith(document.uri.fsPath), frame.source.path);
    assert.equal(frame.line, lineOf(document, 'boot:') + 1);
  });

  it('breaks in ring 3, shows the ring boundary, and steps into the system call', async () => {
    const uri = sample('rings/rings.asm');
    const document = await vscode.workspace.openTextDocument(uri);
    const line = lineOf(document, 'int 0x80');
    const program = lineOf(document, 'program:') + 1;
    vscode.debug.addBreakpoints([new vscode.SourceBreakpoint(new vscode.Location(uri, new vscode.Position(program - 1, 0)))]);
    const { session, stopped } = await start({ type: 'ringside', request: 'launch', name: 'rings', program: uri.fsPath });
    assert.equal(stopped.reason, 'breakpoint');
    assert.equal((await topFrame(session)).line, program);
    const state = await session.customRequest('ringside/state');
    assert.equal(state.vcpus[0].place.ring, 3);

    for (let i = 0; i < 3; i++) await untilStopped(() => session.customRequest(i < 2 ? 'next' : 'stepIn', { threadId: 1 }));
    const { stackFrames } = await session.customRequest('stackTrace', { threadId: 1 });
    assert.match(stackFrames[0].name, /system_call/);
    const label = stackFrames.find(({ presentationHint }) => presentationHint === 'label');
    assert.match(label.name, /ring 3 → ring 0/);
    assert.ok(stackFrames.some((frame) => frame.line >= line && frame.line <= line + 4));
  });

  it('shows registers, evaluates, and changes a register', async () => {
    const { session } = await start({
      type: 'ringside',
      request: 'launch',
      name: 'boot',
      program: sample('boot-sector/boot-sector.asm').fsPath,
    });
    const { id } = await topFrame(session);
    const { scopes } = await session.customRequest('scopes', { frameId: id });
    const registers = scopes.find(({ presentationHint }) => presentationHint === 'registers');
    const { variables } = await session.customRequest('variables', { variablesReference: registers.variablesReference });
    assert.ok(variables.some(({ name }) => name === 'eax'));
    await session.customRequest('setVariable', { variablesReference: registers.variablesReference, name: 'ebx', value: '0x1234' });
    const { result } = await session.customRequest('evaluate', { expression: 'ebx + 1', frameId: id, context: 'watch' });
    assert.match(result, /1235/i);
  });

  it('tells all errors of a source, with their places, and one line for the failed start', async () => {
    const uri = sample('broken.asm');
    await vscode.workspace.fs.writeFile(uri, Buffer.from('bits 16\nmov ax\nfrobnicate bx\n'));
    const from = messages.length;
    // The editor wants to show a dialog, which tests refuse.
    await vscode.debug
      .startDebugging(vscode.workspace.workspaceFolders[0], { type: 'ringside', request: 'launch', name: 'broken', program: uri.fsPath })
      .then(undefined, () => undefined);
    const launch = await waitFor('launch response', ({ type, command }) => type === 'response' && command === 'launch', from);
    assert.equal(launch.success, false);
    const outputs = messages.slice(from).filter(({ message }) => message.type === 'event' && message.event === 'output');
    const lines = outputs.map(({ message }) => message.body.line).filter((line) => line !== undefined);
    assert.deepEqual([...new Set(lines)].sort(), [2, 3]);
  });

  it("ends with the guest's exit status", async () => {
    const from = messages.length;
    const uri = sample('rings/rings.asm');
    await vscode.debug.startDebugging(vscode.workspace.workspaceFolders[0], {
      type: 'ringside',
      request: 'launch',
      name: 'rings',
      program: uri.fsPath,
      stopOnEntry: false,
    });
    const exited = await waitFor('exited event', ({ type, event }) => type === 'event' && event === 'exited', from);
    assert.equal(exited.body.exitCode, 1);
  });
});
