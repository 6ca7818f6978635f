/** Where the active processor's state lies in host memory. All offsets in bytes; see `state.ts` for typed access. */

/**
 * A record of all zeros lies at offset 0: an empty jump cache entry points there, and its handler (number 0) says that
 * nothing was found.
 */
export const MISS = 0x000;

/** Sixteen general registers of 8 bytes in encoding order; a byte or word register is the low part of its slot. */
export const REGISTERS = 0x080;
export const REGISTER_SIZE = 8;
/** Eight bytes that are always zero: the base or index of an address that has none, and the segment base that 64-bit code ignores. */
export const ZERO = 0x100;

/** Instruction pointer at the start of the running block (8 bytes); the running record adds its own distance. */
export const IP = 0x108;
/** EFLAGS without the six status flags, which lie in the words that follow. */
export const EFLAGS = 0x110;
/** Zero exactly when ZF is set. */
export const FLAG_ZERO = 0x114;
/** Bit 31 is SF; PF is the even parity of the low byte. */
export const FLAG_SIGN = 0x118;
/** The carry out of every bit position, aligned so that bit 31 is CF; OF is bit 31 xor bit 30. */
export const FLAG_CARRY = 0x11c;
/** Bit 4 is AF. */
export const FLAG_ADJUST = 0x120;
/** Instructions that may still run before control must return. */
export const BUDGET = 0x124;
/** 0xffff or 0xffffffff, by SS.B. */
export const STACK_MASK = 0x128;
/** Host offset of the TLB in force (see `Tlb`). */
export const TLB_BASE = 0x12c;
/** Host offset of the jump cache in force. */
export const JUMP_BASE = 0x130;
/** The record at which control returned. */
export const CURRENT = 0x134;
/** Vector of the exception that a semantics function raises itself. */
export const VECTOR = 0x138;
/** Vector of the exception that using a unit raises now (#NM or #UD), 0 for none. */
export const X87_GATE = 0x13c;
export const MMX_GATE = 0x140;
export const SSE_GATE = 0x144;
/** One bit for each of ES, CS, SS and DS (by number) that covers 4 GiB from 0 with every right; SS must be a 32-bit segment, too. */
export const FLAT_SEGMENTS = 0x148;
export const ALL_FLAT = 0b1111;
/** Bits of the code in which rings may be crossed without TypeScript (see crossings/): 32 in protected mode, 64, or 0 for none. */
export const CROSSING = 0x14c;
/** Host offsets of the TLBs that ring 0 and ring 3 use in code of the present width. */
export const KERNEL_TLB = 0x150;
export const USER_TLB = 0x154;
/** Host offset of the translations in force. */
export const OWN_TRANSLATIONS = 0x158;
/** What VMX controls make of instructions that emitted code carries out itself: bits of `Intercept`, 0 outside non-root operation. */
export const INTERCEPTS = 0x15c;
export const Intercept = { ports: 1, controlReads: 2, timeStamp: 4, noRdtscp: 8, pause: 16, breakpoints: 32 } as const;
/** VMX operation as rows of the transition log have it in a place. */
export const VMX_PLACE = 0x160;

/** Eight segment registers (ES, CS, SS, DS, FS, GS, LDTR, TR), 32 bytes each. */
export const SEGMENTS = 0x180;
export const SEGMENT_SIZE = 32;
export const ES = SEGMENTS;
export const SEG = {
  /** Linear address of offset 0 (8 bytes). */
  base: 0,
  /** Lowest valid offset: 0, or limit + 1 when it expands down. */
  low: 8,
  /** An access at an offset less than `low + readSpan` is surely allowed; anything else is looked at exactly. */
  readSpan: 12,
  writeSpan: 16,
  /** In bytes, inclusive, granularity applied. */
  limit: 20,
  selector: 24,
  /**
   * Access byte in bits 0 to 7 and flags (AVL, L, D/B, G) in bits 12 to 15, as in a descriptor's second word shifted right
   * by 8; bit 16 is set when the register holds a null or otherwise unusable descriptor, as in a VMCS.
   */
  attributes: 28,
} as const;

/** The largest access by one instruction operand; spans are shortened by it. */
export const WIDEST_ACCESS = 16;

/** System registers, 8 bytes each; only TypeScript reads them. */
export const SYSTEM = 0x280;
export const SYS = {
  cr0: 0,
  cr2: 1,
  cr3: 2,
  cr4: 3,
  dr0: 4,
  dr1: 5,
  dr2: 6,
  dr3: 7,
  dr6: 8,
  dr7: 9,
  gdtrBase: 10,
  gdtrLimit: 11,
  idtrBase: 12,
  idtrLimit: 13,
  cpl: 14,
  /** 1 while one instruction runs under a shadow: bit 0 interrupts (STI), bit 1 interrupts and debug traps (MOV SS). */
  shadow: 15,
  /** See `Activity`. */
  activity: 16,
  sysenterCs: 17,
  sysenterEsp: 18,
  sysenterEip: 19,
  tscOffset: 20,
  /** #DB conditions collected for the next instruction boundary, as DR6 bits. */
  pendingDebug: 21,
  apicBase: 22,
  tr6: 23,
  tr7: 24,
  /** Bits 0: an NMI waits, 1: NMIs are blocked until IRET, 2: virtual NMIs are. */
  nmi: 25,
  efer: 26,
  star: 27,
  lstar: 28,
  cstar: 29,
  sfmask: 30,
  kernelGsBase: 31,
  tscAux: 32,
  xcr0: 33,
  /** The four PDPTEs that PAE paging keeps inside the processor. */
  pdpte0: 34,
  xss: 38,
  pat: 39,
  /** State of the generator behind RDRAND. */
  random: 40,
  /** See `Operation` in vmx/vmx.ts. */
  vmx: 41,
  featureControl: 42,
  /** Physical addresses, the second -1 where there is no current VMCS. */
  vmxonPointer: 43,
  vmcsPointer: 44,
} as const;
/** Registers that come and go without meaning to execution (MTRRs and the like), 8 bytes each; see `system/msr.ts`. */
export const MSR_SLOTS = 0x400;
export const MSR_SLOT_COUNT = 48;
/** IA32_MISC_ENABLE, the last of them. */
export const MISC_ENABLE = MSR_SLOTS + 8 * (MSR_SLOT_COUNT - 1);
export const STATE_END = 0x580;
/** A copy of the state from before the instruction or delivery under way, to go back to when it faults. */
export const SNAPSHOT = 0x800;

/** Values of SYS.activity (the VMCS's activity states are the first four). */
export const Activity = { active: 0, halted: 1, shutdown: 2, waitForSipi: 3 } as const;

/**
 * x87 and vector state, which checkpoints leave out: an instruction on it reads all it needs, then commits.
 * XMM registers lie 32 bytes apart, the room of a YMM register.
 */
export const XMM = 0xd80;
export const XMM_STRIDE = 32;
/** The physical registers R0 to R7, 16 bytes each: 64 bits of significand, 16 of sign and exponent. MMi is Ri's significand. */
export const X87_REGISTERS = 0xf80;
export const X87_STRIDE = 16;
/** Control words, 4 bytes each, in the low half of which the architecture's 16 bits lie. */
export const X87_CONTROL = 0x1000;
/** The status word with TOP in its place. */
export const X87_STATUS = 0x1004;
/** One bit a physical register: 1 where it holds something, as in FXSAVE's abridged tag word. */
export const X87_TAGS = 0x1008;
export const X87_OPCODE = 0x100c;
/** Instruction and data pointers (8 bytes) and their selectors. */
export const X87_IP = 0x1010;
export const X87_DP = 0x1018;
export const X87_CS = 0x1020;
export const X87_DS = 0x1024;
export const MXCSR = 0x1028;
/** Both parts of what is architectural, for snapshots, hashes and the switch between processors. */
export const VECTOR_STATE = XMM;
export const VECTOR_STATE_END = 0x1030;

/** Where an access goes that cannot go straight to memory: over a page's edge, to a device, to a page that holds code. */
export const SCRATCH = 0x1040;

/**
 * Eight bytes each: what the time-stamp counter would be at the end of this run of handlers if nobody had written it, and what writing
 * it has added. The budget, and what of the running block has been paid for and not run, lie between.
 */
export const TIME_END = 0x1090;
export const TIME_OFFSET = 0x1098;
/** Eight bytes: what the count of instructions would be at the end of this run of handlers. */
export const COUNT_END = 0x10a0;
/** 1 while nobody wants to see each transition before the next instruction, nor each access to memory. */
export const UNWATCHED = 0x10a8;
/** See `Look`. */
export const LOOK = 0x10ac;
/** What has to be looked at: an interrupt as soon as IF lets it in, or something before the next instruction in any case. */
export const Look = { interrupt: 1, boundary: 2 } as const;
/** The processor's number. */
export const PROCESSOR = 0x10b0;
/** Transitions that handlers have logged and nobody has collected yet: their number, and rows as in `transitions.ts`. */
export const LOGGED = 0x10b4;
export const LOG_ROWS = 0x30000;
export const LOG_CAPACITY = 512;
/** What the count of instructions is behind the last STI that let interrupts in: while it is that, STI's shadow is there (8 bytes, a double). */
export const STI_COUNT = 0x10b8;
/** Stores into code that change nothing decoded, 8 bytes an entry: host offset of the first byte, and how many from there on; see `SoftStores`. */
export const SOFT_STORES = 0xf000;
export const SOFT_STORE_ENTRY = 8;
export const SOFT_STORE_ENTRIES = 256;
/** One word for each compiled region: times that it may still be entered before the compiler hears of it. */
export const REGION_HEAT = 0x10000;
export const REGION_HEAT_WORDS = 0x8000;

/**
 * Counters that compiled code keeps while it is profiled, 8 bytes each: instructions it ran, times it was entered, and times it was left,
 * by reason: see `exitCounter`.
 */
export const COUNTERS = 0x3f000;
export const COUNTER = { instructions: 0, entries: 1, exits: 2 } as const;

/**
 * Translations of one processor: TLBs, direct-mapped on the linear page number, and jump caches by linear address.
 * Offsets within its own TRANSLATIONS_SIZE bytes. A processor that runs a guest in VMX non-root operation has as much again, elsewhere.
 */
export const TRANSLATIONS = 0x40000;
export const TRANSLATIONS_SIZE = 0x200000;
export const MAX_PROCESSORS = 8;
/** Each processor's second set, for VMX non-root operation. */
export const GUEST_TRANSLATIONS = TRANSLATIONS + MAX_PROCESSORS * TRANSLATIONS_SIZE;
export const TLB_ENTRIES = 8192;

/**
 * Which entry holds a page, by the low half of a linear address: addresses that differ by powers of two should not meet. Emitted code
 * finds it with `entryOf` (staged/code-width.ts).
 */
export const tlbEntry = (low: number): number => ((low >>> 12) ^ (low >>> 22)) & (TLB_ENTRIES - 1);

/** In 16- and 32-bit code, 16 bytes an entry. */
export const TLB_ENTRY = 16;
export const TLB = {
  /** Linear page address if readable, else an impossible one. */
  read: 0,
  /** The same for writing; plus 1 if it may be written, though it holds code somewhere (see CODE_MAP). */
  write: 4,
  /** Host offset minus linear address. */
  addend: 8,
} as const;

/** In 64-bit code, 32 bytes an entry. */
export const TLB64_ENTRY = 32;
export const TLB64 = {
  read: 0,
  write: 8,
  /** Host offset minus the low half of the linear address. */
  addend: 16,
} as const;

/**
 * Whose translations a TLB holds: a supervisor's, a supervisor's while CR4.SMAP keeps it from user pages, a user's. The
 * empty one, for both kinds of code, is in force while every access must be looked at.
 */
export const Tlb = { supervisor: 0, guarded: 1, user: 2, empty: 3 } as const;
export type Tlb = (typeof Tlb)[keyof typeof Tlb];
export const TLBS = [0x00000, 0x20000, 0x40000] as const;
export const TLBS64 = [0x60000, 0xa0000, 0xe0000] as const;
export const TLB_EMPTY = 0x120000;

/**
 * One jump cache for each kind of code and privilege: 16-bit, 32-bit, and 32-bit with flat segments; 8 bytes an entry: linear
 * address, record.
 */
export const JUMP_ENTRIES = 8192;
export const JUMP_ENTRY = 8;
export const JUMP_SIZE = JUMP_ENTRIES * JUMP_ENTRY;
export const JUMP_CACHES = 0x160000;
/** In 64-bit code 16 bytes: linear address (8), record. */
export const JUMP64_ENTRY = 16;
export const JUMP64_SIZE = JUMP_ENTRIES * JUMP64_ENTRY;
export const JUMP64_CACHES = JUMP_CACHES + 6 * JUMP_SIZE;
export const JUMP_CACHES_END = JUMP64_CACHES + 2 * JUMP64_SIZE;

/** Decoded records; see `interpreter/records.ts`. */
export const RECORDS = GUEST_TRANSLATIONS + MAX_PROCESSORS * TRANSLATIONS_SIZE;
export const RECORDS_END = 0x4a00000;
/**
 * Where code was decoded from: one bit for each CODE_CHUNK bytes of host memory, a word for each 4 KiB. A store to a page that
 * holds code may go straight to memory where the bit is clear.
 */
export const CODE_MAP = RECORDS_END;
export const CODE_CHUNK = 128;
export const CODE_MAP_END = CODE_MAP + 0x400000;
/** What HostMemory keeps for all of the above. */
export const RESERVED = CODE_MAP_END;
