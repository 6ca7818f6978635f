/** The line tables of all compilation units in `.debug_line`, versions 2 to 5 (DWARF 5, section 6.2, "Line Number Information"). */
import { ByteReader } from './byte-reader';
import { readLineHeader } from './dwarf-line-header';
import { runLineProgram } from './dwarf-line-program';
import { compilationDirectories } from './dwarf-units';
import type { ElfFile } from './elf';
import { SectionFlag } from './elf';
import { type LineTable, LineTableBuilder } from './line-table';

/**
 * @returns an empty table for a file without line information. A unit that cannot be read ends the reading; what came
 * before it stands.
 * @throws SymbolFileError when not even the first unit can be read
 */
export function readDwarfLines(elf: ElfFile): LineTable {
  const builder = new LineTableBuilder();
  const section = elf.section('.debug_line');
  if (!section) return builder.build();
  const reader = new ByteReader(elf.contents(section), '.debug_line');
  if (section.flags & SectionFlag.compressed) reader.fail('not implemented: compressed debug sections');
  const strings = { line: sectionReader(elf, '.debug_line_str'), plain: sectionReader(elf, '.debug_str') };
  const directories = compilationDirectories(elf);
  let units = 0;
  while (!reader.done) {
    try {
      const header = readLineHeader(reader, strings, elf.wordSize, directories.get(reader.position));
      runLineProgram(reader, header, builder);
      reader.position = header.end;
      units++;
    } catch (error) {
      if (units === 0) throw error;
      break;
    }
  }
  return builder.build();
}

function sectionReader(elf: ElfFile, name: string): ByteReader | undefined {
  const section = elf.section(name);
  return section && new ByteReader(elf.contents(section), name);
}
