/** The requests that let the guest run, step and stop. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { nearestCodeLine } from '../breakpoints/resolve';
import { pathOf } from '../breakpoints/requests';
import type { Guest } from '../guest';
import { isTerminated, UserError } from '../protocol/errors';
import type { Handlers, RequestContext } from '../protocol/requests';
import type { Session } from '../session';
import { formatReference, parseReference } from '../memory/reference';
import { isAssembly } from '../sources/paths';
import { setInstructionAddress } from '../state/cpu-facts';
import { LineStep } from './line-step';
import { type Motion, RunOn } from './motion';
import { StepIn, StepOver, type StepParts } from './steps';
import { StepOut } from './step-out';

export function runRequests(session: Session): Handlers {
  const go = (guest: Guest, context: RequestContext, motion: Motion): void => {
    context.afterResponse(() => {
      if (guest === session.current) session.go(motion);
    });
  };
  const partsOf = (guest: Guest, threadId: number): StepParts => ({
    engine: guest.engine,
    owners: guest.owners,
    cpu: guest.cpuOfThread(threadId).index,
    entersHypervisor: guest.attributes.stepIntoHypervisor,
  });
  return {
    continue: ({ threadId }, context) => {
      const guest = session.stopped;
      guest.cpuOfThread(threadId);
      go(guest, context, new RunOn());
      return { allThreadsContinued: true };
    },

    pause: ({ threadId }, context) => {
      const { guest } = session;
      const { index } = guest.cpuOfThread(threadId);
      if (guest.runner.state === 'ended') throw isTerminated();
      context.afterResponse(() => guest.runner.pause(index));
    },

    next: ({ threadId, granularity }, context) => {
      const guest = session.stopped;
      const parts = partsOf(guest, threadId);
      go(guest, context, byLine(guest, parts, granularity) ? new LineStep(parts, guest.program, false) : new StepOver(parts));
    },

    stepIn: ({ threadId, granularity }, context) => {
      const guest = session.stopped;
      const parts = partsOf(guest, threadId);
      if (byLine(guest, parts, granularity)) go(guest, context, new LineStep(parts, guest.program, true));
      // A repetition goes by iterations only where single instructions are asked for.
      else go(guest, context, granularity === 'instruction' ? new StepIn(parts) : new StepOver(parts, true));
    },

    stepOut: ({ threadId }, context) => {
      const guest = session.stopped;
      const parts = partsOf(guest, threadId);
      go(guest, context, new StepOut(parts, returnTarget(guest, parts.cpu)));
    },

    gotoTargets: ({ source, line }) => {
      const { guest, positions } = session;
      const found = nearestCodeLine(guest.program, pathOf(source), positions.fromClientLine(line));
      return {
        targets: (found?.ranges ?? []).map(({ address, line: at }) => ({
          id: address,
          label: `${guest.program.nameOf(address) ?? 'line'} at ${formatReference({ space: 'linear', address }).replace(':', ' ')}`,
          line: positions.toClientLine(at),
          instructionPointerReference: formatReference({ space: 'linear', address }),
        })),
      };
    },

    goto: ({ threadId, targetId }, context) => {
      const guest = session.stopped;
      const cpu = guest.cpuOfThread(threadId);
      try {
        setInstructionAddress(cpu, parseReference(String(targetId)).address);
      } catch (error) {
        throw new UserError((error as Error).message);
      }
      context.afterResponse(() => {
        guest.moved();
        guest.lastStop = { vcpu: cpu.index, reason: 'goto' };
        session.dispatcher.event('stopped', { reason: 'goto', threadId, allThreadsStopped: true });
        session.reporter.stopped();
      });
    },
  };
}

/**
 * Whether a step goes by source lines. In assembly a statement is an instruction; a line may be several, where a macro
 * or TIMES wrote it.
 */
function byLine(guest: Guest, { cpu }: StepParts, granularity: P.SteppingGranularity | undefined): boolean {
  if (granularity === 'instruction') return false;
  const { address, place } = guest.engine.cpus[cpu];
  const position = guest.program.seenFrom(place.vmx).positionAt(address);
  if (!position) return false;
  return granularity === 'line' || !isAssembly(position.path);
}

/** Where the innermost frame goes back to. @throws UserError where nobody is known */
function returnTarget(guest: Guest, vcpu: number) {
  const frames = guest.stacks.of(guest.engine.cpus[vcpu]);
  const [, second, third] = frames;
  const outer = second?.kind === 'label' ? third : second;
  if (outer?.kind !== 'code') throw new UserError('no return address is known here: the stack shows no caller and no interrupted code');
  const { address, stack, ring, vmx, space } = outer;
  const guestVmcs = space === 'guest' ? guest.engine.cpus[vcpu].savedGuest?.vmcs : undefined;
  return { address, stack, ring, vmx, boundary: second?.kind === 'label', guest: guestVmcs };
}
