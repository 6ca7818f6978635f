/**
 * The symbol table that a Linux kernel carries in its own read-only data (CONFIG_KALLSYMS), found in an image that has no
 * other: distributions strip theirs. Source: the kernel's scripts/kallsyms.c and kernel/kallsyms.c.
 *
 *   kallsyms_offsets         u32 for each symbol, ascending by address   } before Linux 6.4 in front of the names,
 *   kallsyms_relative_base   what they count from                        } since then behind the token index
 *   kallsyms_num_syms        u32
 *   kallsyms_names           for each symbol its length and so many bytes, each of them a token
 *   kallsyms_markers         u32, where every 256th name begins
 *   kallsyms_token_table     256 texts, each ended by a 0
 *   kallsyms_token_index     u16, where each text begins
 *
 * Nothing points to these tables, so they are known by what they must contain: digits occur in names, and have themselves
 * as their tokens.
 */
import type { ProgramSymbol } from './debug-info';
import { type MapEntry, symbolsOf } from './symbol-map';

const TOKENS = 256;
const DIGITS = '0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0';
const FIRST_DIGIT = 0x30;
/** Names between two markers. */
const MARKED = 256;
/** Bytes of 256 names are surely fewer. */
const LONGEST_STRETCH = 0x8000;
/** Between the markers and the token table there may be three bytes for each symbol. */
const MARKERS_REACH = 1 << 22;
const MOST_SYMBOLS = 1 << 22;

/**
 * @param bytes an unpacked kernel image
 * @param wide of a 64-bit kernel
 * @returns its symbols, ascending by address; undefined where it has no such table, or one in another form
 */
export function readKallsyms(bytes: Uint8Array, wide: boolean): ProgramSymbol[] | undefined {
  const image = new Image(bytes, wide);
  for (const tokens of findTokens(image)) {
    const names = findNames(image, tokens);
    const addresses = names && findAddresses(image, tokens, names);
    if (!names || !addresses) continue;
    const entries = readNames(image, tokens, names).map((text, i): MapEntry => {
      const { address, absolute } = addresses[i];
      return { address, type: absolute ? 'A' : text[0], name: text.slice(1) };
    });
    return symbolsOf(entries);
  }
  return undefined;
}

class Image {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly wide: boolean;

  constructor(bytes: Uint8Array, wide: boolean) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.wide = wide;
  }

  get word(): 4 | 8 {
    return this.wide ? 8 : 4;
  }

  u32(at: number): number {
    return at >= 0 && at + 4 <= this.bytes.length ? this.view.getUint32(at, true) : Number.NaN;
  }

  /** An address as the rest of the program counts them: signed where it has 64 bits. NaN where it is none. */
  address(at: number): number {
    if (!this.wide) return this.u32(at);
    if (at < 0 || at + 8 > this.bytes.length) return Number.NaN;
    const value = Number(this.view.getBigInt64(at, true));
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }
}

interface Tokens {
  readonly start: number;
  /** Behind the token index. */
  readonly end: number;
  readonly texts: readonly Uint8Array[];
}

const up = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

function* findTokens(image: Image): Iterable<Tokens> {
  const { bytes } = image;
  const pattern = new TextEncoder().encode(DIGITS);
  for (let at = find(bytes, pattern, 0); at >= 0; at = find(bytes, pattern, at + 1)) {
    // Forty-eight texts stand before that of the digit 0.
    let start = at;
    for (let ends = 0; start > 0 && at - start < LONGEST_STRETCH; start--) {
      if (bytes[start - 1] === 0 && ends++ === FIRST_DIGIT) break;
    }
    // The first text may itself be preceded by padding: it begins behind the last 0 in front of it, wherever that fits the index.
    const texts = readTexts(bytes, start);
    const index = texts && findIndex(image, texts);
    if (texts && index !== undefined) yield { start, end: index + TOKENS * 2, texts };
  }
}

function find(bytes: Uint8Array, pattern: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(pattern[0], from); at >= 0; at = bytes.indexOf(pattern[0], at + 1)) {
    if (pattern.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

function readTexts(bytes: Uint8Array, start: number): Uint8Array[] | undefined {
  const texts: Uint8Array[] = [];
  for (let at = start; texts.length < TOKENS; ) {
    const end = bytes.indexOf(0, at);
    if (end < 0 || end - at > LONGEST_STRETCH) return undefined;
    texts.push(bytes.subarray(at, end));
    at = end + 1;
  }
  return texts;
}

/** The token index repeats where the texts begin. */
function findIndex({ view, bytes }: Image, texts: readonly Uint8Array[]): number | undefined {
  const [first] = texts;
  const last = texts[TOKENS - 1];
  const end = last.byteOffset - bytes.byteOffset + last.length + 1;
  for (let at = up(end, 2); at <= end + 16 && at + TOKENS * 2 <= bytes.length; at += 2) {
    if (texts.every((text, i) => view.getUint16(at + i * 2, true) === text.byteOffset - first.byteOffset)) return at;
  }
  return undefined;
}

interface Names {
  readonly start: number;
  readonly count: number;
}

function findNames(image: Image, { start: tokens }: Tokens): Names | undefined {
  for (let at = tokens - (tokens % 4) - 8; at > Math.max(0, tokens - MARKERS_REACH); at -= 4) {
    if (image.u32(at) !== 0 || !isStretch(image.u32(at + 4))) continue;
    const names = namesBefore(image, at, tokens);
    if (names) return names;
  }
  return undefined;
}

const isStretch = (bytes: number): boolean => bytes >= 2 * MARKED && bytes < LONGEST_STRETCH;

/** The names that a list of markers belongs to: they end where it begins, but for padding. */
function namesBefore(image: Image, markers: number, limit: number): Names | undefined {
  let count = 1;
  while (markers + count * 4 + 4 <= limit && isStretch(image.u32(markers + count * 4) - image.u32(markers + count * 4 - 4))) count++;
  const first = image.u32(markers + 4);
  // What looks like one more marker may be the next table's beginning, so that fewer are tried too.
  for (const known of [count, count - 1, count - 2]) {
    if (known < 2) continue;
    const last = image.u32(markers + (known - 1) * 4);
    const highest = markers - last;
    for (let start = highest - (highest % 4); start > highest - LONGEST_STRETCH && start > 16; start -= 4) {
      if (skipNames(image, start, MARKED) !== start + first) continue;
      const symbols = [4, 8].map((back) => image.u32(start - back)).find((n) => Math.ceil(n / MARKED) === known && n <= MOST_SYMBOLS);
      if (symbols === undefined) continue;
      const end = skipNames(image, start, symbols);
      if (end <= markers && markers - end < 16) return { start, count: symbols };
    }
  }
  return undefined;
}

/** Length of a name in tokens, and of that length itself: since Linux 6.1 in two bytes above 127. */
function lengthAt({ bytes }: Image, at: number): readonly [tokens: number, size: number] {
  const first = bytes[at];
  return first & 0x80 ? [(first & 0x7f) | (bytes[at + 1] << 7), 2] : [first, 1];
}

function skipNames(image: Image, start: number, count: number): number {
  let at = start;
  for (let i = 0; i < count && at < image.bytes.length; i++) {
    const [tokens, size] = lengthAt(image, at);
    if (tokens === 0) return Number.NaN;
    at += size + tokens;
  }
  return at;
}

/** Each with its type letter in front. */
function readNames(image: Image, { texts }: Tokens, { start, count }: Names): string[] {
  const decoder = new TextDecoder('latin1');
  const words = texts.map((text) => decoder.decode(text));
  const names: string[] = [];
  for (let at = start; names.length < count; ) {
    const [tokens, size] = lengthAt(image, at);
    let name = '';
    for (let i = 0; i < tokens; i++) name += words[image.bytes[at + size + i]];
    names.push(name);
    at += size + tokens;
  }
  return names;
}

interface KernelAddress {
  readonly address: number;
  /** An offset in each processor's own area. */
  readonly absolute: boolean;
}

/** In front of the count, or behind the token index; relative to a base, or (in old kernels) whole. */
function findAddresses(image: Image, { end: index }: Tokens, { start, count }: Names): KernelAddress[] | undefined {
  const { word } = image;
  const number = start - word;
  const base = number - word;
  const room = up(count * 4, word);
  const behind = up(index, word);
  return (
    relative(image, base - room, base, count) ??
    relative(image, behind, behind + room, count) ??
    relative(image, up(index, 4), up(up(index, 4) + count * 4, word), count) ??
    whole(image, number - up(count * word, word), count)
  );
}

function relative(image: Image, offsets: number, baseAt: number, count: number): KernelAddress[] | undefined {
  const base = image.address(baseAt);
  if (Number.isNaN(base) || base === 0 || offsets < 0 || offsets + count * 4 > image.bytes.length) return undefined;
  const values = Array.from({ length: count }, (_, i) => image.view.getInt32(offsets + i * 4, true));
  // With per-processor symbols as absolute numbers, all others count downwards from -1 (CONFIG_KALLSYMS_ABSOLUTE_PERCPU).
  const percpu = values.some((value) => value === -1) && image.wide;
  const addresses = values.map((value): KernelAddress => {
    if (!percpu) return { address: base + (value >>> 0), absolute: false };
    return value >= 0 ? { address: value, absolute: true } : { address: base - 1 - value, absolute: false };
  });
  return isAscending(addresses) ? addresses : undefined;
}

function whole(image: Image, at: number, count: number): KernelAddress[] | undefined {
  const addresses = Array.from({ length: count }, (_, i) => ({ address: image.address(at + i * image.word), absolute: false }));
  return addresses.every(({ address }) => address !== 0 && !Number.isNaN(address)) && isAscending(addresses) ? addresses : undefined;
}

function isAscending(addresses: readonly KernelAddress[]): boolean {
  const places = addresses.filter(({ absolute }) => !absolute);
  return places.length > 0 && places.every(({ address }, i) => i === 0 || address >= places[i - 1].address);
}
