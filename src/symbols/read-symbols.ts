/** Debug information of a file, whatever its form: seen from its content. */
import { SymbolFileError } from './byte-reader';
import type { DebugInfo } from './debug-info';
import { elfDebugInfo } from './elf-info';
import { isSymbolMap, symbolMapInfo } from './symbol-map';

const ELF_MAGIC = 0x464c457f;

/**
 * @param path for messages, and for the modules view
 * @param bytes an ELF file (one that was stripped of its symbols too, where it is a Linux kernel with its own table), or text as
 * of `System.map` and `/proc/kallsyms`
 * @throws SymbolFileError with one line that begins with the path
 */
export function readDebugInfo(path: string, bytes: Uint8Array): DebugInfo {
  const isElf = bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === ELF_MAGIC;
  if (isElf) return elfDebugInfo(path, bytes);
  if (isSymbolMap(bytes)) return symbolMapInfo(path, bytes);
  throw new SymbolFileError(`${path}: neither an ELF file nor a list of symbols as System.map and /proc/kallsyms are`);
}
