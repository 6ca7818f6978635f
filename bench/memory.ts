/** What our process takes of the host's memory in a long run, beside the guest's RAM. Linux alone tells it as we ask. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMAND_LINE } from './boots';
import { GUESTS } from './guests';
import { guestImage } from './image';

const INSTRUCTIONS = 100e9;
/** Of the guest's RAM, MiB. */
const RAM = 64;
/** Milliseconds between two looks. */
const INTERVAL = 500;
const LIMIT_STATUS = 4;
const KIBIBYTES = /^(VmRSS|VmHWM):\s+(\d+) kB$/gm;
const PROMPT = 'guest# ';
/** Of what the guest says, kept to find the prompt in it. */
const CHUNK = 1 << 12;
/** Programs begin and end, files are read, pages come and go, without end. */
const WORK = 'while :; do ls -l /bin; ps; cat /proc/meminfo; dmesg | wc; free; for i in 1 2 3; do sh -c "echo $i"; done; done >/dev/null\n';

export interface MemoryResult {
  readonly guest: string;
  readonly instructions: number;
  readonly seconds?: number;
  /** MiB that the process had at its end and at most, the part of the guest's RAM that is in use among them. */
  readonly atEnd?: number;
  readonly most?: number;
  /** `most` without all of the guest's RAM, used or not. */
  readonly beyond?: number;
  readonly problem?: string;
}

interface LongRun {
  readonly guest: string;
  readonly args: readonly string[];
  /** Typed at the shell's prompt. */
  readonly input?: string;
}

export interface MemoryOptions {
  /** Of the benchmark. */
  readonly folder: string;
  /** For temporary files. */
  readonly work: string;
  readonly program: string;
  readonly quick: boolean;
  /** How many each guest runs; INSTRUCTIONS if left out. */
  readonly instructions?: number;
  readonly only: readonly string[];
  readonly signal: AbortSignal;
}

function longRuns({ folder, work, only }: MemoryOptions): LongRun[] {
  const loops = ['loop-tight', 'sieve'].map((name) => {
    const image = join(work, `long-${name}.bin`);
    const guest = GUESTS.find((entry) => entry.name === name)!;
    writeFileSync(image, guestImage(folder, { ...guest, width: 64, id: name }, 2 ** 31 - 1));
    return { guest: `${name}-64`, args: [image] };
  });
  const files = join(folder, '../.cache/kernels/686');
  const kernel = [
    '--kernel',
    join(files, 'vmlinuz'),
    '--initrd',
    join(files, 'initramfs.cpio'),
    '--unpack-kernel',
    '--append',
    COMMAND_LINE,
  ];
  const linux = existsSync(files) ? [{ guest: 'linux-686', args: kernel, input: WORK }] : [];
  return [...loops, ...linux].filter(({ guest }) => only.length === 0 || only.includes(guest));
}

/** @returns one result a guest, told as they come */
export async function runMemory(options: MemoryOptions, say: (text: string) => void): Promise<MemoryResult[]> {
  const instructions = (options.instructions ?? INSTRUCTIONS) / (options.quick ? 10 : 1);
  say(
    `\nmemory of the process in ${(instructions / 1e9).toFixed(0)} thousand million instructions, MiB; ${RAM} of it may be the guest's RAM\n`,
  );
  const results: MemoryResult[] = [];
  for (const run of longRuns(options)) {
    const result = await watch(run, instructions, options);
    results.push(result);
    const { guest, problem, seconds = 0, atEnd = 0, most = 0, beyond = 0 } = result;
    const told = `at the end ${atEnd.toFixed(0)}, at most ${most.toFixed(0)}: ${beyond.toFixed(0)} beyond the RAM; ${seconds.toFixed(0)} s`;
    say(`${guest.padEnd(22)}${problem ?? told}\n`);
  }
  return results;
}

function watch({ guest, args, input }: LongRun, instructions: number, { program, signal }: MemoryOptions): Promise<MemoryResult> {
  return new Promise((done) => {
    const started = performance.now();
    const all = [program, 'run', ...args, '--memory', `${RAM}M`, '--max-instructions', String(instructions)];
    const child = spawn(process.execPath, all, { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' });
    let memory: Readonly<Record<string, number>> = {};
    const lookAt = (): void => {
      memory = memoryOf(child.pid) ?? memory;
    };
    lookAt();
    const look = setInterval(lookAt, INTERVAL);
    let said = '';
    let waiting = input !== undefined;
    child.stdout.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('latin1')).slice(-CHUNK);
      if (!waiting || !said.includes(PROMPT)) return;
      waiting = false;
      child.stdin.write(input!);
    });
    child.stdin.on('error', () => {});
    child.on('error', ({ message }) => done({ guest, instructions, problem: message }));
    child.on('close', (status) => {
      clearInterval(look);
      const { VmRSS: atEnd, VmHWM: most } = memory;
      if (status !== LIMIT_STATUS) done({ guest, instructions, problem: `ended with status ${status}` });
      else if (most === undefined) done({ guest, instructions, problem: 'this system does not tell its memory (Linux does, in /proc)' });
      else done({ guest, instructions, seconds: (performance.now() - started) / 1000, atEnd, most, beyond: Math.max(0, most - RAM) });
    });
  });
}

/** MiB by the names of Linux. */
function memoryOf(pid: number | undefined): Record<string, number> | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    // A process that has ended and waits to be noticed has none left.
    if (!status.includes('VmRSS')) return undefined;
    return Object.fromEntries([...status.matchAll(KIBIBYTES)].map(([, name, kibibytes]) => [name, Number(kibibytes) / 1024]));
  } catch {
    return undefined;
  }
}
