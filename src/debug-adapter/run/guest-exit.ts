/** What a step of a guest comes upon where its instruction exits to the hypervisor: how it waits until the guest goes on. */
import type { EngineStop, VirtualCpu } from '../../engines/engine';
import type { Probe } from '../../engines/probes';
import type { LoggedTransition } from '../../engines/transitions';
import { stackTop } from '../state/cpu-facts';
import type { StepParts } from './steps';

/** Basic exit reasons. */
const VMCALL = 18;
const MONITOR_TRAP = 37;

/** The VM exit out of a guest that a processor made since the log had so many entries, if its last transition was one. */
export function exitSince({ engine: { transitions }, cpu }: StepParts, logged: number): LoggedTransition | undefined {
  for (let i = transitions.total - 1; i >= logged; i--) {
    const entry = transitions.raw(i);
    if (entry?.vcpu === cpu) return entry.kind === 'vm-exit' && entry.from.vmx === 'non-root' ? entry : undefined;
  }
  return undefined;
}

/** Whether a step into an instruction that exits leads to the hypervisor: always where that is the user's own. */
export const leadsIn = ({ cause }: LoggedTransition, { entersHypervisor }: StepParts): boolean => entersHypervisor || cause === VMCALL;

/** The next VM entry into a certain guest: entries into others are passed over. */
export class BackInGuest {
  private readonly parts: StepParts;
  private probe: Probe | undefined;

  constructor(parts: StepParts) {
    this.parts = parts;
  }

  private get cpu(): VirtualCpu {
    return this.parts.engine.cpus[this.parts.cpu];
  }

  get waits(): boolean {
    return this.probe !== undefined;
  }

  /** @param vmcs physical address of the guest's VMCS; undefined for any guest */
  wait(vmcs: number | undefined): void {
    this.clear();
    this.probe = this.parts.owners.add(
      { kind: 'transition' },
      { kind: 'motion' },
      ({ cpu, transition }) =>
        cpu === this.parts.cpu && transition?.kind === 'vm-entry' && (vmcs === undefined || this.cpu.vmx?.region?.address === vmcs),
    );
  }

  isHit({ hits }: EngineStop): boolean {
    return this.probe !== undefined && hits.some(({ probe }) => probe === this.probe);
  }

  clear(): void {
    if (this.probe) this.parts.owners.remove(this.probe);
    this.probe = undefined;
  }
}

/**
 * A way through the hypervisor and back that belongs to one step of the guest. The hypervisor may have carried the instruction out, or
 * have let the guest begin it again.
 */
export class Detour {
  private readonly parts: StepParts;
  private readonly back: BackInGuest;
  private address = 0;
  private stack = 0;
  private reason = -1;
  private logged = 0;

  constructor(parts: StepParts) {
    this.parts = parts;
    this.back = new BackInGuest(parts);
  }

  private get cpu(): VirtualCpu {
    return this.parts.engine.cpus[this.parts.cpu];
  }

  /** The step begins here. */
  begin(): void {
    const { cpu } = this;
    this.address = cpu.address;
    this.stack = stackTop(cpu);
    this.logged = this.parts.engine.transitions.total;
  }

  /** After an instruction: whether it exited, and the way back has to be waited for. @param into steps that want to see the hypervisor do */
  leaves(into: boolean): boolean {
    const exit = exitSince(this.parts, this.logged);
    if (!exit || (into && leadsIn(exit, this.parts))) return false;
    this.reason = exit.cause;
    this.back.wait(this.cpu.vmx?.region?.address);
    return true;
  }

  get underWay(): boolean {
    return this.back.waits;
  }

  /** @returns undefined while it goes on; whether the instruction is done when it is over */
  over(stop: EngineStop): 'done' | 'again' | undefined {
    if (!this.back.isHit(stop)) return undefined;
    this.back.clear();
    const { cpu } = this;
    if (cpu.address !== this.address || stackTop(cpu) !== this.stack || this.reason === MONITOR_TRAP) return 'done';
    this.parts.engine.passProbes(this.parts.cpu);
    return 'again';
  }

  end(): void {
    this.back.clear();
  }
}
