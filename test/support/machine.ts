/** Runs a disk on the emulator. */
import { EmulatorEngine, type MachineOptions } from '../../src/engines/emulator/engine';
import type { EngineStop } from '../../src/engines/engine';
import type { Screen } from '../../src/shared/screen';
import { MemoryBlockDevice } from '../../src/engines/machine/devices/block';

export interface MachineRun extends Omit<MachineOptions, 'memory' | 'disk'> {
  memory?: number;
  disk: Uint8Array;
  /** Text sent to COM1 each time its output has come to end with `after`, in this order. */
  script?: readonly { readonly after: string; readonly send: string }[];
  /** The run is over when COM1's output ends with this and the script is done. */
  until?: string;
  /** The run has failed after so many instructions. */
  limit?: number;
}

export interface MachineResult {
  readonly serial: string;
  readonly console: string;
  readonly stop: EngineStop;
  readonly instructions: number;
  readonly screen: Screen | undefined;
  readonly engine: EmulatorEngine;
}

const SLICE = 500_000;

/** @throws Error where the guest does not come to an end in time; the message holds what it said */
export function runMachine(run: MachineRun): MachineResult {
  const { memory, disk, script: lines, until, limit, ...machine } = run;
  const engine = new EmulatorEngine({ memory: memory ?? 32 << 20, disk: new MemoryBlockDevice(disk), ...machine });
  let serial = '';
  let text = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
    else if (channel === 'console') text += String.fromCharCode(byte);
  };
  const script = [...(lines ?? [])];
  for (;;) {
    const stop = engine.run({ instructions: SLICE });
    const done = stop.reason !== 'slice' || (!script.length && until !== undefined && serial.endsWith(until));
    if (done) return { serial, console: text, stop, instructions: engine.instructionCount, screen: engine.screen(), engine };
    if (script.length && serial.endsWith(script[0].after)) {
      const { send } = script.shift()!;
      engine.input({ kind: 'serial', port: 0, bytes: [...send].map((character) => character.charCodeAt(0)) });
    }
    if (engine.instructionCount > (limit ?? 300e6)) {
      throw new Error(`the guest did not end in ${engine.instructionCount} instructions\nCOM1: ${serial}\n0xE9: ${text}`);
    }
  }
}
