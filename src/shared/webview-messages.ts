/** The whole protocol between the extension and its panels' pages. A page is a view: it keeps nothing that it cannot ask for again. */
import type { PanelEvents, PanelRequests } from './panel-protocol';

export type PanelRequestName = keyof PanelRequests;
export type PanelEventName = keyof PanelEvents;

/** From the extension to a page. */
export type ToPage =
  /** A debug session is watched now, or none. */
  | { readonly type: 'session'; readonly active: boolean; readonly name?: string }
  | { readonly type: 'event'; readonly event: PanelEventName; readonly body: PanelEvents[PanelEventName] }
  | { readonly type: 'response'; readonly id: number; readonly body?: unknown; readonly error?: string }
  /** The trap log is to show one entry. */
  | { readonly type: 'showTransition'; readonly sequence: number }
  /** The page tables are to show the walk of an address. */
  | { readonly type: 'walk'; readonly address: string }
  /** The VMCS panel is to make all checks of VM entry. */
  | { readonly type: 'checkVmcs' };

/** Where a click leads. */
export type Destination =
  | { readonly kind: 'source'; readonly path: string; readonly line: number }
  | { readonly kind: 'disassembly'; readonly address: number }
  | { readonly kind: 'memory'; readonly memoryReference: string }
  | { readonly kind: 'transition'; readonly sequence: number }
  /** The page walk of a linear address. */
  | { readonly kind: 'walk'; readonly address: number };

/** From a page to the extension. */
export type FromPage =
  | { readonly type: 'ready' }
  | { readonly type: 'request'; readonly id: number; readonly command: PanelRequestName; readonly arguments: unknown }
  | { readonly type: 'open'; readonly destination: Destination }
  | { readonly type: 'copy'; readonly text: string }
  | { readonly type: 'export' };
