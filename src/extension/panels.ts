/** The views of the Ringside container. */
import * as vscode from 'vscode';
import type { PanelHost } from './panel-host';

/** View and its page's bundle. */
const PANELS: readonly (readonly [view: string, script: string])[] = [
  ['ringside.rings', 'rings.js'],
  ['ringside.trapLog', 'trap-log.js'],
  ['ringside.vmcs', 'vmcs.js'],
  ['ringside.pageTables', 'page-tables.js'],
  ['ringside.descriptors', 'descriptors.js'],
  ['ringside.screen', 'screen.js'],
];

export function registerPanels(host: PanelHost): vscode.Disposable[] {
  return PANELS.map(([id, script]) =>
    vscode.window.registerWebviewViewProvider(id, { resolveWebviewView: (view) => host.resolve(id, view, script) }),
  );
}
