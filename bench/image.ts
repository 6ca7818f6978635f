/** Makes the guests' images, with our own assembler. */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { assemble } from '../src/assembler/assemble';
import { BenchError } from './errors';
import type { Row } from './guests';

/** @throws BenchError with the first of the source's errors */
function build(path: string, defines: Readonly<Record<string, string>>): Uint8Array {
  const folder = dirname(path);
  const read = (name: string): Uint8Array | string | undefined => {
    try {
      return /\.(inc|asm)$/.test(name) ? readFileSync(name, 'utf8') : readFileSync(name);
    } catch {
      return undefined;
    }
  };
  const text = read(path);
  if (typeof text !== 'string') throw new BenchError(`${path}: no such file`);
  const result = assemble({ path, text, read, defines, format: 'bin', includePaths: [`${folder}/`], debug: false });
  if (result.ok) return result.image;
  const [first] = result.diagnostics.filter(({ severity }) => severity === 'error');
  throw new BenchError(`${first.file}:${first.line}:${first.column}: ${first.message}`);
}

/** A flat image of one of the guests' sources. @param folder of the benchmark */
export const assembleGuest = (folder: string, source: string, defines: Readonly<Record<string, string>>): Uint8Array =>
  build(join(folder, 'guests', `${source}.asm`), defines);

/** A guest of the table, as a flat Multiboot image. @param folder of the benchmark */
export const guestImage = (folder: string, { source, defines, width }: Row, rounds: number): Uint8Array =>
  assembleGuest(folder, source, { ...defines, WIDTH: String(width), ROUNDS: String(rounds) });

/** The ROM that puts an image into memory and enters it. @param image path of a file */
export function romImage(folder: string, image: string): Uint8Array {
  if (image.includes('`')) throw new BenchError(`${basename(image)}: no such name for an image`);
  return build(join(folder, 'rom.asm'), { IMAGE: `\`${image.replaceAll('\\', '\\\\')}\`` });
}
