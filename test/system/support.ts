/** For tests that compare whole machines. */
import type { EmulatorEngine } from '../../src/engines/emulator/engine';

/** Numbers of 32 bits, the same for the same seed (xorshift). */
export function random(seed: number): () => number {
  let x = (seed * 0x9e3779b9) >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x;
  };
}

/** FNV-1a over doublewords. */
function hash(bytes: Uint8Array): string {
  let value = 0x811c9dc5;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  for (const word of words) value = Math.imul(value ^ word, 0x01000193);
  return (value >>> 0).toString(16);
}

/** All processors' registers with their hidden parts, and a hash of the first `memory` bytes. */
export function digest(engine: EmulatorEngine, memory: number): string {
  const fields = engine.cpus.flatMap((cpu) =>
    cpu
      .registers()
      .map(({ name, value, fields: parts }) => `${name}=${value.toString(16)}/${parts.map((part) => part.value.toString(16)).join('.')}`),
  );
  const bytes = engine.readMemory(0, 'physical', 0, memory);
  return [...fields, `count=${engine.instructionCount}`, `memory=${hash(bytes.slice())}`].join('\n');
}
