/** The base protocol: messages of JSON behind a `Content-Length` header (DAP specification, "Base protocol"). */

/** A piece of the input that is no message. */
export class FramingProblem {
  readonly problem: string;

  constructor(problem: string) {
    this.problem = problem;
  }
}

const MAX_HEADER = 4096;
const MAX_BODY = 64 << 20;
const CR = 13;
const LF = 10;

/** Cuts a stream of bytes into messages. */
export class MessageReader {
  private buffer = new Uint8Array(0);
  /** Bytes of the body that follows; -1 while in a header. */
  private expected = -1;
  /** Bytes of an oversized body still to be thrown away. */
  private skipping = 0;
  private readonly decoder = new TextDecoder();

  /** @returns what is complete now, in order: parsed JSON, or a FramingProblem for each piece that is not */
  push(chunk: Uint8Array): unknown[] {
    this.append(chunk);
    const items: unknown[] = [];
    while (this.take(items));
    return items;
  }

  private append(chunk: Uint8Array): void {
    const skipped = Math.min(this.skipping, chunk.length);
    this.skipping -= skipped;
    const rest = chunk.subarray(skipped);
    if (rest.length === 0) return;
    const joined = new Uint8Array(this.buffer.length + rest.length);
    joined.set(this.buffer);
    joined.set(rest, this.buffer.length);
    this.buffer = joined;
  }

  private take(items: unknown[]): boolean {
    return this.expected < 0 ? this.takeHeader(items) : this.takeBody(items);
  }

  private takeHeader(items: unknown[]): boolean {
    const end = headerEnd(this.buffer);
    if (end < 0) {
      if (this.buffer.length <= MAX_HEADER) return false;
      items.push(new FramingProblem(`no header end within ${MAX_HEADER} bytes`));
      this.buffer = new Uint8Array(0);
      return false;
    }
    const header = this.decoder.decode(this.buffer.subarray(0, end));
    this.buffer = this.buffer.subarray(end + 4);
    const match = /(?:^|\r\n)content-length: *(\d{1,12}) *(?:\r\n|$)/i.exec(header);
    if (!match) {
      items.push(new FramingProblem('a header without a valid Content-Length'));
      return true;
    }
    const length = Number(match[1]);
    if (length > MAX_BODY) {
      items.push(new FramingProblem(`a message of ${length} bytes; at most ${MAX_BODY} are taken`));
      const here = Math.min(length, this.buffer.length);
      this.buffer = this.buffer.subarray(here);
      this.skipping = length - here;
      return true;
    }
    this.expected = length;
    return true;
  }

  private takeBody(items: unknown[]): boolean {
    if (this.buffer.length < this.expected) return false;
    const text = this.decoder.decode(this.buffer.subarray(0, this.expected));
    this.buffer = this.buffer.subarray(this.expected);
    this.expected = -1;
    try {
      items.push(JSON.parse(text));
    } catch {
      items.push(new FramingProblem('a message that is no JSON'));
    }
    return true;
  }
}

function headerEnd(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(CR); at >= 0 && at + 3 < bytes.length; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] === LF && bytes[at + 2] === CR && bytes[at + 3] === LF) return at;
  }
  return -1;
}

/** @returns the bytes of one message with its header */
export function encodeMessage(message: object): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const header = new TextEncoder().encode(`Content-Length: ${body.length}\r\n\r\n`);
  const bytes = new Uint8Array(header.length + body.length);
  bytes.set(header);
  bytes.set(body, header.length);
  return bytes;
}
