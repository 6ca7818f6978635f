/** The local APIC's registers as data (manual, "Local APIC Register Address Map", "x2APIC Register Address Space"). */

/** Register numbers: offset / 16 in the xAPIC's page, MSR - 0x800 in the x2APIC. */
export const ApicRegister = {
  id: 0x02,
  version: 0x03,
  taskPriority: 0x08,
  arbitrationPriority: 0x09,
  processorPriority: 0x0a,
  endOfInterrupt: 0x0b,
  remoteRead: 0x0c,
  logicalDestination: 0x0d,
  destinationFormat: 0x0e,
  spurious: 0x0f,
  inService: 0x10,
  triggerMode: 0x18,
  request: 0x20,
  errorStatus: 0x28,
  commandLow: 0x30,
  commandHigh: 0x31,
  timer: 0x32,
  thermal: 0x33,
  performance: 0x34,
  lint0: 0x35,
  lint1: 0x36,
  error: 0x37,
  initialCount: 0x38,
  currentCount: 0x39,
  divide: 0x3e,
  selfIpi: 0x3f,
} as const;

interface RegisterRule {
  /** Bits that a guest can set; absent: read-only. */
  readonly writable?: number;
  /** Bits that an x2APIC write may hold without #GP, where they are more than `writable`. */
  readonly x2apicAllowed?: number;
  readonly writeOnly?: boolean;
  readonly only?: 'xapic' | 'x2apic';
}

const R = ApicRegister;

/** Each register that exists. Eight of each bit field follow each other. */
export const RULES: ReadonlyMap<number, RegisterRule> = new Map<number, RegisterRule>([
  [R.id, {}],
  [R.version, {}],
  [R.taskPriority, { writable: 0xff }],
  [R.arbitrationPriority, { only: 'xapic' }],
  [R.processorPriority, {}],
  [R.endOfInterrupt, { writable: 0, writeOnly: true }],
  [R.remoteRead, { only: 'xapic' }],
  [R.logicalDestination, { writable: 0xff000000 }],
  [R.destinationFormat, { writable: 0xf0000000, only: 'xapic' }],
  // Bit 9, focus checking, has no effect, but kernels for older processors set it.
  [R.spurious, { writable: 0x3ff }],
  ...[R.inService, R.triggerMode, R.request].flatMap((first) => Array.from({ length: 8 }, (_, i) => [first + i, {}] as const)),
  [R.errorStatus, { writable: 0 }],
  [R.commandLow, { writable: 0xccfff }],
  [R.commandHigh, { writable: 0xff000000, only: 'xapic' }],
  [R.timer, { writable: 0x700ff, x2apicAllowed: 0x710ff }],
  [R.thermal, { writable: 0x107ff, x2apicAllowed: 0x117ff }],
  [R.performance, { writable: 0x107ff, x2apicAllowed: 0x117ff }],
  [R.lint0, { writable: 0x1a7ff, x2apicAllowed: 0x1f7ff }],
  [R.lint1, { writable: 0x1a7ff, x2apicAllowed: 0x1f7ff }],
  [R.error, { writable: 0x100ff, x2apicAllowed: 0x110ff }],
  [R.initialCount, { writable: 0xffffffff }],
  [R.currentCount, {}],
  [R.divide, { writable: 0xb }],
  [R.selfIpi, { writable: 0xff, writeOnly: true, only: 'x2apic' }],
]);

/** The local vector table's entries, in the order of their registers. */
export const Lvt = { timer: 0, thermal: 1, performance: 2, lint0: 3, lint1: 4, error: 5 } as const;
export const LVT_NAMES: readonly string[] = ['timer', 'thermal', 'performance', 'LINT0', 'LINT1', 'error'];

export const LVT_MASKED = 1 << 16;
export const LVT_LEVEL = 1 << 15;
export const LVT_REMOTE_IRR = 1 << 14;
export const LVT_ACTIVE_LOW = 1 << 13;

/** IA32_APIC_BASE. */
export const ApicBase = { bootstrap: 1 << 8, x2apic: 1 << 10, enabled: 1 << 11 } as const;

/** Error status bits. */
export const ApicError = { sendIllegalVector: 0x20, receiveIllegalVector: 0x40, illegalRegister: 0x80 } as const;
export const ERROR_NAMES: readonly string[] = [
  '',
  '',
  '',
  '',
  'redirectable IPI',
  'send illegal vector',
  'receive illegal vector',
  'illegal register',
];
