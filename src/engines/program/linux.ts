/**
 * Linux' boot protocol for x86, versions 2.00 to 2.15: bzImage kernels and whatever else speaks it, such as memtest86+.
 * Source: the kernel's Documentation/arch/x86/boot.rst and zero-page.rst.
 */
import type { GuestPhysicalAddress } from '../../shared/addresses';
import type { PhysicalMemory } from '../machine/physical-memory';
import { BOOT_CS, BOOT_DS, type EntryState, writeBootGdt, writeIdentityTables } from './entry-state';
import { CONVENTIONAL_END, loadSegments, MEBIBYTE, memoryMap, PAGE, put, RecordWriter, roundUp, type Segment } from './memory-map';

const SECTOR = 512;
const HEADER = 0x1f1;
const MAGIC = 0x53726448; // 'HdrS'
const SETUP_SECTORS_DEFAULT = 4;
const LOADED_HIGH = 1;
const XLF_KERNEL_64 = 1;
/** Where the 64-bit entry lies in the protected-mode code. */
const ENTRY_64 = 0x200;
/** "Undefined" boot loader. */
const LOADER_TYPE = 0xff;

/** Conventional memory that the loader uses. The kernel takes it back once it has read it. */
const LOW = { identityTables: 0x80000, gdt: 0x8f000, bootParams: 0x90000, commandLine: 0x91000 } as const;
const COMMAND_LINE_ROOM = CONVENTIONAL_END - LOW.commandLine;

export interface LinuxHeader {
  /** 0x020f for 2.15. */
  readonly version: number;
  /** Bytes of real-mode code; the protected-mode code follows. */
  readonly setupSize: number;
  /** Bytes of header from 0x1f1. */
  readonly headerSize: number;
  readonly loadedHigh: boolean;
  /** Address to load at and enter. */
  readonly codeStart: number;
  readonly initrdMaximum: number;
  /** Longest command line, without its final 0. */
  readonly commandLineSize: number;
  readonly relocatable: boolean;
  readonly has64BitEntry: boolean;
  /** Where the kernel will unpack itself, and how many bytes it needs from there. */
  readonly preferredAddress: number;
  readonly initSize: number;
  /** Offset from the protected-mode code, and length; 0 where the version does not say. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

export function isLinuxImage(bytes: Uint8Array): boolean {
  if (bytes.length < 0x260) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(0x1fe, true) === 0xaa55 && view.getUint32(0x202, true) === MAGIC && view.getUint16(0x206, true) >= 0x200;
}

/** Reads the setup header. Fields that a version does not have get what the protocol says for it. */
export function readLinuxHeader(bytes: Uint8Array): LinuxHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint16(0x206, true);
  const since = (first: number, offset: number, otherwise: number): number => (version >= first ? view.getUint32(offset, true) : otherwise);
  const preferred = version >= 0x20a ? Number(view.getBigUint64(0x258, true)) : MEBIBYTE;
  return {
    version,
    setupSize: ((bytes[0x1f1] || SETUP_SECTORS_DEFAULT) + 1) * SECTOR,
    headerSize: 0x202 + bytes[0x201] - HEADER,
    loadedHigh: (bytes[0x211] & LOADED_HIGH) !== 0,
    codeStart: view.getUint32(0x214, true),
    initrdMaximum: since(0x203, 0x22c, 0x37ffffff),
    commandLineSize: since(0x206, 0x238, 255),
    relocatable: version >= 0x205 && bytes[0x234] !== 0,
    has64BitEntry: version >= 0x20c && (view.getUint16(0x236, true) & XLF_KERNEL_64) !== 0,
    preferredAddress: preferred,
    initSize: since(0x20a, 0x260, 0),
    payloadOffset: since(0x208, 0x248, 0),
    payloadLength: since(0x208, 0x24c, 0),
  };
}

/** The packed kernel inside a bzImage. @throws Error where the header does not say where it is */
export function linuxPayload(bytes: Uint8Array): Uint8Array {
  const { payloadOffset, payloadLength, setupSize } = readLinuxHeader(bytes);
  if (payloadLength === 0) throw new Error("the kernel's header does not say where its payload is: it cannot be unpacked");
  const start = setupSize + payloadOffset;
  if (start + payloadLength > bytes.length) throw new Error('the kernel image is cut off: its payload reaches beyond the file');
  return bytes.subarray(start, start + payloadLength);
}

export interface LinuxBoot {
  /** The bzImage, for its setup header; undefined for an ELF kernel that came alone. */
  readonly image: Uint8Array | undefined;
  /** The unpacked kernel, where the loader unpacked it: what is loaded instead of the image's protected-mode code. */
  readonly unpacked?: { readonly segments: readonly Segment[]; readonly entry: number; readonly is64: boolean };
  readonly commandLine: string;
  readonly initrd: Uint8Array | undefined;
  /** Bytes of RAM. */
  readonly memory: number;
  /** Physical address of ACPI's root pointer, 0 for none. */
  readonly rsdp: number;
  /** Which entry to use: 64 needs a kernel and a processor that have it. */
  readonly bits: 32 | 64;
}

/**
 * Puts a kernel, its initial RAM disk and its boot parameters into memory.
 * @returns the state in which to enter it
 * @throws Error with one line when something does not fit
 */
export function loadLinux(memory: PhysicalMemory, boot: LinuxBoot): EntryState {
  const header = boot.image && readLinuxHeader(boot.image);
  const limit = header?.commandLineSize ?? 2047;
  const commandLine = new TextEncoder().encode(`${boot.commandLine}\0`);
  if (commandLine.length - 1 > limit || commandLine.length > COMMAND_LINE_ROOM) {
    throw new Error(`the command line of ${commandLine.length - 1} bytes is longer than the kernel's ${limit}`);
  }
  const { entry, end } = boot.unpacked
    ? { entry: boot.unpacked.entry, end: loadSegments(memory, boot.unpacked.segments, boot.memory) }
    : loadProtectedCode(memory, boot);
  const initrd = boot.initrd && placeInitrd(memory, boot.initrd, end, Math.min(boot.memory, (header?.initrdMaximum ?? 0x37ffffff) + 1));
  put(memory, LOW.commandLine, commandLine);
  put(memory, LOW.bootParams, bootParameters(memory, boot, header, initrd));
  const long = boot.bits === 64;
  return {
    mode: long ? 'long' : 'protected',
    ip: entry + (long && !boot.unpacked ? ENTRY_64 : 0),
    registers: { esi: LOW.bootParams },
    code: BOOT_CS,
    data: BOOT_DS,
    gdt: writeBootGdt(memory, LOW.gdt, long),
    pageTables: long ? writeIdentityTables(memory, LOW.identityTables) : undefined,
  };
}

/** @returns the entry and the address behind all that the kernel will use before it knows where its initrd is */
function loadProtectedCode(memory: PhysicalMemory, boot: LinuxBoot): { entry: number; end: number } {
  const image = boot.image as Uint8Array;
  const header = readLinuxHeader(image);
  if (!header.loadedHigh) throw new Error('not implemented: a Linux kernel image that is loaded below 1 MiB (zImage)');
  if (boot.bits === 64 && !header.has64BitEntry) throw new Error('the kernel has no 64-bit entry');
  const code = image.subarray(header.setupSize);
  if (code.length === 0) throw new Error('the kernel image is cut off: nothing follows its setup code');
  const end = loadSegments(memory, [{ address: header.codeStart, bytes: code, size: code.length }], boot.memory);
  const wanted = header.preferredAddress + header.initSize;
  if (wanted > boot.memory) {
    throw new Error(`the kernel needs ${Math.ceil(wanted / MEBIBYTE)} MiB of memory to unpack itself; there are ${boot.memory / MEBIBYTE}`);
  }
  return { entry: header.codeStart, end: Math.max(end, wanted) };
}

/** As high as the kernel allows. */
function placeInitrd(memory: PhysicalMemory, bytes: Uint8Array, lowest: number, highest: number): { start: number; size: number } {
  const start = Math.floor((highest - bytes.length) / PAGE) * PAGE;
  if (start < roundUp(lowest, PAGE)) {
    throw new Error(
      `the initial RAM disk of ${bytes.length} bytes does not fit between 0x${lowest.toString(16)} and 0x${highest.toString(16)}`,
    );
  }
  put(memory, start, bytes);
  return { start, size: bytes.length };
}

/** Offsets in the zero page. */
const P = {
  cursorColumn: 0x00,
  cursorRow: 0x01,
  extendedMemory: 0x02,
  videoPage: 0x04,
  videoMode: 0x06,
  videoColumns: 0x07,
  videoLines: 0x0e,
  isVga: 0x0f,
  videoPoints: 0x10,
  rsdp: 0x70,
  alternateMemory: 0x1e0,
  mapEntries: 0x1e8,
  bootFlag: 0x1fe,
  magic: 0x202,
  version: 0x206,
  loaderType: 0x210,
  loadFlags: 0x211,
  initrdStart: 0x218,
  initrdSize: 0x21c,
  commandLine: 0x228,
  map: 0x2d0,
} as const;
/** Before 2.02 the command line's place was told in the boot sector. */
const OLD_COMMAND_LINE = { magic: 0x20, value: 0xa33f, offset: 0x22 } as const;
const BDA_CURSOR = 0x450;
const MAP_ENTRY = 20;

function bootParameters(
  memory: PhysicalMemory,
  { image, memory: size, rsdp }: LinuxBoot,
  header: LinuxHeader | undefined,
  initrd: { start: number; size: number } | undefined,
): Uint8Array {
  const page = new RecordWriter(LOW.bootParams, PAGE, 0);
  if (image && header) page.set(HEADER, image.subarray(HEADER, HEADER + header.headerSize));
  else {
    page.u16(P.bootFlag, 0xaa55);
    page.u32(P.magic, MAGIC);
    page.u16(P.version, 0x20c);
    page.u8(P.loadFlags, LOADED_HIGH);
  }
  const cursor = memory.readBytes(BDA_CURSOR as GuestPhysicalAddress, 2);
  page.u8(P.cursorColumn, cursor[0]);
  page.u8(P.cursorRow, cursor[1]);
  page.u16(P.extendedMemory, Math.min(0xffff, (size - MEBIBYTE) / 1024));
  page.u8(P.videoMode, 3);
  page.u8(P.videoColumns, 80);
  page.u8(P.videoLines, 25);
  page.u8(P.isVga, 1);
  page.u16(P.videoPoints, 16);
  page.u32(P.alternateMemory, (size - MEBIBYTE) / 1024);
  page.u8(P.loaderType, LOADER_TYPE);
  page.u64(P.rsdp, rsdp);
  if (initrd) {
    page.u32(P.initrdStart, initrd.start);
    page.u32(P.initrdSize, initrd.size);
  }
  if (header && header.version < 0x202) {
    page.u16(OLD_COMMAND_LINE.magic, OLD_COMMAND_LINE.value);
    page.u16(OLD_COMMAND_LINE.offset, LOW.commandLine - LOW.bootParams);
  } else page.u32(P.commandLine, LOW.commandLine);
  const map = memoryMap(size);
  page.u8(P.mapEntries, map.length);
  map.forEach(({ base, length, type }, i) => {
    page.u64(P.map + i * MAP_ENTRY, base);
    page.u64(P.map + i * MAP_ENTRY + 8, length);
    page.u32(P.map + i * MAP_ENTRY + 16, type);
  });
  return page.bytes;
}
