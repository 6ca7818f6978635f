/** A way in which the guest moves: running on, or some kind of step. */
import type { EngineStop, RunRequest } from '../../engines/engine';

export interface Motion {
  /** Of DAP's stopped event when it arrives. */
  readonly reason: 'step' | 'entry';
  /** What it does, for when it takes long; undefined where that is nothing to wonder at. */
  readonly title: string | undefined;
  /** The processor that it is about; undefined where it is about all. */
  readonly vcpu?: number;
  /** Called once, before the first slice. */
  begin(): void;
  /** The next piece of work. @param instructions at most so many, for pieces that may be long */
  next(instructions: number): RunRequest;
  /**
   * The engine came back at the end of a piece, or at one of the motion's own probes.
   * @returns whether it has arrived
   */
  arrived(stop: EngineStop): boolean;
  /** Takes its probes away. */
  end(): void;
}

/** Until something else stops it. */
export class RunOn implements Motion {
  readonly reason = 'step';
  readonly title = undefined;

  begin(): void {}

  next(instructions: number): RunRequest {
    return { instructions, returnWhenIdle: true };
  }

  arrived(): boolean {
    return false;
  }

  end(): void {}
}
