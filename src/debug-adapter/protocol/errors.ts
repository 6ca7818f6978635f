/** What a request is answered with when it cannot be done: the user's mistake, or ours. */

/** Something the client or the user got wrong, or that the guest cannot do. The message is one line for the user. */
export class UserError extends Error {
  /** Whether the editor should show it in a dialogue of its own. */
  readonly show: boolean;

  constructor(message: string, show = false) {
    super(oneLine(message));
    this.show = show;
  }
}

/** The request was cancelled while it was worked on. */
export class CancelledError extends Error {
  constructor() {
    super('cancelled');
  }
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, '; ');

export const notLaunched = (): UserError => new UserError('no program is launched yet');

export const alreadyLaunched = (): UserError => new UserError('a program is launched already; use restart or start another session');

export const isRunning = (): UserError => new UserError('the guest is running; pause it first');

export const isTerminated = (): UserError => new UserError('the guest has ended');

export const unknownThread = (id: number): UserError => new UserError(`there is no thread ${id}`);

export const unknownReference = (what: string, reference: number): UserError =>
  new UserError(`${what} ${reference} is no longer valid: the guest has moved on`);

export const notSupported = (what: string): UserError => new UserError(`${what} is not supported`);

/** The one line that goes into a response for any error. */
export function messageOf(error: unknown, command: string): string {
  if (error instanceof UserError || error instanceof CancelledError) return error.message;
  return `internal error in ${command}: ${oneLine(error instanceof Error ? error.message : String(error))}`;
}
