/** A repeatable source of 32-bit numbers (Mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Up to 15 random bytes. Uniform ones seldom reach the second opcode map or a prefix, so these are helped. */
export function randomBytes(random: () => number): Uint8Array {
  const bytes = new Uint8Array(random() % 8 === 0 ? random() % 16 : 15);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random();
  const starts = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x64, 0x48, 0x0f, 0x0f];
  if (bytes.length > 1 && random() % 3 === 0) bytes[0] = starts[random() % starts.length];
  if (bytes.length > 1 && random() % 4 === 0) bytes[1] = 0x0f;
  return bytes;
}
