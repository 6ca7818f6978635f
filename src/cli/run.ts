/** `ringside run`: a guest from start to stop. */
import { CPU_MODELS } from '../engines/cpu/system/models';
import type { Engine, EngineStop } from '../engines/engine';
import { FEW_TRANSITIONS, formatProblem, LaunchError, type LaunchOptions, type LaunchProblem, TIERS } from '../engines/launch';
import { launch } from '../engines/launcher';
import { vmxSummary } from '../engines/vmx-json';
import type { DebugInfo } from '../symbols/debug-info';
import type { Technique } from '../shared/technique';
import { OutputFile, readFile, readInput } from './files';
import { handlersAhead } from './handlers-ahead';
import { parseNumber, parseOptions, parseSize, UsageError } from './options';
import { profileTable, Stopwatch } from './profile';

const SLICE = 2_000_000;
/** With a trace: shorter than the log of transitions, so that none is forgotten before it is written. */
const TRACED_SLICE = 250_000;
const TECHNIQUES: readonly string[] = ['emulator', 'translator', 'paravirt', 'vmx', 'container'];
const ENTRIES: readonly string[] = ['32', '64', 'pvh'];
const STATUS = { wrongUse: 2, tripleFault: 3, limit: 4 } as const;

/** The words of the JSON's `stop.reason`. */
type FinalReason = 'halted' | 'exited' | 'breakpoint' | 'limit' | 'triple-fault' | 'error';

interface Settings {
  readonly launch: LaunchOptions;
  readonly maxInstructions: number;
  /** Undefined for standard output. */
  readonly serial: string | undefined;
  readonly breaks: readonly string[];
  readonly trace: string | undefined;
  readonly json: boolean;
  /** Present with `--profile`. */
  readonly compiling: Stopwatch | undefined;
}

const OPTIONS = {
  engine: { type: 'string' },
  memory: { type: 'string' },
  cpus: { type: 'string' },
  cpu: { type: 'string' },
  tiers: { type: 'string' },
  profile: { type: 'boolean' },
  'max-instructions': { type: 'string' },
  serial: { type: 'string' },
  kernel: { type: 'string' },
  'unpack-kernel': { type: 'boolean' },
  'kernel-entry': { type: 'string' },
  initrd: { type: 'string' },
  append: { type: 'string' },
  disk: { type: 'string', multiple: true },
  cdrom: { type: 'string' },
  bios: { type: 'string' },
  rootfs: { type: 'string' },
  image: { type: 'string' },
  hypervisor: { type: 'string' },
  break: { type: 'string', multiple: true },
  symbols: { type: 'string', multiple: true },
  trace: { type: 'string' },
  json: { type: 'boolean' },
} as const;

function readSettings(args: readonly string[]): Settings {
  const separator = args.indexOf('--');
  const own = separator < 0 ? args : args.slice(0, separator);
  const guestArgs = separator < 0 ? [] : args.slice(separator + 1);
  const { values, positionals } = parseOptions(own, OPTIONS);
  const [program, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`run takes one program; "${rest[0]}" is one too many (arguments for the guest go behind --)`);
  if (program !== undefined && values.kernel !== undefined)
    throw new UsageError(`run takes a program or --kernel, not both ("${program}")`);
  const text = (name: keyof typeof OPTIONS): string | undefined => values[name] as string | undefined;
  for (const name of ['rootfs', 'image'] as const) {
    if (text(name) !== undefined) throw new UsageError(`not implemented: --${name}`);
  }
  const engine = text('engine') ?? 'emulator';
  if (!TECHNIQUES.includes(engine)) throw new UsageError(`--engine: "${engine}" is none of ${TECHNIQUES.join(', ')}`);
  const cpu = text('cpu');
  if (cpu !== undefined && !CPU_MODELS.includes(cpu as never)) throw new UsageError(`--cpu: "${cpu}" is none of ${CPU_MODELS.join(', ')}`);
  const tiers = text('tiers');
  if (tiers !== undefined && !TIERS.includes(tiers as never)) throw new UsageError(`--tiers: "${tiers}" is none of ${TIERS.join(', ')}`);
  const entry = text('kernel-entry');
  if (entry !== undefined && !ENTRIES.includes(entry)) throw new UsageError(`--kernel-entry: "${entry}" is none of ${ENTRIES.join(', ')}`);
  const compiling = values.profile === true ? new Stopwatch() : undefined;
  return {
    launch: {
      program,
      engine: engine as Technique,
      hypervisor: text('hypervisor'),
      memory: values.memory === undefined ? undefined : parseSize(values.memory as string, 'memory'),
      cpus: values.cpus === undefined ? undefined : parseNumber(values.cpus as string, 'cpus'),
      cpu: cpu as LaunchOptions['cpu'],
      tiers: tiers as LaunchOptions['tiers'],
      profile: values.profile === true,
      // Nobody looks at single rows.
      transitionsKept: text('trace') === undefined ? FEW_TRANSITIONS : undefined,
      onCompile: compiling?.measure,
      kernel: text('kernel'),
      unpackKernel: values['unpack-kernel'] === true,
      kernelEntry: entry as LaunchOptions['kernelEntry'],
      initrd: text('initrd'),
      append: text('append'),
      disks: values.disk as string[] | undefined,
      cdrom: text('cdrom'),
      bios: text('bios'),
      symbolFiles: values.symbols as string[] | undefined,
      args: guestArgs,
    },
    maxInstructions:
      values['max-instructions'] === undefined ? Infinity : parseNumber(values['max-instructions'] as string, 'max-instructions'),
    serial: text('serial') === 'stdio' ? undefined : text('serial'),
    breaks: (values.break as string[] | undefined) ?? [],
    trace: text('trace'),
    json: values.json === true,
    compiling,
  };
}

export async function run(args: readonly string[]): Promise<number> {
  const settings = readSettings(args);
  await handlersAhead();
  const { engine, debugInfo, notes } = start(settings.launch);
  for (const note of notes) process.stderr.write(`ringside: ${note}\n`);
  for (const place of settings.breaks) engine.probes.add({ kind: 'code', address: resolveAddress(place, debugInfo) as never });

  const trace = settings.trace === undefined ? undefined : new TraceFile(settings.trace, engine);
  const serial = new SerialLine(engine, settings);
  const started = process.hrtime.bigint();
  const stop = await runToEnd(engine, settings, serial, trace).finally(() => serial.stopListening());
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  serial.close();
  trace?.close();

  const reason = finalReason(stop);
  if (stop.text !== undefined) process.stderr.write(`ringside: ${stop.text}\n`);
  const compileSeconds = settings.compiling?.seconds;
  if (settings.json)
    process.stdout.write(`${JSON.stringify({ ...summary(engine, stop, reason, seconds, serial.text), compileSeconds })}\n`);
  else if (compileSeconds !== undefined) {
    process.stderr.write(profileTable(engine.stats(), { instructions: engine.instructionCount, seconds, compileSeconds }));
  }
  return exitStatus(reason, stop);
}

function start(options: LaunchOptions) {
  try {
    return launch(options, readFile);
  } catch (error) {
    if (error instanceof LaunchError) throw new UsageError(error.problems.map(explain).join('\n'));
    throw error;
  }
}

/** Errors in a source as `asm` prints them; of an unreadable file, why it cannot be read. */
function explain(problem: LaunchProblem): string {
  if (problem.line !== undefined) return formatProblem({ ...problem, message: `error: ${problem.message}` });
  if (problem.path !== undefined && readFile(problem.path) === undefined) readInput(problem.path);
  return formatProblem(problem);
}

/** A symbol, or a linear address in hexadecimal or decimal. */
function resolveAddress(place: string, debugInfo: readonly DebugInfo[]): number {
  for (const info of debugInfo) {
    const symbol = info.symbolNamed(place);
    if (symbol) return symbol.address;
  }
  if (/^(0x[0-9a-f]{1,16}|\d{1,19})$/i.test(place)) {
    const address = Number(BigInt.asIntN(64, BigInt(place)));
    if (address >= -(2 ** 47) && address < 2 ** 47) return address;
  }
  throw new UsageError(`--break: "${place}" is neither a symbol of the program nor an address`);
}

async function runToEnd(engine: Engine, settings: Settings, serial: SerialLine, trace: TraceFile | undefined): Promise<EngineStop> {
  for (;;) {
    const left = settings.maxInstructions - engine.instructionCount;
    const stop = engine.run({ instructions: Math.max(0, Math.min(trace ? TRACED_SLICE : SLICE, left)), returnWhenIdle: serial.live });
    serial.flush();
    serial.listen();
    trace?.update();
    if (stop.reason === 'idle') await serial.inputOr(engine.untilTimer / 1e6);
    else if (stop.reason !== 'slice' || engine.instructionCount >= settings.maxInstructions) return stop;
    // What happened to the output, and what was typed, is told between slices alone.
    else await new Promise((resume) => setImmediate(resume));
    if (stop.reason === 'idle' && !serial.arrived() && !engine.skipIdle()) return { ...stop, reason: 'halted' };
  }
}

function finalReason({ reason }: EngineStop): FinalReason {
  switch (reason) {
    case 'probe':
      return 'breakpoint';
    case 'slice':
      return 'limit';
    case 'pause':
    case 'idle':
      return 'halted';
    default:
      return reason;
  }
}

function exitStatus(reason: FinalReason, stop: EngineStop): number {
  if (reason === 'exited') return (stop.code ?? 0) & 0xff;
  if (reason === 'triple-fault') return STATUS.tripleFault;
  if (reason === 'limit') return STATUS.limit;
  return reason === 'error' ? STATUS.wrongUse : 0;
}

function summary(engine: Engine, stop: EngineStop, reason: FinalReason, seconds: number, serial: string) {
  const registers = engine.cpus[stop.vcpu].registers().map(({ name, value }) => [name, `0x${value.toString(16)}`] as const);
  const { total, byKind, byCause } = engine.transitions.counts();
  return {
    engine: engine.technique,
    stop: { reason, code: stop.code ?? null, address: `0x${BigInt.asUintN(64, BigInt(stop.address)).toString(16)}`, vcpu: stop.vcpu },
    instructions: engine.instructionCount,
    seconds,
    registers: Object.fromEntries(registers),
    transitions: { total, byKind, byCause },
    serial,
    engineStats: engine.stats(),
    ...vmxSummary(engine.cpus[stop.vcpu].vmx),
  };
}

/** COM1: out to standard output, a file or the JSON; in from standard input. */
class SerialLine {
  text = '';
  private pending: number[] = [];
  private readonly decoder = new TextDecoder();
  private readonly json: boolean;
  private readonly file: OutputFile | undefined;
  private wake: (() => void) | undefined;
  private got = false;
  private listening = false;
  /** Input may still come. */
  live: boolean;
  private readonly onData: (chunk: Buffer) => void;

  constructor(engine: Engine, { serial, json }: Settings) {
    this.json = json;
    this.file = serial === undefined ? undefined : new OutputFile(serial);
    engine.onOutput = (channel, byte) => {
      if (channel === 'serial0') this.pending.push(byte);
      else if (channel === 'console') process.stderr.write(Uint8Array.of(byte));
    };
    this.onData = (chunk) => {
      engine.input({ kind: 'serial', port: 0, bytes: [...chunk] });
      this.got = true;
      this.wake?.();
    };
    this.live = serial === undefined && !json;
  }

  /** To be called when the guest has begun to run: making standard input ready takes its time, and nothing can come before. */
  listen(): void {
    if (this.listening || !this.live) return;
    this.listening = true;
    process.stdin.on('data', this.onData);
    process.stdin.on('end', () => {
      this.live = false;
      this.wake?.();
    });
    process.stdin.on('error', () => {
      this.live = false;
    });
  }

  /** Waits for input, or some milliseconds of real time. */
  inputOr(milliseconds: number): Promise<void> {
    return new Promise((resume) => {
      const done = (): void => {
        clearTimeout(timer);
        this.wake = undefined;
        resume();
      };
      const timer = Number.isFinite(milliseconds) && this.live ? setTimeout(() => done(), Math.min(milliseconds, 0x7fffffff)) : undefined;
      this.wake = done;
      if (!this.live) done();
    });
  }

  /** Whether input came since the last question. */
  arrived(): boolean {
    const { got } = this;
    this.got = false;
    return got;
  }

  flush(): void {
    if (this.pending.length === 0) return;
    const bytes = Uint8Array.from(this.pending);
    this.pending = [];
    if (this.file !== undefined) this.file.write(bytes);
    else if (!this.json) process.stdout.write(bytes);
    if (this.json) this.text += this.decoder.decode(bytes, { stream: true });
  }

  close(): void {
    this.flush();
    this.file?.close();
  }

  /** The process can end though its input has not. */
  stopListening(): void {
    if (!this.listening) return;
    process.stdin.off('data', this.onData);
    process.stdin.pause();
    process.stdin.unref?.();
  }
}

/** Transitions as JSON lines. */
class TraceFile {
  private readonly file: OutputFile;
  private readonly engine: Engine;
  private next = 0;

  constructor(path: string, engine: Engine) {
    this.file = new OutputFile(path);
    this.engine = engine;
  }

  update(): void {
    const { transitions } = this.engine;
    let lines = '';
    for (this.next = Math.max(this.next, transitions.first); this.next < transitions.total; this.next++) {
      lines += `${JSON.stringify(transitions.get(this.next))}\n`;
    }
    if (lines) this.file.write(lines);
  }

  close(): void {
    this.update();
    this.file.close();
  }
}
