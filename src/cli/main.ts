/** The command line: the engines without an editor. Its contract is in docs/cli.md. */
import { version } from '../../package.json';
import { asm } from './asm';
import { disasm } from './disasm';
import { UsageError } from './options';
import { run } from './run';
import { RUN_HELP } from './run-help';

interface Command {
  /** @returns the process's exit status */
  readonly main: (args: readonly string[]) => Promise<number> | number;
  readonly usage: string;
  /** What its own `--help` says further. */
  readonly help?: string;
}

const missing =
  (name: string): Command['main'] =>
  () => {
    throw new UsageError(`not implemented: the command "${name}"`);
  };

const tool =
  (name: 'bench' | 'dap'): Command['main'] =>
  async (args) =>
    (await import('./tools'))[name](args);

const COMMANDS: Readonly<Record<string, Command>> = {
  run: { main: run, usage: 'run <program> [options] [-- args]     run a guest until it stops', help: RUN_HELP },
  asm: { main: asm, usage: 'asm <source> -f bin|elf32|elf64 -o <file> [-l <listing>]' },
  disasm: { main: disasm, usage: 'disasm <file> --bits 16|32|64 [--origin N]' },
  dap: { main: tool('dap'), usage: 'dap [--port N]                        the debug adapter on stdio or TCP' },
  compare: { main: missing('compare'), usage: 'compare <program>                     not implemented yet' },
  bench: { main: tool('bench'), usage: 'bench [--against v86,bochs,qemu]      how fast we are, beside others' },
};

const WRONG_USE = 2;

const HELP = ['usage: ringside <command>', '', ...Object.values(COMMANDS).map(({ usage }) => `  ${usage}`), '  --version', ''].join('\n');

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    (name === undefined ? process.stderr : process.stdout).write(HELP);
    return name === undefined ? WRONG_USE : 0;
  }
  if (name === '--version' || name === '-V') {
    process.stdout.write(`ringside ${version}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageError(`there is no command "${name}"; there are ${Object.keys(COMMANDS).join(', ')}`);
  const own = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : undefined);
  if (own.includes('--help') || own.includes('-h')) {
    process.stdout.write(`usage: ringside ${command.usage}\n${command.help ?? ''}`);
    return 0;
  }
  return command.main(rest);
}

/** One line a problem, and nothing of our insides. */
function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(message.replace(/^(?!.*:\d+:\d+: error: )/gm, 'ringside: ').concat('\n'));
  return WRONG_USE;
}

/** The shell's status of a program that wrote to a pipe without a reader. */
const BROKEN_PIPE = 141;

/** Output that nobody reads any more ends the program quietly; other failures are told. */
function watchOutput(stream: NodeJS.WriteStream, name: string): void {
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(BROKEN_PIPE);
    if (stream !== process.stderr) process.stderr.write(`ringside: ${name}: cannot be written (${code ?? 'unknown'})\n`);
    process.exit(WRONG_USE);
  });
}

watchOutput(process.stdout, 'standard output');
watchOutput(process.stderr, 'standard error');

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.exitCode = report(error);
  },
);
