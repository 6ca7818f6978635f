/** The PVH boot protocol: an ELF kernel entered in 32-bit protected mode (Xen's docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h). */
import type { PhysicalMemory } from '../machine/physical-memory';
import type { ElfImage } from './elf-image';
import type { EntryState } from './entry-state';
import { type BootModule, loadSegments, memoryMap, PAGE, put, RecordWriter, roundUp, textRoom } from './memory-map';

const NOTE_NAME = 'Xen';
/** XEN_ELFNOTE_PHYS32_ENTRY. */
const NOTE_ENTRY = 18;
const START_MAGIC = 0x336ec578;
const VERSION = 1;
const INFO_SIZE = 56;
const MODULE_SIZE = 32;
const MAP_ENTRY = 24;

/** The physical address at which the kernel wants to be entered; undefined for one that does not know PVH. */
export function pvhEntry({ notes }: ElfImage): number | undefined {
  const note = notes.find(({ name, type }) => name === NOTE_NAME && type === NOTE_ENTRY);
  if (!note || note.contents.length < 4) return undefined;
  return new DataView(note.contents.buffer, note.contents.byteOffset, note.contents.byteLength).getUint32(0, true);
}

export interface PvhBoot {
  readonly image: ElfImage;
  readonly entry: number;
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
  /** Bytes of RAM. */
  readonly memory: number;
  /** Physical address of ACPI's root pointer, 0 for none. */
  readonly rsdp: number;
}

/**
 * Puts the kernel, its modules and the start information into memory.
 * @returns the state in which to enter it
 * @throws Error with one line when something does not fit
 */
export function loadPvh(memory: PhysicalMemory, boot: PvhBoot): EntryState {
  const kernelEnd = loadSegments(memory, boot.image.segments, boot.memory);
  const map = memoryMap(boot.memory);
  const room =
    textRoom(boot.commandLine) +
    boot.modules.reduce((sum, { text }) => sum + MODULE_SIZE + textRoom(text), 0) +
    map.length * MAP_ENTRY +
    32;
  const info = new RecordWriter(roundUp(kernelEnd, PAGE), INFO_SIZE, room);
  info.u32(0, START_MAGIC);
  info.u32(4, VERSION);
  info.u32(12, boot.modules.length);
  const list = info.take(boot.modules.length * MODULE_SIZE, 8);
  info.u64(16, boot.modules.length ? info.base + list : 0);
  const mapAt = info.take(map.length * MAP_ENTRY, 8);
  info.u64(24, info.text(boot.commandLine));
  info.u64(32, boot.rsdp);
  info.u64(40, info.base + mapAt);
  info.u32(48, map.length);
  map.forEach(({ base, length, type }, i) => {
    info.u64(mapAt + i * MAP_ENTRY, base);
    info.u64(mapAt + i * MAP_ENTRY + 8, length);
    info.u32(mapAt + i * MAP_ENTRY + 16, type);
  });
  // Modules go to the top: kernels take the memory behind themselves for their first allocations.
  let top = boot.memory;
  boot.modules.forEach(({ bytes, text }, i) => {
    top = Math.floor((top - bytes.length) / PAGE) * PAGE;
    info.u64(list + i * MODULE_SIZE, top);
    info.u64(list + i * MODULE_SIZE + 8, bytes.length);
    info.u64(list + i * MODULE_SIZE + 16, info.text(text));
    if (top < info.base + INFO_SIZE + room) throw new Error(`the module ${text} of ${bytes.length} bytes does not fit into memory`);
    put(memory, top, bytes);
  });
  put(memory, info.base, info.bytes);
  return { mode: 'protected', ip: boot.entry, registers: { ebx: info.base }, code: 0x08, data: 0x10, task: true };
}
