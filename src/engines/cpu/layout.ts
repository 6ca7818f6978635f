/** Where the active processor's state lies in host memory. All offsets in bytes; see `state.ts` for typed access. */

/**
 * A record of all zeros lies at offset 0: an empty jump cache entry points there, and its handler (number 0) says that
 * nothing was found.
 */
export const MISS = 0x000;

/** Sixteen general registers of 8 bytes in encoding order; a byte or word register is the low part of its slot. */
export const REGISTERS = 0x080;
export const REGISTER_SIZE = 8;
/** Eight bytes that are always zero: the base or index of an address that has none. */
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
/** Host offset of the TLB in force (supervisor, user, or the one that is kept empty). */
export const TLB_BASE = 0x12c;
/** Host offset of the jump cache in force. */
export const JUMP_BASE = 0x130;
/** The record at which control returned. */
export const CURRENT = 0x134;
/** Vector of the exception that a semantics function raises itself. */
export const VECTOR = 0x138;

/** Eight segment registers (ES, CS, SS, DS, FS, GS, LDTR, TR), 32 bytes each. */
export const SEGMENTS = 0x180;
export const SEGMENT_SIZE = 32;
export const SEG = {
  /** Linear address of offset 0. */
  base: 0,
  /** Lowest valid offset: 0, or limit + 1 when it expands down. */
  low: 4,
  /** An access at an offset less than `low + readSpan` is surely allowed; anything else is looked at exactly. */
  readSpan: 8,
  writeSpan: 12,
  /** In bytes, inclusive, granularity applied. */
  limit: 16,
  selector: 20,
  /** Access byte in bits 0 to 7 and flags (AVL, L, D/B, G) in bits 12 to 15, as in a descriptor's second word shifted right by 8. */
  attributes: 24,
  /** Not 0 when the register holds a null or otherwise unusable descriptor. */
  unusable: 28,
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
  /** 1 in HLT, 2 in shutdown. */
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
  /** Bits 0: an NMI waits, 1: NMIs are blocked until IRET. */
  nmi: 25,
} as const;
export const STATE_END = 0x480;
/** A copy of the state from before the instruction or delivery under way, to go back to when it faults. */
export const SNAPSHOT = 0x800;

/**
 * x87 and vector state, which checkpoints leave out: an instruction on it reads all it needs, then commits.
 * XMM registers lie 32 bytes apart, the room of a YMM register.
 */
export const XMM = 0xd00;
export const XMM_STRIDE = 32;
/** The physical registers R0 to R7, 16 bytes each: 64 bits of significand, 16 of sign and exponent. MMi is Ri's significand. */
export const X87_REGISTERS = 0xf00;
export const X87_STRIDE = 16;
/** Control words, 4 bytes each, in the low half of which the architecture's 16 bits lie. */
export const X87_CONTROL = 0xf80;
/** The status word with TOP in its place. */
export const X87_STATUS = 0xf84;
/** One bit a physical register: 1 where it holds something, as in FXSAVE's abridged tag word. */
export const X87_TAGS = 0xf88;
export const X87_OPCODE = 0xf8c;
/** Instruction and data pointers (8 bytes) and their selectors. */
export const X87_IP = 0xf90;
export const X87_DP = 0xf98;
export const X87_CS = 0xfa0;
export const X87_DS = 0xfa4;
export const MXCSR = 0xfa8;

/** Where an access goes that cannot go straight to memory: over a page's edge, to a device, to a page that holds code. */
export const SCRATCH = 0x1000;

/** A TLB: direct-mapped on the linear page number; 16 bytes an entry. */
export const TLB_ENTRIES = 1024;
export const TLB_ENTRY = 16;
export const TLB_SIZE = TLB_ENTRIES * TLB_ENTRY;
export const TLB = {
  /** Linear page address if readable, else an impossible one. */
  read: 0,
  /** The same for writing. */
  write: 4,
  /** Host offset minus linear address. */
  addend: 8,
} as const;
export const TLB_SUPERVISOR = 0x4000;
export const TLB_USER = 0x8000;
export const TLB_EMPTY = 0xc000;

/** Jump caches by linear address: 8 bytes an entry (linear address, record). One for each of code size and privilege. */
export const JUMP_ENTRIES = 2048;
export const JUMP_ENTRY = 8;
export const JUMP_SIZE = JUMP_ENTRIES * JUMP_ENTRY;
export const JUMP_CACHES = 0x10000;
export const JUMP_CACHE_COUNT = 6;

/** Decoded records; see `interpreter/records.ts`. */
export const RECORDS = 0x40000;
export const RECORDS_END = 0x1000000;
/** What HostMemory keeps for all of the above. */
export const RESERVED = RECORDS_END;
