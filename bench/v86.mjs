/**
 * Runs a ROM on v86, in Node: COM1 goes to standard output. The runner ends the process.
 * `node bench/v86.mjs rom <file> <MiB of RAM>`, or `node bench/v86.mjs linux <BIOS> <bzImage> <initramfs> <command line> <MiB of RAM>`.
 */
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const library = createRequire(import.meta.url).resolve('v86');
const { V86 } = await import(library);

const buffer = (path) => {
  const bytes = readFileSync(path);
  return { buffer: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) };
};
const common = {
  wasm_path: join(dirname(library), 'v86.wasm'),
  autostart: true,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
};

const WAYS = {
  rom: ([rom, megabytes]) => ({ bios: buffer(rom), memory_size: megabytes << 20 }),
  linux: ([bios, bzImage, initramfs, cmdline, megabytes]) => ({
    bios: buffer(bios),
    bzimage: buffer(bzImage),
    initrd: buffer(initramfs),
    cmdline,
    memory_size: megabytes << 20,
  }),
};

const [way, ...args] = process.argv.slice(2);
const machine = new V86({ ...common, ...WAYS[way](args) });
let line = [];
machine.add_listener('serial0-output-byte', (byte) => {
  line.push(byte);
  if (byte !== 10 && way === 'rom') return;
  writeSync(1, Uint8Array.from(line));
  line = [];
});
