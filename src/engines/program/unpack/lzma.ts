/** LZMA and LZMA2 decoding. Source: the LZMA specification of the LZMA SDK; "The .xz File Format", section 5.3.1. */

/** Where decoded bytes go; it is the dictionary too. */
export class Output {
  bytes: Uint8Array;
  length = 0;
  private readonly limit: number;

  /** @param expected bytes that are expected; more may come, up to `limit` */
  constructor(expected: number, limit: number) {
    this.bytes = new Uint8Array(Math.max(expected, 4096));
    this.limit = limit;
  }

  /** Makes room for so many more bytes. @throws RangeError beyond the limit */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    if (needed > this.limit) throw new RangeError(`it unpacks to more than ${this.limit} bytes`);
    const larger = new Uint8Array(Math.min(this.limit, Math.max(needed, this.bytes.length * 2)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  get content(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

const INITIAL = 1 << 10;
const STATES = 12;
const POSITION_STATES = 16;
const DISTANCE_SLOTS = 64;
const MATCH_MIN = 2;
/** States from which the last thing decoded was a literal. */
const LITERAL_STATES = 7;

const probabilities = (count: number): Uint16Array => new Uint16Array(count).fill(INITIAL);

/** How long a match is: three trees of 8, 8 and 256 lengths. */
class LengthModel {
  readonly choice = probabilities(2);
  readonly low = probabilities(POSITION_STATES << 3);
  readonly middle = probabilities(POSITION_STATES << 3);
  readonly high = probabilities(256);

  reset(): void {
    for (const model of [this.choice, this.low, this.middle, this.high]) model.fill(INITIAL);
  }
}

const corrupt = (): never => {
  throw new RangeError('the LZMA data are damaged');
};

/** The decoder; input is consumed from `position`. */
export class LzmaDecoder {
  position: number;
  private readonly input: Uint8Array;
  private readonly output: Output;
  /** Start of the dictionary in the output. */
  private dictionaryStart = 0;
  private range = 0;
  private code = 0;
  private state = 0;
  private repeats: [number, number, number, number] = [0, 0, 0, 0];
  private literalContext = 0;
  private literalPositionMask = 0;
  private positionMask = 0;
  private literals = probabilities(0);
  private readonly isMatch = probabilities(STATES << 4);
  private readonly isRepeat = probabilities(STATES);
  private readonly isRepeat0 = probabilities(STATES);
  private readonly isRepeat1 = probabilities(STATES);
  private readonly isRepeat2 = probabilities(STATES);
  private readonly isShortRepeat = probabilities(STATES << 4);
  private readonly slots = probabilities(4 * DISTANCE_SLOTS);
  private readonly distances = probabilities(128);
  private readonly alignment = probabilities(16);
  private readonly lengths = new LengthModel();
  private readonly repeatLengths = new LengthModel();

  constructor(input: Uint8Array, position: number, output: Output) {
    this.input = input;
    this.position = position;
    this.output = output;
  }

  /** @param properties the byte `(pb * 5 + lp) * 9 + lc` */
  setProperties(properties: number): void {
    if (properties >= 9 * 5 * 5) corrupt();
    this.literalContext = properties % 9;
    const literalPosition = Math.floor(properties / 9) % 5;
    this.literalPositionMask = (1 << literalPosition) - 1;
    this.positionMask = (1 << Math.floor(properties / 45)) - 1;
    this.literals = probabilities(0x300 << (this.literalContext + literalPosition));
  }

  resetState(): void {
    this.state = 0;
    this.repeats = [0, 0, 0, 0];
    const { isMatch, isRepeat, isRepeat0, isRepeat1, isRepeat2, isShortRepeat, slots, distances, alignment, literals } = this;
    for (const model of [isMatch, isRepeat, isRepeat0, isRepeat1, isRepeat2, isShortRepeat, slots, distances, alignment, literals]) {
      model.fill(INITIAL);
    }
    this.lengths.reset();
    this.repeatLengths.reset();
  }

  resetDictionary(): void {
    this.dictionaryStart = this.output.length;
  }

  /** Reads the five bytes that start the range decoder. */
  startRange(): void {
    const { input, position } = this;
    if (position + 5 > input.length || input[position] !== 0) corrupt();
    this.range = 0xffffffff;
    this.code = ((input[position + 1] << 24) | (input[position + 2] << 16) | (input[position + 3] << 8) | input[position + 4]) >>> 0;
    this.position = position + 5;
  }

  private normalize(): void {
    this.range = (this.range << 8) >>> 0;
    this.code = ((this.code << 8) | this.input[this.position++]) >>> 0;
  }

  private bit(model: Uint16Array, index: number): 0 | 1 {
    const probability = model[index];
    const bound = ((this.range >>> 11) * probability) >>> 0;
    if (this.code < bound) {
      model[index] = probability + ((2048 - probability) >> 5);
      this.range = bound;
      if (bound < 0x1000000) this.normalize();
      return 0;
    }
    model[index] = probability - (probability >> 5);
    this.range = (this.range - bound) >>> 0;
    this.code = (this.code - bound) >>> 0;
    if (this.range < 0x1000000) this.normalize();
    return 1;
  }

  /** A number of `count` bits, the highest first. */
  private tree(model: Uint16Array, base: number, count: number): number {
    let node = 1;
    for (let i = 0; i < count; i++) node = (node << 1) | this.bit(model, base + node);
    return node - (1 << count);
  }

  /** A number of `count` bits, the lowest first. */
  private reverseTree(model: Uint16Array, base: number, count: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < count; i++) {
      const bit = this.bit(model, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** Bits without a model. */
  private direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.range >>>= 1;
      const bit = this.code >= this.range ? 1 : 0;
      if (bit) this.code = (this.code - this.range) >>> 0;
      if (this.range < 0x1000000) this.normalize();
      value = ((value << 1) | bit) >>> 0;
    }
    return value;
  }

  private length(model: LengthModel, positionState: number): number {
    if (!this.bit(model.choice, 0)) return MATCH_MIN + this.tree(model.low, positionState << 3, 3);
    if (!this.bit(model.choice, 1)) return MATCH_MIN + 8 + this.tree(model.middle, positionState << 3, 3);
    return MATCH_MIN + 16 + this.tree(model.high, 0, 8);
  }

  private distance(length: number): number {
    const slot = this.tree(this.slots, Math.min(length - MATCH_MIN, 3) * DISTANCE_SLOTS, 6);
    if (slot < 4) return slot;
    const extra = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << extra) >>> 0;
    if (slot < 14) return base + this.reverseTree(this.distances, base - slot, extra);
    return base + this.direct(extra - 4) * 16 + this.reverseTree(this.alignment, 0, 4);
  }

  private literal(position: number): void {
    const { output, literals } = this;
    const { bytes } = output;
    const previous = output.length > this.dictionaryStart ? bytes[output.length - 1] : 0;
    const context = ((position & this.literalPositionMask) << this.literalContext) + (previous >> (8 - this.literalContext));
    const base = 0x300 * context;
    let symbol = 1;
    if (this.state >= LITERAL_STATES) {
      // After a match the byte that would have followed it is a good guess.
      let guess = bytes[output.length - this.repeats[0] - 1];
      do {
        const expected = (guess >> 7) & 1;
        guess <<= 1;
        const bit = this.bit(literals, base + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      } while (symbol < 0x100);
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.bit(literals, base + symbol);
    bytes[output.length++] = symbol;
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
  }

  /**
   * Decodes `count` bytes, or up to the end mark where that may come.
   * @param count Infinity where only the end mark tells
   * @throws RangeError for damaged data
   */
  decode(count: number): void {
    const { output } = this;
    const end = output.length + count;
    while (output.length < end) {
      output.reserve(1);
      if (this.position > this.input.length + 8) corrupt();
      const position = output.length - this.dictionaryStart;
      const positionState = position & this.positionMask;
      const slot = (this.state << 4) + positionState;
      if (!this.bit(this.isMatch, slot)) {
        this.literal(position);
        continue;
      }
      const length = this.match(slot, positionState);
      if (length < 0) return;
      if (this.repeats[0] >= output.length - this.dictionaryStart || output.length + length > end) corrupt();
      output.reserve(length);
      copyMatch(output, this.repeats[0] + 1, length);
    }
  }

  /** Decodes a match's distance into `repeats[0]`. @returns its length, or -1 for the end mark */
  private match(slot: number, positionState: number): number {
    const { repeats, state } = this;
    const wasLiteral = state < LITERAL_STATES;
    if (!this.bit(this.isRepeat, state)) {
      const length = this.length(this.lengths, positionState);
      const distance = this.distance(length);
      this.state = wasLiteral ? 7 : 10;
      if (distance === 0xffffffff) return -1;
      this.repeats = [distance, repeats[0], repeats[1], repeats[2]];
      return length;
    }
    if (!this.bit(this.isRepeat0, state)) {
      if (!this.bit(this.isShortRepeat, slot)) {
        this.state = wasLiteral ? 9 : 11;
        return 1;
      }
    } else if (!this.bit(this.isRepeat1, state)) this.repeats = [repeats[1], repeats[0], repeats[2], repeats[3]];
    else if (!this.bit(this.isRepeat2, state)) this.repeats = [repeats[2], repeats[0], repeats[1], repeats[3]];
    else this.repeats = [repeats[3], repeats[0], repeats[1], repeats[2]];
    this.state = wasLiteral ? 8 : 11;
    return this.length(this.repeatLengths, positionState);
  }
}

/** Bytes that the match itself makes may be among those it copies. */
function copyMatch(output: Output, distance: number, length: number): void {
  const { bytes } = output;
  const from = output.length - distance;
  if (distance >= length) bytes.copyWithin(output.length, from, from + length);
  else for (let i = 0; i < length; i++) bytes[output.length + i] = bytes[from + i];
  output.length += length;
}

/**
 * LZMA2: chunks of LZMA and of plain bytes.
 * @returns position behind the end mark
 */
export function decodeLzma2(input: Uint8Array, start: number, output: Output): number {
  const decoder = new LzmaDecoder(input, start, output);
  let at = start;
  let ready = false;
  for (;;) {
    if (at + 6 > input.length && input[at] !== 0) corrupt();
    const control = input[at++];
    if (control === 0) return at;
    if (control < 0x80) {
      if (control > 2) corrupt();
      const size = ((input[at] << 8) | input[at + 1]) + 1;
      at += 2;
      if (at + size > input.length) corrupt();
      if (control === 1) decoder.resetDictionary();
      output.reserve(size);
      output.bytes.set(input.subarray(at, at + size), output.length);
      output.length += size;
      at += size;
      continue;
    }
    const size = (((control & 0x1f) << 16) | (input[at] << 8) | input[at + 1]) + 1;
    const packed = ((input[at + 2] << 8) | input[at + 3]) + 1;
    at += 4;
    const reset = (control >> 5) & 3;
    if (reset === 3) decoder.resetDictionary();
    if (reset >= 2) decoder.setProperties(input[at++]);
    else if (!ready) corrupt();
    ready = true;
    if (reset >= 1) decoder.resetState();
    decoder.position = at;
    decoder.startRange();
    output.reserve(size);
    decoder.decode(size);
    at += packed;
    if (decoder.position !== at) corrupt();
  }
}
