/** The word under the cursor. */

export interface Word {
  readonly text: string;
  /** 0-based columns of its first character and of the one behind it. */
  readonly from: number;
  readonly to: number;
}

const WORD = /[A-Za-z_.?$@][\w.?$#@~]*/g;

/** @param column 0-based; the end of a word counts as in it */
export function wordAt(line: string, column: number): Word | undefined {
  for (const match of line.matchAll(WORD)) {
    const from = match.index;
    const to = from + match[0].length;
    if (from <= column && column <= to) return { text: match[0], from, to };
  }
  return undefined;
}

/** Whether a column lies in a comment, by NASM's rule: `;` outside quotes starts one. */
export function inComment(line: string, column: number): boolean {
  let quote = '';
  for (let i = 0; i < Math.min(column, line.length); i++) {
    const character = line[i];
    if (quote) {
      if (character === quote) quote = '';
    } else if (character === ';') return true;
    else if (character === "'" || character === '"' || character === '`') quote = character;
  }
  return false;
}

/** The full name of a label as it is written in a place: local labels belong to the label before them. */
export function qualify(name: string, lines: readonly string[], line: number): string {
  if (!name.startsWith('.') || name.startsWith('..')) return name;
  for (let i = line; i >= 0; i--) {
    const [, label] = /^\s*([A-Za-z_?@][\w.?$#@~]*):/.exec(lines[i]) ?? [];
    if (label !== undefined && !label.startsWith('.')) return label + name;
  }
  return name;
}
