/** Many single instructions at once: the bytes of each line, or that it is refused, from nasm and from ours. */
import type { Bits } from '../../src/isa/types';
import { nasm, ours, program } from './nasm';

export { NO_NASM } from './nasm';

/** For each line its bytes in hex, or `error`. */
export type Lines = readonly string[];

/** Lines before the first of the instructions. */
const HEAD = 2;

function source(lines: readonly string[], bits: Bits, refused: ReadonlySet<number>): string {
  return [`bits ${bits}`, 'x:', ...lines.map((line, i) => (refused.has(i) ? '' : line))].join('\n');
}

/** Bytes by line out of a listing in NASM's columns. */
function fromListing(listing: string, count: number, refused: ReadonlySet<number>): Lines {
  const bytes = Array.from({ length: count }, (_, i) => (refused.has(i) ? 'error' : ''));
  for (const row of listing.split('\n')) {
    const match = /^ *(\d+) [0-9A-F]{8} ([0-9A-F()[\]-]+)/.exec(row);
    if (match) bytes[Number(match[1]) - 1 - HEAD] += match[2].replaceAll(/[-()[\]]/g, '');
  }
  return bytes;
}

/** Runs until no line is refused any more: each round leaves out the lines that the last one refused. */
function settle(lines: readonly string[], bits: Bits, run: (text: string) => { refused: readonly number[]; listing: string }): Lines {
  const refused = new Set<number>();
  for (let round = 0; round < 8; round++) {
    const result = run(source(lines, bits, refused));
    if (result.refused.length === 0) return fromListing(result.listing, lines.length, refused);
    for (const line of result.refused) refused.add(line - 1 - HEAD);
  }
  throw new Error('lines are refused over and over again');
}

export function nasmLines(lines: readonly string[], bits: Bits): Lines {
  return settle(lines, bits, (text) => {
    const { errors, listing } = nasm(program(text));
    return { refused: [...errors.keys()], listing };
  });
}

export function ourLines(lines: readonly string[], bits: Bits): Lines {
  return settle(lines, bits, (text) => {
    const { diagnostics, listing } = ours(program(text), 'bin', { listing: true, maxDiagnostics: 1e6 });
    return { refused: diagnostics.filter(({ severity }) => severity === 'error').map(({ line }) => line), listing };
  });
}
