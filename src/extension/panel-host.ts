/** The extension's side of the panels: hands messages through between their pages and the watched session. */
import * as vscode from 'vscode';
import { formatLinear } from '../shared/addresses';
import type { FromPage, PanelRequestName, ToPage } from '../shared/webview-messages';
import { openDestination } from './destinations';
import { type SessionWatcher, USES_VMX } from './session-watcher';

/** A page may ask for these and nothing else. */
const ALLOWED: ReadonlySet<PanelRequestName> = new Set<PanelRequestName>([
  'ringside/state',
  'ringside/transitions',
  'ringside/transition',
  'ringside/screen',
  'ringside/input',
  'ringside/devices',
  'ringside/descriptors',
  'ringside/pageWalk',
  'ringside/pageMap',
  'ringside/vmcs',
  'ringside/setVmcsField',
  'ringside/vmcsChecks',
  'ringside/vmcsDiff',
  'ringside/exportVmcs',
]);

export class PanelHost implements vscode.Disposable {
  private readonly watcher: SessionWatcher;
  private readonly extensionUri: vscode.Uri;
  private readonly pages = new Map<string, vscode.Webview>();
  /** Views whose page has said that it listens. */
  private readonly ready = new Set<string>();
  private readonly waiting = new Map<string, ToPage>();
  private readonly disposables: vscode.Disposable[] = [];

  constructor(watcher: SessionWatcher, extensionUri: vscode.Uri) {
    this.watcher = watcher;
    this.extensionUri = extensionUri;
    this.disposables.push(
      watcher.onDidChange(() => this.toAll(this.sessionMessage())),
      watcher.onEvent(({ session, event, body }) => {
        // Serial bytes belong to the terminal; the screen's page asks for what it shows.
        if (session === watcher.session && event !== 'ringside/serial') this.toAll({ type: 'event', event, body });
      }),
    );
  }

  private sessionMessage(): ToPage {
    const { session } = this.watcher;
    return { type: 'session', active: session !== undefined, name: session?.name };
  }

  private toAll(message: ToPage): void {
    for (const page of this.pages.values()) void page.postMessage(message);
  }

  /** Fills a view with its page. @param id the view's; @param script the page's bundle in dist/webview */
  resolve(id: string, view: vscode.WebviewView, script: string): void {
    const { webview } = view;
    const roots = ['dist/webview', 'media'].map((folder) => vscode.Uri.joinPath(this.extensionUri, folder));
    webview.options = { enableScripts: true, localResourceRoots: roots };
    webview.onDidReceiveMessage((message: FromPage) => void this.receive(id, webview, message), undefined, this.disposables);
    view.onDidDispose(() => this.forget(id), undefined, this.disposables);
    // A page that is hidden is gone, and comes anew.
    view.onDidChangeVisibility(() => this.ready.delete(id), undefined, this.disposables);
    this.ready.delete(id);
    this.pages.set(id, webview);
    webview.html = this.html(webview, script, view.title ?? id);
  }

  private forget(id: string): void {
    this.pages.delete(id);
    this.ready.delete(id);
  }

  /** Nothing but our own script and style sheet may load; styles that a script sets are the page's own. */
  private html(webview: vscode.Webview, script: string, title: string): string {
    const uri = (...parts: string[]): string => webview.asWebviewUri(vscode.Uri.joinPath(this.extensionUri, ...parts)).toString();
    const policy = [
      "default-src 'none'",
      `script-src ${webview.cspSource}`,
      `style-src ${webview.cspSource}`,
      `font-src ${webview.cspSource}`,
      'img-src data: blob:',
    ].join('; ');
    return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="${uri('media', 'panels.css')}">
</head>
<body><main id="root"></main><script src="${uri('dist', 'webview', script)}"></script></body>
</html>`;
  }

  private async receive(id: string, webview: vscode.Webview, message: FromPage): Promise<void> {
    switch (message.type) {
      case 'ready':
        await webview.postMessage(this.sessionMessage());
        await this.deliver(id);
        return;
      case 'request':
        await webview.postMessage(await this.answer(message));
        return;
      case 'open':
        if (message.destination.kind === 'transition') await this.showTransition(message.destination.sequence);
        else if (message.destination.kind === 'walk') await this.walkPages(formatLinear(message.destination.address));
        else await openDestination(this.watcher.session, message.destination);
        return;
      case 'copy':
        await vscode.env.clipboard.writeText(message.text);
        return;
      case 'export':
        await vscode.commands.executeCommand('ringside.exportTrapLog');
        return;
      default:
    }
  }

  private async answer({ id, command, arguments: args }: Extract<FromPage, { type: 'request' }>): Promise<ToPage> {
    if (!ALLOWED.has(command)) return { type: 'response', id, error: `a panel may not ask for ${command}` };
    try {
      return {
        type: 'response',
        id,
        body: await this.watcher.request(command, args as never),
      };
    } catch (error) {
      return { type: 'response', id, error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Unfolds an entry in the trap log. */
  async showTransition(sequence: number): Promise<void> {
    await this.show('ringside.trapLog', { type: 'showTransition', sequence });
  }

  /** Walks the page tables for an address. @param address or an expression that gives one */
  async walkPages(address: string): Promise<void> {
    await this.show('ringside.pageTables', { type: 'walk', address });
  }

  /** Makes all checks of VM entry in the VMCS panel. */
  async checkVmcs(): Promise<void> {
    await vscode.commands.executeCommand('setContext', USES_VMX, true);
    await this.show('ringside.vmcs', { type: 'checkVmcs' });
  }

  /** Opens a view and tells its page something, as soon as there is one. */
  private async show(id: string, message: ToPage): Promise<void> {
    this.waiting.set(id, message);
    await vscode.commands.executeCommand(`${id}.focus`);
    if (this.ready.has(id)) await this.deliver(id);
  }

  private async deliver(id: string): Promise<void> {
    this.ready.add(id);
    const message = this.waiting.get(id);
    this.waiting.delete(id);
    if (message) await this.pages.get(id)?.postMessage(message);
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}
