/** The attributes of a launch configuration: what there is, of which type, and what of it goes to the engine. */
import { BUILT_IN_HYPERVISOR } from '../../engines/vmx/hypervisor-symbols';
import { CPU_MODELS } from '../../engines/cpu/system/models';
import { type LaunchOptions, TIERS } from '../../engines/launch';
import type { Technique } from '../../shared/technique';
import { UserError } from '../protocol/errors';
import { describe } from '../protocol/shapes';
import { directoryOf } from '../sources/paths';
import { type Side, SIDES } from '../sources/program';

export interface LaunchAttributes {
  readonly options: LaunchOptions;
  readonly stopOnEntry: boolean;
  /** Symbols, addresses and exception filters. */
  readonly breakOn: readonly string[];
  readonly noDebug: boolean;
  /** Of what the user says of hypercalls: a file that was named, or where one may lie. */
  readonly hypercalls: { readonly path: string; readonly optional: boolean } | undefined;
  /** To which side of VMX operation symbol files belong, by path. */
  readonly symbolSides: ReadonlyMap<string, Side>;
  /** Where breakpoints stop whose symbols do not say. */
  readonly breakpointsIn: Side;
  /** Steps into any instruction that exits lead into the hypervisor. */
  readonly stepIntoHypervisor: boolean;
}

type Check = (value: unknown) => string | undefined;

const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'text');
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'true or false');
const list: Check = (value) => (Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'a list of texts');
const side: Check = (value) => (SIDES.includes(value as Side) ? undefined : `one of ${SIDES.join(', ')}`);

interface SymbolFile {
  readonly path: string;
  readonly operation: Side;
}

/** A path, or an object with one. @returns undefined for neither */
function symbolFile(item: unknown): SymbolFile | undefined {
  if (typeof item === 'string') return item === '' ? undefined : { path: item, operation: 'both' };
  if (typeof item !== 'object' || item === null) return undefined;
  const { path, operation = 'both', ...rest } = item as Record<string, unknown>;
  const right = typeof path === 'string' && path !== '' && side(operation) === undefined && Object.keys(rest).length === 0;
  return right ? { path, operation: operation as Side } : undefined;
}

const symbolList: Check = (value) =>
  Array.isArray(value) && value.every((item) => symbolFile(item))
    ? undefined
    : `a list of paths, or of objects with "path" and "operation" (${SIDES.join(', ')})`;
const count: Check = (value) => (Number.isSafeInteger(value) && (value as number) > 0 ? undefined : 'a whole number above 0');
const TECHNIQUES = ['emulator', 'translator', 'paravirt', 'vmx', 'container'];
const technique: Check = (value) => (TECHNIQUES.includes(value as string) ? undefined : `one of ${TECHNIQUES.join(', ')}`);
const ENTRIES = ['32', '64', 'pvh'];
const entry: Check = (value) => (ENTRIES.includes(value as string) ? undefined : `one of ${ENTRIES.join(', ')}, as text`);
const size: Check = (value) => (sizeOf(value) === undefined ? "bytes, or text like '64M'" : undefined);

const cpuModel: Check = (value) => (CPU_MODELS.includes(value as never) ? undefined : `one of ${CPU_MODELS.join(', ')}`);

const tier: Check = (value) => (TIERS.includes(value as never) ? undefined : `one of ${TIERS.join(', ')}`);

const SIZE = /^(\d+|0x[\da-f]+)\s*([kmg]?)(?:i?b)?$/i;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function sizeOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value > 0 ? value : undefined;
  const match = typeof value === 'string' ? SIZE.exec(value.trim()) : null;
  if (!match) return undefined;
  const bytes = Number(match[1]) * UNITS[match[2].toLowerCase()];
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

const CHECKS: Readonly<Record<string, Check>> = {
  program: text,
  engine: technique,
  memory: size,
  cpus: count,
  cpu: cpuModel,
  tiers: tier,
  profile: flag,
  kernel: text,
  unpackKernel: flag,
  kernelEntry: entry,
  initrd: text,
  append: text,
  disks: list,
  cdrom: text,
  bios: text,
  hypervisor: text,
  hypercalls: text,
  rootfs: text,
  image: text,
  args: list,
  symbolFiles: symbolList,
  breakpointsIn: side,
  stopOnEntry: flag,
  breakOn: list,
  noDebug: flag,
  stepIntoHypervisor: flag,
};

/** Attributes that every configuration may have, for the editor's own use. */
const EDITOR = new Set([
  'type',
  'request',
  'name',
  'presentation',
  'preLaunchTask',
  'postDebugTask',
  'internalConsoleOptions',
  'debugServer',
  'serverReadyAction',
  'suppressMultipleSessionWarning',
  'windows',
  'linux',
  'osx',
]);

/** Not there yet; asked for they must not be passed over in silence. */
const MISSING = ['rootfs', 'image'];

/**
 * @param resolve makes a path absolute
 * @throws UserError that names the first attribute that is unknown or of the wrong type
 */
export function readAttributes(args: Readonly<Record<string, unknown>>, resolve: (path: string) => string): LaunchAttributes {
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined || value === null || EDITOR.has(name) || name.startsWith('__')) continue;
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name] : undefined;
    if (!check) throw new UserError(`launch attribute '${name}' does not exist${suggestion(name)}`, true);
    const expected = check(value);
    if (expected) throw new UserError(`launch attribute '${name}' must be ${expected}, not ${describe(value)}`, true);
    if (MISSING.includes(name)) throw new UserError(`not implemented: the launch attribute '${name}'`, true);
  }
  const path = (name: string): string | undefined => {
    const value = args[name];
    return typeof value === 'string' ? resolve(value) : undefined;
  };
  const symbols = Array.isArray(args.symbolFiles) ? args.symbolFiles.flatMap((item) => symbolFile(item) ?? []) : undefined;
  return {
    options: {
      program: path('program'),
      engine: (args.engine ?? undefined) as Technique | undefined,
      hypervisor: args.hypervisor === 'builtin' ? 'builtin' : path('hypervisor'),
      memory: sizeOf(args['memory']),
      cpus: (args.cpus ?? undefined) as number | undefined,
      cpu: textOf(args.cpu) as LaunchOptions['cpu'],
      tiers: textOf(args.tiers) as LaunchOptions['tiers'],
      profile: args.profile === true,
      kernel: path('kernel'),
      unpackKernel: args.unpackKernel === true,
      kernelEntry: textOf(args.kernelEntry) as LaunchOptions['kernelEntry'],
      initrd: textOf(args.initrd),
      append: textOf(args.append),
      disks: textsOf(args.disks)?.map(resolve),
      cdrom: path('cdrom'),
      bios: path('bios'),
      symbolFiles: symbols?.map(({ path: file }) => resolve(file)),
      args: textsOf(args.args),
    },
    stopOnEntry: args.stopOnEntry === true,
    breakOn: textsOf(args.breakOn) ?? [],
    noDebug: args.noDebug === true,
    hypercalls: hypercallFile(path),
    symbolSides: new Map([
      ...(isBuiltIn(args) ? ([[BUILT_IN_HYPERVISOR, 'root']] as const) : ownSides(args, path)),
      ...(symbols ?? []).flatMap(({ path: file, operation }) => (operation === 'both' ? [] : [[resolve(file), operation] as const])),
    ]),
    breakpointsIn: (args.breakpointsIn ?? 'both') as Side,
    stepIntoHypervisor: typeof args.stepIntoHypervisor === 'boolean' ? args.stepIntoHypervisor : !isBuiltIn(args),
  };
}

/** Whether the hypervisor, if there is one, is a part of the machine. One of the user's own is what is debugged. */
const isBuiltIn = ({ engine, hypervisor }: Readonly<Record<string, unknown>>): boolean =>
  engine === 'vmx' && (hypervisor ?? 'builtin') === 'builtin';

/** The file that was named, or the one beside the program. */
function hypercallFile(path: (name: string) => string | undefined): LaunchAttributes['hypercalls'] {
  const named = path('hypercalls');
  if (named !== undefined) return { path: named, optional: false };
  const program = path('kernel') ?? path('program');
  return program === undefined ? undefined : { path: `${directoryOf(program)}/hypercalls.json`, optional: true };
}

/** A hypervisor of the user's own is in root operation, and the program beside it is its guest. */
function ownSides(args: Readonly<Record<string, unknown>>, path: (name: string) => string | undefined): [string, Side][] {
  const guest = path('kernel') ?? path('program');
  const hypervisor = path('hypervisor');
  if (guest === undefined || hypervisor === undefined || args.hypervisor === 'builtin') return [];
  return [
    [hypervisor, 'root'],
    [guest, 'non-root'],
  ];
}

/** What the checks have let through. */
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const textsOf = (value: unknown): string[] | undefined => (Array.isArray(value) ? (value as string[]) : undefined);

/** The attribute that was probably meant. */
function suggestion(name: string): string {
  const wanted = name.toLowerCase();
  const near = Object.keys(CHECKS).find((known) => {
    const lower = known.toLowerCase();
    return lower === wanted || lower === `${wanted}s` || `${lower}s` === wanted || lower.startsWith(wanted) || distance(lower, wanted) <= 2;
  });
  return near ? `; did you mean '${near}'?` : '';
}

/** Changes of one character that lead from one word to the other; words are cut to what is worth comparing. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}
