/** What of a VMCS decides how a guest's addresses are translated; in force from VM entry to VM exit. */

/** The page-modification log (manual, "Page-Modification Logging"). */
export interface PmlContext {
  /** Physical address of the log's page. */
  readonly address: number;
  /** Index of the next entry, counting down; beyond 511 the log is full. */
  index: number;
}

export interface GuestContext {
  /** Low and high half of the EPT pointer; absent when EPT is not enabled. */
  readonly eptPointer?: readonly [low: number, high: number];
  /** 0 when VPIDs are not enabled. */
  readonly vpid: number;
  /** Physical address of the APIC-access page, or -1. */
  readonly apicAccessPage: number;
  /** Physical address of the virtual-APIC page where there is a TPR shadow, else -1. */
  readonly virtualApicPage: number;
  readonly pml?: PmlContext;
}
