/** Software emulation: the processor in a whole PC, with no monitor. The guest really is in ring 0. */
import type { GuestPhysicalAddress, LinearAddress } from '../../shared/addresses';
import type { Screen } from '../../shared/screen';
import type { Statistics } from '../../shared/statistics';
import type { Technique } from '../../shared/technique';
import { PREBUILT_HANDLERS } from '../cpu/interpreter/prebuilt';
import { CpuView } from '../cpu/inspect/cpu-view';
import { RESERVED } from '../cpu/layout';
import type { Hooks } from '../cpu/hooks';
import type { Processor } from '../cpu/processor';
import { type MachineStop, Processors } from '../cpu/processors';
import { EXCEPTIONS } from '../cpu/system/fault';
import { cpuModel, type CpuModelName, DEFAULT_CPU_MODEL } from '../cpu/system/models';
import type { AddressSpace, Engine, EngineStop, ExternalInput, OutputChannel, RunRequest, StopReason, VirtualCpu } from '../engine';
import type { Tiers } from '../launch';
import { InputLog } from '../history/input-log';
import { Clock } from '../machine/clock';
import type { DeviceFact } from '../machine/device';
import { HostMemory } from '../machine/host-memory';
import { Pc, type PcOptions } from '../machine/pc';
import type { Monitor } from '../monitor';
import { type Probe, type ProbeEvent, type ProbeHit, Probes } from '../probes';
import { TransitionLog } from '../transitions';

/** The machine to build, each time it is switched on. */
export type MachineOptions = Omit<PcOptions, 'host' | 'clock' | 'control'> & {
  readonly cpu?: CpuModelName;
  readonly seed?: number;
  readonly tiers?: Tiers;
  /** Times that a block runs before it is compiled. */
  readonly heat?: number;
  /** Count what runs where, for the statistics. */
  readonly profile?: boolean;
  /** See `LaunchOptions`. */
  readonly transitionsKept?: number;
  /** Carries out each compilation. */
  readonly onCompile?: (compile: () => void) => void;
};

/** What is done to the machine after power-on and before the guest's first instruction: direct loading of a kernel. */
export type Prepare = (machine: { readonly pc: Pc; readonly cpus: Processors; readonly transitions: TransitionLog }) => void;

/** Bytes of host memory that ROMs, the display and a monitor take. */
const FIRMWARE_MEMORY = 2 << 20;

interface Machine {
  readonly pc: Pc;
  readonly cpus: Processors;
  readonly clock: Clock;
  readonly views: readonly CpuView[];
}

export class EmulatorEngine implements Engine {
  readonly technique: Technique;
  readonly transitions: TransitionLog;
  readonly probes = new Probes();
  readonly inputs = new InputLog();
  onOutput: (channel: OutputChannel, byte: number) => void = () => {};
  private readonly options: MachineOptions;
  private readonly prepare: Prepare | undefined;
  private readonly monitor: Monitor | undefined;
  private machine!: Machine;
  private readonly waiting: ExternalInput[] = [];
  private hits: ProbeHit[] = [];
  private exitCode: number | undefined;
  /** Why the monitor cannot go on. */
  private failure: string | undefined;
  private resetCause: string | undefined;
  private resets = 0;

  /**
   * @param prepare for a kernel that is loaded without the firmware
   * @param monitor what the machine is given to, instead of the guest itself
   * @throws RangeError for a machine that cannot be
   */
  constructor(options: MachineOptions, prepare?: Prepare, monitor?: Monitor) {
    this.options = options;
    this.monitor = monitor;
    this.technique = monitor?.technique ?? 'emulator';
    this.transitions = new TransitionLog(options.transitionsKept);
    this.prepare = prepare;
    this.probes.onChange = (kind) => {
      if (kind === 'code' || kind === 'opcode') for (const cpu of this.machine.cpus.list) cpu.probesChanged();
      if (kind === 'data') this.watchData();
      if (kind === 'transition') this.watchTransitions();
    };
    this.powerOn();
  }

  private powerOn(): void {
    const host = new HostMemory(RESERVED, this.options.memory + FIRMWARE_MEMORY);
    const clock = new Clock();
    const control = {
      reset: (cause: string): void => {
        this.resetCause = cause;
        this.machine.cpus.requestStop();
      },
      exit: (code: number): void => this.exit(code),
      shutdown: (): void => this.exit(0),
    };
    const pc = new Pc({ ...this.options, host, clock, control });
    const cpus = new Processors(
      {
        host,
        memory: pc.memory,
        ports: pc.ports,
        clock,
        log: this.transitions,
        handlers: PREBUILT_HANDLERS,
        model: cpuModel(this.options.cpu ?? DEFAULT_CPU_MODEL),
        seed: this.options.seed,
        tiers: this.options.tiers,
        heat: this.options.heat,
        profile: this.options.profile,
        onCompile: this.options.onCompile,
        onSwitch: (index) => {
          pc.activeCpu = index;
        },
        onFloatError: () => pc.coprocessorError.raise(),
      },
      pc.localApics.map((localApic) => ({ interrupts: localApic, localApic })),
    );
    for (const cpu of cpus.list) cpu.hooks = this.makeHooks(cpu);
    pc.uarts.forEach((uart, i) => {
      uart.onOutput = (byte) => this.onOutput(i === 0 ? 'serial0' : 'serial1', byte);
    });
    pc.debugConsole.onOutput = (byte) => this.onOutput('console', byte);
    this.machine = { pc, cpus, clock, views: cpus.list.map((_, index) => new CpuView(index, cpus, pc.memory)) };
    this.exitCode = undefined;
    this.resetCause = undefined;
    this.prepare?.({ pc, cpus, transitions: this.transitions });
    this.install(true);
    this.transitions.clear();
    this.watchTransitions();
    this.watchData();
  }

  private install(switchedOn: boolean): void {
    const { pc, cpus } = this.machine;
    this.failure = undefined;
    const fail = (message: string): void => {
      this.failure = message;
      cpus.requestStop();
    };
    this.monitor?.install({ pc, cpus, switchedOn, fail });
  }

  /** Handlers that log by themselves are quicker: they may while nobody wants to stop. */
  private watchTransitions(): void {
    const probes = this.probes.of('transition');
    this.transitions.onTransition =
      probes.length === 0
        ? undefined
        : (transition) => {
            // What is logged is filled anew the next time.
            if (this.hitAll(probes, { ...this.here(), transition: { ...transition } })) this.machine.cpus.requestStop();
          };
  }

  private watchData(): void {
    for (const cpu of this.machine.cpus.list) cpu.watchPages(this.probes.dataPages());
  }

  private exit(code: number): void {
    this.exitCode = code;
    this.machine.cpus.requestStop();
  }

  restart(): void {
    this.inputs.clear();
    this.waiting.length = 0;
    this.powerOn();
  }

  // --- probes

  private here(): { cpu: number; address: LinearAddress } {
    const { index, state } = this.machine.cpus.current;
    return { cpu: index, address: state.instructionAddress };
  }

  /** Lets every probe decide, and keeps those that want to stop. */
  private hitAll(probes: readonly Probe[], event: ProbeEvent): boolean {
    let stop = false;
    for (const probe of probes) {
      if (!probe.decide(event)) continue;
      this.hits.push({ probe, event });
      stop = true;
    }
    return stop;
  }

  private makeHooks({ index }: Processor): Hooks {
    const { probes } = this;
    return {
      probedPage: (page) => probes.onCodePage(page),
      get probesOpcodes() {
        return probes.everywhere;
      },
      wants: (address, instruction) => probes.wants(address, instruction),
      probe: (address, instruction) => this.hitAll(probes.before(address, instruction), { cpu: index, address, instruction }),
      exception: (fault) => {
        if (probes.of('exception').length === 0) return false;
        // The reason is worked out when it is asked for.
        const { vector, errorCode, reason } = fault;
        const wanted = probes.of('exception').filter(({ place }) => place.kind === 'exception' && (place.vector ?? vector) === vector);
        return this.hitAll(wanted, { ...this.here(), exception: { vector, errorCode, reason } });
      },
      port: (port, size, write, value) => {
        if (probes.of('port').length === 0) return false;
        const wanted = probes.of('port').filter(({ place }) => place.kind === 'port' && (place.port ?? port) === port);
        return this.hitAll(wanted, { ...this.here(), port: { port, size, write, value } });
      },
      access: (address, size, write) => {
        const wanted = probes
          .of('data')
          .filter(
            ({ place }) =>
              place.kind === 'data' &&
              address < place.address + place.length &&
              place.address < address + size &&
              place.access !== (write ? 'read' : 'write'),
          );
        return this.hitAll(wanted, { ...this.here(), access: { address, size, write } });
      },
    };
  }

  passProbes(cpu: number): void {
    this.machine.cpus.load(cpu).passProbes();
  }

  // --- running

  run(request: RunRequest): EngineStop {
    const { cpus } = this.machine;
    this.hits = [];
    if (this.exitCode !== undefined) return this.stop('exited', { code: this.exitCode });
    this.feed();
    cpus.returnWhenIdle = request.returnWhenIdle ?? false;
    const end = cpus.instructionCount + request.instructions;
    try {
      for (;;) {
        const left = end - cpus.instructionCount;
        const stop = request.step ? cpus.step(request.cpu, left) : cpus.run(left);
        if (this.resetCause !== undefined) {
          this.reset();
          if (this.hits.length === 0 && !request.step) continue;
        }
        return this.translate(stop);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return this.stop('error', { text: error.message });
    }
  }

  private reset(): void {
    this.resetCause = undefined;
    this.resets++;
    this.machine.pc.reset();
    this.machine.cpus.reset();
    this.install(false);
  }

  private translate(stop: MachineStop): EngineStop {
    if (this.failure !== undefined) return this.stop('error', { text: this.failure });
    if (this.exitCode !== undefined) return this.stop('exited', { code: this.exitCode });
    if (this.hits.length > 0) return this.stop('probe');
    switch (stop.reason) {
      case 'limit':
        return this.stop('slice');
      case 'shutdown': {
        const mnemonic = stop.fault && (EXCEPTIONS[stop.fault.vector]?.mnemonic ?? `vector ${stop.fault.vector}`);
        return this.stop('triple-fault', { text: stop.text ?? (stop.fault && `${mnemonic} while delivering #DF: ${stop.fault.reason}`) });
      }
      case 'requested':
        return this.stop('pause');
      default:
        return this.stop(stop.reason);
    }
  }

  private stop(reason: StopReason, more: { code?: number; text?: string } = {}): EngineStop {
    const { cpu: vcpu, address } = this.here();
    return { reason, vcpu, address, hits: this.hits, ...more };
  }

  requestStop(): void {
    this.machine.cpus.requestStop();
  }

  skipIdle(): boolean {
    return this.machine.cpus.skip();
  }

  get instructionCount(): number {
    return this.machine.cpus.instructionCount;
  }

  get now(): number {
    return this.machine.clock.now;
  }

  get untilTimer(): number {
    return Math.max(0, this.machine.clock.nextDeadline - this.machine.clock.now);
  }

  input(event: ExternalInput): void {
    this.waiting.push(event);
  }

  /** Hands over what arrived since the last slice. */
  private feed(): void {
    const { pc, cpus } = this.machine;
    for (const event of this.waiting.splice(0)) {
      this.inputs.record(cpus.instructionCount, event);
      if (event.kind === 'serial') pc.uarts[event.port]?.receive(event.bytes);
      else if (event.pressed) pc.keyboard.press(event.code);
      else pc.keyboard.release(event.code);
    }
  }

  // --- looking

  get cpus(): readonly VirtualCpu[] {
    return this.machine.views;
  }

  readMemory(cpu: number, space: AddressSpace, address: number, length: number): Uint8Array {
    const { pc } = this.machine;
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const at = address + done;
      const count = Math.min(length - done, 4096 - (at & 0xfff));
      const physical = this.physical(cpu, space, at);
      if (physical === undefined) return bytes.subarray(0, done);
      bytes.set(pc.memory.readBytes(physical, count), done);
      done += count;
    }
    return bytes;
  }

  writeMemory(cpu: number, space: AddressSpace, address: number, bytes: Uint8Array): number {
    const { pc } = this.machine;
    for (let done = 0; done < bytes.length; ) {
      const at = address + done;
      const count = Math.min(bytes.length - done, 4096 - (at & 0xfff));
      const physical = this.physical(cpu, space, at);
      if (physical === undefined || pc.memory.writeBytes(physical, bytes.subarray(done, done + count)) < count) return done;
      done += count;
    }
    return bytes.length;
  }

  private physical(cpu: number, space: AddressSpace, address: number): GuestPhysicalAddress | undefined {
    const view = this.machine.views[cpu];
    if (space === 'linear') return view.translate(address as LinearAddress);
    if (space === 'guest') return view.savedGuest?.translate(address as LinearAddress);
    return address < 2 ** 32 ? (address as GuestPhysicalAddress) : undefined;
  }

  screen(): Screen | undefined {
    return this.machine.pc.vga.screen();
  }

  devices(): readonly { name: string; facts: readonly DeviceFact[] }[] {
    return this.machine.pc.devices.map((device) => ({ name: device.name, facts: device.inspect() }));
  }

  stats(): Statistics {
    return { ...this.machine.cpus.statistics(), resets: this.resets, ...this.monitor?.statistics() };
  }
}
