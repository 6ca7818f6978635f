/** Which source line each run of code bytes came from: columns of numbers, so that a kernel's million rows stay small. */
import type { LinearAddress } from '../shared/addresses';
import type { LineRange } from './debug-info';

const CODE = 1;
const DATA = 2;

export interface LineRow {
  readonly address: number;
  /** Bytes, at least 1. */
  readonly length: number;
  readonly line: number;
  readonly column: number;
  readonly content?: 'code' | 'data';
  readonly bits?: 16 | 32 | 64;
}

/** The columns of a table, with room to grow. */
interface Columns {
  readonly addresses: Float64Array;
  readonly lengths: Float64Array;
  readonly files: Int32Array;
  readonly lines: Int32Array;
  readonly columns: Int32Array;
  readonly kinds: Uint8Array;
}

function makeColumns(rows: number): Columns {
  return {
    addresses: new Float64Array(rows),
    lengths: new Float64Array(rows),
    files: new Int32Array(rows),
    lines: new Int32Array(rows),
    columns: new Int32Array(rows),
    kinds: new Uint8Array(rows),
  };
}

const NAMES = ['addresses', 'lengths', 'files', 'lines', 'columns', 'kinds'] as const;
const FIRST_ROWS = 256;

/** Rows in any order, put in order once they are all there. */
export class LineTableBuilder {
  readonly files: string[] = [];
  private readonly fileIds = new Map<string, number>();
  private rows = makeColumns(FIRST_ROWS);
  private count = 0;
  private ascending = true;

  fileId(path: string): number {
    let id = this.fileIds.get(path);
    if (id === undefined) {
      id = this.files.push(path) - 1;
      this.fileIds.set(path, id);
    }
    return id;
  }

  add(file: number, { address, length, line, column, content, bits }: LineRow): void {
    this.addPlain(file, address, length, line, column);
    this.rows.kinds[this.count - 1] = (content === 'code' ? CODE : content === 'data' ? DATA : 0) | (bits ?? 0);
  }

  /** The same for the many rows of which no more is known. */
  addPlain(file: number, address: number, length: number, line: number, column: number): void {
    const row = this.count++;
    if (row === this.rows.addresses.length) this.grow();
    const { rows } = this;
    if (row > 0 && address < rows.addresses[row - 1]) this.ascending = false;
    rows.addresses[row] = address;
    rows.lengths[row] = length;
    rows.files[row] = file;
    rows.lines[row] = line;
    rows.columns[row] = column;
  }

  private grow(): void {
    const wider = makeColumns(this.rows.addresses.length * 2);
    for (const name of NAMES) wider[name].set(this.rows[name]);
    this.rows = wider;
  }

  build(): LineTable {
    const { rows, count } = this;
    if (this.ascending) return new LineTable(this.files, rows, count);
    const order = Uint32Array.from({ length: count }, (_, i) => i).sort((a, b) => rows.addresses[a] - rows.addresses[b] || a - b);
    const sorted = makeColumns(count);
    for (const name of NAMES) {
      const from = rows[name];
      const to = sorted[name];
      for (let i = 0; i < count; i++) to[i] = from[order[i]];
    }
    return new LineTable(this.files, sorted, count);
  }
}

export class LineTable {
  readonly files: readonly string[];
  readonly size: number;
  private readonly rows: Columns;
  /** By file: its rows by line, made when first asked for. */
  private readonly byFile = new Map<number, Map<number, number[]>>();

  /** @param rows ascending by address; those from `size` on are empty */
  constructor(files: readonly string[], rows: Columns, size: number) {
    this.files = files;
    this.rows = rows;
    this.size = size;
  }

  private range(row: number): LineRange {
    const kind = this.rows.kinds[row];
    const bits = kind & ~3;
    return {
      path: this.files[this.rows.files[row]],
      line: this.rows.lines[row],
      column: this.rows.columns[row],
      address: this.rows.addresses[row] as LinearAddress,
      length: this.rows.lengths[row],
      ...((kind & 3) !== 0 && { content: (kind & 3) === CODE ? ('code' as const) : ('data' as const) }),
      ...(bits !== 0 && { bits: bits as 16 | 32 | 64 }),
    };
  }

  /** Index of the first row at or above an address. */
  private lowerBound(address: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.rows.addresses[middle] < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(address: number): LineRange | undefined {
    const row = this.lowerBound(address + 1) - 1;
    return row >= 0 && address < this.rows.addresses[row] + this.rows.lengths[row] ? this.range(row) : undefined;
  }

  within(from: number, to: number): LineRange[] {
    const ranges: LineRange[] = [];
    for (let row = this.lowerBound(from); row < this.size && this.rows.addresses[row] < to; row++) ranges.push(this.range(row));
    return ranges;
  }

  private rowsOf(path: string): Map<number, number[]> | undefined {
    const file = this.files.indexOf(path);
    if (file < 0) return undefined;
    let lines = this.byFile.get(file);
    if (!lines) {
      lines = new Map();
      for (let row = 0; row < this.size; row++) {
        if (this.rows.files[row] !== file) continue;
        const rows = lines.get(this.rows.lines[row]);
        if (rows) rows.push(row);
        else lines.set(this.rows.lines[row], [row]);
      }
      this.byFile.set(file, lines);
    }
    return lines;
  }

  rangesOf(path: string, line: number): LineRange[] {
    return (this.rowsOf(path)?.get(line) ?? []).map((row) => this.range(row));
  }

  codeLines(path: string, from: number, to: number): number[] {
    const lines = this.rowsOf(path);
    if (!lines) return [];
    const isCode = (row: number): boolean => (this.rows.kinds[row] & 3) !== DATA;
    return [...lines]
      .filter(([line, rows]) => line >= from && line <= to && rows.some(isCode))
      .map(([line]) => line)
      .sort((a, b) => a - b);
  }
}
