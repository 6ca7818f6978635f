/** A page's line to the extension. */
import type { PanelEvents, PanelRequests } from '../shared/panel-protocol';
import type { Destination, FromPage, PanelEventName, PanelRequestName, ToPage } from '../shared/webview-messages';

interface EditorApi {
  postMessage(message: FromPage): void;
}

declare function acquireVsCodeApi(): EditorApi;

interface Waiting {
  readonly resolve: (body: never) => void;
  readonly reject: (error: Error) => void;
}

export interface Handlers {
  /** A session is watched now, or none. */
  session(active: boolean): void;
  event<Name extends PanelEventName>(event: Name, body: PanelEvents[Name]): void;
  showTransition?(sequence: number): void;
  walk?(address: string): void;
  checkVmcs?(): void;
}

export class Connection {
  private readonly api = acquireVsCodeApi();
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;

  constructor(handlers: Handlers) {
    window.addEventListener('message', ({ data }: MessageEvent<ToPage>) => {
      switch (data.type) {
        case 'session':
          handlers.session(data.active);
          break;
        case 'event':
          handlers.event(data.event, data.body);
          break;
        case 'response':
          this.settle(data);
          break;
        case 'showTransition':
          handlers.showTransition?.(data.sequence);
          break;
        case 'walk':
          handlers.walk?.(data.address);
          break;
        case 'checkVmcs':
          handlers.checkVmcs?.();
          break;
        default:
      }
    });
    this.api.postMessage({ type: 'ready' });
  }

  private settle({ id, body, error }: Extract<ToPage, { type: 'response' }>): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(body as never);
    else waiting?.reject(new Error(error));
  }

  request<Name extends PanelRequestName>(command: Name, args: PanelRequests[Name]['arguments']): Promise<PanelRequests[Name]['body']> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.api.postMessage({ type: 'request', id, command, arguments: args });
    });
  }

  open(destination: Destination): void {
    this.api.postMessage({ type: 'open', destination });
  }

  copy(text: string): void {
    this.api.postMessage({ type: 'copy', text });
  }

  exportLog(): void {
    this.api.postMessage({ type: 'export' });
  }
}
