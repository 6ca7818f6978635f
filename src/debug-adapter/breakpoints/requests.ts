/** The requests that set breakpoints. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { Guest } from '../guest';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import type { Resolved } from './breakpoint-set';
import { dataBreakpointInfo } from './data-info';
import { resolveData, resolveFunction, resolveInstruction, resolveSource } from './resolve';

export function breakpointRequests(session: Session): Handlers {
  return {
    setBreakpoints: (args) => {
      const { guest } = session;
      session.wishes.sources.set(pathOf(args.source), args);
      return { breakpoints: setSource(session, guest, args) };
    },
    setFunctionBreakpoints: (args) => {
      session.wishes.functions = args;
      return { breakpoints: setFunctions(session, session.guest, args) };
    },
    setInstructionBreakpoints: (args) => {
      session.wishes.instructions = args;
      return { breakpoints: setInstructions(session, session.guest, args) };
    },
    setDataBreakpoints: (args) => {
      session.wishes.data = args;
      return { breakpoints: setData(session, session.guest, args) };
    },
    setExceptionBreakpoints: (args) => {
      session.wishes.exceptions = args;
      return { breakpoints: setExceptions(session.guest, args) };
    },
    dataBreakpointInfo: (args) => dataBreakpointInfo(session.guest, args),
    breakpointLocations: ({ source, line, endLine }) => {
      const { guest, positions } = session;
      const path = pathOf(source);
      const from = positions.fromClientLine(line);
      const to = endLine === undefined ? from : positions.fromClientLine(endLine);
      const lines = new Set(guest.program.filesNamed(path).flatMap((file) => file.info.codeLines(file.path, from, to)));
      return { breakpoints: [...lines].sort((a, b) => a - b).map((each) => ({ line: positions.toClientLine(each) })) };
    },
  };
}

/** Sets everything again in a guest that was started anew, and tells what became of it. */
export function applyWishes(session: Session): void {
  const { guest, wishes } = session;
  const changed: P.Breakpoint[] = [];
  for (const args of wishes.sources.values()) changed.push(...setSource(session, guest, args));
  if (wishes.functions) changed.push(...setFunctions(session, guest, wishes.functions));
  if (wishes.instructions) changed.push(...setInstructions(session, guest, wishes.instructions));
  if (wishes.data) changed.push(...setData(session, guest, wishes.data));
  if (wishes.exceptions) setExceptions(guest, wishes.exceptions);
  for (const breakpoint of changed) session.dispatcher.event('breakpoint', { reason: 'changed', breakpoint });
}

/** @throws UserError for a source that is no file */
export function pathOf({ path, name }: P.Source): string {
  const text = path ?? name;
  if (!text) throw new UserError('breakpoints need a source with a path');
  return text;
}

type Item = { condition?: string; hitCondition?: string };

/** Sets one group, with numbers that stay the same for the same wish. */
function setGroup<T extends Item>(
  session: Session,
  guest: Guest,
  group: string,
  items: readonly T[],
  nameOf: (item: T) => string,
  resolve: (item: T) => Resolved,
): P.Breakpoint[] {
  const resolved = items.map((item) => (guest.attributes.noDebug ? disabled : resolve(item)));
  const seen = new Map<string, number>();
  const ids = items.map((item) => {
    const name = nameOf(item);
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    return session.ids.idOf(`${group}:${name}:${nth}`);
  });
  return guest.breakpointSet(group).replace(resolved, ids);
}

const disabled: Resolved = {
  places: [],
  reason: '',
  decide: () => false,
  shown: { message: 'the program was launched without debugging' },
};

function setSource(session: Session, guest: Guest, { source, breakpoints = [] }: P.SetBreakpointsArguments): P.Breakpoint[] {
  const path = pathOf(source);
  const { positions } = session;
  const asked = breakpoints.map((breakpoint) => ({ ...breakpoint, line: positions.fromClientLine(breakpoint.line) }));
  const list = setGroup(
    session,
    guest,
    `source:${path}`,
    asked,
    ({ line }) => String(line),
    (breakpoint) => resolveSource(guest.resolveParts, path, breakpoint),
  );
  return withClientLines(session, list);
}

function setFunctions(session: Session, guest: Guest, { breakpoints }: P.SetFunctionBreakpointsArguments): P.Breakpoint[] {
  return withClientLines(
    session,
    setGroup(
      session,
      guest,
      'function',
      breakpoints,
      ({ name }) => name,
      (breakpoint) => resolveFunction(guest.resolveParts, breakpoint),
    ),
  );
}

function setInstructions(session: Session, guest: Guest, { breakpoints }: P.SetInstructionBreakpointsArguments): P.Breakpoint[] {
  return withClientLines(
    session,
    setGroup(
      session,
      guest,
      'instruction',
      breakpoints,
      ({ instructionReference, offset }) => `${instructionReference}+${offset ?? 0}`,
      (breakpoint) => resolveInstruction(guest.resolveParts, breakpoint),
    ),
  );
}

function setData(session: Session, guest: Guest, { breakpoints }: P.SetDataBreakpointsArguments): P.Breakpoint[] {
  return setGroup(
    session,
    guest,
    'data',
    breakpoints,
    ({ dataId }) => dataId,
    (breakpoint) => resolveData(guest.resolveParts, breakpoint),
  );
}

function setExceptions(guest: Guest, args: P.SetExceptionBreakpointsArguments): P.Breakpoint[] {
  return guest.attributes.noDebug ? [] : guest.exceptions.replace(args);
}

function withClientLines({ positions }: Session, list: readonly P.Breakpoint[]): P.Breakpoint[] {
  return list.map((breakpoint) => ({
    ...breakpoint,
    ...(breakpoint.line !== undefined && { line: positions.toClientLine(breakpoint.line) }),
  }));
}
