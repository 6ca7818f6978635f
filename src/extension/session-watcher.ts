/** Which debug session the panels show, and what it says. */
import * as vscode from 'vscode';
import type { PanelEventName } from '../shared/webview-messages';
import type { PanelEvents, PanelRequests, StateEvent } from '../shared/panel-protocol';

const TYPE = 'ringside';
const EVENT_PREFIX = 'ringside/';
/** Context key: the watched guest has used VMX, or tried to. */
export const USES_VMX = 'ringside.usesVmx';

/** A custom event of a session of ours. */
export interface SessionEvent<Name extends PanelEventName = PanelEventName> {
  readonly session: vscode.DebugSession;
  readonly event: Name;
  readonly body: PanelEvents[Name];
}

export class SessionWatcher implements vscode.Disposable {
  private readonly disposables: vscode.Disposable[] = [];
  private readonly changed = new vscode.EventEmitter<vscode.DebugSession | undefined>();
  private readonly events = new vscode.EventEmitter<SessionEvent>();
  private readonly ended = new vscode.EventEmitter<vscode.DebugSession>();
  private readonly live = new Set<vscode.DebugSession>();
  private current: vscode.DebugSession | undefined;
  private usesVmx = false;
  /** The watched session changed. */
  readonly onDidChange = this.changed.event;
  readonly onEvent = this.events.event;
  readonly onDidEnd = this.ended.event;

  constructor() {
    this.disposables.push(
      this.changed,
      this.events,
      this.ended,
      vscode.debug.onDidStartDebugSession((session) => {
        if (session.type !== TYPE) return;
        this.live.add(session);
        this.watch(session);
      }),
      vscode.debug.onDidTerminateDebugSession((session) => {
        if (!this.live.delete(session)) return;
        this.ended.fire(session);
        if (this.current === session) this.watch([...this.live].at(-1));
      }),
      vscode.debug.onDidChangeActiveStackItem((item) => {
        if (item?.session.type === TYPE) this.watch(item.session);
      }),
      vscode.debug.onDidReceiveDebugSessionCustomEvent(({ session, event, body }) => {
        if (session.type !== TYPE || !event.startsWith(EVENT_PREFIX)) return;
        if (event === 'ringside/state' && session === this.current) this.noteVmx(body as StateEvent);
        this.events.fire({ session, event: event as PanelEventName, body });
      }),
    );
  }

  get session(): vscode.DebugSession | undefined {
    return this.current;
  }

  private watch(session: vscode.DebugSession | undefined): void {
    if (session === this.current) return;
    this.current = session;
    void vscode.commands.executeCommand('setContext', 'ringside.sessionActive', session !== undefined);
    // What is shown at the end stays until there is something new.
    if (session) this.setVmx(false);
    this.changed.fire(session);
  }

  private noteVmx({ vcpus }: StateEvent): void {
    if (!this.usesVmx && vcpus.some(({ usesVmx }) => usesVmx)) this.setVmx(true);
  }

  private setVmx(uses: boolean): void {
    this.usesVmx = uses;
    void vscode.commands.executeCommand('setContext', USES_VMX, uses);
  }

  /** Asks the watched session. @throws Error when there is none, or with the adapter's own words */
  async request<Name extends keyof PanelRequests>(
    command: Name,
    args: PanelRequests[Name]['arguments'],
  ): Promise<PanelRequests[Name]['body']> {
    if (!this.current) throw new Error('no guest is being debugged');
    return (await this.current.customRequest(command, args)) as PanelRequests[Name]['body'];
  }

  dispose(): void {
    for (const disposable of this.disposables) disposable.dispose();
  }
}
