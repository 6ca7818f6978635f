/** Every field of a VMCS (manual, "Field Encoding in VMCS"), with its group as in the manual's "VMCS Data". */

/** Bits of a field: 16, 32 or 64, or those of the processor's registers. */
export type FieldWidth = 16 | 32 | 64 | 'natural';

export type FieldGroup =
  | 'guest registers'
  | 'guest non-register state'
  | 'host state'
  | 'pin-based, processor-based and exception controls'
  | 'addresses and offsets for execution'
  | 'VM-exit controls'
  | 'VM-entry controls'
  | 'VM-exit information';

type Row = readonly [encoding: number, key: string, name: string];

const SEGMENT_NAMES = ['Es', 'Cs', 'Ss', 'Ds', 'Fs', 'Gs', 'Ldtr', 'Tr'] as const;
type SegmentName = (typeof SEGMENT_NAMES)[number];
const segments = <const A extends string, const B extends string>(first: number, before: A, after: B, what: string) =>
  SEGMENT_NAMES.map(
    (name, i) => [first + 2 * i, `${before}${name}${after}`, `${before} ${name.toUpperCase()} ${what}`] as const,
  ) as (readonly [number, `${A}${SegmentName}${B}`, string])[];

const GROUPS = {
  'guest registers': [
    [0x6800, 'guestCr0', 'guest CR0'],
    [0x6802, 'guestCr3', 'guest CR3'],
    [0x6804, 'guestCr4', 'guest CR4'],
    [0x681a, 'guestDr7', 'guest DR7'],
    [0x681c, 'guestRsp', 'guest RSP'],
    [0x681e, 'guestRip', 'guest RIP'],
    [0x6820, 'guestRflags', 'guest RFLAGS'],
    ...segments(0x0800, 'guest', 'Selector', 'selector'),
    ...segments(0x6806, 'guest', 'Base', 'base'),
    ...segments(0x4800, 'guest', 'Limit', 'limit'),
    ...segments(0x4814, 'guest', 'AccessRights', 'access rights'),
    [0x6816, 'guestGdtrBase', 'guest GDTR base'],
    [0x6818, 'guestIdtrBase', 'guest IDTR base'],
    [0x4810, 'guestGdtrLimit', 'guest GDTR limit'],
    [0x4812, 'guestIdtrLimit', 'guest IDTR limit'],
    [0x2802, 'guestDebugctl', 'guest IA32_DEBUGCTL'],
    [0x482a, 'guestSysenterCs', 'guest IA32_SYSENTER_CS'],
    [0x6824, 'guestSysenterEsp', 'guest IA32_SYSENTER_ESP'],
    [0x6826, 'guestSysenterEip', 'guest IA32_SYSENTER_EIP'],
    [0x2804, 'guestPat', 'guest IA32_PAT'],
    [0x2806, 'guestEfer', 'guest IA32_EFER'],
    [0x4828, 'guestSmbase', 'guest SMBASE'],
  ],
  'guest non-register state': [
    [0x4826, 'guestActivityState', 'guest activity state'],
    [0x4824, 'guestInterruptibilityState', 'guest interruptibility state'],
    [0x6822, 'guestPendingDebugExceptions', 'guest pending debug exceptions'],
    [0x2800, 'vmcsLinkPointer', 'VMCS link pointer'],
    [0x482e, 'preemptionTimerValue', 'VMX-preemption timer value'],
    [0x280a, 'guestPdpte0', 'guest PDPTE0'],
    [0x280c, 'guestPdpte1', 'guest PDPTE1'],
    [0x280e, 'guestPdpte2', 'guest PDPTE2'],
    [0x2810, 'guestPdpte3', 'guest PDPTE3'],
    [0x0812, 'pmlIndex', 'PML index'],
  ],
  'host state': [
    [0x6c00, 'hostCr0', 'host CR0'],
    [0x6c02, 'hostCr3', 'host CR3'],
    [0x6c04, 'hostCr4', 'host CR4'],
    [0x6c14, 'hostRsp', 'host RSP'],
    [0x6c16, 'hostRip', 'host RIP'],
    [0x0c00, 'hostEsSelector', 'host ES selector'],
    [0x0c02, 'hostCsSelector', 'host CS selector'],
    [0x0c04, 'hostSsSelector', 'host SS selector'],
    [0x0c06, 'hostDsSelector', 'host DS selector'],
    [0x0c08, 'hostFsSelector', 'host FS selector'],
    [0x0c0a, 'hostGsSelector', 'host GS selector'],
    [0x0c0c, 'hostTrSelector', 'host TR selector'],
    [0x6c06, 'hostFsBase', 'host FS base'],
    [0x6c08, 'hostGsBase', 'host GS base'],
    [0x6c0a, 'hostTrBase', 'host TR base'],
    [0x6c0c, 'hostGdtrBase', 'host GDTR base'],
    [0x6c0e, 'hostIdtrBase', 'host IDTR base'],
    [0x4c00, 'hostSysenterCs', 'host IA32_SYSENTER_CS'],
    [0x6c10, 'hostSysenterEsp', 'host IA32_SYSENTER_ESP'],
    [0x6c12, 'hostSysenterEip', 'host IA32_SYSENTER_EIP'],
    [0x2c00, 'hostPat', 'host IA32_PAT'],
    [0x2c02, 'hostEfer', 'host IA32_EFER'],
  ],
  'pin-based, processor-based and exception controls': [
    [0x4000, 'pinControls', 'pin-based VM-execution controls'],
    [0x4002, 'primaryControls', 'primary processor-based VM-execution controls'],
    [0x401e, 'secondaryControls', 'secondary processor-based VM-execution controls'],
    [0x4004, 'exceptionBitmap', 'exception bitmap'],
    [0x4006, 'pageFaultMask', 'page-fault error-code mask'],
    [0x4008, 'pageFaultMatch', 'page-fault error-code match'],
  ],
  'addresses and offsets for execution': [
    [0x2000, 'ioBitmapA', 'address of I/O bitmap A'],
    [0x2002, 'ioBitmapB', 'address of I/O bitmap B'],
    [0x2010, 'tscOffset', 'TSC offset'],
    [0x6000, 'cr0Mask', 'CR0 guest/host mask'],
    [0x6002, 'cr4Mask', 'CR4 guest/host mask'],
    [0x6004, 'cr0Shadow', 'CR0 read shadow'],
    [0x6006, 'cr4Shadow', 'CR4 read shadow'],
    [0x400a, 'cr3TargetCount', 'CR3-target count'],
    [0x6008, 'cr3Target0', 'CR3-target value 0'],
    [0x600a, 'cr3Target1', 'CR3-target value 1'],
    [0x600c, 'cr3Target2', 'CR3-target value 2'],
    [0x600e, 'cr3Target3', 'CR3-target value 3'],
    [0x2012, 'virtualApicAddress', 'virtual-APIC address'],
    [0x2014, 'apicAccessAddress', 'APIC-access address'],
    [0x401c, 'tprThreshold', 'TPR threshold'],
    [0x2004, 'msrBitmaps', 'address of MSR bitmaps'],
    [0x200c, 'executiveVmcsPointer', 'executive-VMCS pointer'],
    [0x201a, 'eptPointer', 'EPT pointer'],
    [0x0000, 'vpid', 'virtual-processor identifier (VPID)'],
    [0x4020, 'pleGap', 'PLE_Gap'],
    [0x4022, 'pleWindow', 'PLE_Window'],
    [0x2018, 'vmFunctionControls', 'VM-function controls'],
    [0x2024, 'eptpListAddress', 'EPTP-list address'],
    [0x2026, 'vmreadBitmap', 'VMREAD-bitmap address'],
    [0x2028, 'vmwriteBitmap', 'VMWRITE-bitmap address'],
    [0x200e, 'pmlAddress', 'PML address'],
    [0x202c, 'xssExitingBitmap', 'XSS-exiting bitmap'],
  ],
  'VM-exit controls': [
    [0x400c, 'exitControls', 'VM-exit controls'],
    [0x400e, 'exitMsrStoreCount', 'VM-exit MSR-store count'],
    [0x2006, 'exitMsrStoreAddress', 'VM-exit MSR-store address'],
    [0x4010, 'exitMsrLoadCount', 'VM-exit MSR-load count'],
    [0x2008, 'exitMsrLoadAddress', 'VM-exit MSR-load address'],
  ],
  'VM-entry controls': [
    [0x4012, 'entryControls', 'VM-entry controls'],
    [0x4014, 'entryMsrLoadCount', 'VM-entry MSR-load count'],
    [0x200a, 'entryMsrLoadAddress', 'VM-entry MSR-load address'],
    [0x4016, 'entryInterruptionInfo', 'VM-entry interruption-information field'],
    [0x4018, 'entryExceptionErrorCode', 'VM-entry exception error code'],
    [0x401a, 'entryInstructionLength', 'VM-entry instruction length'],
  ],
  'VM-exit information': [
    [0x4402, 'exitReason', 'exit reason'],
    [0x6400, 'exitQualification', 'exit qualification'],
    [0x640a, 'guestLinearAddress', 'guest-linear address'],
    [0x2400, 'guestPhysicalAddress', 'guest-physical address'],
    [0x4404, 'exitInterruptionInfo', 'VM-exit interruption information'],
    [0x4406, 'exitInterruptionErrorCode', 'VM-exit interruption error code'],
    [0x4408, 'idtVectoringInfo', 'IDT-vectoring information'],
    [0x440a, 'idtVectoringErrorCode', 'IDT-vectoring error code'],
    [0x440c, 'exitInstructionLength', 'VM-exit instruction length'],
    [0x440e, 'exitInstructionInfo', 'VM-exit instruction information'],
    [0x6402, 'ioRcx', 'I/O RCX'],
    [0x6404, 'ioRsi', 'I/O RSI'],
    [0x6406, 'ioRdi', 'I/O RDI'],
    [0x6408, 'ioRip', 'I/O RIP'],
    [0x4400, 'instructionError', 'VM-instruction error field'],
  ],
} as const satisfies Readonly<Record<FieldGroup, readonly Row[]>>;

/** The name of a field in this code. */
export type FieldKey = (typeof GROUPS)[FieldGroup][number][1];

/** One field. */
export interface VmcsField {
  readonly key: FieldKey;
  /** As in the manual. */
  readonly name: string;
  readonly encoding: number;
  readonly width: FieldWidth;
  readonly group: FieldGroup;
  /** VMWRITE may not name it, unless IA32_VMX_MISC says so. */
  readonly readOnly: boolean;
}

/** By bits 14:13 of an encoding. */
const WIDTHS: readonly FieldWidth[] = [16, 64, 32, 'natural'];
const READ_ONLY_TYPE = 1;

/** All fields that exist, grouped as in the manual. */
export const VMCS_FIELDS: readonly VmcsField[] = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map(([encoding, key, name]) => ({
    key,
    name,
    encoding,
    width: WIDTHS[(encoding >> 13) & 3],
    group: group as FieldGroup,
    readOnly: ((encoding >> 10) & 3) === READ_ONLY_TYPE,
  })),
);

/** Encodings by key. */
export const Field = Object.fromEntries(VMCS_FIELDS.map(({ key, encoding }) => [key, encoding])) as Readonly<Record<FieldKey, number>>;

const BY_ENCODING: ReadonlyMap<number, VmcsField> = new Map(VMCS_FIELDS.map((field) => [field.encoding, field]));
const BY_KEY: ReadonlyMap<string, VmcsField> = new Map(VMCS_FIELDS.map((field) => [field.key, field]));

/** @param encoding with bit 0 (access type "high") clear */
export const fieldByEncoding = (encoding: number): VmcsField | undefined => BY_ENCODING.get(encoding);
export const fieldByKey = (key: FieldKey): VmcsField => BY_KEY.get(key) as VmcsField;

/** Fields of each segment register, in encoding order from ES to TR. */
export const GUEST_SEGMENT_FIELDS = SEGMENT_NAMES.map((name) => ({
  selector: Field[`guest${name}Selector`],
  base: Field[`guest${name}Base`],
  limit: Field[`guest${name}Limit`],
  accessRights: Field[`guest${name}AccessRights`],
}));

/** Highest index (bits 9:1) of any field, for IA32_VMX_VMCS_ENUM. */
export const HIGHEST_INDEX = Math.max(...VMCS_FIELDS.map(({ encoding }) => (encoding >> 1) & 0x1ff));
