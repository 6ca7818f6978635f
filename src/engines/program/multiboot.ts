/** Loading by the Multiboot Specification, version 0.6.96 ("Multiboot 1"). */
import type { GuestPhysicalAddress } from '../../shared/addresses';
import { SYS } from '../cpu/layout';
import type { Processor } from '../cpu/processor';
import { Attr, Cr0, Flag, Reg, Seg } from '../cpu/state';
import type { PhysicalMemory } from '../machine/physical-memory';

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002;
/** The header must lie in the first so many bytes, 4-byte aligned. */
const SEARCH = 8192;
const FLAG_ADDRESSES = 1 << 16;
/** Requirements that this loader meets: page-aligned modules, memory information. Bit 2 (video mode) is met by text mode. */
const KNOWN_REQUIREMENTS = 0x7;

export interface MultibootHeader {
  /** Offset in the file. */
  readonly offset: number;
  readonly flags: number;
}

/** Section 3.1.1, "The layout of Multiboot header". */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + 12 <= Math.min(bytes.length, SEARCH); offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if (((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) | 0) === 0) return { offset, flags };
  }
  return undefined;
}

export interface Segment {
  /** Physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory; what the file does not give is zero. */
  readonly size: number;
  /** The ELF file's own headers, which linkers put in front of the first page: lost without harm where there is no RAM. */
  readonly headersOnly?: boolean;
}

export interface MultibootImage {
  readonly segments: readonly Segment[];
  readonly entry: number;
}

/**
 * The parts of a kernel and where they go.
 * @throws Error with one line that says what is wrong with the file
 */
export function readMultibootImage(bytes: Uint8Array): MultibootImage {
  const header = findMultibootHeader(bytes);
  if (!header) throw new Error('no Multiboot header');
  const unknown = header.flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown) throw new Error(`the Multiboot header requires features 0x${unknown.toString(16)} that do not exist`);
  return header.flags & FLAG_ADDRESSES ? fromAddressFields(bytes, header) : fromElf(bytes);
}

/** Section 3.1.3, "The address fields of Multiboot header". */
function fromAddressFields(bytes: Uint8Array, { offset }: MultibootHeader): MultibootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset + 32 > bytes.length) throw new Error('the Multiboot header is cut off');
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((at) => view.getUint32(offset + at, true));
  const start = offset - (headerAddress - loadAddress);
  if (start < 0 || headerAddress < loadAddress) throw new Error('the Multiboot header lies outside what it says is loaded');
  const length = loadEnd === 0 ? bytes.length - start : loadEnd - loadAddress;
  if (length < 0 || start + length > bytes.length) throw new Error('the Multiboot header says to load more than the file has');
  const size = bssEnd === 0 ? length : bssEnd - loadAddress;
  if (size < length) throw new Error('the Multiboot header ends the BSS before the data');
  return { segments: [{ address: loadAddress, bytes: bytes.subarray(start, start + length), size }], entry };
}

const PT_LOAD = 1;

function fromElf(bytes: Uint8Array): MultibootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 52 || view.getUint32(0, false) !== 0x7f454c46)
    throw new Error('the file is no ELF file and its Multiboot header gives no addresses');
  if (bytes[4] !== 1 || bytes[5] !== 1 || view.getUint16(18, true) !== 3) throw new Error('the ELF file is not for 32-bit x86');
  const entry = view.getUint32(24, true);
  const table = view.getUint32(28, true);
  const entrySize = view.getUint16(42, true);
  const count = view.getUint16(44, true);
  const segments: Segment[] = [];
  let physicalEntry = entry;
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    if (entrySize < 32 || at + 32 > bytes.length) throw new Error(`program header ${i} lies outside the ELF file`);
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const [offset, virtual, address, fileSize, size] = [4, 8, 12, 16, 20].map((field) => view.getUint32(at + field, true));
    if (offset + fileSize > bytes.length) throw new Error(`segment ${i} reaches beyond the end of the ELF file`);
    if (size < fileSize) throw new Error(`segment ${i} is smaller in memory than in the file`);
    const holdsEntry = entry >= virtual && entry < virtual + size;
    segments.push({ address, bytes: bytes.subarray(offset, offset + fileSize), size, headersOnly: offset === 0 && !holdsEntry });
    // An entry point given as a virtual address is meant where its segment is loaded.
    if (holdsEntry) physicalEntry = entry - virtual + address;
  }
  if (segments.length === 0) throw new Error('the ELF file has nothing to load');
  return { segments, entry: physicalEntry };
}

export interface MultibootModule {
  readonly bytes: Uint8Array;
  /** The module's command line: its name and arguments. */
  readonly text: string;
}

export interface MultibootBoot {
  readonly image: MultibootImage;
  readonly commandLine: string;
  readonly modules: readonly MultibootModule[];
  /** RAM of the machine in bytes. */
  readonly memory: number;
}

const INFO_SIZE = 88;
const INFO = {
  flags: 0,
  memLower: 4,
  memUpper: 8,
  commandLine: 16,
  moduleCount: 20,
  modules: 24,
  mapLength: 44,
  map: 48,
  loaderName: 64,
} as const;
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const LOADER_NAME = 'ringside';
const PAGE = 4096;
const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Memory map entries: base, length, 1 for available or 2 for reserved. */
function memoryMap(memory: number): readonly (readonly [base: number, length: number, type: number])[] {
  return [
    [0, 0x9fc00, 1],
    [0x9fc00, 0x400, 2],
    [0xf0000, 0x10000, 2],
    [0x100000, memory - 0x100000, 1],
    [0xfffc0000, 0x40000, 2],
  ];
}

/**
 * Puts the kernel, its modules and the boot information into memory.
 * @returns physical address of the boot information
 * @throws Error with one line when something does not fit
 */
export function loadMultiboot(memory: PhysicalMemory, boot: MultibootBoot): number {
  let end = 0x100000;
  for (const { address, bytes, size, headersOnly } of boot.image.segments) {
    if (address + size > boot.memory) {
      throw new Error(
        `the kernel wants 0x${address.toString(16)} to 0x${(address + size).toString(16)}, memory ends at 0x${boot.memory.toString(16)}`,
      );
    }
    if (headersOnly && memory.writeBytes(address as GuestPhysicalAddress, bytes) < bytes.length) continue;
    put(memory, address, bytes);
    put(memory, address + bytes.length, new Uint8Array(size - bytes.length));
    end = Math.max(end, address + size);
  }
  const modules = boot.modules.map(({ bytes, text }) => {
    const start = roundUp(end, PAGE);
    put(memory, start, bytes);
    end = start + bytes.length;
    return { start, end, text };
  });

  const info = roundUp(end, PAGE);
  const map = memoryMap(boot.memory);
  const moduleTable = info + INFO_SIZE;
  const mapTable = moduleTable + modules.length * 16;
  let strings = mapTable + map.length * 24;
  const area = new Uint8Array(
    strings - info + 2 + LOADER_NAME.length + boot.commandLine.length * 3 + modules.reduce((sum, { text }) => sum + text.length * 3 + 1, 0),
  );
  const view = new DataView(area.buffer);
  const text = (value: string): number => {
    const at = strings;
    const encoded = new TextEncoder().encode(value);
    area.set(encoded, at - info);
    strings += encoded.length + 1;
    return at;
  };
  const set = (offset: number, value: number): void => view.setUint32(offset, value, true);
  set(INFO.flags, INFO_FLAGS);
  set(INFO.memLower, 639);
  set(INFO.memUpper, (boot.memory - 0x100000) / 1024);
  set(INFO.commandLine, text(boot.commandLine));
  set(INFO.moduleCount, modules.length);
  set(INFO.modules, moduleTable);
  modules.forEach((module, i) => {
    [module.start, module.end, text(module.text), 0].forEach((value, word) => set(moduleTable - info + i * 16 + word * 4, value));
  });
  set(INFO.mapLength, map.length * 24);
  set(INFO.map, mapTable);
  map.forEach(([base, length, type], i) => {
    [20, base, 0, length, 0, type].forEach((value, word) => set(mapTable - info + i * 24 + word * 4, value));
  });
  set(INFO.loaderName, text(LOADER_NAME));
  put(memory, info, area);
  return info;
}

function put(memory: PhysicalMemory, address: number, bytes: Uint8Array): void {
  if (memory.writeBytes(address as GuestPhysicalAddress, bytes) < bytes.length) {
    throw new Error(`0x${address.toString(16)} to 0x${(address + bytes.length).toString(16)} is not all RAM`);
  }
}

/** The processor as section 3.2, "Machine state", demands. */
export function enterMultiboot({ state, mmu }: Processor, entry: number, info: number): void {
  const flat = { base: 0, limit: 0xffffffff, unusable: false };
  const shared = Attr.present | Attr.segment | Attr.accessed | Attr.readWrite | Attr.big | Attr.granular;
  state.setSys(SYS.cr0, ((state.cr0 | Cr0.pe) & ~Cr0.pg) >>> 0);
  state.eflags = Flag.one;
  state.setCpl(0);
  state.setSegment(Seg.cs, { ...flat, selector: 0x08, attributes: shared | Attr.code });
  for (const segment of [Seg.ds, Seg.es, Seg.fs, Seg.gs, Seg.ss])
    state.setSegment(segment, { ...flat, selector: 0x10, attributes: shared });
  for (const register of Object.values(Reg)) state.setReg32(register, 0);
  state.setReg32(Reg.eax, LOADER_MAGIC);
  state.setReg32(Reg.ebx, info);
  state.ip = entry;
  state.refresh();
  mmu.flush();
}
