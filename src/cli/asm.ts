/** `ringside asm`: the assembler. */
import { assemble, type Diagnostic, type FormatName } from '../assembler/assemble';
import { readFile, readInput, writeOutput } from './files';
import { parseOptions, UsageError } from './options';

const FORMATS: readonly string[] = ['bin', 'elf32', 'elf64'];
const TEXT = /\.(asm|nasm|inc|s|mac)$/i;

/** As compilers print it. */
function formatDiagnostic({ file, line, column, severity, message, related }: Diagnostic): string {
  const trail = (related ?? []).map((place) => `\n${place.file}:${place.line}:${place.column}: note: ${place.message}`).join('');
  return `${file}:${line}:${column}: ${severity}: ${message}${trail}\n`;
}

/** Status 0 when the image was written, 1 when the source has errors. */
export function asm(args: readonly string[]): number {
  const { values, positionals } = parseOptions(args, {
    f: { type: 'string', short: 'f' },
    o: { type: 'string', short: 'o' },
    l: { type: 'string', short: 'l' },
    i: { type: 'string', short: 'I', multiple: true },
    d: { type: 'string', short: 'D', multiple: true },
  });
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) throw new UsageError('asm takes one source file');
  const format = (values.f as string | undefined) ?? 'bin';
  if (!FORMATS.includes(format)) throw new UsageError(`-f: "${format}" is no format; expected ${FORMATS.join(', ')}`);
  const output = values.o as string | undefined;
  if (output === undefined) throw new UsageError('asm needs -o <file>');
  const text = new TextDecoder().decode(readInput(path));
  const result = assemble({
    path,
    text,
    format: format as FormatName,
    includePaths: (values.i as string[] | undefined) ?? [],
    defines: Object.fromEntries(((values.d as string[] | undefined) ?? []).map((define) => splitDefine(define))),
    listing: values.l !== undefined,
    read: (name) => {
      const bytes = readFile(name);
      return bytes && TEXT.test(name) ? new TextDecoder().decode(bytes) : bytes;
    },
  });
  for (const diagnostic of result.diagnostics) process.stderr.write(formatDiagnostic(diagnostic));
  if (!result.ok) return 1;
  writeOutput(output, result.image);
  if (values.l !== undefined) writeOutput(values.l as string, result.listing);
  return 0;
}

function splitDefine(define: string): [string, string] {
  const at = define.indexOf('=');
  return at < 0 ? [define, ''] : [define.slice(0, at), define.slice(at + 1)];
}
