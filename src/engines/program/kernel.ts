/** Direct loading of kernels, by whichever boot protocol they speak. */
import type { Prepare } from '../emulator/engine';
import { RSDP_ADDRESS } from '../machine/firmware-tables';
import type { GuestPhysicalAddress } from '../../shared/addresses';
import { type ElfImage, readElfImage } from './elf-image';
import { applyEntryState, type EntryState } from './entry-state';
import { bootThroughFirmware } from './firmware';
import { type LinuxBoot, linuxPayload, loadLinux, readLinuxHeader } from './linux';
import type { BootModule } from './memory-map';
import { loadMultiboot, readMultibootImage } from './multiboot';
import { loadMultiboot2, readMultiboot2Image } from './multiboot2';
import { loadPvh, pvhEntry } from './pvh';
import type { ProgramKind } from './detect';
import type { PhysicalMemory } from '../machine/physical-memory';
import { unpack } from './unpack/unpack';

/** How a Linux kernel is entered: 32- or 64-bit boot protocol, or PVH. */
export type KernelEntry = '32' | '64' | 'pvh';

export interface KernelOptions {
  /** As Multiboot kernels see it in front of their command line. */
  readonly path: string;
  readonly commandLine: string;
  /** Modules, or the initial RAM disk as the only one. */
  readonly modules: readonly BootModule[];
  /** Bytes of RAM. */
  readonly memory: number;
  /** Unpack a bzImage here instead of letting it unpack itself. */
  readonly unpack: boolean;
  readonly entry: KernelEntry | undefined;
  /** The built-in firmware has put ACPI tables into memory. */
  readonly acpi: boolean;
}

export interface KernelPlan {
  readonly prepare: Prepare;
  /** Linear address of the kernel's first instruction. */
  readonly entry: number;
  /** The ELF file that runs, where it is not the program itself. */
  readonly unpacked?: Uint8Array;
}

export type KernelKind = Exclude<ProgramKind, 'source' | 'disk'>;

/**
 * Reads a kernel and plans its start.
 * @throws Error with one line that says what is wrong with it, or with what is asked of it
 */
export function planKernel(kind: KernelKind, bytes: Uint8Array, options: KernelOptions): KernelPlan {
  if (kind !== 'linux' && options.unpack) throw new Error('only a bzImage can be unpacked');
  if (kind === 'multiboot' || kind === 'multiboot2') {
    if (options.entry !== undefined) throw new Error('a Multiboot kernel has one entry alone');
    return kind === 'multiboot' ? planMultiboot(bytes, options) : planMultiboot2(bytes, options);
  }
  if (kind === 'linux' && !options.unpack) return planImage(bytes, options);
  if (kind === 'linux') {
    const unpacked = unpack(linuxPayload(bytes)).bytes;
    return { ...planElf(readElfImage(unpacked), bytes, options), unpacked };
  }
  return planElf(readElfImage(bytes), undefined, options);
}

function planned(entry: number, load: (memory: PhysicalMemory) => EntryState): KernelPlan {
  const prepare: Prepare = ({ pc, cpus, transitions }) => {
    bootThroughFirmware(cpus, transitions);
    applyEntryState(cpus.load(0), load(pc.memory));
  };
  return { prepare, entry };
}

const withPath = ({ path, commandLine }: KernelOptions): string => [path, ...(commandLine === '' ? [] : [commandLine])].join(' ');

function planMultiboot(bytes: Uint8Array, options: KernelOptions): KernelPlan {
  const image = readMultibootImage(bytes);
  const boot = { image, commandLine: withPath(options), modules: options.modules, memory: options.memory };
  return planned(image.entry, (memory) => loadMultiboot(memory, boot));
}

const RSDP_SIZE = 36;

function planMultiboot2(bytes: Uint8Array, options: KernelOptions): KernelPlan {
  const image = readMultiboot2Image(bytes);
  const boot = { image, commandLine: withPath(options), modules: options.modules, memory: options.memory };
  return planned(image.entry, (memory) =>
    loadMultiboot2(memory, { ...boot, rsdp: options.acpi ? memory.readBytes(RSDP_ADDRESS as GuestPhysicalAddress, RSDP_SIZE) : undefined }),
  );
}

/** @throws Error for more than one initial RAM disk */
function linuxBoot({ commandLine, modules, memory, acpi }: KernelOptions): Pick<LinuxBoot, 'commandLine' | 'initrd' | 'memory' | 'rsdp'> {
  if (modules.length > 1) throw new Error('Linux takes one initial RAM disk, not several modules');
  return { commandLine, initrd: modules[0]?.bytes, memory, rsdp: acpi ? RSDP_ADDRESS : 0 };
}

function planImage(image: Uint8Array, options: KernelOptions): KernelPlan {
  if (options.entry === 'pvh') throw new Error('a bzImage has no PVH entry before it is unpacked ("unpackKernel")');
  const bits = options.entry === '64' ? 64 : 32;
  const boot: LinuxBoot = { ...linuxBoot(options), image, bits };
  const { codeStart } = readLinuxHeader(image);
  return planned(codeStart + (bits === 64 ? 0x200 : 0), (memory) => loadLinux(memory, boot));
}

/** @param image the bzImage that the ELF file comes from */
function planElf(elf: ElfImage, image: Uint8Array | undefined, options: KernelOptions): KernelPlan {
  const pvh = pvhEntry(elf);
  if (options.entry === 'pvh' && pvh === undefined) throw new Error('the kernel has no PVH entry');
  if (pvh !== undefined && (options.entry ?? 'pvh') === 'pvh') {
    const { commandLine, modules, memory, acpi } = options;
    return planned(pvh, (target) =>
      loadPvh(target, { image: elf, entry: pvh, commandLine, modules, memory, rsdp: acpi ? RSDP_ADDRESS : 0 }),
    );
  }
  const bits = elf.is64 ? 64 : 32;
  if (options.entry !== undefined && Number(options.entry) !== bits)
    throw new Error(`the unpacked kernel has no ${options.entry}-bit entry`);
  const boot: LinuxBoot = { ...linuxBoot(options), image, unpacked: elf, bits };
  return planned(elf.entry, (memory) => loadLinux(memory, boot));
}
