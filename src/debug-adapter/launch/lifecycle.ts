/** The requests that begin and end a session. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { SHOWN_FILTERS } from '../exceptions/filters';
import { filterNamed } from '../exceptions/filters';
import { applyWishes } from '../breakpoints/requests';
import { resolveFunction } from '../breakpoints/resolve';
import type { Guest } from '../guest';
import { alreadyLaunched, notSupported, UserError } from '../protocol/errors';
import { ClientPositions } from '../protocol/positions';
import type { Handlers } from '../protocol/requests';
import { RunOn } from '../run/motion';
import { RunTo } from '../run/steps';
import type { Session } from '../session';
import { announceModules } from '../sources/requests';
import { linear } from '../state/cpu-facts';

const CAPABILITIES: P.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsEvaluateForHovers: true,
  exceptionBreakpointFilters: [...SHOWN_FILTERS],
  supportsSetVariable: true,
  supportsGotoTargetsRequest: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['.', '[', '$', ':'],
  supportsModulesRequest: true,
  supportsRestartRequest: true,
  supportsExceptionOptions: false,
  supportsValueFormattingOptions: true,
  supportsExceptionInfoRequest: true,
  supportTerminateDebuggee: true,
  supportsDelayedStackTraceLoading: true,
  supportsLoadedSourcesRequest: true,
  supportsLogPoints: true,
  supportsSetExpression: true,
  supportsTerminateRequest: true,
  supportsDataBreakpoints: true,
  supportsDataBreakpointBytes: true,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsCancelRequest: true,
  supportsBreakpointLocationsRequest: true,
  supportsClipboardContext: true,
  supportsSteppingGranularity: true,
  supportsInstructionBreakpoints: true,
  supportsExceptionFilterOptions: true,
};

export function lifecycleRequests(session: Session): Handlers {
  return {
    initialize: (args) => {
      if (session.client) throw new UserError('initialize was sent already');
      session.client = args;
      session.positions = new ClientPositions(args);
      return CAPABILITIES;
    },

    launch: (args, context) => {
      if (!session.client) throw new UserError('send initialize first');
      if (session.current) throw alreadyLaunched();
      const guest = session.load(args);
      armBreakOn(guest, session);
      context.afterResponse(() => {
        session.dispatcher.event('process', {
          name: guest.program.parts[0]?.path ?? 'guest',
          isLocalProcess: false,
          startMethod: 'launch',
          pointerSize: 32,
        });
        announceModules(session, 'new');
        session.dispatcher.event('initialized');
      });
    },

    attach: () => {
      throw notSupported('attaching to a running guest');
    },

    configurationDone: (_args, context) => {
      const { guest } = session;
      if (session.configured) throw new UserError('configurationDone was sent already');
      session.configured = true;
      context.afterResponse(() => begin(guest, session));
    },

    restart: ({ arguments: changed }, context) => {
      const before = session.guest;
      const guest = session.load(changed as Record<string, unknown> | undefined);
      before.runner.end();
      armBreakOn(guest, session);
      context.afterResponse(() => {
        announceModules(session, 'changed');
        applyWishes(session);
        if (session.configured) begin(guest, session);
      });
    },

    terminate: (_args, context) => {
      void session.guest;
      context.afterResponse(() => session.end());
    },

    disconnect: () => {
      session.current?.runner.end();
      session.current?.output.flush();
    },

    cancel: ({ requestId, progressId }) => {
      if (requestId !== undefined) session.dispatcher.cancel(requestId);
      if (progressId !== undefined) session.progress.cancel(progressId);
    },
  };
}

/** Starts the guest, to its entry or for good. */
function begin(guest: Guest, session: Session): void {
  const { stopOnEntry, noDebug, stepIntoHypervisor } = guest.attributes;
  const parts = { engine: guest.engine, owners: guest.owners, cpu: 0, entersHypervisor: stepIntoHypervisor };
  const toEntry = stopOnEntry && !noDebug;
  session.go(toEntry ? new RunTo(parts, 'entry', (point) => point.set(linear(guest.entry), undefined, undefined, 'any')) : new RunOn());
}

/** The launch attribute `breakOn`: exception filters, symbols and addresses. @throws UserError for what is none */
function armBreakOn(guest: Guest, session: Session): void {
  if (guest.attributes.noDebug) return;
  const places = guest.attributes.breakOn.filter((item) => !filterNamed(item));
  const resolved = places.map((name) => resolveFunction(guest.resolveParts, { name }));
  const bad = resolved.findIndex((breakpoint) => breakpoint.places.length === 0);
  if (bad >= 0) {
    session.current = undefined;
    throw new UserError(`launch attribute 'breakOn': '${places[bad]}': ${resolved[bad].shown.message}`, true);
  }
  guest.breakpointSet('breakOn').replace(
    resolved,
    places.map((name) => session.ids.idOf(`breakOn:${name}`)),
  );
  for (const item of guest.attributes.breakOn) {
    if (!filterNamed(item)) continue;
    const { verified, message } = guest.exceptions.add(item);
    if (verified) continue;
    session.current = undefined;
    throw new UserError(`launch attribute 'breakOn': '${item}': ${message}`, true);
  }
}
