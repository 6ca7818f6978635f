/** The record of every change of privilege or operation: see `engines/transitions.ts` for the log that holds them. */

/** In the order of their codes in the log's columns. */
export type TransitionKind =
  | 'exception'
  | 'interrupt'
  | 'gate'
  | 'syscall'
  | 'return'
  | 'task-switch'
  | 'mode-change'
  | 'callout'
  | 'hypercall'
  | 'vm-exit'
  | 'vm-entry'
  | 'linux-syscall'
  | 'signal'
  | 'cgroup';

export type Ring = 0 | 1 | 2 | 3;

export type ProcessorMode = 'real' | 'virtual-8086' | 'protected-16' | 'protected-32' | 'compatibility' | 'long';

export type VmxOperation = 'off' | 'root' | 'non-root';

/** Where the processor is, as far as privilege goes. */
export interface Place {
  /** The current privilege level in hardware. */
  readonly ring: Ring;
  /** The ring that the guest believes it is in; differs from `ring` under a monitor that deprivileges it. */
  readonly guestRing: Ring;
  readonly mode: ProcessorMode;
  readonly vmx: VmxOperation;
  /** Xen domain or container, where there is one. */
  readonly domain?: string;
}

/** One decoded fact of a transition, unfolded in place in the trap log. */
export interface TransitionDetail {
  /** Field name in the manual's words, such as `error code` or `gate DPL`. */
  readonly name: string;
  /** The value in the field's notation. */
  readonly value: string;
  /** What it means here, in one sentence; absent where the value speaks for itself. */
  readonly meaning?: string;
  /** A linear address to link to, where the value is one. */
  readonly address?: number;
}

/** One check that the processor made on the way, with both values. */
export interface TransitionCheck {
  readonly id: string;
  /** The manual's chapter or section by title. */
  readonly manual: string;
  readonly passed: boolean;
  /** The check with its values put in, as `CPL 3 ≤ gate DPL 3`. */
  readonly text: string;
}

export interface Transition {
  readonly sequence: number;
  /** Instructions executed before it, on this session's clock. */
  readonly count: number;
  readonly vcpu: number;
  readonly kind: TransitionKind;
  readonly from: Place;
  readonly to: Place;
  readonly cause: { readonly number?: number; readonly name: string };
  /** Linear address of the instruction that caused it (for an interrupt: of the one that would have been next). */
  readonly address: number;
  /** The same as selector and offset, and where execution went. */
  readonly source: { readonly selector: number; readonly offset: number };
  readonly target: { readonly selector: number; readonly offset: number };
  readonly details: readonly TransitionDetail[];
  readonly checks: readonly TransitionCheck[];
}
