/** One open program, assembled: what every answer of the language server is read from. */
import { assemble, type AssemblyResult } from '../assembler/assemble';

/** Contents of a file: what the editor has open, else what is on disk. Paths are absolute. */
export type ReadText = (path: string) => string | Uint8Array | undefined;

const isAbsolute = (path: string): boolean => /^([/\\]|[a-zA-Z]:[\\/])/.test(path);

/** Assembles a program as a launch would, with %include and INCBIN taken from beside it. */
export function assembleProgram(path: string, text: string, read: ReadText): AssemblyResult {
  const folder = path.replace(/[^/\\]*$/, '');
  return assemble({ path, text, read: (name) => read(isAbsolute(name) ? name : folder + name) });
}

/** The path of a file that a result names: relative ones lie beside the program. */
export function resolveFile(program: string, file: string): string {
  return isAbsolute(file) ? file : program.replace(/[^/\\]*$/, '') + file;
}
