/**
 * Bits of the VM-execution, VM-exit and VM-entry controls (manual, "VM-Execution Control Fields" and the two chapters behind it): what each
 * is called and whether this processor has it. Capability MSRs, checks and views are made of this table.
 */

/** A bit: its place and the manual's name for it; `supported` ones may be 1. */
interface ControlBit {
  readonly bit: number;
  readonly name: string;
  readonly supported: boolean;
}

type Source = Readonly<Record<string, readonly [bit: number, name: string, absent?: 'absent']>>;

export interface ControlWord<K extends string = string> {
  readonly bits: Readonly<Record<K, ControlBit>>;
  /** Masks by key. */
  readonly mask: Readonly<Record<K, number>>;
  /** Bits that are reserved and 1 on processors without the TRUE capability MSRs (manual, "Default1"). */
  readonly default1: number;
  /** Of those, what may be 0 all the same: the TRUE MSRs say so. */
  readonly flexible: number;
  /** Unsigned. */
  readonly supported: number;
}

function controlWord<T extends Source>(
  source: T,
  default1 = 0,
  flexible: readonly (keyof T & string)[] = [],
): ControlWord<keyof T & string> {
  type K = keyof T & string;
  const entries = Object.entries(source).map(
    ([key, [bit, name, absent]]) => [key, { bit, name, supported: absent === undefined }] as const,
  );
  const mask = Object.fromEntries(entries.map(([key, { bit }]) => [key, (1 << bit) >>> 0])) as Readonly<Record<K, number>>;
  return {
    bits: Object.fromEntries(entries) as Readonly<Record<K, ControlBit>>,
    mask,
    default1: default1 >>> 0,
    flexible: flexible.reduce((all, key) => (all | mask[key]) >>> 0, 0),
    supported: entries.reduce((all, [key, { supported }]) => (supported ? (all | mask[key as K]) >>> 0 : all), 0),
  };
}

export const PIN_CONTROLS = controlWord(
  {
    externalInterruptExiting: [0, 'external-interrupt exiting'],
    nmiExiting: [3, 'NMI exiting'],
    virtualNmis: [5, 'virtual NMIs'],
    preemptionTimer: [6, 'activate VMX-preemption timer'],
    postedInterrupts: [7, 'process posted interrupts', 'absent'],
  },
  0x16,
);

export const PRIMARY_CONTROLS = controlWord(
  {
    interruptWindowExiting: [2, 'interrupt-window exiting'],
    tscOffsetting: [3, 'use TSC offsetting'],
    hltExiting: [7, 'HLT exiting'],
    invlpgExiting: [9, 'INVLPG exiting'],
    mwaitExiting: [10, 'MWAIT exiting'],
    rdpmcExiting: [11, 'RDPMC exiting'],
    rdtscExiting: [12, 'RDTSC exiting'],
    cr3LoadExiting: [15, 'CR3-load exiting'],
    cr3StoreExiting: [16, 'CR3-store exiting'],
    tertiaryControls: [17, 'activate tertiary controls', 'absent'],
    cr8LoadExiting: [19, 'CR8-load exiting'],
    cr8StoreExiting: [20, 'CR8-store exiting'],
    tprShadow: [21, 'use TPR shadow'],
    nmiWindowExiting: [22, 'NMI-window exiting'],
    movDrExiting: [23, 'MOV-DR exiting'],
    unconditionalIoExiting: [24, 'unconditional I/O exiting'],
    ioBitmaps: [25, 'use I/O bitmaps'],
    monitorTrapFlag: [27, 'monitor trap flag'],
    msrBitmaps: [28, 'use MSR bitmaps'],
    monitorExiting: [29, 'MONITOR exiting'],
    pauseExiting: [30, 'PAUSE exiting'],
    secondaryControls: [31, 'activate secondary controls'],
  },
  0x0401e172,
  ['cr3LoadExiting', 'cr3StoreExiting'],
);

export const SECONDARY_CONTROLS = controlWord({
  apicAccesses: [0, 'virtualize APIC accesses'],
  ept: [1, 'enable EPT'],
  descriptorTableExiting: [2, 'descriptor-table exiting'],
  rdtscp: [3, 'enable RDTSCP'],
  x2apic: [4, 'virtualize x2APIC mode', 'absent'],
  vpid: [5, 'enable VPID'],
  wbinvdExiting: [6, 'WBINVD exiting'],
  unrestrictedGuest: [7, 'unrestricted guest'],
  apicRegisters: [8, 'APIC-register virtualization', 'absent'],
  virtualInterruptDelivery: [9, 'virtual-interrupt delivery', 'absent'],
  pauseLoopExiting: [10, 'PAUSE-loop exiting'],
  rdrandExiting: [11, 'RDRAND exiting'],
  invpcid: [12, 'enable INVPCID'],
  vmFunctions: [13, 'enable VM functions'],
  vmcsShadowing: [14, 'VMCS shadowing'],
  enclsExiting: [15, 'enable ENCLS exiting', 'absent'],
  rdseedExiting: [16, 'RDSEED exiting'],
  pml: [17, 'enable PML'],
  eptViolationVe: [18, 'EPT-violation #VE', 'absent'],
  concealFromPt: [19, 'conceal VMX from PT', 'absent'],
  xsaves: [20, 'enable XSAVES/XRSTORS'],
  modeBasedExecute: [22, 'mode-based execute control for EPT', 'absent'],
  subPageWrite: [23, 'sub-page write permissions for EPT', 'absent'],
  ptUsesGuestPhysical: [24, 'Intel PT uses guest physical addresses', 'absent'],
  tscScaling: [25, 'use TSC scaling', 'absent'],
  userWaitPause: [26, 'enable user wait and pause', 'absent'],
  enclvExiting: [28, 'enable ENCLV exiting', 'absent'],
});

export const EXIT_CONTROLS = controlWord(
  {
    saveDebugControls: [2, 'save debug controls'],
    hostAddressSpaceSize: [9, 'host address-space size'],
    loadPerfGlobalCtrl: [12, 'load IA32_PERF_GLOBAL_CTRL', 'absent'],
    acknowledgeInterrupt: [15, 'acknowledge interrupt on exit'],
    savePat: [18, 'save IA32_PAT'],
    loadPat: [19, 'load IA32_PAT'],
    saveEfer: [20, 'save IA32_EFER'],
    loadEfer: [21, 'load IA32_EFER'],
    savePreemptionTimer: [22, 'save VMX-preemption timer value'],
    clearBndcfgs: [23, 'clear IA32_BNDCFGS', 'absent'],
    concealFromPt: [24, 'conceal VMX from PT', 'absent'],
    clearRtitCtl: [25, 'clear IA32_RTIT_CTL', 'absent'],
    loadCet: [28, 'load CET state', 'absent'],
    loadPkrs: [29, 'load PKRS', 'absent'],
  },
  0x00036dff,
  ['saveDebugControls'],
);

export const ENTRY_CONTROLS = controlWord(
  {
    loadDebugControls: [2, 'load debug controls'],
    ia32eModeGuest: [9, 'IA-32e mode guest'],
    entryToSmm: [10, 'entry to SMM', 'absent'],
    deactivateDualMonitor: [11, 'deactivate dual-monitor treatment', 'absent'],
    loadPerfGlobalCtrl: [13, 'load IA32_PERF_GLOBAL_CTRL', 'absent'],
    loadPat: [14, 'load IA32_PAT'],
    loadEfer: [15, 'load IA32_EFER'],
    loadBndcfgs: [16, 'load IA32_BNDCFGS', 'absent'],
    concealFromPt: [17, 'conceal VMX from PT', 'absent'],
    loadRtitCtl: [18, 'load IA32_RTIT_CTL', 'absent'],
    loadCet: [20, 'load CET state', 'absent'],
    loadPkrs: [22, 'load PKRS', 'absent'],
  },
  0x000011ff,
  ['loadDebugControls'],
);

/** VM functions. */
export const VM_FUNCTIONS = controlWord({ eptpSwitching: [0, 'EPTP switching'] });
