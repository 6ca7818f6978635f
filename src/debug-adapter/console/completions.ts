/** What could stand at the cursor in the console: commands, registers, their fields, symbols and variables. */
import { formatLinear } from '../../shared/addresses';
import { FLAG_BITS, VARIABLE_NAMES } from '../expressions/guest-environment';
import type { Guest } from '../guest';
import { COMMAND_WORDS } from './commands';

export interface Completion {
  readonly label: string;
  readonly type: 'keyword' | 'variable' | 'function' | 'field' | 'value';
  readonly detail?: string;
}

const WORD = /[\w.?@$#~]*$/;
const KEYWORDS = ['byte', 'word', 'dword', 'qword', 'linear', 'phys', 'signed'];
const PARTS = ['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp', 'sp', 'al', 'ah', 'bl', 'bh', 'cl', 'ch', 'dl', 'dh', 'ip'];
const MOST = 200;

/** @param before the text up to the cursor. @returns where the word begins, and what it can become */
export function complete(before: string, guest: Guest): { readonly start: number; readonly words: readonly Completion[] } {
  const word = WORD.exec(before)?.[0] ?? '';
  const start = before.length - word.length;
  const lower = word.toLowerCase();
  const candidates = [...fields(lower, guest), ...(before.trimStart() === word ? commands() : []), ...names(guest, lower)];
  const seen = new Set<string>();
  const words = candidates.filter(({ label }) => {
    if (!label.toLowerCase().startsWith(lower) || seen.has(label)) return false;
    seen.add(label);
    return true;
  });
  return { start, words: words.slice(0, MOST) };
}

function commands(): Completion[] {
  return COMMAND_WORDS.map(({ word, help }) => ({ label: word, type: 'keyword', detail: help }));
}

/** Behind a register and a dot. */
function fields(word: string, { engine, environment }: Guest): Completion[] {
  const dot = word.indexOf('.');
  if (dot <= 0) return [];
  const register = engine.cpus[environment.vcpu].registerNamed(word.slice(0, dot));
  return (register?.fields ?? []).map(({ name, meaning }) => ({
    label: `${register?.name}.${name.toLowerCase()}`,
    type: 'field',
    detail: meaning,
  }));
}

function names({ engine, environment, program }: Guest, word: string): Completion[] {
  const registers = engine.cpus[environment.vcpu].registers();
  return [
    ...registers.map(({ name }): Completion => ({ label: name, type: 'variable', detail: 'register' })),
    ...PARTS.map((label): Completion => ({ label, type: 'variable', detail: 'part of a register' })),
    ...Object.keys(FLAG_BITS).map((label): Completion => ({ label, type: 'variable', detail: 'flag' })),
    ...KEYWORDS.map((label): Completion => ({ label, type: 'keyword' })),
    ...VARIABLE_NAMES.map((name): Completion => ({ label: `$${name}`, type: 'value' })),
    ...program.parts.flatMap(({ symbols }) =>
      // A kernel has a hundred thousand.
      symbols
        .filter(({ name }) => name.toLowerCase().startsWith(word))
        .map(
          ({ name, kind, address }): Completion => ({
            label: name,
            type: kind === 'code' ? 'function' : kind === 'constant' ? 'value' : 'variable',
            detail: `${kind} ${formatLinear(address)}`,
          }),
        ),
    ),
  ];
}
