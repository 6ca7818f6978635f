/** Frames as DAP shows them. */
import type { DebugProtocol } from '@vscode/debugprotocol';
import { formatLinear } from '../../shared/addresses';
import { formatReference } from '../memory/reference';
import { baseName } from '../sources/paths';
import type { Program } from '../sources/program';
import type { ClientPositions } from '../protocol/positions';
import type { Frame } from './stack';

/** Said behind the name of a frame that is not certain. */
const EVIDENCE: Readonly<Partial<Record<(Frame & { kind: 'code' })['evidence'], string>>> = {
  'frame-pointer': ' (by frame pointer)',
  guess: ' (by scanning)',
};

export function showFrame(frame: Frame, id: number, program: Program, positions: ClientPositions): DebugProtocol.StackFrame {
  if (frame.kind === 'label') return { id, name: frame.text, line: 0, column: 0, presentationHint: 'label' };
  const name = `${frameName(frame, program)}${EVIDENCE[frame.evidence] ?? ''}`;
  const position = program.seenFrom(frame.vmx).positionAt(frame.lookup);
  return {
    id,
    name,
    line: position ? positions.toClientLine(position.line) : 0,
    column: position ? positions.toClientColumn(Math.max(1, position.column)) : 0,
    ...(position && { source: { name: baseName(position.path), path: position.path } }),
    instructionPointerReference: formatReference({ space: frame.space, address: frame.address }),
    ...(frame.evidence === 'guess' && { presentationHint: 'subtle' as const }),
  };
}

/** The symbol with its distance, else the address. */
export function frameName({ address, lookup, vmx }: Frame & { kind: 'code' }, program: Program): string {
  const found = program.seenFrom(vmx).symbolAt(lookup);
  if (!found) return formatLinear(address);
  const offset = address - found.symbol.address;
  return offset === 0 ? found.symbol.name : `${found.symbol.name}+0x${offset.toString(16)}`;
}
