/** The latest transitions as text. */
import { formatLinear } from '../../shared/addresses';
import type { Guest } from '../guest';
import { labelOf } from '../state/boundaries';

const MOST = 1000;

export function trapLogText({ engine, program }: Guest, count: number): string {
  const { transitions } = engine;
  const from = Math.max(transitions.first, transitions.total - Math.min(count, MOST));
  const lines: string[] = [];
  for (let sequence = from; sequence < transitions.total; sequence++) {
    const raw = transitions.raw(sequence);
    if (!raw) continue;
    const name = program.seenFrom(raw.from.vmx).nameOf(raw.address);
    const at = `${formatLinear(raw.address)}${name ? ` ${name}` : ''}`;
    lines.push(`${String(sequence).padStart(7)}  ${String(raw.count).padStart(12)}  ${raw.kind.padEnd(11)}  ${labelOf(raw)}  at ${at}`);
  }
  return lines.length > 0 ? lines.join('\n') : 'no transitions yet';
}
