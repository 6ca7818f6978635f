/** What the VMCS panel asks for and gets: part of `panel-protocol.ts`. Values are hex strings with the field's width. */
import type { PlaceInCode } from './panel-protocol';
import type { VmxOperation } from './transition';

export interface VmcsPartView {
  readonly name: string;
  readonly value: string;
  /** The bits are not all 0. */
  readonly set: boolean;
  readonly meaning?: string;
}

export interface VmcsFieldView {
  /** `guestRip`. */
  readonly key: string;
  /** `guest RIP`. */
  readonly name: string;
  readonly encoding: string;
  /** `16`, `32`, `64`, or `natural` for the width of the processor's registers. */
  readonly width: string;
  readonly group: string;
  /** VMWRITE refuses it; here it can be changed all the same. */
  readonly readOnly: boolean;
  readonly value: string;
  readonly meaning?: string;
  readonly purpose: string;
  readonly parts: readonly VmcsPartView[];
  /** Where an address leads. */
  readonly at?: PlaceInCode;
  readonly memoryReference?: string;
  /** The value before, where it changed: see `VmcsBody.since`. */
  readonly previous?: string;
}

export interface VmcsValueView {
  readonly name: string;
  readonly value: string;
  readonly meaning?: string;
  /** Key of the field that it is of. */
  readonly field?: string;
}

/** A check of VM entry that does not hold. */
export interface VmcsCheckView {
  readonly id: string;
  readonly area: string;
  readonly section: string;
  readonly rule: string;
  readonly values: readonly VmcsValueView[];
}

export interface VmcsChecksBody {
  readonly total: number;
  readonly byArea: Readonly<Record<string, number>>;
  readonly failing: readonly VmcsCheckView[];
}

/** Why the last VMX instruction or entry was refused; what it saw was taken then. */
export interface VmxFailureView {
  readonly instruction: string;
  readonly number?: number;
  readonly title: string;
  readonly explanation?: string;
  readonly values: readonly VmcsValueView[];
  readonly count: number;
  readonly at: PlaceInCode;
  readonly checks: readonly VmcsCheckView[];
}

/** A VM entry or exit. */
export interface VmxMomentView {
  readonly sequence: number;
  readonly kind: 'entry' | 'exit' | 'failed entry';
  /** Instructions executed before it. */
  readonly count: number;
  /** Address of the VMCS. */
  readonly vmcs: string;
  readonly what: string;
  readonly reason?: number;
}

export interface VmcsBody {
  /** The processor has VMX. */
  readonly available: boolean;
  readonly operation: VmxOperation;
  readonly vmxonPointer?: { readonly address: string; readonly memoryReference: string };
  /** Absent without a current VMCS. */
  readonly region?: {
    readonly address: string;
    readonly memoryReference: string;
    readonly launched: boolean;
    readonly abortIndicator: number;
    readonly shadow: boolean;
  };
  readonly fields: readonly VmcsFieldView[];
  /** What marks compare with: the last exit; where nothing has changed since, what came before it. */
  readonly since?: VmxMomentView;
  readonly failure?: VmxFailureView;
  /** Entries and exits, the latest first. */
  readonly history: readonly VmxMomentView[];
  readonly moments: number;
}

export interface VmcsDiffBody {
  readonly from: VmxMomentView;
  /** Absent for the VMCS as it is now. */
  readonly to?: VmxMomentView;
  readonly fields: readonly {
    readonly key: string;
    readonly name: string;
    readonly group: string;
    readonly before: string;
    readonly after: string;
    /** What became of its parts: `IF 0 → 1`. */
    readonly changes: readonly string[];
    readonly meaning?: string;
  }[];
}

export interface VmcsRequests {
  'ringside/vmcs': { arguments: { readonly vcpu: number }; body: VmcsBody };
  /** @param value an expression, as in the Variables view */
  'ringside/setVmcsField': { arguments: { readonly vcpu: number; readonly field: string; readonly value: string }; body: void };
  'ringside/vmcsChecks': { arguments: { readonly vcpu: number }; body: VmcsChecksBody };
  /** @param to absent for the VMCS as it is now */
  'ringside/vmcsDiff': { arguments: { readonly vcpu: number; readonly from: number; readonly to?: number }; body: VmcsDiffBody };
  'ringside/exportVmcs': { arguments: { readonly vcpu: number; readonly format: 'text' | 'json' }; body: { readonly text: string } };
}
