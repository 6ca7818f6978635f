/** Steps of a whole source line, for sources in which a line is many instructions. */
import type { EngineStop, RunRequest, VirtualCpu } from '../../engines/engine';
import type { LineRange } from '../../symbols/debug-info';
import { linear, readNumber, stackTop, stackWidth } from '../state/cpu-facts';
import type { Program } from '../sources/program';
import type { Motion } from './motion';
import { ReturnPoint, type StepParts, StepIn, StepOver } from './steps';

export class LineStep implements Motion {
  readonly reason = 'step';
  readonly title = 'Stepping to the next line';
  readonly vcpu: number;
  private readonly parts: StepParts;
  private readonly program: Program;
  private readonly into: boolean;
  private readonly start: LineRange | undefined;
  private readonly point: ReturnPoint;
  private inner: Motion;
  private leaving = false;

  constructor(parts: StepParts, program: Program, into: boolean) {
    this.parts = parts;
    this.vcpu = parts.cpu;
    this.program = program;
    this.into = into;
    this.start = this.position;
    this.point = new ReturnPoint(parts);
    this.inner = this.single();
  }

  private get cpu(): VirtualCpu {
    return this.parts.engine.cpus[this.parts.cpu];
  }

  private get position(): LineRange | undefined {
    const { address, place } = this.cpu;
    return this.program.seenFrom(place.vmx).positionAt(address);
  }

  private single(): Motion {
    return this.into ? new StepIn(this.parts) : new StepOver(this.parts);
  }

  begin(): void {
    this.inner.begin();
  }

  next(instructions: number): RunRequest {
    return this.leaving ? { instructions, returnWhenIdle: true } : this.inner.next(instructions);
  }

  arrived(stop: EngineStop): boolean {
    if (this.leaving) {
      if (!this.point.isHit(stop)) return false;
      this.leaving = false;
      this.point.clear();
    } else {
      if (!this.inner.arrived(stop)) return false;
      this.inner.end();
    }
    const { cpu } = this;
    const { position } = this;
    if (!position && this.leave()) return false;
    const moved = !position || position.line !== this.start?.line || position.path !== this.start.path;
    if (moved && (!position || position.address === cpu.address)) return true;
    this.parts.engine.passProbes(this.parts.cpu);
    this.inner = this.single();
    this.inner.begin();
    return false;
  }

  /** Into a procedure without source: runs to its return address, which a CALL has just pushed. */
  private leave(): boolean {
    if (!this.start) return false;
    const { cpu } = this;
    const width = stackWidth(cpu);
    const top = stackTop(cpu);
    const offset = readNumber(this.parts.engine, this.parts.cpu, 'linear', top, width);
    if (offset === undefined) return false;
    const address = cpu.linear('cs', offset);
    const back = this.program.seenFrom(cpu.place.vmx).positionAt(address);
    if (back?.path !== this.start.path) return false;
    this.leaving = true;
    this.point.set(linear(address), top + width);
    return true;
  }

  end(): void {
    this.inner.end();
    this.point.clear();
  }
}
