/** The guest's serial line and debug console as a terminal; what is typed there goes to COM1. */
import * as vscode from 'vscode';
import type { SerialEvent } from '../shared/panel-protocol';
import type { SessionWatcher } from './session-watcher';

class SerialTerminal implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  readonly onDidWrite = this.written.event;
  readonly terminal: vscode.Terminal;
  private readonly session: vscode.DebugSession;
  private readonly decoder = new TextDecoder();
  /** Bytes that came before the terminal was there to show them. */
  private waiting: string[] | undefined = [];

  constructor(session: vscode.DebugSession) {
    this.session = session;
    this.terminal = vscode.window.createTerminal({ name: `${session.name}: COM1`, pty: this, iconPath: new vscode.ThemeIcon('terminal') });
  }

  open(): void {
    const waiting = this.waiting ?? [];
    this.waiting = undefined;
    for (const text of waiting) this.written.fire(text);
  }

  close(): void {}

  handleInput(text: string): void {
    const bytes = Buffer.from(text, 'utf8').toString('base64');
    this.session.customRequest('ringside/input', { kind: 'serial', port: 0, bytes }).then(undefined, () => {
      // The session has ended; there is no one to type to.
    });
  }

  show(event: SerialEvent): void {
    // A bare line feed is what guests send; a terminal wants the carriage return too.
    this.write(this.decoder.decode(Buffer.from(event.bytes, 'base64'), { stream: true }).replace(/(?<!\r)\n/g, '\r\n'));
  }

  write(text: string): void {
    if (this.waiting) this.waiting.push(text);
    else this.written.fire(text);
  }
}

export class SerialTerminals implements vscode.Disposable {
  private readonly terminals = new Map<string, SerialTerminal>();
  private readonly disposables: vscode.Disposable[] = [];
  private readonly watcher: SessionWatcher;

  constructor(watcher: SessionWatcher) {
    this.watcher = watcher;
    this.disposables.push(
      watcher.onEvent(({ session, event, body }) => {
        if (event === 'ringside/serial') this.of(session).show(body as SerialEvent);
      }),
      watcher.onDidEnd((session) => {
        this.terminals.get(session.id)?.write('\r\n\x1b[2m[the session has ended]\x1b[0m\r\n');
        this.terminals.delete(session.id);
      }),
    );
  }

  private of(session: vscode.DebugSession): SerialTerminal {
    let terminal = this.terminals.get(session.id);
    if (!terminal) {
      terminal = new SerialTerminal(session);
      this.terminals.set(session.id, terminal);
    }
    return terminal;
  }

  /** Brings the watched session's terminal to the front. */
  reveal(): void {
    if (this.watcher.session) this.of(this.watcher.session).terminal.show();
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}
