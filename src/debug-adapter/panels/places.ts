/** Addresses as panels show them. */
import type { PlaceInCode } from '../../shared/panel-protocol';
import { formatReference } from '../memory/reference';
import type { Program } from '../sources/program';

export function placeInCode(address: number, program: Program): PlaceInCode {
  const position = program.positionAt(address);
  return {
    address,
    memoryReference: formatReference({ space: 'linear', address }),
    symbol: program.nameOf(address),
    ...(position && { path: position.path, line: position.line }),
  };
}
