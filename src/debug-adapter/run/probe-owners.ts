/** Probes with a note of whom they belong to, so that a stop can be told for what it is. */
import type { Engine } from '../../engines/engine';
import type { Decide, Probe, ProbeHit, ProbePlace } from '../../engines/probes';

export type ProbeOwner =
  /** Breakpoints of the user; the reason is that of DAP's stopped event. */
  | { readonly kind: 'breakpoint'; readonly id: number; readonly reason: string }
  /** Exception filters, by what exceptionInfo will tell. */
  | { readonly kind: 'exception'; readonly describe: (hit: ProbeHit) => ExceptionText }
  /** Of the step that is under way. */
  | { readonly kind: 'motion' };

export interface ExceptionText {
  /** `#GP`, `ring change`. */
  readonly id: string;
  /** One line. */
  readonly description: string;
  /** Line by line, for the exception's details. */
  readonly details: readonly string[];
}

export class ProbeOwners {
  private readonly engine: Engine;
  private readonly owners = new Map<Probe, ProbeOwner>();

  constructor(engine: Engine) {
    this.engine = engine;
  }

  add(place: ProbePlace, owner: ProbeOwner, decide?: Decide): Probe {
    const probe = this.engine.probes.add(place, decide);
    this.owners.set(probe, owner);
    return probe;
  }

  remove(probe: Probe): void {
    this.owners.delete(probe);
    this.engine.probes.remove(probe);
  }

  ownerOf({ probe }: ProbeHit): ProbeOwner | undefined {
    return this.owners.get(probe);
  }
}
