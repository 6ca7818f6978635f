/** What both sides have in common: regions, segments, and the records of harness.c (offsets in bytes). */

export type Width = 32 | 64;

export const DATA = 0x01000000;
export const DATA_SIZE = 0x2000;
/** A program may read its code, but not write to it. */
export const CODE = 0x01100000;
export const CODE_SIZE = 0x1000;
/** Where an instruction stands in it. */
export const START = 0x800;

/** struct test; `FX_SIZE` bytes follow if `vectors` is not 0. */
export const TEST = {
  /** Sixteen of 8 bytes; 32-bit programs have eight, and zeros in the upper halves. */
  registers: 0,
  flags: 128,
  /** Of 32-bit programs the selector. */
  fsBase: 136,
  gsBase: 144,
  start: 152,
  length: 154,
  vectors: 155,
  code: 160,
  size: 176,
} as const;

/** struct result; `FX_SIZE` bytes follow if `vectors` is not 0, then 4 bytes for each change, up to a multiple of 8. */
export const RESULT = {
  registers: 0,
  flags: 128,
  /** Behind a trap, at a fault. */
  ip: 136,
  /** 3 for an instruction that completed: the INT3 behind it. */
  vector: 144,
  error: 152,
  cr2: 160,
  fsBase: 168,
  gsBase: 176,
  /** Selectors of ES, CS, SS, DS, FS, GS, 2 bytes each. */
  segments: 184,
  /** Bytes of the data region that changed: offset (2 bytes), value (1), 0; ascending, at most `MAX_CHANGES`. */
  changes: 196,
  /** x87 and SSE state changed. */
  vectors: 198,
  size: 200,
} as const;
export const MAX_CHANGES = 1024;

/** x87 and SSE state as FXSAVE stores it. */
export const FX_SIZE = 512;
export const FX = { control: 0, status: 2, tags: 4, ip: 8, dp: 16, mxcsr: 24, registers: 32, xmm: 160, used: 416 } as const;

/** The state of a case whose instruction has no use for any. */
export function plainVectors(): Uint8Array {
  const fx = new Uint8Array(FX_SIZE);
  const view = new DataView(fx.buffer);
  view.setUint16(FX.control, 0x37f, true);
  view.setUint32(FX.mxcsr, 0x1f80, true);
  return fx;
}

/** A segment that Linux lets a program have, in its LDT or in one of the GDT's entries 12 to 14. */
export interface OwnSegment {
  readonly entry: number;
  readonly table: 'gdt' | 'ldt';
  readonly base: number;
  /** As in the descriptor: bytes, or pages of 4 KiB. */
  readonly limit: number;
  readonly inPages?: boolean;
  readonly kind: 'data' | 'expand-down' | 'code' | 'conforming';
  /** Data: writable. Code: readable. */
  readonly open: boolean;
  readonly wide: boolean;
  readonly present?: boolean;
}

/** Linux lets nothing but 32-bit data be in its GDT, and no conforming code be present. */
export const OWN_SEGMENTS: readonly OwnSegment[] = [
  { table: 'gdt', entry: 12, base: DATA, limit: 0x10, inPages: true, kind: 'data', open: false, wide: true },
  { table: 'gdt', entry: 13, base: DATA, limit: 0x1fff, kind: 'data', open: true, wide: true },
  { table: 'gdt', entry: 14, base: DATA, limit: 0x0fff, kind: 'expand-down', open: true, wide: true },
  { table: 'ldt', entry: 0, base: DATA, limit: 0x1ffe, kind: 'data', open: true, wide: true },
  { table: 'ldt', entry: 1, base: DATA, limit: 0x0fff, kind: 'data', open: false, wide: true },
  { table: 'ldt', entry: 2, base: DATA, limit: 0x0ffb, kind: 'expand-down', open: true, wide: false },
  { table: 'ldt', entry: 3, base: 0, limit: 0xfffff, inPages: true, kind: 'code', open: true, wide: true },
  { table: 'ldt', entry: 4, base: 0, limit: 0xfffff, inPages: true, kind: 'code', open: false, wide: true },
  { table: 'ldt', entry: 5, base: DATA, limit: 0x1fff, kind: 'data', open: true, wide: true, present: false },
  { table: 'ldt', entry: 6, base: 0, limit: 0xfffff, inPages: true, kind: 'conforming', open: true, wide: true, present: false },
  { table: 'ldt', entry: 7, base: DATA, limit: 0xffff, kind: 'data', open: true, wide: false },
];

const LDT = 4;
export const selectorOf = ({ table, entry }: OwnSegment): number => entry * 8 + (table === 'ldt' ? LDT : 0) + 3;

export const USER_CODE_32 = 0x23;
export const USER_DATA = 0x2b;
export const USER_CODE_64 = 0x33;

const CONTENTS = { data: 0, 'expand-down': 1, code: 2, conforming: 3 } as const;

/** struct user_desc, as the calls take it that set descriptors. */
function userDescriptor(segment: OwnSegment): Uint32Array {
  const { entry, base, limit, inPages, kind, open, wide, present = true } = segment;
  const flags = (wide ? 1 : 0) | (CONTENTS[kind] << 1) | (open ? 0 : 8) | (inPages ? 16 : 0) | (present ? 0 : 32) | 64;
  return Uint32Array.of(entry, base, limit, flags);
}

/** The descriptor itself, as Linux makes it: accessed, and free for the system's use. */
export function descriptorOf({ base, limit, inPages, kind, open, wide, present = true }: OwnSegment): [low: number, high: number] {
  const type = 1 | (open ? 2 : 0) | (CONTENTS[kind] << 2);
  const access = type | 0x10 | 0x60 | (present ? 0x80 : 0);
  const flags = 1 | (wide ? 4 : 0) | (inPages ? 8 : 0);
  const high = (base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >>> 16) & 0xff);
  return [((base << 16) | (limit & 0xffff)) >>> 0, high >>> 0];
}

/** What the harness reads before the cases: descriptors and data. */
export function inputHead(data: Uint8Array, cases: number): Uint8Array {
  const list = OWN_SEGMENTS.map(userDescriptor);
  const head = new Uint8Array(8 + list.length * 16 + DATA_SIZE);
  new Uint32Array(head.buffer, 0, 2).set([list.length, cases]);
  list.forEach((descriptor, i) => head.set(new Uint8Array(descriptor.buffer), 8 + i * 16));
  head.set(data, 8 + list.length * 16);
  return head;
}
