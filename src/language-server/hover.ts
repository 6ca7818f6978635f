/** What hovering over a word tells: an instruction's meaning, a symbol's value. */
import type { AssemblyResult } from '../assembler/assemble';
import { helpForSpelling, type InstructionHelp } from '../isa/help';

/** Markdown for a mnemonic, or undefined for what is none. */
export function instructionHover(word: string): string | undefined {
  const meanings = helpForSpelling(word.toLowerCase());
  return meanings.length === 0 ? undefined : meanings.map(describe).join('\n\n---\n\n');
}

const MOST_FORMS = 12;

function describe(help: InstructionHelp): string {
  const forms = help.forms.slice(0, MOST_FORMS).map(({ syntax, encoding }) => `${syntax.padEnd(28)} ; ${encoding}`);
  const more = help.forms.length > MOST_FORMS ? [`; and ${help.forms.length - MOST_FORMS} more`] : [];
  const exceptions = help.exceptions.map(({ name, when }) => `- \`${name}\` when ${when}`);
  return [
    `**${help.mnemonic.toUpperCase()}** ${help.summary}`,
    ['```nasm', ...forms, ...more, '```'].join('\n'),
    ...help.flags,
    `*${help.privilege}*: ${help.privilegeNote}`,
    ...(exceptions.length > 0 ? [exceptions.join('\n')] : []),
    `${help.since} Manual: *${help.manual}*`,
  ].join('\n\n');
}

/** A symbol with its value, as `label = 0x7c10`. */
export function symbolHover(result: AssemblyResult, name: string): string | undefined {
  const symbol = result.symbols.find((each) => each.name === name);
  if (!symbol) return undefined;
  const value = BigInt.asUintN(64, BigInt(symbol.value));
  const where = symbol.section === undefined ? '' : ` in \`${symbol.section}\``;
  return `${symbol.kind} **${name}** = \`0x${value.toString(16)}\` (${symbol.value})${where}`;
}
