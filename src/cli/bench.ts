/** `ringside bench`: how fast we are, beside others. */
import { realpathSync } from 'node:fs';
import { type EngineTask, runAsEngine, TIERS } from '../../bench/as-engine';
import { Bench, type BenchOptions, hasFailed } from '../../bench/bench';
import { PEERS } from '../../bench/engines';
import { BenchError } from '../../bench/errors';
import { cpuMilliseconds } from '../../bench/guest-process';
import { OutputFile } from './files';
import { parseNumber, parseOptions, UsageError } from './options';

const OPTIONS = {
  against: { type: 'string' },
  tiers: { type: 'string' },
  only: { type: 'string' },
  quick: { type: 'boolean' },
  boots: { type: 'boolean' },
  more: { type: 'boolean' },
  memory: { type: 'boolean' },
  vmx: { type: 'boolean' },
  'no-table': { type: 'boolean' },
  'cpu-time': { type: 'boolean' },
  repeat: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'string' },
  // How it starts itself as one of the engines.
  'as-engine': { type: 'string' },
} as const;

/** Both together, and what the interpreter does alone. */
const DEFAULT_TIERS = 'all,interpreter';
const LONGEST_LIMIT = 86_400;

/** A list of names, separated by commas. */
function readNames<Name extends string>(text: string, option: string, known: readonly Name[]): Name[] {
  const names = text.split(',').filter(Boolean);
  const wrong = names.find((name) => !known.includes(name as Name));
  if (wrong !== undefined) throw new UsageError(`--${option}: "${wrong}" is none of ${known.join(', ')}`);
  return [...new Set(names as Name[])];
}

function readPositive(text: string | undefined, option: string, otherwise: number, most: number): number {
  const value = text === undefined ? otherwise : parseNumber(text, option);
  if (value < 1 || value > most) throw new UsageError(`--${option}: ${value} is not between 1 and ${most}`);
  return value;
}

function hasCpuTimes(): boolean {
  try {
    return cpuMilliseconds('self') > 0;
  } catch {
    return false;
  }
}

/** Status 0, or 1 when a guest's result was wrong. */
export async function bench(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseOptions(args, OPTIONS);
  if (positionals.length > 0) throw new UsageError(`bench takes no "${positionals[0]}"`);
  if (values['as-engine'] !== undefined) return runAsEngine(JSON.parse(values['as-engine'] as string) as EngineTask);
  const text = (name: keyof typeof OPTIONS): string | undefined => values[name] as string | undefined;
  const tiers = readNames(text('tiers') ?? DEFAULT_TIERS, 'tiers', TIERS);
  if (values['cpu-time'] === true && !hasCpuTimes())
    throw new UsageError('--cpu-time: this system does not tell it (Linux does, in /proc)');
  const json = text('json');
  // Before the work, so that a long run does not end with a file that cannot be written.
  const file = json === undefined || json === '-' ? undefined : new OutputFile(json);
  const report = await runBench(
    {
      against: readNames(text('against') ?? PEERS.join(','), 'against', PEERS),
      tiers,
      only: (text('only') ?? '').split(',').filter(Boolean),
      cpuTime: values['cpu-time'] === true,
      table: values['no-table'] !== true,
      boots: values.boots === true,
      more: values.more === true,
      memory: values.memory === true,
      vmx: values.vmx === true,
      quick: values.quick === true,
      repeat: readPositive(text('repeat'), 'repeat', 1, 1000),
      limitSeconds: readPositive(text('limit'), 'limit', 120, LONGEST_LIMIT),
      // Without links: the project is looked for from here.
      program: realpathSync(process.argv[1]),
    },
    // With the JSON on standard output, the table goes to standard error.
    json === '-' ? process.stderr : process.stdout,
  );
  const content = `${JSON.stringify(report, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(content);
  file?.write(content);
  file?.close();
  return hasFailed(report) ? 1 : 0;
}

const INTERRUPTED = 130;

async function runBench(options: BenchOptions, output: NodeJS.WriteStream) {
  const run = new Bench(options);
  const leave = (): void => process.exit(INTERRUPTED);
  // Whatever ends the process, nothing stays behind.
  const close = (): void => run.close();
  process.on('exit', close);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  try {
    return await run.run((text) => output.write(text));
  } catch (error) {
    if (error instanceof BenchError) throw new UsageError(error.message);
    throw error;
  } finally {
    close();
    process.off('exit', close);
  }
}
