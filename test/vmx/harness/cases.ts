/** What a case is: a host's set-up, a guest, and what the manual says must come of it. */
import { expect } from 'vitest';
import type { LaunchOptions } from '../../../src/engines/launch';
import { assembleHost, type ExitKey, type HostLog, type LoggedExit, runHost } from './run';

/** A number, or the address of a label. */
export type Expected = number | bigint | string;
export type ExpectedExit = { readonly [key in ExitKey]?: Expected } & { readonly reason: number };

export type GuestKind = 64 | 32 | 'compatibility' | 'real';

export interface VmxCase {
  readonly name: string;
  /** Width of the host, 64 where it is left out. */
  readonly host?: 64 | 32;
  /** A 32-bit host's paging. */
  readonly paging?: 'PAE' | 'plain';
  /** The host's own width where it is left out. */
  readonly guest?: GuestKind;
  /** The guest runs in ring 3. */
  readonly user?: boolean;
  /** Assembler lines that change the prepared VMCS. */
  readonly setup?: string;
  /** Assembler lines of the guest; `done` follows them. */
  readonly code?: string;
  /** Instead of `setup` and `code`: all that the host does. */
  readonly root?: string;
  /** Assembler lines of the host on each exit: EAX is its reason, and then the answer. */
  readonly onExit?: string;
  /** In the host, behind the last exit. */
  readonly after?: string;
  /** Further code or data, of any width. */
  readonly data?: string;
  readonly options?: Partial<LaunchOptions>;
  readonly exits?: readonly ExpectedExit[];
  readonly notes?: readonly Expected[];
  readonly entryFailures?: HostLog['entryFailures'];
  /** Why the machine stops, where that is not the host's doing: the end of what the engine says. */
  readonly stop?: string;
}

/** What `op` notes. */
export const OK = 0;
export const VMFAIL_INVALID = 0xffff;
/** What a fault notes. */
export const fault = (vector: number, errorCode = 0): number => 0x80000000 + vector * 0x10000 + errorCode;
export const [DE, DB, NMI, BP, OF, UD, NM, DF, TS, NP, SS, GP, PF] = [0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14];

const CODE_MACRO: Readonly<Record<GuestKind, string>> = { 64: 'code64', 32: 'code32', compatibility: 'code32', real: 'bits 16' };
const GUEST_MACRO: Readonly<Record<GuestKind, string>> = {
  64: '',
  32: 'guest_is_32',
  compatibility: 'guest_is_compatibility',
  real: 'guest_is_real',
};

/** The whole program of a case. */
export function source(test: VmxCase): string {
  const host = test.host ?? 64;
  const guest = test.guest ?? host;
  const run = [
    'prepare',
    guest === host ? '' : GUEST_MACRO[guest],
    test.user ? 'guest_is_user' : '',
    test.setup ?? '',
    'run_guest',
    test.after ?? '',
  ];
  return [
    `%define HOST_BITS ${host}`,
    `%define HOST_PAGING ${test.paging === 'plain' ? 1 : 2}`,
    test.onExit === undefined ? '' : '%define ON_EXIT',
    '%include "host.inc"',
    'main:',
    ...(test.root === undefined ? run : [test.root]),
    'finish',
    test.onExit === undefined ? '' : `on_exit:\n${test.onExit}\nret`,
    'align 16',
    CODE_MACRO[guest],
    'guest:',
    test.code ?? '',
    'done',
    test.data ?? '',
  ].join('\n');
}

/** Runs a case and holds it against what it expects. */
export function judge(test: VmxCase): void {
  const program = assembleHost(source(test));
  const log = runHost(program.image, test.options);
  const value = (expected: Expected): bigint => {
    if (typeof expected !== 'string') return BigInt.asUintN(64, BigInt(expected));
    const address = program.symbols.get(expected);
    if (address === undefined) throw new Error(`the case names no label ${expected}`);
    return BigInt.asUintN(64, address);
  };
  const shown = (exit: LoggedExit, keys: readonly string[]): string =>
    keys.map((key) => `${key}=${exit[key as ExitKey]?.toString(16) ?? '?'}`).join(' ');
  const wanted = (test.exits ?? []).map(
    (exit) => Object.fromEntries(Object.entries(exit).map(([key, expected]) => [key, value(expected)])) as unknown as LoggedExit,
  );
  const got = log.exits.map((exit, i) => shown(exit, Object.keys(wanted[i] ?? { reason: 0, qualification: 0, rip: 0 })));
  expect({
    exits: got,
    notes: log.notes.map((note) => note.toString(16)),
    entryFailures: log.entryFailures,
    fatal: log.fatal,
    stop: test.stop !== undefined && log.stop.endsWith(test.stop) ? test.stop : log.stop,
  }).toEqual({
    exits: wanted.map((exit) => shown(exit, Object.keys(exit))),
    notes: (test.notes ?? []).map((note) => value(note).toString(16)),
    entryFailures: test.entryFailures ?? [],
    fatal: [],
    stop: test.stop ?? 'exited',
  });
}
