/** The panels' own requests: see `shared/panel-protocol.ts`. */
import type { ExternalInput } from '../../engines/engine';
import type { Encoded, InputArguments, ScreenBody } from '../../shared/panel-protocol';
import type { Screen } from '../../shared/screen';
import type { Guest } from '../guest';
import { decodeBase64, encodeBase64 } from '../memory/base64';
import { UserError } from '../protocol/errors';
import type { Handlers, RequestContext } from '../protocol/requests';
import { describe } from '../protocol/shapes';
import type { Session } from '../session';
import { FilteredLog } from './filtered-log';
import { descriptorsOf } from './descriptor-tables';
import { PageMaps, walkOf } from './page-tables';
import { extentOf } from './state-reporter';
import { vmcsRequests } from './vmcs';
import { vcpuOf } from './vcpus';
import { checkFilter, filterTest, rowOf, viewOf } from './transition-views';

const MOST_ROWS = 1000;
const MOST_EXPORTED = 10_000;
/** Entries looked at before others get a turn. */
const PIECE = 2000;

export function panelRequests(session: Session): Handlers {
  const logs = new WeakMap<Guest, FilteredLog>();
  const maps = new PageMaps();
  const logOf = (guest: Guest): FilteredLog => {
    let log = logs.get(guest);
    if (!log) {
      log = new FilteredLog(guest.engine.transitions);
      logs.set(guest, log);
    }
    return log;
  };
  const breathe = async (context: RequestContext): Promise<void> => {
    await new Promise<void>((resume) => session.host.soon(resume));
    context.throwIfCancelled();
  };

  return {
    'ringside/state': () => session.reporter.state(session.guest),

    'ringside/transitions': async ({ start, count, filter }, context) => {
      const { guest } = session;
      checkFilter(filter);
      if (count > MOST_ROWS) throw new UserError(`${count} rows are too many at once; at most ${MOST_ROWS}`);
      const log = logOf(guest);
      await log.update(filter, () => breathe(context));
      const { transitions } = guest.engine;
      const rows = log.page(start, count).flatMap((sequence) => {
        const raw = transitions.raw(sequence);
        return raw ? [rowOf(raw, guest)] : [];
      });
      const { byKind, byCause } = transitions.counts();
      return { ...extentOf(guest), start, rows, matching: log.size, byKind, byCause };
    },

    'ringside/transition': ({ sequence }) => {
      const { guest } = session;
      const raw = guest.engine.transitions.raw(sequence);
      if (!raw) {
        const { first, total } = extentOf(guest);
        throw new UserError(`transition ${sequence} is not in the log, which holds ${first} to ${total - 1}`);
      }
      return viewOf(raw, guest);
    },

    'ringside/exportTransitions': async ({ filter, start = 0, count = MOST_EXPORTED }, context) => {
      const { guest } = session;
      checkFilter(filter);
      const { transitions } = guest.engine;
      const passes = filterTest(filter);
      const lines: string[] = [];
      let sequence = Math.max(start, transitions.first);
      for (let looked = 1; sequence < transitions.total && lines.length < Math.min(count, MOST_EXPORTED); sequence++, looked++) {
        const raw = transitions.raw(sequence);
        if (raw && (passes?.(raw) ?? true)) lines.push(`${JSON.stringify(viewOf(raw, guest))}\n`);
        if (looked % PIECE === 0) await breathe(context);
      }
      return { lines: lines.join(''), ...(sequence < transitions.total && { next: sequence }) };
    },

    'ringside/screen': ({ since }) => screenOf(session.guest, since),

    'ringside/devices': () => ({ devices: session.guest.engine.devices().map(({ name, facts }) => ({ name, facts: [...facts] })) }),

    'ringside/descriptors': ({ vcpu }) => descriptorsOf(session.guest, vcpuOf(session.guest, vcpu)),

    'ringside/pageWalk': ({ vcpu, address, guest }) => walkOf(session.guest, vcpuOf(session.guest, vcpu), address, guest === true),

    'ringside/pageMap': ({ vcpu, start, count, merged, guest }) => {
      if (count > MOST_ROWS) throw new UserError(`${count} rows are too many at once; at most ${MOST_ROWS}`);
      return maps.page(session.guest, vcpuOf(session.guest, vcpu), start, count, merged === true, guest === true);
    },

    ...vmcsRequests(session),

    'ringside/input': (args) => {
      const { guest } = session;
      guest.engine.input(inputOf(args));
      guest.runner.wake();
    },
  };
}

function screenOf({ engine }: Guest, since: string | undefined): ScreenBody {
  const screen = engine.screen();
  if (!screen) return { kind: 'none' };
  const encoded = encodeArrays(screen) as Encoded<Screen>;
  const id = fingerprint(JSON.stringify(encoded));
  return id === since ? { kind: 'unchanged', id } : { ...encoded, id };
}

/** Byte arrays become base64, at any depth. */
function encodeArrays(value: unknown): unknown {
  if (value instanceof Uint8Array) return encodeBase64(value);
  if (value instanceof Uint8ClampedArray) return encodeBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (Array.isArray(value)) return value.map(encodeArrays);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, encodeArrays(inner)]));
}

/** FNV-1a over the text, twice with different starts: enough to tell one picture from the next. */
function fingerprint(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
  }
  return `${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

/** @throws UserError for what is no input */
function inputOf(args: InputArguments): ExternalInput {
  if (args.kind === 'serial') {
    const { port, bytes } = args;
    if (port !== 0 && port !== 1) throw new UserError(`'port' of ringside/input must be 0 or 1, not ${describe(port)}`);
    if (typeof bytes !== 'string') throw new UserError(`'bytes' of ringside/input must be base64 text, not ${describe(bytes)}`);
    try {
      return { kind: 'serial', port, bytes: [...decodeBase64(bytes)] };
    } catch {
      throw new UserError(`'bytes' of ringside/input must be base64 text, not ${describe(bytes)}`);
    }
  }
  if (args.kind === 'key') {
    const { code, pressed } = args;
    if (typeof code !== 'string' || typeof pressed !== 'boolean') throw new UserError("a key of ringside/input needs 'code' and 'pressed'");
    return { kind: 'key', code, pressed };
  }
  throw new UserError(`'kind' of ringside/input must be serial or key, not ${describe((args as { kind: unknown }).kind)}`);
}
