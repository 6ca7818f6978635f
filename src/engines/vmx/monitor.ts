/**
 * Hardware assistance with the built-in hypervisor: puts hypervisor.asm under the machine, so that the guest begins in VMX non-root
 * operation where the processor would have begun, and answers what the hypervisor asks.
 */
import type { Statistics } from '../../shared/statistics';
import { Activity, SYS } from '../cpu/layout';
import type { Processor } from '../cpu/processor';
import { Attr, Flag, Reg, Seg } from '../cpu/state';
import { initState } from '../cpu/system/reset';
import { FeatureControl } from '../cpu/vmx/feature-control';
import { Field } from '../cpu/vmx/fields';
import { FIRST_CAPABILITY_MSR } from '../cpu/vmx/capabilities';
import { exitReasonName } from '../cpu/vmx/exit-reasons';
import { VMCS_REVISION } from '../cpu/vmx/vmcs';
import type { PhysicalMemory } from '../machine/physical-memory';
import type { PortHandler } from '../machine/ports';
import type { FreshMachine, Monitor } from '../monitor';
import {
  firstFields,
  generalRegisters,
  guestFields,
  type FieldValues,
  HOST_CR0,
  HOST_EFER,
  hostCr4,
  type HostPlaces,
} from './guest-fields';
import hypervisor from './hypervisor.asm';
import labels from './hypervisor.asm?labels';
import { hypervisorSymbols } from './hypervisor-symbols';
import {
  AREA,
  AREA_SIZE,
  AREAS,
  FIELDS,
  FIELDS_SIZE,
  HOST_CODE,
  HOST_DATA,
  HOST_TASK,
  IO_BITMAP_A,
  MSR_BITMAPS,
  ORIGIN,
  Service,
  SERVICE_PORT,
  SIZE,
} from './memory-map';
import { writeEpt, writeHostTables } from './tables';

const PAGE = 4096;
/** Ports that the guest uses without an exit: the disk's, and those by which firmware reads its configuration. */
const DIRECT_PORTS: readonly (readonly [first: number, count: number])[] = [
  [0x1f0, 8],
  [0x510, 2],
];
const FEATURE_CONTROL_MSR = 0x3a;
const CAPABILITY_MSRS = 18;

interface Places {
  readonly start: number;
  readonly exit: number;
  readonly gdt: number;
  readonly idt: number;
  readonly tss: number;
}

/** What a hypercall's handler sees and changes. */
export interface HypercallContext {
  readonly processor: Processor;
  /** A general register of the guest, by its number. */
  register(number: number): bigint;
  setRegister(number: number, value: bigint): void;
}

export class VmxMonitor implements Monitor {
  readonly technique = 'vmx';
  readonly debugInfo = [hypervisorSymbols()];
  /** Answers VMCALL. */
  onHypercall: (call: HypercallContext) => void = (call) => call.setRegister(Reg.eax, -1n);
  private machine!: FreshMachine;

  install(machine: FreshMachine): void {
    this.machine = machine;
    const { pc, cpus } = machine;
    const { memory } = pc;
    if (machine.switchedOn) memory.addRam(ORIGIN, SIZE);
    memory.writeBytes(ORIGIN as never, hypervisor);
    pc.ports.connect(SERVICE_PORT, 1, this.service, 4);
    const eptPointer = writeEpt(memory);
    const cr3 = writeHostTables(memory);
    writeBitmaps(memory);
    for (const { index } of cpus.list) this.takeOver(cpus.load(index), eptPointer, { ...PLACES, cr3, area: AREAS + index * AREA_SIZE });
    cpus.load(0);
  }

  /** Puts the hypervisor's first instruction in the place of the guest's. */
  private takeOver(processor: Processor, eptPointer: number, places: HostPlaces & Places): void {
    const { memory } = this.machine.pc;
    const { area } = places;
    const fields = FIELDS + processor.index * FIELDS_SIZE;
    for (let at = area; at < area + AREA_SIZE; at += 4) memory.write(at, 4, 0);
    for (const region of [AREA.vmxon, AREA.vmcs]) memory.write(area + region, 4, VMCS_REVISION);
    put(memory, area + AREA.vmxonPointer, area + AREA.vmxon, 0);
    put(memory, area + AREA.vmcsPointer, area + AREA.vmcs, 0);
    generalRegisters(processor).forEach(([low, high], i) => put(memory, area + AREA.registers + i * 8, low, high));
    writeFields(memory, fields, firstFields(processor, eptPointer, places));
    enterHost(processor, places, fields);
  }

  // --- what the hypervisor asks

  private readonly service: PortHandler = {
    read: (_, size) => (size === 4 ? 0xffffffff : size === 2 ? 0xffff : 0xff),
    write: (_, size, what) => {
      // A guest's access that comes apart may touch the port, too.
      if (size === 4) this.serve(this.machine.cpus.current, what);
    },
  };

  private serve(processor: Processor, what: number): void {
    switch (what) {
      case Service.hypercall:
        return this.onHypercall(this.hypercall(processor));
      case Service.taskSwitch:
        processor.vmx.letsTaskSwitch = true;
        return;
      case Service.init:
        return this.initialize(processor);
      case Service.tripleFault:
        return processor.shutDown('a triple fault of the guest');
      case Service.floatError:
        return processor.reportFloatError();
      default: {
        const { current, refusal } = processor.vmx;
        const reason = current?.low(Field.exitReason) ?? 0;
        const error = current?.low(Field.instructionError) ?? 0;
        const exit = `${reason & 0xffff}, ${exitReasonName(reason & 0xffff)}`;
        return this.machine.fail(
          what === Service.fatal
            ? `the built-in hypervisor could not go on: VM-instruction error ${error}${refusal?.check ? ` (${refusal.check.rule})` : ''}, last exit ${exit}`
            : `not implemented: the built-in hypervisor's answer to VM exit ${exit}`,
        );
      }
    }
  }

  private hypercall(processor: Processor): HypercallContext {
    const { memory } = this.machine.pc;
    const frame = processor.state.reg64(Reg.ebx) >>> 0;
    return {
      processor,
      register: (number) =>
        (BigInt(memory.readWord(frame + number * 8 + 4) >>> 0) << 32n) | BigInt(memory.readWord(frame + number * 8) >>> 0),
      setRegister: (number, value) =>
        put(memory, frame + number * 8, Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))),
    };
  }

  /** INIT of a guest's processor: what it would be then becomes the guest's state. */
  private initialize(processor: Processor): void {
    const { state, vmx, model, localApic } = processor;
    const { memory } = this.machine.pc;
    const frame = state.reg64(Reg.ebx) >>> 0;
    const host = state.save();
    initState(state, model.signature);
    if (!localApic?.bootstrap) state.setSys(SYS.activity, Activity.waitForSipi);
    const fields = guestFields(processor);
    const registers = generalRegisters(processor);
    state.load(host);
    for (const [field, [low, high]] of fields) vmx.current?.setHalves(field, low, high);
    registers.forEach(([low, high], i) => put(memory, frame + i * 8, low, high));
  }

  statistics(): Statistics {
    return {};
  }
}

function put(memory: PhysicalMemory, at: number, low: number, high: number): void {
  memory.write(at, 4, low >>> 0);
  memory.write(at + 4, 4, high >>> 0);
}

/** Where the image has its parts. */
const PLACES = Object.fromEntries(labels) as unknown as Places;

function writeFields(memory: PhysicalMemory, at: number, fields: FieldValues): void {
  let next = at;
  for (const [field, [low, high]] of fields) {
    put(memory, next, field, 0);
    put(memory, next + 8, low, high);
    next += 16;
  }
  put(memory, next, 0xffffffff, 0xffffffff);
}

/** Every port exits but the direct ones; of the MSRs those that are VMX's, which the guest is told not to have. */
function writeBitmaps(memory: PhysicalMemory): void {
  for (let at = 0; at < 2 * PAGE; at += 4) memory.write(IO_BITMAP_A + at, 4, 0xffffffff);
  const flip = (base: number, bit: number): void =>
    memory.write(base + (bit >> 3), 1, memory.read(base + (bit >> 3), 1) ^ (1 << (bit & 7)));
  for (const [first, count] of DIRECT_PORTS) for (let port = first; port < first + count; port++) flip(IO_BITMAP_A, port);
  for (let at = 0; at < PAGE; at += 4) memory.write(MSR_BITMAPS + at, 4, 0);
  const msrs = [FEATURE_CONTROL_MSR, ...Array.from({ length: CAPABILITY_MSRS }, (_, i) => FIRST_CAPABILITY_MSR + i)];
  for (const half of [0, PAGE / 2]) for (const msr of msrs) flip(MSR_BITMAPS + half, msr);
}

const { present, segment, code, readWrite, accessed, granular, long, big } = Attr;
const WHOLE = { base: 0, limit: 0xffffffff, unusable: false } as const;

/** The processor is about to run the hypervisor's first instruction. */
function enterHost(processor: Processor, places: HostPlaces & Places, fields: number): void {
  const { state, mmu } = processor;
  state.setSys(SYS.cr0, HOST_CR0);
  state.setSysHalves(SYS.cr3, places.cr3, 0);
  // VMXON is the hypervisor's own, and so is CR4.VMXE.
  state.setSys(SYS.cr4, hostCr4(processor));
  state.setSys(SYS.efer, HOST_EFER);
  state.setSys(FeatureControl.slot, FeatureControl.enabled);
  state.setSys(SYS.dr7, 0x400);
  state.setSys(SYS.activity, Activity.active);
  state.setSysHalves(SYS.gdtrBase, places.gdt, 0);
  state.setSys(SYS.gdtrLimit, 0xffff);
  state.setSysHalves(SYS.idtrBase, places.idt, 0);
  state.setSys(SYS.idtrLimit, 0xffff);
  const data = present | segment | readWrite | accessed | granular | big;
  state.setSegment(Seg.cs, {
    ...WHOLE,
    selector: HOST_CODE,
    attributes: present | segment | code | readWrite | accessed | granular | long,
  });
  for (const number of [Seg.ss, Seg.ds, Seg.es]) state.setSegment(number, { ...WHOLE, selector: HOST_DATA, attributes: data });
  for (const number of [Seg.fs, Seg.gs]) state.setSegment(number, { ...WHOLE, selector: 0, attributes: data, unusable: true });
  state.setSegment(Seg.tr, { selector: HOST_TASK, base: places.tss, limit: 0x67, attributes: present | 11, unusable: false });
  state.eflags = Flag.one;
  state.setCpl(0);
  for (let number = 0; number < 16; number++) state.setRegHalves(number, 0, 0);
  state.setReg32(Reg.edi, places.area);
  state.setReg32(Reg.esi, fields);
  state.setReg32(Reg.esp, places.area + AREA.stack);
  state.refresh();
  state.ip = places.start;
  mmu.flush();
  processor.debugRegistersChanged();
}
