/** The table of instruction sets in docs/support.md: worked out from the instruction table, the semantics and the comparisons. */
import { SEMANTICS } from '../../src/engines/cpu/semantics/index';
import { HELPERS } from '../../src/engines/cpu/system/helpers';
import { CPU_MODELS, cpuModel } from '../../src/engines/cpu/system/models';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { InstructionRow } from '../../src/isa/types';
import { rowsTried } from '../silicon/cases';
import type { Width } from '../silicon/wire';
import { comparedMoreClosely } from '../float/rows';

const WIDTHS: readonly Width[] = [32, 64];

type Kind = 'staged' | 'helper' | 'none';

const kindOf = ({ semantics }: InstructionRow): Kind => (SEMANTICS[semantics] ? 'staged' : HELPERS[semantics] ? 'helper' : 'none');

/** The oldest of the processors that have a set; all later ones have it too. */
function since(feature: string): string {
  const name = CPU_MODELS.find((model) => cpuModel(model).has(feature));
  return name ? `\`${name}\`` : 'none';
}

function compared(): ReadonlySet<InstructionRow> {
  const rows = WIDTHS.flatMap((width) => rowsTried(width, { shares: () => true }));
  return new Set([...rows.filter((row) => kindOf(row) !== 'none'), ...INSTRUCTIONS.filter(comparedMoreClosely)]);
}

const state = (rows: readonly InstructionRow[], working: number): string =>
  working === rows.length ? 'yes' : working === 0 ? 'decoded and assembled only' : `partly: ${missing(rows)}`;

const missing = (rows: readonly InstructionRow[]): string =>
  `not ${[...new Set(rows.filter((row) => kindOf(row) === 'none').map(({ mnemonic }) => mnemonic.toUpperCase()))].join(', ')}`;

/** Markdown, a row a feature in the order of the instruction table. */
export function supportTable(): string {
  const features = [...new Set(INSTRUCTIONS.map(({ feature }) => feature))];
  const onSilicon = compared();
  const lines = features.map((feature) => {
    const rows = INSTRUCTIONS.filter((row) => row.feature === feature);
    const working = rows.filter((row) => kindOf(row) !== 'none').length;
    const seen = rows.filter((row) => onSilicon.has(row)).length;
    const mnemonics = new Set(rows.map(({ mnemonic }) => mnemonic)).size;
    return `| ${feature} | ${mnemonics} | ${rows.length} | ${state(rows, working)} | ${since(feature)} | ${seen} |`;
  });
  return [
    '| set | mnemonics | encodings | executed | from processor | compared with the silicon |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
