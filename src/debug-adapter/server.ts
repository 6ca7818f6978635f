/** The debug adapter in Node: on standard input and output, or on a TCP port. */
import { readFileSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { connect } from './adapter';
import type { AdapterHost } from './host';

/** Larger files are no guest of ours. */
const LARGEST_FILE = 2 ** 31;

const nodeHost: AdapterHost = {
  readFile: (path) => {
    try {
      const status = statSync(path);
      return status.isFile() && status.size <= LARGEST_FILE ? readFileSync(path) : undefined;
    } catch {
      return undefined;
    }
  },
  resolve: (path) => resolve(path),
  soon: (task) => {
    setImmediate(task);
  },
  later: (milliseconds, task) => {
    const timer = setTimeout(task, milliseconds);
    return () => clearTimeout(timer);
  },
  now: () => performance.now(),
};

/** Serves the client at the other end of standard input and output. @returns when it is gone */
export function serveStdio(): Promise<void> {
  return new Promise((done) => {
    const end = (): void => {
      process.stdin.pause();
      done();
    };
    const connection = connect((bytes) => process.stdout.write(bytes), nodeHost, end);
    process.stdin.on('data', (chunk) => connection.receive(chunk));
    process.stdin.on('end', () => {
      connection.close();
      end();
    });
    process.stdout.on('error', () => {
      connection.close();
      end();
    });
  });
}

/**
 * Serves each client that connects, with a session of its own.
 * @param port 0 for any that is free
 * @returns the server, listening on the loopback address
 */
export function serveTcp(port: number): Promise<Server> {
  return new Promise((listening, failed) => {
    const server = createServer(serveSocket);
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => listening(server));
  });
}

function serveSocket(socket: Socket): void {
  socket.setNoDelay(true);
  const connection = connect(
    (bytes) => socket.write(bytes),
    nodeHost,
    () => socket.end(),
  );
  socket.on('data', (chunk) => connection.receive(chunk));
  socket.on('close', () => connection.close());
  socket.on('error', () => connection.close());
}
