/** Runs a line-number program (DWARF 5, 6.2.5, "The Line Number Program") into rows. */
import type { ByteReader } from './byte-reader';
import type { LineHeader } from './dwarf-line-header';
import { joinPath } from './dwarf-line-header';
import type { LineTableBuilder } from './line-table';

const STANDARD = {
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  setColumn: 5,
  negateStatement: 6,
  setBasicBlock: 7,
  constAddPc: 8,
  fixedAdvancePc: 9,
  setPrologueEnd: 10,
  setEpilogueBegin: 11,
  setIsa: 12,
} as const;
const EXTENDED = { endSequence: 1, setAddress: 2, defineFile: 3 } as const;

/** A row that waits for the next one's address to know its length. */
interface PendingRow {
  address: number;
  file: number;
  line: number;
  column: number;
}

class LineProgram {
  private readonly reader: ByteReader;
  private readonly header: LineHeader;
  private readonly builder: LineTableBuilder;
  /** The builder's file numbers by those of this unit. */
  private readonly fileIds: number[] = [];
  private address = 0;
  private operation = 0;
  private file = 1;
  private line = 1;
  private column = 0;
  private pending: PendingRow | undefined;

  constructor(reader: ByteReader, header: LineHeader, builder: LineTableBuilder) {
    this.reader = reader;
    this.header = header;
    this.builder = builder;
  }

  private reset(): void {
    this.address = 0;
    this.operation = 0;
    this.file = 1;
    this.line = 1;
    this.column = 0;
    this.pending = undefined;
  }

  run(): void {
    const { reader, header } = this;
    while (reader.position < header.end) {
      const opcode = reader.u8();
      if (opcode >= header.opcodeBase) this.special(opcode - header.opcodeBase);
      else if (opcode === 0) this.extended();
      else this.standard(opcode);
    }
  }

  private special(adjusted: number): void {
    const { lineBase, lineRange } = this.header;
    this.advance(Math.floor(adjusted / lineRange));
    this.line += lineBase + (adjusted % lineRange);
    this.row();
  }

  /** VLIW instructions hold several operations; on x86 there is one. */
  private advance(operations: number): void {
    const { minimumInstructionLength, maximumOperations } = this.header;
    if (maximumOperations <= 1) {
      this.address += minimumInstructionLength * operations;
      return;
    }
    const sum = this.operation + operations;
    this.address += minimumInstructionLength * Math.floor(sum / maximumOperations);
    this.operation = sum % maximumOperations;
  }

  private row(): void {
    this.flush(this.address);
    this.pending = { address: this.address, file: this.file, line: this.line, column: this.column };
  }

  /** Writes the waiting row, now that its end is known. Rows of no length, or without a line, say nothing. */
  private flush(end: number): void {
    const row = this.pending;
    if (!row || end <= row.address || row.line <= 0) return;
    if (!Number.isSafeInteger(end) || row.line > 0x7fffffff) this.reader.fail('an address or line out of range');
    const { address, line, column } = row;
    this.builder.addPlain(this.fileId(row.file), address, end - address, line, column & 0x7fffffff);
  }

  private fileId(file: number): number {
    return (this.fileIds[file] ??= this.builder.fileId(this.header.files[file] ?? `file ${file}`));
  }

  private standard(opcode: number): void {
    const { reader } = this;
    switch (opcode) {
      case STANDARD.copy:
        this.row();
        break;
      case STANDARD.advancePc:
        this.advance(reader.uleb());
        break;
      case STANDARD.advanceLine:
        this.line += reader.sleb();
        break;
      case STANDARD.setFile:
        this.file = reader.uleb();
        if (this.file > this.header.files.length) reader.fail(`file ${this.file} of ${this.header.files.length}`);
        break;
      case STANDARD.setColumn:
        this.column = reader.uleb();
        break;
      case STANDARD.constAddPc:
        this.advance(Math.floor((255 - this.header.opcodeBase) / this.header.lineRange));
        break;
      case STANDARD.fixedAdvancePc:
        this.address += reader.u16();
        this.operation = 0;
        break;
      case STANDARD.setIsa:
        reader.uleb();
        break;
      case STANDARD.negateStatement:
      case STANDARD.setBasicBlock:
      case STANDARD.setPrologueEnd:
      case STANDARD.setEpilogueBegin:
        break;
      default:
        // An opcode of a later version: its operands are counted in the header.
        for (let i = 0; i < this.header.operandCounts[opcode]; i++) reader.uleb();
    }
  }

  private extended(): void {
    const { reader } = this;
    const length = reader.uleb();
    const end = reader.position + length;
    if (length === 0) return;
    if (end > this.header.end) reader.fail('an extended opcode that reaches beyond its unit');
    switch (reader.u8()) {
      case EXTENDED.endSequence:
        this.flush(this.address);
        this.reset();
        break;
      case EXTENDED.setAddress:
        this.address = reader.word(length - 1);
        this.operation = 0;
        break;
      case EXTENDED.defineFile:
        this.defineFile();
        break;
      default:
        break;
    }
    reader.position = end;
  }

  private defineFile(): void {
    const name = this.reader.text();
    this.header.files.push(joinPath(this.header.directories[this.reader.uleb()] ?? '', name));
  }
}

/** Adds the unit's rows to the builder. */
export function runLineProgram(reader: ByteReader, header: LineHeader, builder: LineTableBuilder): void {
  new LineProgram(reader, header, builder).run();
}
