/**
 * Takes messages in, gives each request to its handler, and answers each exactly once: with what the handler returns or
 * resolves to, with the error it throws, or with `cancelled`.
 */
import { Event, Response } from '@vscode/debugadapter/lib/messages';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { CancelledError, messageOf, UserError } from './errors';
import type { Command, Handler, Handlers, RequestContext } from './requests';
import { checkArguments, describe } from './shapes';

export type Send = (message: DebugProtocol.ProtocolMessage) => void;

class Context implements RequestContext {
  readonly sequence: number;
  cancelled = false;
  readonly later: (() => void)[] = [];

  constructor(sequence: number) {
    this.sequence = sequence;
  }

  throwIfCancelled(): void {
    if (this.cancelled) throw new CancelledError();
  }

  afterResponse(action: () => void): void {
    this.later.push(action);
  }
}

/** Error numbers in responses; clients show the text. */
const USER_ERROR = 1;
const INTERNAL_ERROR = 2;
const CANCELLED = 3;

export class Dispatcher {
  private readonly post: Send;
  private readonly handlers = new Map<string, Handler<Command>>();
  private readonly open = new Map<number, Context>();
  private sequence = 1;
  /** Told of errors that are ours, for the log. */
  onInternalError: (error: unknown, command: string) => void = () => {};

  constructor(post: Send) {
    this.post = post;
  }

  register(family: Handlers): void {
    for (const [command, handler] of Object.entries(family)) this.handlers.set(command, handler as Handler<Command>);
  }

  /** Sends an event. */
  event(event: string, body?: unknown): void {
    this.send(new Event(event, body));
  }

  private send(message: DebugProtocol.ProtocolMessage): void {
    message.seq = this.sequence++;
    this.post(message);
  }

  /** Gives up on a request that is being worked on. @returns false when it is answered already or unknown */
  cancel(sequence: number): boolean {
    const context = this.open.get(sequence);
    if (context) context.cancelled = true;
    return context !== undefined;
  }

  /** Handles one message of the client; never throws. @returns when it is answered */
  async handle(message: unknown): Promise<void> {
    const problem = problemOf(message);
    if (problem) {
      this.report(problem);
      return;
    }
    const { type } = message as DebugProtocol.ProtocolMessage;
    // Responses answer reverse requests, of which there are none.
    if (type === 'request') await this.request(message as DebugProtocol.Request);
  }

  /** Tells of input that is no request, and so has no response of its own. */
  report(problem: string): void {
    this.event('output', { category: 'important', output: `malformed message from the client: ${problem}\n` });
  }

  private async request(request: DebugProtocol.Request): Promise<void> {
    const context = new Context(request.seq);
    this.open.set(request.seq, context);
    try {
      const handler = this.handlers.get(request.command);
      if (!handler) throw new UserError(`the request ${describe(request.command)} is not supported`);
      // Clients leave empty arguments out.
      const args: unknown = request.arguments ?? {};
      checkArguments(request.command, args);
      const body = await handler(args as never, context);
      context.throwIfCancelled();
      this.send(Object.assign(new Response(request), { body }));
    } catch (error) {
      this.fail(request, error);
    } finally {
      this.open.delete(request.seq);
    }
    for (const action of context.later) action();
  }

  private fail(request: DebugProtocol.Request, error: unknown): void {
    const user = error instanceof UserError;
    const cancelled = error instanceof CancelledError;
    if (!user && !cancelled) this.onInternalError(error, request.command);
    const text = messageOf(error, request.command);
    const body = {
      error: {
        id: user ? USER_ERROR : cancelled ? CANCELLED : INTERNAL_ERROR,
        format: escapeBraces(text),
        showUser: user && error.show,
      },
    };
    this.send(Object.assign(new Response(request, cancelled ? 'cancelled' : text), { body }));
  }
}

/** Clients replace `{name}` in an error's format by variables, of which there are none. */
const escapeBraces = (text: string): string => text.replace(/[{}]/g, (brace) => (brace === '{' ? '(' : ')'));

function problemOf(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return `${describe(message)} is no object`;
  const { type, seq, command } = message as Record<string, unknown>;
  if (type !== 'request' && type !== 'response' && type !== 'event') return `'type' is ${describe(type)}`;
  if (type !== 'request') return undefined;
  if (!Number.isSafeInteger(seq)) return `'seq' of a request is ${describe(seq)}`;
  if (typeof command !== 'string') return `'command' of a request is ${describe(command)}`;
  return undefined;
}
