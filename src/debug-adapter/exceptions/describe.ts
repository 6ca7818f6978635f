/** What is told of an exception that is about to be delivered. */
import type { HeldException, VirtualCpu } from '../../engines/engine';
import type { ProbeHit } from '../../engines/probes';
import { formatLinear } from '../../shared/addresses';
import type { ExceptionText } from '../run/probe-owners';

const PAGE_FAULT = 14;
/** Vectors whose error code names a selector or an IDT entry (manual, "Error Code"). */
const SELECTOR_CODES: ReadonlySet<number> = new Set([10, 11, 12, 13]);

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

export function describeException(cpu: VirtualCpu, { event }: ProbeHit): ExceptionText {
  const held = cpu.heldException;
  if (!held) {
    const vector = event.exception?.vector ?? -1;
    const reason = event.exception?.reason ?? '';
    return { id: `vector ${vector}`, description: reason || `exception ${vector}`, details: reason ? [reason] : [] };
  }
  return {
    id: held.mnemonic,
    description: held.reason ? `${held.name}: ${held.reason}` : held.name,
    details: exceptionDetails(held, cpu),
  };
}

/** Line by line: which check failed, and the error code taken apart. */
function exceptionDetails(held: HeldException, { address, place }: VirtualCpu): string[] {
  const lines = [`${held.mnemonic} ${held.name}, vector ${held.vector}`];
  if (held.reason) lines.push(held.reason);
  lines.push(`at linear ${formatLinear(address)} in ring ${place.ring}, ${place.mode} mode`);
  if (held.errorCode !== undefined) lines.push(...errorCodeLines(held.vector, held.errorCode));
  if (held.faultAddress !== undefined) lines.push(`CR2 ${formatLinear(held.faultAddress)}: the linear address that faulted`);
  return lines;
}

const PAGE_FAULT_BITS: readonly (readonly [bit: number, name: string, set: string, clear: string])[] = [
  [1, 'P', 'a protection violation', 'the page is not present'],
  [2, 'W/R', 'a write', 'a read'],
  [4, 'U/S', 'in user mode', 'in supervisor mode'],
  [8, 'RSVD', 'a reserved bit is set in a paging entry', 'no reserved bit was at fault'],
  [16, 'I/D', 'an instruction fetch', 'not an instruction fetch'],
];

function errorCodeLines(vector: number, code: number): string[] {
  const lines = [`error code ${hex(code, 4)}`];
  if (vector === PAGE_FAULT) {
    for (const [bit, name, set, clear] of PAGE_FAULT_BITS) lines.push(`  ${name} ${code & bit ? 1 : 0}: ${code & bit ? set : clear}`);
  } else if (SELECTOR_CODES.has(vector) && code !== 0) {
    lines.push(`  EXT ${code & 1}: ${code & 1 ? 'while delivering another event' : 'by the program itself'}`);
    const table = code & 2 ? 'IDT' : code & 4 ? 'LDT' : 'GDT';
    lines.push(`  entry ${code >> 3} of the ${table}${code & 2 ? '' : ` (selector ${hex(code & 0xfffc, 4)})`}`);
  }
  return lines;
}
