/** The exception filters that are on. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { Probe } from '../../engines/probes';
import type { GuestEnvironment } from '../expressions/guest-environment';
import type { ProbeOwners } from '../run/probe-owners';
import type { Runner } from '../run/runner';
import { filterNamed, TRIPLE_FAULT } from './filters';

export class ExceptionBreakpoints {
  private readonly owners: ProbeOwners;
  private readonly runner: Runner;
  private readonly environment: GuestEnvironment;
  private probes: Probe[] = [];

  constructor(owners: ProbeOwners, runner: Runner, environment: GuestEnvironment) {
    this.owners = owners;
    this.runner = runner;
    this.environment = environment;
  }

  replace({ filters, filterOptions }: P.SetExceptionBreakpointsArguments): P.Breakpoint[] {
    for (const probe of this.probes) this.owners.remove(probe);
    this.probes = [];
    this.runner.stopOnTripleFault = false;
    const asked = [...filters.map((filterId): P.ExceptionFilterOptions => ({ filterId })), ...(filterOptions ?? [])];
    return asked.map(({ filterId, condition }) => this.add(filterId, condition));
  }

  /** Switches one more on. */
  add(id: string, condition?: string): P.Breakpoint {
    const filter = filterNamed(id);
    if (!filter) return { verified: false, message: `there is no exception filter '${id}'` };
    if (filter.id === TRIPLE_FAULT) this.runner.stopOnTripleFault = true;
    try {
      for (const { place, decide, describe } of filter.arm(condition, this.environment)) {
        this.probes.push(this.owners.add(place, { kind: 'exception', describe }, decide));
      }
      return { verified: true };
    } catch (error) {
      return { verified: false, message: (error as Error).message };
    }
  }
}
