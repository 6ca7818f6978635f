/** The debug adapter: a session over a stream of bytes. The composition of all its parts. */
import { breakpointRequests } from './breakpoints/requests';
import { consoleRequests } from './console/requests';
import { disassemblyRequests } from './disassembly/requests';
import { exceptionRequests } from './exceptions/requests';
import type { AdapterHost } from './host';
import { lifecycleRequests } from './launch/lifecycle';
import { memoryRequests } from './memory/requests';
import { panelRequests } from './panels/requests';
import type { Send } from './protocol/dispatcher';
import { encodeMessage, FramingProblem, MessageReader } from './protocol/framing';
import { runRequests } from './run/requests';
import { Session } from './session';
import { sourceRequests } from './sources/requests';
import { stateRequests } from './state/requests';

const FAMILIES = [
  lifecycleRequests,
  breakpointRequests,
  exceptionRequests,
  runRequests,
  stateRequests,
  consoleRequests,
  disassemblyRequests,
  memoryRequests,
  sourceRequests,
  panelRequests,
];

/** For clients that pass messages as objects, as a worker does. */
export function createSession(post: Send, host: AdapterHost): Session {
  return new Session(post, host, FAMILIES);
}

export interface ByteConnection {
  /** Takes what the client sends. */
  receive(chunk: Uint8Array): void;
  /** The client is gone. */
  close(): void;
}

/**
 * Serves one client over bytes.
 * @param write takes what goes to the client
 * @param ended called after `disconnect` was answered: the connection can be closed
 */
export function connect(write: (bytes: Uint8Array) => void, host: AdapterHost, ended: () => void): ByteConnection {
  const reader = new MessageReader();
  let open = true;
  const session = createSession((message) => {
    if (!open) return;
    write(encodeMessage(message));
    if (isDisconnected(message)) {
      open = false;
      ended();
    }
  }, host);
  return {
    receive: (chunk) => {
      for (const item of reader.push(chunk)) {
        if (item instanceof FramingProblem) session.dispatcher.report(item.problem);
        else void session.dispatcher.handle(item);
      }
    },
    close: () => {
      open = false;
      session.current?.runner.end();
    },
  };
}

function isDisconnected(message: object): boolean {
  const { type, command } = message as { type?: unknown; command?: unknown };
  return type === 'response' && command === 'disconnect';
}
