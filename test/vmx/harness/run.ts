/** Runs one case's host and guest on the processor, and reads what the host logged. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../../src/assembler/assemble';
import type { LaunchOptions } from '../../../src/engines/launch';
import { launch } from '../../../src/engines/launcher';

/** What a host logs of an exit; the keys are host.inc's. Unsigned. */
export type ExitKey =
  | 'reason'
  | 'qualification'
  | 'length'
  | 'info'
  | 'interruption'
  | 'errorCode'
  | 'vectoring'
  | 'vectoringErrorCode'
  | 'linear'
  | 'physical'
  | 'rip'
  | 'rsp'
  | 'rflags'
  | 'cs'
  | 'cr0'
  | 'cr3'
  | 'cr4'
  | 'dr7'
  | 'interruptibility'
  | 'activity'
  | 'pendingDebug'
  | 'entryInterruption'
  | 'ioRcx'
  | 'ioRsi'
  | 'ioRdi'
  | 'ioRip'
  | 'ax';
export type LoggedExit = Readonly<Record<ExitKey, bigint>>;

export interface HostLog {
  readonly exits: readonly LoggedExit[];
  readonly notes: readonly bigint[];
  /** Of VMLAUNCH or VMRESUME: an error number, or `invalid`. */
  readonly entryFailures: readonly (number | 'invalid')[];
  /** What the host could not go on from. */
  readonly fatal: readonly string[];
  /** The host came to its end. */
  readonly ended: boolean;
  /** Why the machine stopped. */
  readonly stop: string;
  readonly text: string;
}

export interface Program {
  readonly image: Uint8Array;
  /** Addresses by label. */
  readonly symbols: ReadonlyMap<string, bigint>;
}

const folder = import.meta.dirname;
const files = new Map<string, string>();

function readInclude(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  let text = files.get(name);
  if (text === undefined) {
    text = readFileSync(join(folder, name), 'utf8');
    files.set(name, text);
  }
  return text;
}

/** @throws Error with the assembler's complaints */
export function assembleHost(text: string): Program {
  const result = assemble({ path: join(folder, 'case.asm'), text, read: readInclude });
  if (!result.ok) throw new Error(result.diagnostics.map(({ file, line, message }) => `${file}:${line}: ${message}`).join('\n'));
  const symbols = new Map(result.symbols.map(({ name, value }) => [name, BigInt(value.toString())]));
  return { image: result.image, symbols };
}

const SLICE = 100_000;
/** More than any case needs. */
const LIMIT = 2_000_000;

/** Runs a host to its end. */
export function runHost(image: Uint8Array, options: Partial<LaunchOptions> = {}): HostLog {
  const { engine } = launch({ program: '/host', memory: 32 << 20, ...options }, (path) => (path === '/host' ? image : undefined));
  let text = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'console') text += String.fromCharCode(byte);
  };
  let stop = 'never stopped';
  for (let done = 0; done < LIMIT; done += SLICE) {
    const { reason, text: detail } = engine.run({ instructions: SLICE });
    if (reason === 'slice') continue;
    stop = detail ? `${reason}: ${detail}` : reason;
    break;
  }
  return { ...parseLog(text), stop, text };
}

function parseLog(text: string): Omit<HostLog, 'stop' | 'text'> {
  const exits: LoggedExit[] = [];
  const notes: bigint[] = [];
  const entryFailures: (number | 'invalid')[] = [];
  const fatal: string[] = [];
  let ended = false;
  for (const line of text.split('\n')) {
    const [word, ...rest] = line.split(' ');
    if (word === 'exit') {
      exits.push(Object.fromEntries(rest.map((part) => part.split('=')).map(([key, value]) => [key, BigInt(`0x${value}`)])) as LoggedExit);
    } else if (word === 'note') notes.push(BigInt(`0x${rest[0]}`));
    else if (word === 'entry') {
      const [, error] = /error=([0-9a-f]+)/.exec(line) ?? [];
      entryFailures.push(error === undefined ? 'invalid' : Number.parseInt(error, 16));
    } else if (word === 'fatal') fatal.push(line);
    else if (word === 'end') ended = true;
  }
  return { exits, notes, entryFailures, fatal, ended };
}
