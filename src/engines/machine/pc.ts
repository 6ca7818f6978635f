/** The whole machine around the processors: QEMU's `isapc`, a PC/AT without PCI, with APICs and ACPI's fixed hardware. */
import type { GuestPhysicalAddress } from '../../shared/addresses';
import type { Clock } from './clock';
import type { MachineControl } from './control';
import type { Device, InterruptLine, InterruptSource } from './device';
import { AcpiPm, SCI_IRQ } from './devices/acpi-pm';
import { showLocalApics } from './devices/apic-window';
import { Ata } from './devices/ata';
import type { BlockDevice } from './devices/block';
import { setUpCmos } from './devices/cmos-setup';
import { COPROCESSOR_IRQ, CoprocessorError } from './devices/coprocessor';
import { BochsPower, DebugConsole, DebugExit, PostCodes } from './devices/debug-ports';
import { Dma } from './devices/dma';
import { e820File, FwCfg } from './devices/fw-cfg';
import { InterruptBus } from './devices/interrupt-bus';
import { IoApic } from './devices/io-apic';
import { Keyboard } from './devices/keyboard';
import { KeyboardController } from './devices/keyboard-controller';
import { LocalApic } from './devices/local-apic';
import { Pic } from './devices/pic';
import { Pit } from './devices/pit';
import { Rtc } from './devices/rtc';
import { SystemControl } from './devices/system-control';
import { TestDevice } from './devices/testdev';
import { Uart } from './devices/uart';
import { Vga } from './devices/vga';
import { firmwareFiles, firmwareTables, TABLES_BASE } from './firmware-tables';
import type { HostMemory } from './host-memory';
import { PhysicalMemory } from './physical-memory';
import { PortBus } from './ports';

export interface PcOptions {
  host: HostMemory;
  clock: Clock;
  control: MachineControl;
  /** Bytes of RAM, a multiple of 64 KiB from 1 MiB to 3 GiB; 384 KiB of it lie under the adapters' space and are lost. */
  memory: number;
  /** Processors, 1 to 8; one if left out. Their APIC IDs count from 0. */
  cpus?: number;
  /** CPUID leaf 1, EAX and EDX, as the MP table tells them. */
  cpuid?: { signature: number; features: number };
  /** BIOS image for the top of the first megabyte and of the fourth gigabyte: 64, 128, 192 or 256 KiB. */
  bios: Uint8Array;
  /**
   * The BIOS region below 1 MiB can be written, as on QEMU's isapc, which has no register to lock it; SeaBIOS needs it.
   * A reset restores it. The copy below 4 GiB never changes.
   */
  biosWritable?: boolean;
  /**
   * The display's own BIOS, for a `bios` that brings none: at 0xC0000, and as fw_cfg's `vgaroms/vgabios.bin`, where SeaBIOS
   * looks for it (that clears the ROM space first).
   */
  vgaBios?: Uint8Array;
  /** More option ROMs, put above it in this order, each at a multiple of 2 KiB. */
  optionRoms?: readonly Uint8Array[];
  /** Master disk of the primary channel. */
  disk?: BlockDevice;
  /** More fw_cfg items by number (see `FwCfgItem`) and files by name, for firmware and kernels that read them. */
  firmwareItems?: ReadonlyMap<number, Uint8Array>;
  firmwareFiles?: Readonly<Record<string, Uint8Array>>;
  /** Time of day at power-on, in seconds since 1970-01-01 00:00:00. */
  startTime?: number;
}

export const MAX_CPUS = 8;
const KIBIBYTE = 1 << 10;
const MEBIBYTE = 1 << 20;
const ADAPTERS = 0xa0000;
/** The segment below a BIOS of 64 KiB is for ACPI and MP tables. */
const TABLES_END = 0xf0000;
const OPTION_ROMS = 0xc0000;
const OPTION_ROM_END = 0xe0000;
/** 2026-01-01 00:00:00: a fixed day, so that runs repeat. */
const START_TIME = 1_767_225_600;

export class Pc {
  readonly memory: PhysicalMemory;
  readonly ports = new PortBus();
  /** INTR of the first processor. */
  readonly interrupts: InterruptSource;
  /** One a processor, each the source of its interrupts. */
  readonly localApics: readonly LocalApic[];
  readonly interruptBus = new InterruptBus();
  readonly ioApic: IoApic;
  /** Index of the processor whose memory accesses are being served: each sees its own local APIC. */
  activeCpu = 0;
  readonly pic = new Pic();
  readonly pit: Pit;
  readonly rtc: Rtc;
  readonly keyboard: Keyboard;
  readonly keyboardController: KeyboardController;
  readonly uarts: readonly Uart[];
  /** Absent without a disk: nothing answers on the channel then. */
  readonly ata: Ata | undefined;
  readonly vga: Vga;
  readonly coprocessorError: CoprocessorError;
  readonly debugConsole = new DebugConsole();
  readonly postCodes = new PostCodes();
  /** In the order of snapshots and of the Devices panel. */
  readonly devices: readonly Device[];
  private readonly options: PcOptions;
  private nmiMasked = false;

  /** @throws RangeError for a memory size or BIOS image that the machine cannot have */
  constructor(options: PcOptions) {
    checkOptions(options);
    this.options = options;
    const { host, clock, control } = options;
    this.memory = new PhysicalMemory(host);
    const setA20 = (enabled: boolean): void => this.memory.setA20(enabled);
    const { pic, interruptBus: bus } = this;
    const cpus = options.cpus ?? 1;
    this.localApics = Array.from({ length: cpus }, (_, id) => new LocalApic({ id, clock, bus, pic }));
    this.interrupts = this.localApics[0];
    pic.onChange = () => {
      for (const apic of this.localApics) apic.setPin(0, pic.pending);
    };
    this.ioApic = new IoApic(bus);
    this.pit = new Pit(clock, this.line(0));
    this.keyboard = new Keyboard(clock);
    this.keyboardController = new KeyboardController({
      keyboard: this.keyboard,
      irq1: this.line(1),
      irq12: this.line(12),
      control,
      setA20,
    });
    this.uarts = [
      new Uart({ name: 'uart0', base: 0x3f8, clock, irq: this.line(4) }),
      new Uart({ name: 'uart1', base: 0x2f8, clock, irq: this.line(3) }),
    ];
    this.rtc = new Rtc({ clock, irq: this.line(8), startTime: options.startTime ?? START_TIME });
    this.rtc.onNmiMask = (masked) => {
      this.nmiMasked = masked;
    };
    this.ata = options.disk && new Ata({ clock, irq: this.line(14), disk: options.disk });
    this.vga = new Vga({ host, memory: this.memory, clock });
    setUpCmos(this.rtc, {
      memory: options.memory,
      cpus,
      disk: this.ata?.geometry,
      mouse: false,
    });
    const fwCfg = new FwCfg({
      memory: options.memory,
      cpus,
      items: options.firmwareItems,
      files: {
        'etc/e820': e820File(options.memory),
        ...(options.vgaBios && { 'vgaroms/vgabios.bin': options.vgaBios }),
        ...firmwareFiles(cpus),
        ...options.firmwareFiles,
      },
    });
    this.coprocessorError = new CoprocessorError(this.line(COPROCESSOR_IRQ));
    const testDevice = new TestDevice((irq) => this.line(irq));
    const attached = [
      // First: port 0xE9 is the console's, in the middle of this one's.
      testDevice,
      pic,
      this.pit,
      this.rtc,
      this.keyboardController,
      ...this.uarts,
      this.vga,
      ...(this.ata ? [this.ata] : []),
      this.debugConsole,
      new DebugExit(control),
      new BochsPower(control),
      this.postCodes,
      new SystemControl(control, setA20),
      new Dma(),
      this.coprocessorError,
      fwCfg,
      new AcpiPm(clock, control, this.line(SCI_IRQ)),
    ];
    for (const device of attached) device.attach(this.ports);
    this.devices = [...attached, this.keyboard, this.ioApic, ...this.localApics];
    this.mapMemory();
    testDevice.map(this.memory);
    this.ioApic.map(this.memory);
    showLocalApics(this.memory, this.localApics, () => this.activeCpu);
  }

  /**
   * An interrupt line of the machine.
   * @param irq 0 to 15 an ISA bus line, to the 8259s and the IOAPIC (IRQ 0 to its input 2); 16 to 23 an IOAPIC input of its own
   */
  line(irq: number): InterruptLine {
    const modern = this.ioApic.line(irq === 0 ? 2 : irq);
    if (irq >= 16) return modern;
    const legacy = this.pic.line(irq);
    return {
      set: (asserted) => {
        legacy.set(asserted);
        modern.set(asserted);
      },
    };
  }

  /** An NMI button, or a bus error: LINT1 of every processor, unless port 0x70 masks it. */
  nmi(): void {
    if (this.nmiMasked) return;
    for (const apic of this.localApics) {
      apic.setPin(1, true);
      apic.setPin(1, false);
    }
  }

  private mapMemory(): void {
    const { memory, options } = this;
    const below = Math.min(options.memory, ADAPTERS);
    memory.addRam(0, below);
    memory.addRam(OPTION_ROMS, MEBIBYTE - OPTION_ROMS);
    if (options.memory > MEBIBYTE) memory.addRam(MEBIBYTE, options.memory - MEBIBYTE);
    const { bios } = options;
    const low = lowPart(options);
    // A copy of its own, so that a guest that scribbles over a writable BIOS can still be reset.
    memory.addRom(2 ** 32 - bios.length, bios);
    if (!options.biosWritable) memory.addRom(MEBIBYTE - low.length, low);
    this.restoreRoms();
  }

  /** Puts the images back that lie in writable memory. */
  private restoreRoms(): void {
    const { memory, options } = this;
    const low = lowPart(options);
    const biosStart = MEBIBYTE - low.length;
    // Another BIOS makes its own tables.
    if (!options.biosWritable && biosStart >= TABLES_END) {
      memory.writeBytes(TABLES_BASE as GuestPhysicalAddress, firmwareTables({ cpus: options.cpus ?? 1, cpuid: options.cpuid }));
    }
    if (options.biosWritable) memory.writeBytes(biosStart as GuestPhysicalAddress, low);
    let at = OPTION_ROMS;
    for (const rom of romsOf(options)) {
      const next = at + Math.ceil(rom.length / (2 * KIBIBYTE)) * 2 * KIBIBYTE;
      // A BIOS that needs this place itself finds the ROM through fw_cfg.
      if (next <= biosStart) memory.writeBytes(at as GuestPhysicalAddress, rom);
      at = next;
    }
  }

  /** RESET# to all devices. RAM and CMOS keep their contents; the processor is the caller's to reset. */
  reset(): void {
    for (const device of this.devices) device.reset();
    this.memory.setA20(true);
    this.restoreRoms();
  }

  /** Everything but the contents of RAM. */
  save(): { a20: boolean; devices: Record<string, unknown> } {
    return {
      a20: this.memory.a20Enabled,
      devices: Object.fromEntries(this.devices.map((device) => [device.name, device.save()])),
    };
  }

  load(state: { a20: boolean; devices: Record<string, unknown> }): void {
    for (const device of this.devices) device.load(state.devices[device.name]);
    this.memory.setA20(state.a20);
  }
}

/**
 * The end of an image that is shown below 1 MiB: 128 KiB from ROM, as on QEMU; all of it in writable memory, where larger
 * images expect to have been copied by a chipset's shadow RAM.
 */
const lowPart = ({ bios, biosWritable }: PcOptions): Uint8Array =>
  bios.subarray(Math.max(0, bios.length - (biosWritable ? 256 : 128) * KIBIBYTE));

const romsOf = ({ vgaBios, optionRoms }: PcOptions): Uint8Array[] => [...(vgaBios ? [vgaBios] : []), ...(optionRoms ?? [])];

function checkOptions(options: PcOptions): void {
  const { memory, bios, cpus = 1 } = options;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS) throw new RangeError(`${cpus} processors: expected 1 to ${MAX_CPUS}`);
  if (memory % (64 * KIBIBYTE) !== 0 || memory < MEBIBYTE || memory > 3 * 1024 * MEBIBYTE) {
    throw new RangeError(`memory of ${memory} bytes: expected a multiple of 64 KiB from 1 MiB to 3 GiB`);
  }
  if (bios.length === 0 || bios.length % (64 * KIBIBYTE) !== 0 || bios.length > 256 * KIBIBYTE) {
    throw new RangeError(`BIOS image of ${bios.length} bytes: expected 64 KiB, 128 KiB, 192 KiB or 256 KiB`);
  }
  const space = romsOf(options).reduce((sum, rom) => sum + Math.ceil(rom.length / (2 * KIBIBYTE)) * 2 * KIBIBYTE, 0);
  if (space > OPTION_ROM_END - OPTION_ROMS) {
    throw new RangeError(`option ROMs of ${space} bytes: the space from 0xc0000 to 0xdffff holds ${OPTION_ROM_END - OPTION_ROMS}`);
  }
}
