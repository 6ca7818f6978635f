/** Out of a procedure or a handler, to whoever it was called or interrupted from. */
import type { EngineStop, RunRequest } from '../../engines/engine';
import type { Probe } from '../../engines/probes';
import type { Ring, VmxOperation } from '../../shared/transition';
import { linear, stackTop } from '../state/cpu-facts';
import { BackInGuest } from './guest-exit';
import type { Motion } from './motion';
import { ReturnPoint, type StepParts } from './steps';

/** Where a frame goes back to. */
export interface ReturnTarget {
  readonly address: number;
  /** Linear address that the stack comes back to, as far as it is known. */
  readonly stack: number | undefined;
  readonly ring: Ring;
  /** The return crosses a boundary: by IRET, RETF or a task switch. */
  readonly boundary: boolean;
  readonly vmx: VmxOperation;
  /** Of the guest that the hypervisor goes back to by VM entry: physical address of its VMCS. */
  readonly guest: number | undefined;
}

export class StepOut implements Motion {
  readonly reason = 'step';
  readonly title = 'Stepping out';
  private readonly parts: StepParts;
  private readonly target: ReturnTarget;
  private readonly point: ReturnPoint;
  private readonly entry: BackInGuest;
  private transition: Probe | undefined;

  constructor(parts: StepParts, target: ReturnTarget) {
    this.parts = parts;
    this.target = target;
    this.point = new ReturnPoint(parts);
    this.entry = new BackInGuest(parts);
  }

  begin(): void {
    const { address, stack, ring, boundary, vmx, guest } = this.target;
    if (guest !== undefined) {
      // Wherever the hypervisor lets it go on.
      this.entry.wait(guest);
      return;
    }
    this.point.set(linear(address), stack, ring, vmx);
    if (!boundary) return;
    // A handler may return elsewhere than it came from: behind the instruction that faulted, for one.
    const { engine, owners, cpu } = this.parts;
    this.transition = owners.add({ kind: 'transition' }, { kind: 'motion' }, (event) => {
      const raw = event.transition;
      if (event.cpu !== cpu || raw === undefined || raw.to.ring !== ring || raw.to.vmx !== vmx) return false;
      if (raw.kind !== 'return' && raw.kind !== 'task-switch') return false;
      return stack === undefined || stackTop(engine.cpus[cpu]) >= stack;
    });
  }

  next(instructions: number): RunRequest {
    return { instructions, returnWhenIdle: true };
  }

  arrived(stop: EngineStop): boolean {
    return this.point.isHit(stop) || this.entry.isHit(stop) || stop.hits.some(({ probe }) => probe === this.transition);
  }

  end(): void {
    this.point.clear();
    this.entry.clear();
    if (this.transition) this.parts.owners.remove(this.transition);
    this.transition = undefined;
  }
}
