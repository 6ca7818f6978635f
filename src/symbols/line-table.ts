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

/** Rows in any order, put in order once they are all there. */
export class LineTableBuilder {
  readonly files: string[] = [];
  private readonly fileIds = new Map<string, number>();
  private readonly rows: number[] = [];

  fileId(path: string): number {
    let id = this.fileIds.get(path);
    if (id === undefined) {
      id = this.files.push(path) - 1;
      this.fileIds.set(path, id);
    }
    return id;
  }

  add(file: number, { address, length, line, column, content, bits }: LineRow): void {
    const kind = (content === 'code' ? CODE : content === 'data' ? DATA : 0) | (bits ?? 0);
    this.rows.push(address, length, file, line, column, kind);
  }

  build(): LineTable {
    return new LineTable(this.files, this.rows);
  }
}

/** Numbers a row. */
const WIDTH = 6;

export class LineTable {
  readonly files: readonly string[];
  private readonly addresses: Float64Array;
  private readonly lengths: Float64Array;
  private readonly fileIds: Int32Array;
  private readonly lines: Int32Array;
  private readonly columns: Int32Array;
  private readonly kinds: Uint8Array;
  /** By file: its rows by line, made when first asked for. */
  private readonly byFile = new Map<number, Map<number, number[]>>();

  constructor(files: readonly string[], rows: readonly number[]) {
    this.files = files;
    const count = rows.length / WIDTH;
    const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => rows[a * WIDTH] - rows[b * WIDTH] || a - b);
    this.addresses = new Float64Array(count);
    this.lengths = new Float64Array(count);
    this.fileIds = new Int32Array(count);
    this.lines = new Int32Array(count);
    this.columns = new Int32Array(count);
    this.kinds = new Uint8Array(count);
    order.forEach((from, to) => {
      const at = from * WIDTH;
      this.addresses[to] = rows[at];
      this.lengths[to] = rows[at + 1];
      this.fileIds[to] = rows[at + 2];
      this.lines[to] = rows[at + 3];
      this.columns[to] = rows[at + 4];
      this.kinds[to] = rows[at + 5];
    });
  }

  get size(): number {
    return this.addresses.length;
  }

  private range(row: number): LineRange {
    const kind = this.kinds[row];
    const bits = kind & ~3;
    return {
      path: this.files[this.fileIds[row]],
      line: this.lines[row],
      column: this.columns[row],
      address: this.addresses[row] as LinearAddress,
      length: this.lengths[row],
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
      if (this.addresses[middle] < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  at(address: number): LineRange | undefined {
    const row = this.lowerBound(address + 1) - 1;
    return row >= 0 && address < this.addresses[row] + this.lengths[row] ? this.range(row) : undefined;
  }

  within(from: number, to: number): LineRange[] {
    const ranges: LineRange[] = [];
    for (let row = this.lowerBound(from); row < this.size && this.addresses[row] < to; row++) ranges.push(this.range(row));
    return ranges;
  }

  private rowsOf(path: string): Map<number, number[]> | undefined {
    const file = this.files.indexOf(path);
    if (file < 0) return undefined;
    let lines = this.byFile.get(file);
    if (!lines) {
      lines = new Map();
      for (let row = 0; row < this.size; row++) {
        if (this.fileIds[row] !== file) continue;
        const rows = lines.get(this.lines[row]);
        if (rows) rows.push(row);
        else lines.set(this.lines[row], [row]);
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
    const isCode = (row: number): boolean => (this.kinds[row] & 3) !== DATA;
    return [...lines]
      .filter(([line, rows]) => line >= from && line <= to && rows.some(isCode))
      .map(([line]) => line)
      .sort((a, b) => a - b);
  }
}
