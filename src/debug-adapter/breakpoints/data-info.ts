/** Which data can be watched, and by what name. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { compile } from '../expressions/compile';
import { parseExpression } from '../expressions/parser';
import type { Location, Value } from '../expressions/values';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { signedAddress } from '../state/cpu-facts';
import { formatDataId } from './resolve';

type Info = P.DataBreakpointInfoResponse['body'];

const none = (description: string): Info => ({ dataId: null, description });

/** The memory that an expression lives in, or that an address or symbol points to. */
export function dataBreakpointInfo(guest: Guest, { name, bytes, asAddress, variablesReference }: P.DataBreakpointInfoArguments): Info {
  if (variablesReference !== undefined && variablesReference > 0) return none('registers are not memory: watch [an address] instead');
  let value: Value;
  let size = bytes;
  try {
    value = compile(parseExpression(name), guest.environment)();
    size ??= value.location ? value.bits / 8 : guest.program.symbolNamed(name)?.size || guest.environment.bits / 8;
  } catch (error) {
    return none((error as Error).message);
  }
  const location = asAddress ? ({ space: 'linear', address: signedAddress(value.value) } as Location) : (value.location ?? value.target);
  if (!location) return none(`${name} has no address`);
  if (location.space !== 'linear') return none('only linear addresses can be watched');
  return {
    dataId: formatDataId(location.address, size),
    description: `${name} (${size} bytes at ${formatReference(location).replace(':', ' ')})`,
    accessTypes: ['read', 'write', 'readWrite'],
    canPersist: false,
  };
}
