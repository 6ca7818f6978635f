/** Runs a disk on Debian's qemu-system-i386, as the machine that ours follows: `isapc`. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missing } from './programs';

/** Why QEMU cannot run here, or undefined. */
export const qemuMissing: string | undefined = missing({ 'qemu-system-i386': 'qemu-system-x86' });

export interface QemuRun {
  /** Disk image, the primary master. What the guest writes is thrown away. */
  disk: Uint8Array;
  /** BIOS image; SeaBIOS where it is left out. */
  bios?: Uint8Array;
  memory?: string;
  /** `isapc` where it is left out; `pc` has APICs. */
  machine?: string;
  /** More devices, each with its properties. */
  devices?: readonly string[];
  /** Text sent to COM1 each time its output has come to end with `after`, in this order. */
  script?: readonly { readonly after: string; readonly send: string }[];
  /** The run is over when COM1's output ends with this and the script is done. */
  until?: string;
  /** Milliseconds after which the run has failed. */
  timeout?: number;
}

export interface QemuResult {
  /** COM1. */
  readonly serial: string;
  /** Port 0xE9. */
  readonly console: string;
  /** Exit status; isa-debug-exit at 0xf4 gives `(value << 1) | 1`. */
  readonly status: number | null;
}

/** @throws Error where QEMU does not come to an end in time; the message holds what the guest said */
export async function runQemu(run: QemuRun): Promise<QemuResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-qemu-'));
  const disk = join(folder, 'disk.img');
  const bios = join(folder, 'firmware.img');
  const console = join(folder, 'console.txt');
  writeFileSync(disk, run.disk);
  if (run.bios) writeFileSync(bios, run.bios);
  const child = spawn(
    'qemu-system-i386',
    [
      ['-M', run.machine ?? 'isapc', '-m', run.memory ?? '32', '-display', 'none', '-no-reboot', '-monitor', 'none'],
      ['-drive', `file=${disk},format=raw,if=ide,snapshot=on`, '-nodefaults', '-vga', 'std'],
      run.bios ? ['-bios', bios] : [],
      ['-chardev', 'stdio,id=com1,signal=off', '-serial', 'chardev:com1'],
      ['-chardev', `file,id=e9,path=${console}`, '-device', 'isa-debugcon,iobase=0xe9,chardev=e9'],
      (run.devices ?? []).flatMap((device) => ['-device', device]),
      ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-rtc', 'base=2026-01-01T12:00:00'],
    ].flat(),
    { stdio: 'pipe' },
  );
  let serial = '';
  let errors = '';
  const script = [...(run.script ?? [])];
  const react = (): void => {
    if (script.length && serial.endsWith(script[0].after)) child.stdin.write(script.shift()!.send);
    else if (!script.length && run.until !== undefined && serial.endsWith(run.until)) child.kill('SIGTERM');
  };
  child.stdout.on('data', (data: Buffer) => {
    serial += data.toString('latin1');
    react();
  });
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString('latin1');
  });
  try {
    return await new Promise<QemuResult>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`QEMU did not end in time. ${errors}\nCOM1: ${serial}`));
      }, run.timeout ?? 30_000);
      child.on('error', reject);
      child.on('close', (status) => {
        clearTimeout(timer);
        if (existsSync(console)) resolve({ serial, console: readFileSync(console, 'latin1'), status });
        else reject(new Error(`QEMU did not start: ${errors}`));
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
