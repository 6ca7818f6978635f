/** Debug information of an ELF file: its symbol table (System V ABI, "Symbol Table"). */
import type { DebugInfo, ProgramSymbol } from './debug-info';
import { indexDebugInfo } from './indexed-info';

const SHT_SYMTAB = 2;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const STT_SECTION = 3;
const STT_FILE = 4;
const STB_GLOBAL = 1;
const SHN_UNDEF = 0;

/** Symbols of a 32- or 64-bit little-endian ELF file; what is cut off or nonsensical is left out. */
export function elfDebugInfo(path: string, bytes: Uint8Array): DebugInfo {
  return indexDebugInfo({ name: path.replace(/^.*[/\\]/, ''), path, files: [], lines: [], symbols: readSymbols(bytes) });
}

function readSymbols(bytes: Uint8Array): ProgramSymbol[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = bytes[4] === 2;
  const has = (at: number, length: number): boolean => at >= 0 && at + length <= bytes.length;
  const word = (at: number): number => (wide ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  if (!has(0, 64) || bytes[5] !== 1) return [];
  const table = word(wide ? 40 : 32);
  const size = view.getUint16(wide ? 58 : 46, true);
  const count = view.getUint16(wide ? 60 : 48, true);
  const section = (index: number): { type: number; offset: number; length: number; link: number } | undefined => {
    const at = table + index * size;
    if (!has(at, wide ? 64 : 40)) return undefined;
    return {
      type: view.getUint32(at + 4, true),
      offset: word(at + (wide ? 24 : 16)),
      length: word(at + (wide ? 32 : 20)),
      link: view.getUint32(at + (wide ? 40 : 24), true),
    };
  };
  const symbols: ProgramSymbol[] = [];
  for (let i = 0; i < count; i++) {
    const symtab = section(i);
    if (symtab?.type !== SHT_SYMTAB) continue;
    const strings = section(symtab.link);
    if (!strings || !has(symtab.offset, symtab.length) || !has(strings.offset, strings.length)) continue;
    const entry = wide ? 24 : 16;
    for (let at = symtab.offset; at + entry <= symtab.offset + symtab.length; at += entry) {
      const info = bytes[at + (wide ? 4 : 12)];
      const type = info & 15;
      if (type === STT_SECTION || type === STT_FILE || view.getUint16(at + (wide ? 6 : 14), true) === SHN_UNDEF) continue;
      const name = text(bytes, strings.offset + view.getUint32(at, true), strings.offset + strings.length);
      if (name === '') continue;
      symbols.push({
        name,
        address: word(at + (wide ? 8 : 4)),
        size: word(at + (wide ? 16 : 8)),
        kind: type === STT_FUNC ? 'code' : type === STT_OBJECT ? 'data' : 'label',
        global: info >> 4 === STB_GLOBAL,
      });
    }
  }
  return symbols;
}

function text(bytes: Uint8Array, from: number, limit: number): string {
  let end = from;
  while (end < limit && bytes[end] !== 0) end++;
  return new TextDecoder().decode(bytes.subarray(from, end));
}
