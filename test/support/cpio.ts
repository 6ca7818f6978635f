/** Archives in cpio's "newc" format. Linux unpacks several behind one another, so that one can add to an initial RAM disk. */

export interface CpioFile {
  /** Path without a leading slash. */
  readonly name: string;
  readonly content: Uint8Array;
}

const EXECUTABLE = 0o100755;
/** So that they are nobody else's. */
const FIRST_INODE = 0x10000;

export function cpioArchive(files: readonly CpioFile[]): Uint8Array {
  const trailer = { name: 'TRAILER!!!', content: new Uint8Array(0) };
  return Buffer.concat(
    [...files, trailer].flatMap(({ name, content }, i) => {
      const path = Buffer.from(`${name}\0`);
      const fields = [FIRST_INODE + i, EXECUTABLE, 0, 0, 1, 0, content.length, 0, 0, 0, 0, path.length, 0];
      const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
      return [padded(Buffer.concat([header, path])), padded(content)];
    }),
  );
}

/** To a multiple of 4 bytes. */
const padded = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
