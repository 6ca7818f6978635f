/** Debug information of an ELF file: its symbols (of a stripped Linux kernel its own table), and its lines where it has DWARF. */
import type { DebugInfo, ProgramSymbol } from './debug-info';
import { readDwarfLines } from './dwarf-lines';
import { ElfFile, type ElfSymbol, SectionFlag, SymbolSection, SymbolType } from './elf';
import { readKallsyms } from './kallsyms';
import { ProgramInfo } from './program-info';

const GLOBAL = 1;

/** @throws SymbolFileError for a file that cannot be read */
export function elfDebugInfo(path: string, bytes: Uint8Array): DebugInfo {
  const elf = new ElfFile(bytes, path);
  const symbols = elf.symbols().flatMap((symbol) => programSymbol(symbol, elf));
  const own = symbols.length === 0 ? readKallsyms(bytes, elf.is64) : undefined;
  return new ProgramInfo(path, readDwarfLines(elf), own ?? symbols);
}

function programSymbol(symbol: ElfSymbol, elf: ElfFile): ProgramSymbol[] {
  const { name, value, size, type, binding, section } = symbol;
  if (name === '' || section === SymbolSection.undefined || type === SymbolType.section || type === SymbolType.file) return [];
  return [{ name, address: value, size, kind: kindOf(type, section, elf), global: binding === GLOBAL }];
}

function kindOf(type: number, section: number, elf: ElfFile): ProgramSymbol['kind'] {
  if (section === SymbolSection.absolute) return 'constant';
  if (type === SymbolType.function) return 'code';
  if (type === SymbolType.object) return 'data';
  // Assemblers give labels no type.
  return (elf.sections[section]?.flags ?? 0) & SectionFlag.executable ? 'code' : 'data';
}
