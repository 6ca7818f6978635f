/** A WebAssembly module of our own functions, in the order of the Binary Format's sections. */
import { type BranchHints, Code, I32, type ValueType } from './code';

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface ModuleShape {
  readonly types: readonly Signature[];
  /** Imported functions, module `host`; they come first in the function index space. */
  readonly imports: readonly { readonly name: string; readonly type: number }[];
  /** Own functions: type index and finished body. */
  readonly functions: readonly { readonly type: number; readonly body: Uint8Array; readonly hints?: BranchHints }[];
  /** Function indexes (imports counted) under their names. */
  readonly exports: Readonly<Record<string, number>>;
  /** Function indexes that fill table 0, which may grow, from entry 0 on; without them there is no table. */
  readonly table?: readonly number[];
  /** The name that table 0 is exported by. */
  readonly exportTable?: string;
}

const SECTION = { custom: 0, type: 1, import: 2, function: 3, table: 4, export: 7, element: 9, code: 10 } as const;
const MAGIC_AND_VERSION = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const FUNCREF = 0x70;

/** Encodes a module that imports memory `host.memory`. */
export function encodeModule(shape: ModuleShape): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [Uint8Array.from(MAGIC_AND_VERSION)];
  const section = (id: number, fill: (code: Code) => void): void => {
    const content = new Code(0);
    fill(content);
    const head = new Code(0);
    head.byte(id);
    head.unsigned(content.raw().length);
    parts.push(head.raw(), content.raw());
  };
  const name = (code: Code, text: string): void => {
    code.unsigned(text.length);
    for (let i = 0; i < text.length; i++) code.byte(text.charCodeAt(i));
  };
  section(SECTION.type, (c) => {
    c.unsigned(shape.types.length);
    for (const { parameters, results } of shape.types) {
      c.byte(0x60);
      for (const list of [parameters, results]) {
        c.unsigned(list.length);
        for (const type of list) c.byte(type);
      }
    }
  });
  section(SECTION.import, (c) => {
    c.unsigned(shape.imports.length + 1);
    for (const imported of shape.imports) {
      name(c, 'host');
      name(c, imported.name);
      c.byte(0x00);
      c.unsigned(imported.type);
    }
    name(c, 'host');
    name(c, 'memory');
    c.byte(0x02);
    c.byte(0x00);
    c.unsigned(1);
  });
  section(SECTION.function, (c) => {
    c.unsigned(shape.functions.length);
    for (const { type } of shape.functions) c.unsigned(type);
  });
  const { table, exportTable } = shape;
  if (table) {
    section(SECTION.table, (c) => {
      c.unsigned(1);
      c.byte(FUNCREF);
      c.byte(0x00);
      c.unsigned(table.length);
    });
  }
  section(SECTION.export, (c) => {
    const entries = Object.entries(shape.exports);
    c.unsigned(entries.length + (exportTable === undefined ? 0 : 1));
    for (const [key, index] of entries) {
      name(c, key);
      c.byte(0x00);
      c.unsigned(index);
    }
    if (exportTable !== undefined) {
      name(c, exportTable);
      c.byte(0x01);
      c.unsigned(0);
    }
  });
  if (table) {
    section(SECTION.element, (c) => {
      c.unsigned(1);
      c.unsigned(0);
      c.byte(0x41);
      c.signed(0);
      c.byte(0x0b);
      c.unsigned(table.length);
      for (const index of table) c.unsigned(index);
    });
  }
  // WebAssembly's proposal "Branch Hinting".
  const hinted = shape.functions
    .map(({ hints = [] }, i) => ({ hints, index: shape.imports.length + i }))
    .filter(({ hints }) => hints.length > 0);
  if (hinted.length > 0) {
    section(SECTION.custom, (c) => {
      name(c, 'metadata.code.branch_hint');
      c.unsigned(hinted.length);
      for (const { hints, index } of hinted) {
        c.unsigned(index);
        c.unsigned(hints.length);
        for (const { at, likely } of hints) {
          c.unsigned(at);
          c.unsigned(1);
          c.byte(likely ? 1 : 0);
        }
      }
    });
  }
  section(SECTION.code, (c) => {
    c.unsigned(shape.functions.length);
    for (const { body } of shape.functions) c.append(body);
  });
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The signature of every handler: the record's host offset in, an exit reason out. */
export const HANDLER: Signature = { parameters: [I32], results: [I32] };
