/** Launches a kernel and gives what it said on COM1. */
import { launch } from '../../src/engines/launcher';
import type { LaunchOptions } from '../../src/engines/launch';

export interface KernelRun {
  readonly serial: string;
  readonly reason: string;
  readonly entry: number;
}

/** @param files contents by path */
export function runKernel(options: LaunchOptions, files: Readonly<Record<string, Uint8Array>>, instructions = 5_000_000): KernelRun {
  const { engine, entry } = launch(options, (path) => files[path]);
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  const { reason } = engine.run({ instructions });
  return { serial, reason, entry };
}
