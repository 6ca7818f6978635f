/**
 * VMX of one processor: whether it is in VMX operation and where, its current VMCS, and what the controls in force ask of the rest of the
 * processor. Instructions are in `instructions.ts`, VM entry in `entry.ts`, VM exit in `exit.ts`, what makes an instruction exit in `intercepts.ts`.
 */
import type { Clock, Timer } from '../../machine/clock';
import { NANOSECONDS_PER_INSTRUCTION } from '../../machine/clock';
import { Activity, Intercept, INTERCEPTS, SYS, VMX_PLACE } from '../layout';
import { Cr0, Flag } from '../state';
import { cr4Bits } from '../system/control';
import type { Cpu } from '../system/cpu';
import { eferBits } from '../system/msr';
import type { Event } from '../system/interrupts';
import { BEYOND_PHYSICAL, CR0_FIXED0, PREEMPTION_TIMER_SHIFT } from './capabilities';
import { PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from './control-bits';
import type { ControlWords } from './entry-checks/check';
import { EntryChecker } from './entry-checks/entry-checker';
import { Field } from './fields';
import { VmxHistory } from './history';
import type { Refusal } from './refusal';
import { SHADOW_INDICATOR, Vmcs } from './vmcs';

/** Values of SYS.vmx: outside VMX operation, in its root part, or in its non-root part. */
export const Operation = { off: 0, root: 1, nonRoot: 2 } as const;

const PIN = PIN_CONTROLS.mask;
const PRIMARY = PRIMARY_CONTROLS.mask;
const SECONDARY = SECONDARY_CONTROLS.mask;
const NO_CONTROLS: ControlWords = { pin: 0, primary: 0, secondary: 0, exit: 0, entry: 0 };
const BREAKPOINT = 3;
/** VTPR in the virtual-APIC page. */
const VTPR = 0x80;
const PLACE_SHIFT = 8;

/** Bits of SYS.nmi: one waits, NMIs are blocked, virtual NMIs are blocked. */
export const Nmi = { waits: 1, blocked: 2, virtuallyBlocked: 4 } as const;

export class Vmx {
  private readonly cpu: Cpu;
  private readonly clock: Clock;
  private readonly timer: Timer;
  readonly checker = new EntryChecker();
  /** Bits that CR4 and IA32_EFER may have. */
  readonly registerBits: { readonly cr4Fixed1: number; readonly eferBits: number };
  private known: Vmcs | undefined;
  /** SYS.vmx says non-root operation: asked so often that it is kept. */
  nonRoot = false;
  /** As of the last VM entry; all 0 outside non-root operation. */
  controls = NO_CONTROLS;
  /** What VM entry injects, before anything else happens. */
  injection: Event | undefined;
  /** An exit by the monitor trap flag waits for the next instruction boundary, or for the one behind it. */
  monitorTrap: 'no' | 'next' | 'now' = 'no';
  /** The VMX-preemption timer has expired. */
  expired = false;
  /** A write to the virtual TPR went below the threshold. */
  tprBelow = false;
  /** Of the last that was refused, until an entry succeeds. */
  refusal: Refusal | undefined;
  /** Entries and exits, for whoever looks back. */
  readonly history = new VmxHistory();
  /** The instruction under way is an IRET that has let NMIs in again. */
  unblockedNmis = false;
  /** The next task switch is carried out instead of an exit: a hypervisor of the engine's own has asked for it. */
  letsTaskSwitch = false;
  /** TSC at the last VM entry, of which the preemption timer's bits count. */
  private timerStart = 0;
  private timerValue = 0;
  /** Of PAUSE-loop exiting: TSC of the first and of the last PAUSE of a loop. */
  private pauseFirst = 0;
  private pauseLast = -1;

  constructor(cpu: Cpu, clock: Clock) {
    this.cpu = cpu;
    this.clock = clock;
    this.registerBits = { cr4Fixed1: cr4Bits(cpu.model), eferBits: eferBits(cpu.model) };
    this.timer = clock.timer(() => {
      this.expired = true;
    });
  }

  // --- operation

  get operation(): number {
    return this.cpu.state.sys(SYS.vmx);
  }

  get root(): boolean {
    return this.operation === Operation.root;
  }

  /** The VMXON region. */
  get vmxonPointer(): number {
    return this.cpu.state.sys64(SYS.vmxonPointer);
  }

  startOperation(region: number): void {
    const { state } = this.cpu;
    state.setSys(SYS.vmx, Operation.root);
    state.setSys64(SYS.vmxonPointer, region);
    this.forgetCurrent();
    this.tell();
  }

  endOperation(): void {
    this.cpu.state.setSys(SYS.vmx, Operation.off);
    this.forgetCurrent();
    this.tell();
  }

  /** After RESET#, or when another state was loaded. */
  reset(): void {
    this.controls = NO_CONTROLS;
    this.known = undefined;
    this.refusal = undefined;
    this.history.clear();
    this.clearWaiting();
    this.timer.cancel();
    this.tell();
  }

  private clearWaiting(): void {
    this.injection = undefined;
    this.monitorTrap = 'no';
    this.expired = false;
    this.tprBelow = false;
    this.pauseLast = -1;
  }

  // --- the current VMCS

  /** Undefined where the current-VMCS pointer is FFFFFFFF_FFFFFFFFH. */
  get current(): Vmcs | undefined {
    const { state } = this.cpu;
    const pointer = state.sys64(SYS.vmcsPointer);
    if (pointer < 0) return undefined;
    if (this.known?.address !== pointer) this.known = new Vmcs(this.cpu.mmu.memory, pointer);
    return this.known;
  }

  makeCurrent(address: number): void {
    this.cpu.state.setSys64(SYS.vmcsPointer, address);
  }

  forgetCurrent(): void {
    this.cpu.state.setSysHalves(SYS.vmcsPointer, 0xffffffff, 0xffffffff);
    this.known = undefined;
  }

  /** What VMREAD and VMWRITE reach in non-root operation by VMCS shadowing. */
  get linked(): Vmcs | undefined {
    const { current } = this;
    if (!current) return undefined;
    const [low, high] = [current.low(Field.vmcsLinkPointer), current.high(Field.vmcsLinkPointer)];
    if ((low & high) >>> 0 === 0xffffffff) return undefined;
    return new Vmcs(this.cpu.mmu.memory, current.value(Field.vmcsLinkPointer));
  }

  isShadow(vmcs: Vmcs): boolean {
    return (vmcs.revision & SHADOW_INDICATOR) !== 0;
  }

  // --- control words

  /** As the current VMCS has them: secondary ones count as 0 while they are not activated. */
  controlWords(vmcs: Vmcs): ControlWords {
    const primary = vmcs.low(Field.primaryControls);
    return {
      pin: vmcs.low(Field.pinControls),
      primary,
      secondary: primary & PRIMARY.secondaryControls ? vmcs.low(Field.secondaryControls) : 0,
      exit: vmcs.low(Field.exitControls),
      entry: vmcs.low(Field.entryControls),
    };
  }

  hasPin(mask: number): boolean {
    return (this.controls.pin & mask) !== 0;
  }

  hasPrimary(mask: number): boolean {
    return (this.controls.primary & mask) !== 0;
  }

  hasSecondary(mask: number): boolean {
    return (this.controls.secondary & mask) !== 0;
  }

  /** The guest runs: what follows from the controls. */
  begin(controls: ControlWords): void {
    this.controls = controls;
    this.clearWaiting();
    this.cpu.state.setSys(SYS.vmx, Operation.nonRoot);
    this.startTimer();
    this.tell();
  }

  /** Back in root operation. */
  end(): void {
    this.controls = NO_CONTROLS;
    this.clearWaiting();
    this.timer.cancel();
    this.cpu.state.setSys(SYS.vmx, Operation.root);
    this.tell();
  }

  /** Lets emitted code know what it must leave to TypeScript, and where it runs. */
  tell(): void {
    this.nonRoot = this.operation === Operation.nonRoot;
    const { u32 } = this.cpu.state.host;
    u32[VMX_PLACE >> 2] = this.operation << PLACE_SHIFT;
    u32[INTERCEPTS >> 2] = this.nonRoot ? this.intercepts() : 0;
    this.cpu.setGuestTime(...this.tscOffset());
  }

  private intercepts(): number {
    const vmcs = this.current as Vmcs;
    const masks = vmcs.low(Field.cr0Mask) | vmcs.low(Field.cr4Mask);
    const set = (when: boolean | number, bit: number): number => (when ? bit : 0);
    return (
      set(this.hasPrimary(PRIMARY.unconditionalIoExiting | PRIMARY.ioBitmaps), Intercept.ports) |
      set(masks !== 0 || this.hasPrimary(PRIMARY.cr3StoreExiting), Intercept.controlReads) |
      set(this.hasPrimary(PRIMARY.rdtscExiting), Intercept.timeStamp) |
      set(!this.hasSecondary(SECONDARY.rdtscp), Intercept.noRdtscp) |
      set(this.hasPrimary(PRIMARY.pauseExiting) || this.hasSecondary(SECONDARY.pauseLoopExiting), Intercept.pause) |
      set(vmcs.low(Field.exceptionBitmap) & (1 << BREAKPOINT), Intercept.breakpoints)
    );
  }

  // --- control registers

  /** Bits of CR0 that must be 1: of an unrestricted guest neither PE nor PG. */
  get cr0Fixed0(): number {
    return this.hasSecondary(SECONDARY.unrestrictedGuest) ? (CR0_FIXED0 & ~(Cr0.pe | Cr0.pg)) >>> 0 : CR0_FIXED0;
  }

  // --- time

  private tscOffset(): readonly [low: number, high: number] {
    const vmcs = this.current;
    if (!vmcs || !this.nonRoot || !this.hasPrimary(PRIMARY.tscOffsetting)) return [0, 0];
    return [vmcs.low(Field.tscOffset), vmcs.high(Field.tscOffset)];
  }

  private startTimer(): void {
    if (!this.hasPin(PIN.preemptionTimer)) return;
    const { timeStamp } = this.cpu;
    this.timerValue = (this.current as Vmcs).low(Field.preemptionTimerValue);
    this.timerStart = timeStamp;
    if (this.timerValue === 0) {
      this.expired = true;
      return;
    }
    const step = 2 ** PREEMPTION_TIMER_SHIFT;
    const due = (Math.floor(timeStamp / step) + this.timerValue) * step - timeStamp;
    this.timer.set((this.clock.ticks + due) * NANOSECONDS_PER_INSTRUCTION);
  }

  /** What is left on the VMX-preemption timer. */
  get timerLeft(): number {
    const step = 2 ** PREEMPTION_TIMER_SHIFT;
    const passed = Math.floor(this.cpu.timeStamp / step) - Math.floor(this.timerStart / step);
    return this.expired ? 0 : Math.max(0, this.timerValue - passed);
  }

  /** The timer would wake a halted processor. */
  get timed(): boolean {
    return this.nonRoot && this.hasPin(PIN.preemptionTimer);
  }

  /** Whether a PAUSE exits: always, or in ring 0 where it is one of a long loop (manual, "Other Causes of VM Exits"). */
  pauseExits(): boolean {
    if (this.hasPrimary(PRIMARY.pauseExiting)) return true;
    if (this.cpu.state.cpl !== 0) return false;
    const vmcs = this.current as Vmcs;
    const now = this.cpu.timeStamp;
    const continues = this.pauseLast >= 0 && now - this.pauseLast <= vmcs.low(Field.pleGap);
    this.pauseLast = now;
    if (!continues) {
      this.pauseFirst = now;
      return false;
    }
    return now - this.pauseFirst > vmcs.low(Field.pleWindow);
  }

  // --- the virtual TPR

  /** MOV to and from CR8 reach the virtual-APIC page. */
  get shadowsTpr(): boolean {
    return this.nonRoot && this.hasPrimary(PRIMARY.tprShadow);
  }

  private get virtualApic(): number {
    return (this.current as Vmcs).value(Field.virtualApicAddress);
  }

  get virtualTpr(): number {
    return this.cpu.mmu.memory.readWord(this.virtualApic + VTPR) & 0xff;
  }

  /** Writes all of VTPR. */
  setVirtualTpr(value: number): void {
    this.cpu.mmu.memory.write(this.virtualApic + VTPR, 4, value & 0xff);
    this.checkTpr();
  }

  /** After VTPR changed: below the threshold there is an exit before the next instruction (manual, "Virtualizing TPR"). */
  checkTpr(): void {
    if (this.virtualTpr >> 4 < ((this.current as Vmcs).low(Field.tprThreshold) & 15)) this.tprBelow = true;
  }

  // --- what waits at an instruction boundary

  /** Something other than an interrupt has to be looked at before the next instruction. */
  get waits(): boolean {
    return (
      this.injection !== undefined ||
      this.monitorTrap !== 'no' ||
      this.expired ||
      this.tprBelow ||
      this.nmiWindowOpen ||
      this.interruptWindowOpen
    );
  }

  /** IF that becomes 1 has to be looked at. */
  get watchesInterruptFlag(): boolean {
    return this.hasPrimary(PRIMARY.interruptWindowExiting);
  }

  /** The end of a shadow has to be looked at. */
  get watchesBoundaries(): boolean {
    return this.monitorTrap !== 'no' || this.hasPrimary(PRIMARY.interruptWindowExiting | PRIMARY.nmiWindowExiting);
  }

  get interruptWindowOpen(): boolean {
    const { state } = this.cpu;
    return this.hasPrimary(PRIMARY.interruptWindowExiting) && state.flag(Flag.if) && state.sys(SYS.shadow) === 0 && this.takesEvents;
  }

  get nmiWindowOpen(): boolean {
    const { state } = this.cpu;
    if (!this.hasPrimary(PRIMARY.nmiWindowExiting)) return false;
    return (state.sys(SYS.nmi) & Nmi.virtuallyBlocked) === 0 && state.sys(SYS.shadow) === 0 && this.takesEvents;
  }

  /** No window opens in shutdown or while a start-up IPI is awaited. */
  private get takesEvents(): boolean {
    const activity = this.cpu.state.sys(SYS.activity);
    return activity === Activity.active || activity === Activity.halted;
  }

  /** IRET: lets NMIs in again, real or virtual ones (manual, "Changes to Instruction Behavior in VMX Non-Root Operation"). */
  unblockNmis(): void {
    const { state } = this.cpu;
    const blocking = !this.nonRoot || !this.exitsOnNmis ? Nmi.blocked : this.virtualNmis ? Nmi.virtuallyBlocked : 0;
    const now = state.sys(SYS.nmi);
    this.unblockedNmis = (now & blocking) !== 0;
    if (this.unblockedNmis) state.setSys(SYS.nmi, now & ~blocking);
  }

  /** An NMI was injected. */
  blockNmis(): void {
    const { state } = this.cpu;
    state.setSys(SYS.nmi, state.sys(SYS.nmi) | (this.virtualNmis ? Nmi.virtuallyBlocked : Nmi.blocked));
  }

  get exitsOnInterrupts(): boolean {
    return this.hasPin(PIN.externalInterruptExiting);
  }

  get exitsOnNmis(): boolean {
    return this.hasPin(PIN.nmiExiting);
  }

  get virtualNmis(): boolean {
    return this.hasPin(PIN.virtualNmis);
  }
}

/** A physical address that is a multiple of 4 KiB and not wider than the processor's. */
export const isPageAddress = (low: number, high: number): boolean => (low & 0xfff) === 0 && (high & BEYOND_PHYSICAL) === 0;
