/** Lists of numbers and ranges: `0x20, 0x3f8-0x3ff`. */

export type Ranges = readonly (readonly [from: number, to: number])[];

const NUMBER = '(?:0x[\\da-f]+|\\d+)';
const ITEM = new RegExp(`^(${NUMBER})(?:\\s*-\\s*(${NUMBER}))?$`, 'i');

/** @returns undefined for text that is no such list */
export function parseRanges(text: string): Ranges | undefined {
  const ranges: (readonly [number, number])[] = [];
  for (const item of text.split(',')) {
    const match = ITEM.exec(item.trim());
    if (!match) return undefined;
    const from = Number(match[1]);
    ranges.push([from, match[2] === undefined ? from : Number(match[2])]);
  }
  return ranges;
}

export function within(ranges: Ranges, number: number): boolean {
  return ranges.some(([from, to]) => number >= from && number <= to);
}
