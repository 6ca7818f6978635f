/** The palette's commands. */
import * as vscode from 'vscode';
import { configurationFor } from './configurations';
import type { PanelHost } from './panel-host';
import type { SerialTerminals } from './serial-terminal';
import type { SessionWatcher } from './session-watcher';

export function registerCommands(watcher: SessionWatcher, panels: PanelHost, terminals: SerialTerminals): vscode.Disposable[] {
  const commands: Readonly<Record<string, (argument?: unknown) => unknown>> = {
    'ringside.debugFile': debugFile,
    'ringside.exportTrapLog': () => exportTrapLog(watcher),
    'ringside.showSerial': () => terminals.reveal(),
    'ringside.walkPages': (argument) => walkPages(argument, panels),
    'ringside.checkVmcs': () => panels.checkVmcs(),
    'ringside.exportVmcs': () => exportVmcs(watcher),
    'ringside.showTransition': (sequence) => (typeof sequence === 'number' ? panels.showTransition(sequence) : undefined),
  };
  return Object.entries(commands).map(([name, action]) => vscode.commands.registerCommand(name, action));
}

async function debugFile(argument: unknown): Promise<void> {
  const uri = argument instanceof vscode.Uri ? argument : vscode.window.activeTextEditor?.document.uri;
  if (!uri) {
    void vscode.window.showErrorMessage('Open the program that is to be debugged first.');
    return;
  }
  await vscode.debug.startDebugging(vscode.workspace.getWorkspaceFolder(uri), configurationFor(uri.fsPath));
}

/** From a panel's or the variables' context menu, or from the palette, which asks for the address. */
async function walkPages(argument: unknown, panels: PanelHost): Promise<void> {
  const given = argument as { readonly ringsideAddress?: string; readonly variable?: { readonly memoryReference?: string } } | undefined;
  const address =
    given?.ringsideAddress ??
    given?.variable?.memoryReference ??
    (await vscode.window.showInputBox({ prompt: 'Linear address, symbol, register or any expression', placeHolder: '0xffffffff81000000' }));
  if (address) await panels.walkPages(address);
}

/** Writes the current VMCS of the processor in focus, as text or as JSON by the file's name. */
async function exportVmcs(watcher: SessionWatcher): Promise<void> {
  if (!watcher.session) {
    void vscode.window.showErrorMessage('No guest is being debugged, so there is no VMCS to export.');
    return;
  }
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const target = await vscode.window.showSaveDialog({
    defaultUri: folder && vscode.Uri.joinPath(folder, 'vmcs.txt'),
    filters: { Text: ['txt'], JSON: ['json'] },
  });
  if (!target) return;
  const format = target.path.endsWith('.json') ? 'json' : 'text';
  const item = vscode.debug.activeStackItem;
  const vcpu = item?.session === watcher.session ? Math.max(0, item.threadId - 1) : 0;
  const { text } = await watcher.request('ringside/exportVmcs', { vcpu, format });
  await vscode.workspace.fs.writeFile(target, Buffer.from(text, 'utf8'));
}

/** Writes the whole log, a JSON object a line. */
async function exportTrapLog(watcher: SessionWatcher): Promise<void> {
  if (!watcher.session) {
    void vscode.window.showErrorMessage('No guest is being debugged, so there is no trap log to export.');
    return;
  }
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const target = await vscode.window.showSaveDialog({
    defaultUri: folder && vscode.Uri.joinPath(folder, 'trap-log.jsonl'),
    filters: { 'JSON Lines': ['jsonl'] },
  });
  if (!target) return;
  const chunks: Uint8Array[] = [];
  let start: number | undefined;
  do {
    const body = await watcher.request('ringside/exportTransitions', { start });
    chunks.push(Buffer.from(body.lines, 'utf8'));
    start = body.next;
  } while (start !== undefined);
  await vscode.workspace.fs.writeFile(target, Buffer.concat(chunks));
}
