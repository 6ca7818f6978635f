/** Steps of one instruction: into what it calls, or over it. */
import type { Engine, EngineStop, RunRequest, VirtualCpu } from '../../engines/engine';
import type { Probe } from '../../engines/probes';
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import { linear, stackTop, wrapAddress } from '../state/cpu-facts';
import type { VmxOperation } from '../../shared/transition';
import { Detour } from './guest-exit';
import type { Motion } from './motion';
import type { ProbeOwners } from './probe-owners';

export interface StepParts {
  readonly engine: Engine;
  readonly owners: ProbeOwners;
  readonly cpu: number;
  /** Steps into any instruction of a guest that exits lead into its hypervisor, not into VMCALL alone. */
  readonly entersHypervisor: boolean;
}

/** All other processors have had a turn after so many instructions. */
const SEVERAL_TURNS = 20_000;

/** One step of one processor, whose turn may have to come first: whether it was made shows in how far the machine came. */
class SingleStep {
  private readonly parts: StepParts;
  private before = 0;
  private limit = 0;

  constructor(parts: StepParts) {
    this.parts = parts;
  }

  next(instructions: number): RunRequest {
    const { engine, cpu } = this.parts;
    this.before = engine.instructionCount;
    this.limit = engine.cpus.length === 1 ? 1 : Math.max(instructions, SEVERAL_TURNS);
    return { instructions: this.limit, step: true, cpu, returnWhenIdle: true };
  }

  isDone({ reason }: EngineStop): boolean {
    const { engine } = this.parts;
    return reason === 'slice' && (engine.cpus.length === 1 || engine.instructionCount - this.before < this.limit);
  }
}

/** One instruction, or one delivery of an interrupt or exception. */
export class StepIn implements Motion {
  readonly reason = 'step';
  readonly title = 'Stepping';
  readonly vcpu: number;
  private readonly single: SingleStep;
  private readonly detour: Detour;

  constructor(parts: StepParts) {
    this.vcpu = parts.cpu;
    this.single = new SingleStep(parts);
    this.detour = new Detour(parts);
  }

  begin(): void {
    this.detour.begin();
  }

  next(instructions: number): RunRequest {
    return this.detour.underWay ? { instructions, returnWhenIdle: true } : this.single.next(instructions);
  }

  arrived(stop: EngineStop): boolean {
    if (!this.detour.underWay) return this.single.isDone(stop) && !this.detour.leaves(true);
    const over = this.detour.over(stop);
    if (over === 'again') this.begin();
    return over === 'done';
  }

  end(): void {
    this.detour.end();
  }
}

/** A place to come back to: an address, with the stack no deeper than now and in the same ring. */
export class ReturnPoint {
  private readonly parts: StepParts;
  private probe: Probe | undefined;

  constructor(parts: StepParts) {
    this.parts = parts;
  }

  private get cpu(): VirtualCpu {
    return this.parts.engine.cpus[this.parts.cpu];
  }

  /**
   * @param stack linear address that the stack must have come back to; left out to take any
   * @param operation of VMX: in a guest it is the same guest that is meant
   */
  set(
    address: LinearAddress,
    stack: number | undefined,
    ring = this.cpu.place.ring,
    operation: VmxOperation | 'any' = this.cpu.place.vmx,
  ): void {
    this.clear();
    const vmcs = operation === 'non-root' ? this.cpu.vmx?.region?.address : undefined;
    this.probe = this.parts.owners.add({ kind: 'code', address }, { kind: 'motion' }, ({ cpu }) => {
      if (cpu !== this.parts.cpu) return false;
      const { place, vmx } = this.cpu;
      if (place.ring !== ring || (operation !== 'any' && place.vmx !== operation)) return false;
      if (vmcs !== undefined && vmx?.region?.address !== vmcs) return false;
      return stack === undefined || stackTop(this.cpu) >= stack;
    });
  }

  isHit({ hits }: EngineStop): boolean {
    return hits.some(({ probe }) => probe === this.probe);
  }

  clear(): void {
    if (this.probe) this.parts.owners.remove(this.probe);
    this.probe = undefined;
  }
}

const SOFTWARE_INTERRUPTS: ReadonlySet<string> = new Set(['int', 'int1', 'int3', 'into']);

/** Whether an instruction comes back behind itself after having run others, or repeats itself. */
function isStepOver({ row, prefixes }: Instruction): boolean {
  if (row.repeat !== 'none' && prefixes.repeat !== 'none') return true;
  return row.flow === 'call' || row.semantics === 'callFar' || SOFTWARE_INTERRUPTS.has(row.semantics);
}

const isRepeated = ({ row, prefixes }: Instruction): boolean => row.repeat !== 'none' && prefixes.repeat !== 'none';

/**
 * One instruction, with what it calls run to its end. An interrupt from outside that comes in between is run to its end
 * too; a fault of the instruction itself is not: its handler is where the step leads.
 */
export class StepOver implements Motion {
  readonly reason = 'step';
  readonly title = 'Stepping over';
  private readonly parts: StepParts;
  private readonly point: ReturnPoint;
  private readonly single: SingleStep;
  readonly vcpu: number;
  /** Only a repetition is run to its end, not what is called. */
  private readonly repetitionsOnly: boolean;
  private readonly detour: Detour;
  private phase: 'step' | 'over' | 'interrupted' = 'step';
  private logged = 0;

  constructor(parts: StepParts, repetitionsOnly = false) {
    this.parts = parts;
    this.repetitionsOnly = repetitionsOnly;
    this.vcpu = parts.cpu;
    this.single = new SingleStep(parts);
    this.point = new ReturnPoint(parts);
    this.detour = new Detour(parts);
  }

  private get cpu(): VirtualCpu {
    return this.parts.engine.cpus[this.parts.cpu];
  }

  begin(): void {
    const { cpu } = this;
    this.detour.begin();
    const instruction = cpu.heldException || cpu.halted ? undefined : cpu.decode(cpu.address);
    this.logged = this.parts.engine.transitions.total;
    const over = instruction !== undefined && (this.repetitionsOnly ? isRepeated(instruction) : isStepOver(instruction));
    this.phase = over ? 'over' : 'step';
    if (over) {
      const stack = isRepeated(instruction) ? undefined : stackTop(cpu);
      this.point.set(linear(wrapAddress(cpu, cpu.address + instruction.length)), stack);
    }
  }

  next(instructions: number): RunRequest {
    const single = this.phase === 'step' && !this.detour.underWay;
    return single ? this.single.next(instructions) : { instructions, returnWhenIdle: true };
  }

  arrived(stop: EngineStop): boolean {
    if (this.detour.underWay) {
      const over = this.detour.over(stop);
      if (over === 'again') this.begin();
      return over === 'done';
    }
    if (this.phase === 'step') {
      if (!this.single.isDone(stop) || this.detour.leaves(this.repetitionsOnly)) return false;
      return this.repetitionsOnly || !this.skipInterrupt();
    }
    if (!this.point.isHit(stop)) return false;
    if (this.phase === 'over') return true;
    // The interrupt is over: now the instruction itself.
    this.point.clear();
    this.parts.engine.passProbes(this.parts.cpu);
    this.begin();
    return false;
  }

  /** If the step delivered an interrupt from outside: waits for its end. */
  private skipInterrupt(): boolean {
    const { transitions } = this.parts.engine;
    if (transitions.total === this.logged) return false;
    const last = transitions.raw(transitions.total - 1);
    if (last?.kind !== 'interrupt' || last.vcpu !== this.parts.cpu) return false;
    this.phase = 'interrupted';
    const stack = last.toStackSelector < 0 && last.from.ring === last.to.ring ? stackTop(this.cpu) : undefined;
    this.point.set(linear(last.address), stack, last.from.ring);
    return true;
  }

  end(): void {
    this.point.clear();
    this.detour.end();
  }
}

/** Until a given place is reached, whatever comes in between. */
export class RunTo implements Motion {
  readonly reason: 'step' | 'entry';
  readonly title = 'Running to the program';
  private readonly point: ReturnPoint;
  private readonly place: () => void;

  constructor(parts: StepParts, reason: 'step' | 'entry', place: (point: ReturnPoint) => void) {
    this.reason = reason;
    this.point = new ReturnPoint(parts);
    this.place = () => place(this.point);
  }

  begin(): void {
    this.place();
  }

  next(instructions: number): RunRequest {
    return { instructions, returnWhenIdle: true };
  }

  arrived(stop: EngineStop): boolean {
    return this.point.isHit(stop);
  }

  end(): void {
    this.point.clear();
  }
}
