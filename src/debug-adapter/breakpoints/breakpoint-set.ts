/** The breakpoints of one kind and, for sources, one file: replaced as a whole, as DAP does. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Decide, Probe, ProbePlace } from '../../engines/probes';
import type { ProbeOwners } from '../run/probe-owners';

/** Where one breakpoint goes, or why nowhere. */
export interface Resolved {
  /** Empty where it cannot be placed. */
  readonly places: readonly ProbePlace[];
  /** Reason of DAP's stopped event. */
  readonly reason: string;
  readonly decide: Decide;
  /** What the client is told besides `id` and `verified`. */
  readonly shown: Omit<DebugProtocol.Breakpoint, 'id' | 'verified'>;
}

/** Numbers that a breakpoint keeps as long as it is asked for in the same words, also over a restart. */
export class BreakpointIds {
  private readonly ids = new Map<string, number>();
  private next = 1;

  idOf(key: string): number {
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.next++;
      this.ids.set(key, id);
    }
    return id;
  }
}

export class BreakpointSet {
  private readonly owners: ProbeOwners;
  private probes: Probe[] = [];

  constructor(owners: ProbeOwners) {
    this.owners = owners;
  }

  /** @param ids as many as there are breakpoints */
  replace(list: readonly Resolved[], ids: readonly number[]): DebugProtocol.Breakpoint[] {
    this.clear();
    return list.map(({ places, reason, decide, shown }, i) => {
      const id = ids[i];
      for (const place of places) this.probes.push(this.owners.add(place, { kind: 'breakpoint', id, reason }, decide));
      return { id, verified: places.length > 0, ...shown };
    });
  }

  clear(): void {
    for (const probe of this.probes) this.owners.remove(probe);
    this.probes = [];
  }
}
