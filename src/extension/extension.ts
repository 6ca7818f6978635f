/** Activation: the only place where the extension's parts are put together. */
import * as vscode from 'vscode';
import { registerCommands } from './commands';
import { registerConfigurations } from './configurations';
import { startLanguageClient } from './language-client';
import { PanelHost } from './panel-host';
import { registerPanels } from './panels';
import { SerialTerminals } from './serial-terminal';
import { SessionWatcher } from './session-watcher';

export function activate(context: vscode.ExtensionContext): void {
  const watcher = new SessionWatcher();
  const panels = new PanelHost(watcher, context.extensionUri);
  const terminals = new SerialTerminals(watcher);
  context.subscriptions.push(watcher, panels, terminals, startLanguageClient(context.extensionUri));
  context.subscriptions.push(...registerConfigurations());
  context.subscriptions.push(...registerPanels(panels));
  context.subscriptions.push(...registerCommands(watcher, panels, terminals));
}
