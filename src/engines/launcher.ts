/** Makes an engine ready from what the user asked for: reads the program, assembles it, builds the machine. */
import { assemble, type AssemblyResult, type Diagnostic } from '../assembler/assemble';
import { assemblyDebugInfo } from '../symbols/assembly-info';
import type { DebugInfo } from '../symbols/debug-info';
import { readDebugInfo } from '../symbols/read-symbols';
import bios from './emulator/bios/bios.asm';
import vgaBios from './emulator/bios/vga-bios.asm';
import { EmulatorEngine, type Prepare } from './emulator/engine';
import { LaunchError, type LaunchOptions, type LaunchProblem, type Launched, type ReadFile } from './launch';
import { cpuModel, DEFAULT_CPU_MODEL } from './cpu/system/models';
import { BareMonitor, type Monitor } from './monitor';
import { VmxMonitor } from './vmx/monitor';
import { MemoryBlockDevice } from './machine/devices/block';
import { sealOptionRom } from './machine/option-rom';
import { detectProgram, hasBootSignature } from './program/detect';
import { hypervised, ownHypervisor } from './program/own-hypervisor';
import { type KernelKind, type KernelOptions, type KernelPlan, planKernel } from './program/kernel';
import { isLinuxImage, linuxPayload } from './program/linux';
import type { BootModule } from './program/memory-map';
import { unpack } from './program/unpack/unpack';

const MEBIBYTE = 1 << 20;
const DEFAULT_MEMORY = 64 * MEBIBYTE;
/** Where a BIOS puts the boot sector. */
const BOOT_SECTOR = 0x7c00;
const RESET_VECTOR = 0xfffffff0;

/** What each technique puts under the guest. */
const MONITORS: Readonly<Record<string, ((options: LaunchOptions) => Monitor | undefined) | undefined>> = {
  emulator: () => undefined,
  vmx: (options) => {
    const { cpu = DEFAULT_CPU_MODEL } = options;
    if (!cpuModel(cpu).has('vmx')) fail(`the processor "${cpu}" has no VMX, which the engine "vmx" needs`);
    return ownHypervisor(options) === undefined ? new VmxMonitor() : new BareMonitor('vmx');
  },
};

/** What is to be run, once its kind is known and it has been read. */
interface Plan {
  readonly disk?: Uint8Array;
  readonly prepare?: Prepare;
  readonly entry: number;
  readonly debugInfo: readonly DebugInfo[];
  readonly notes: readonly string[];
}

const fail = (message: string, path?: string): never => {
  throw new LaunchError([{ message, path }]);
};

/**
 * Prepares a session.
 * @param read gives the contents of a file
 * @throws LaunchError with everything that is wrong
 */
export function launch(options: LaunchOptions, read: ReadFile): Launched {
  const hypervisor = ownHypervisor(options);
  if (hypervisor === undefined) return launchMachine(options, read);
  const { options: bare, guest } = hypervised(options, hypervisor);
  const module = guest && readGuest(guest.path, read);
  const { debugInfo, notes, ...rest } = launchMachine(bare, (path) => (guest && path === guest.name ? module?.bytes : read(path)));
  return { ...rest, debugInfo: [...debugInfo, ...(module?.debugInfo ?? [])], notes: [...notes, ...(module?.notes ?? [])] };
}

/** The guest of a hypervisor of the user's own: a source is assembled, anything else is the hypervisor's to understand. */
function readGuest(path: string, read: ReadFile): Pick<Plan, 'debugInfo' | 'notes'> & { readonly bytes: Uint8Array } {
  const bytes = read(path) ?? fail('the file cannot be read', path);
  const detected = detectProgram(path, bytes);
  if (!('problem' in detected) && detected.kind === 'source') {
    const { result, ...rest } = assembleSource(path, bytes, read);
    if (result.image.length === 0) fail('the source assembles to nothing', path);
    return { bytes: result.image, ...rest };
  }
  return { bytes, debugInfo: bytes[0] === 0x7f ? [readSymbols(path, bytes)] : [], notes: [] };
}

function launchMachine(options: LaunchOptions, read: ReadFile): Launched {
  const technique = options.engine ?? 'emulator';
  const makeMonitor = MONITORS[technique];
  if (!makeMonitor) fail(`not implemented: the engine "${technique}"`);
  if (options.hypervisor !== undefined && technique !== 'vmx') fail('"hypervisor" needs the engine "vmx"');
  refuseMissing(options);
  const memory = options.memory ?? DEFAULT_MEMORY;
  const open = (path: string): Uint8Array => read(path) ?? fail('the file cannot be read', path);
  const plan = makePlan(options, memory, open, read);
  const firmware = options.bios === undefined ? bios : open(options.bios);
  const diskImage = plan.disk ?? openDisk(options, open);
  const extra = (options.symbolFiles ?? []).map((path) => readSymbols(path, open(path)));
  const monitor = makeMonitor?.(options);
  try {
    const engine = new EmulatorEngine(
      {
        memory,
        cpus: options.cpus,
        cpu: options.cpu,
        tiers: options.tiers,
        profile: options.profile,
        transitionsKept: options.transitionsKept,
        onCompile: options.onCompile,
        bios: firmware,
        biosWritable: options.bios !== undefined,
        vgaBios: options.bios === undefined ? undefined : sealOptionRom(vgaBios),
        disk: diskImage && new MemoryBlockDevice(diskImage),
      },
      plan.prepare,
      monitor,
    );
    const entry = options.bios !== undefined && !plan.prepare ? RESET_VECTOR : plan.entry;
    return { engine, debugInfo: [...plan.debugInfo, ...extra, ...(monitor?.debugInfo ?? [])], entry, notes: plan.notes };
  } catch (error) {
    if (error instanceof LaunchError || !(error instanceof Error)) throw error;
    // Ranges are those of the machine's settings; all else is the program's.
    const setting = error.message.startsWith('BIOS') ? options.bios : undefined;
    return fail(error.message, error instanceof RangeError ? setting : (options.kernel ?? options.program));
  }
}

/** A disk that is to be booted by the built-in BIOS, which would say on its screen alone that it cannot. */
function openDisk({ disks, bios: otherBios, kernel, program }: LaunchOptions, open: (path: string) => Uint8Array): Uint8Array | undefined {
  const [path] = disks ?? [];
  if (path === undefined) return undefined;
  const image = open(path);
  if (image.length === 0) return fail('the file is empty', path);
  const booted = otherBios === undefined && kernel === undefined && program === undefined;
  return booted && !hasBootSignature(image) ? fail('no disk to boot from: no boot signature 55 AA at offset 510', path) : image;
}

/** Options of the contract that no engine can honour yet. */
const MISSING: readonly (readonly [keyof LaunchOptions, string])[] = [['cdrom', 'CD-ROM images']];

function refuseMissing(options: LaunchOptions): void {
  for (const [name, what] of MISSING) if (options[name] !== undefined) fail(`not implemented: ${what} ("${name}")`);
  if ((options.disks?.length ?? 0) > 1) fail('not implemented: more than one disk ("disks")');
}

function makePlan(options: LaunchOptions, memory: number, open: (path: string) => Uint8Array, read: ReadFile): Plan {
  const path = options.kernel ?? options.program;
  if (path === undefined) {
    if (options.disks?.length || options.bios !== undefined) return { entry: BOOT_SECTOR, debugInfo: [], notes: [] };
    return fail('nothing to run: give a program, a kernel, a disk or a BIOS');
  }
  const bytes = open(path);
  const detected = detectProgram(path, bytes);
  if ('problem' in detected) return fail(detected.problem, path);
  if (detected.kind === 'source') return planSource(path, bytes, options, memory, open, read);
  if (options.kernel !== undefined && detected.kind === 'disk') return fail('a disk image is no kernel', path);
  if (detected.kind === 'disk') refuseKernelOptions(options, path);
  if (detected.kind === 'disk') return { disk: bytes, entry: BOOT_SECTOR, debugInfo: [], notes: [] };
  const isElf = bytes[0] === 0x7f;
  return planBoot(path, detected.kind, bytes, options, memory, open, isElf ? [readSymbols(path, bytes)] : []);
}

function readSymbols(path: string, bytes: Uint8Array): DebugInfo {
  try {
    // A packed kernel's symbols are those of what it unpacks to, as long as it stays where it was linked (nokaslr).
    return readDebugInfo(path, isLinuxImage(bytes) ? unpack(linuxPayload(bytes)).bytes : bytes);
  } catch (error) {
    const { message } = error as Error;
    return message.startsWith(path) ? fail(message) : fail(message, path);
  }
}

/** What would be ignored is better refused. */
function refuseKernelOptions({ initrd, append, args, disks, unpackKernel, kernelEntry }: LaunchOptions, path: string): void {
  if (initrd) fail('"initrd" needs a kernel', path);
  if (append) fail('"append" needs a kernel', path);
  if (args?.length) fail('arguments need a kernel', path);
  if (unpackKernel) fail('"unpackKernel" needs a Linux kernel', path);
  if (kernelEntry !== undefined) fail('"kernelEntry" needs a Linux kernel', path);
  if (disks?.length) fail('not implemented: a second disk ("disks") beside the program\'s own', path);
}

function planBoot(
  path: string,
  kind: KernelKind,
  bytes: Uint8Array,
  options: LaunchOptions,
  memory: number,
  open: (path: string) => Uint8Array,
  debugInfo: readonly DebugInfo[],
): Plan {
  const kernel: KernelOptions = {
    path,
    commandLine: options.append ?? (options.args ?? []).join(' '),
    modules: readModules(options.initrd, open),
    memory,
    unpack: options.unpackKernel ?? false,
    entry: options.kernelEntry,
    acpi: options.bios === undefined,
  };
  let plan: KernelPlan;
  try {
    plan = planKernel(kind, bytes, kernel);
  } catch (error) {
    return fail((error as Error).message, path);
  }
  const { prepare, entry, unpacked } = plan;
  return { prepare, entry, debugInfo: unpacked ? [readSymbols(path, unpacked)] : debugInfo, notes: [] };
}

/** `file args,file args`, as QEMU takes modules. */
function readModules(list: string | undefined, open: (path: string) => Uint8Array): BootModule[] {
  return (list ?? '')
    .split(',')
    .filter((text) => text.trim() !== '')
    .map((text) => ({ text: text.trim(), bytes: open(text.trim().split(/\s+/)[0]) }));
}

function planSource(
  path: string,
  bytes: Uint8Array,
  options: LaunchOptions,
  memory: number,
  open: (path: string) => Uint8Array,
  read: ReadFile,
): Plan {
  const { result, debugInfo, notes } = assembleSource(path, bytes, read);
  const detected = detectProgram('', result.image);
  if (!('problem' in detected) && detected.kind !== 'source' && detected.kind !== 'disk') {
    return { ...planBoot(path, detected.kind, result.image, options, memory, open, debugInfo), notes };
  }
  refuseKernelOptions(options, path);
  return { disk: bootable(path, result), entry: BOOT_SECTOR, debugInfo, notes };
}

/** @throws LaunchError with the source's errors */
function assembleSource(path: string, bytes: Uint8Array, read: ReadFile) {
  const directory = path.replace(/[^/\\]*$/, '');
  const result = assemble({
    path,
    text: new TextDecoder().decode(bytes),
    read: (name) => read(name.startsWith('/') || /^[a-zA-Z]:[\\/]/.test(name) ? name : directory + name),
  });
  if (!result.ok) throw new LaunchError(result.diagnostics.filter(({ severity }) => severity === 'error').map(problemOf));
  const notes = result.diagnostics.map((diagnostic) => `${diagnostic.file}:${diagnostic.line}: ${diagnostic.message}`);
  return { result, notes, debugInfo: [assemblyDebugInfo(path, result)] };
}

function problemOf({ file, line, column, message }: Diagnostic): LaunchProblem {
  return { path: file, line, column, message };
}

/** A disk image of an assembled program: one that fits in front of the boot signature gets it. */
function bootable(path: string, { image }: AssemblyResult): Uint8Array {
  if (hasBootSignature(image)) return image;
  if (image.length === 0) return fail('the source assembles to nothing', path);
  if (image.length > 510) return fail(`the image of ${image.length} bytes has no boot signature 55 AA at offset 510`, path);
  const sector = new Uint8Array(512);
  sector.set(image);
  sector.set([0x55, 0xaa], 510);
  return sector;
}
