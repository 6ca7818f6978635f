/** From what the client asks for to places in the guest. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { ProbePlace } from '../../engines/probes';
import type { LineRange } from '../../symbols/debug-info';
import { compile } from '../expressions/compile';
import type { GuestEnvironment } from '../expressions/guest-environment';
import { parseExpression } from '../expressions/parser';
import { formatReference, parseReference } from '../memory/reference';
import { absolutePath, type Program, type ProgramFile, type Side, sideOf } from '../sources/program';
import { linear, signedAddress } from '../state/cpu-facts';
import type { Resolved } from './breakpoint-set';
import { compileGuard, type GuardText, type Log } from './guard';

export interface ResolveParts {
  readonly program: Program;
  readonly environment: GuestEnvironment;
  /** Where breakpoints stop that do not say so themselves. */
  readonly side: Side;
  readonly log: Log;
}

/** A breakpoint that cannot be placed. */
function failed(message: string, shown: Resolved['shown'] = {}): Resolved {
  return { places: [], reason: '', decide: () => false, shown: { ...shown, message, reason: 'failed' } };
}

/** With its condition compiled, or failed with what is wrong with that. */
function guarded(parts: ResolveParts, text: GuardText, make: Omit<Resolved, 'decide'>, symbolSide: Side = 'both'): Resolved {
  try {
    const guard = compileGuard(text, parts.environment, parts.log);
    const side = symbolSide === 'both' ? parts.side : symbolSide;
    const { cpus } = parts.environment.engine;
    // One that stops elsewhere does not count as hit.
    return { ...make, decide: side === 'both' ? guard : (event) => sideOf(cpus[event.cpu].place.vmx) === side && guard(event) };
  } catch (error) {
    return failed((error as Error).message, make.shown);
  }
}

/** How far below its line a breakpoint may slip to the next code. */
const FARTHEST_LINE = 0x7fffffff;

export interface CodeLine {
  readonly file: ProgramFile;
  readonly line: number;
  readonly ranges: readonly LineRange[];
}

/** The line itself where it has code, else the next one that does. */
export function nearestCodeLine(program: Program, path: string, line: number): CodeLine | undefined {
  let best: CodeLine | undefined;
  for (const file of program.filesNamed(path)) {
    const [found] = file.info.codeLines(file.path, line, FARTHEST_LINE);
    if (found === undefined || (best && best.line <= found)) continue;
    best = { file, line: found, ranges: file.info.rangesOf(file.path, found).filter(({ content }) => content !== 'data') };
  }
  return best;
}

/** Where each run of a line's instructions begins: a line of several instructions stops once. */
function entries(ranges: readonly LineRange[]): number[] {
  const ends = new Set(ranges.map(({ address, length }) => address + length));
  return ranges.map(({ address }) => address as number).filter((address) => !ends.has(address));
}

export function resolveSource(parts: ResolveParts, path: string, request: P.SourceBreakpoint): Resolved {
  const found = nearestCodeLine(parts.program, path, request.line);
  if (!found) {
    const known = parts.program.filesNamed(path).length > 0;
    return failed(known ? `no code at or below line ${request.line}` : 'the program has no code from this file', { line: request.line });
  }
  const addresses = entries(found.ranges);
  const make: Omit<Resolved, 'decide'> = {
    places: addresses.map((address) => ({ kind: 'code', address: linear(address) })),
    reason: 'breakpoint',
    shown: {
      line: found.line,
      source: { name: found.file.path.replace(/^.*[/\\]/, ''), path: absolutePath(found.file) },
      instructionReference: formatReference({ space: 'linear', address: addresses[0] }),
      ...(found.line !== request.line && { message: `moved from line ${request.line} to the next code` }),
    },
  };
  return guarded(parts, request, make, parts.program.sideOfPart(found.file.info));
}

/** A symbol, or any expression that gives an address: `kmain`, `kmain+4`, `0x7c00`, `cs:0x100`. */
export function resolveFunction(parts: ResolveParts, request: P.FunctionBreakpoint): Resolved {
  let address: number;
  try {
    const { value, target } = compile(parseExpression(request.name), parts.environment)();
    address = target?.space === 'linear' ? target.address : value < 2n ** 63n ? Number(value) : signedAddress(value);
  } catch (error) {
    return failed((error as Error).message);
  }
  return codeBreakpoint(parts, request, address, 'function breakpoint', parts.program.sideOfName(request.name));
}

export function resolveInstruction(parts: ResolveParts, request: P.InstructionBreakpoint): Resolved {
  try {
    const { space, address } = parseReference(request.instructionReference);
    if (space !== 'linear') return failed('an instruction breakpoint needs a linear address');
    return codeBreakpoint(parts, request, address + (request.offset ?? 0), 'instruction breakpoint');
  } catch (error) {
    return failed((error as Error).message);
  }
}

function codeBreakpoint(parts: ResolveParts, text: GuardText, address: number, reason: string, side: Side = 'both'): Resolved {
  if (!Number.isSafeInteger(address) || address < -(2 ** 47) || address >= 2 ** 47) return failed(`${address} is no address`);
  const program = side === 'both' ? parts.program : parts.program.seenFrom(side);
  const position = program.positionAt(address);
  const make: Omit<Resolved, 'decide'> = {
    places: [{ kind: 'code', address: linear(address) }],
    reason,
    shown: {
      instructionReference: formatReference({ space: 'linear', address }),
      ...(position && { line: position.line, source: { name: position.path.replace(/^.*[/\\]/, ''), path: position.path } }),
    },
  };
  return guarded(parts, text, make, side);
}

const ACCESSES: ReadonlySet<string> = new Set(['read', 'write', 'readWrite']);

/** Id of what a data breakpoint watches: `linear:0x7c00/4`. */
export function formatDataId(address: number, length: number): string {
  return `${formatReference({ space: 'linear', address })}/${length}`;
}

export function resolveData(parts: ResolveParts, request: P.DataBreakpoint): Resolved {
  const access = request.accessType ?? 'write';
  const match = /^(.*)\/(\d+)$/.exec(request.dataId);
  if (!match || Number(match[2]) === 0) return failed(`'${request.dataId}' is no data that was offered`);
  if (!ACCESSES.has(access)) return failed(`'${access}' is no access; there are read, write and readWrite`);
  try {
    const { space, address } = parseReference(match[1]);
    if (space !== 'linear') return failed('only linear addresses can be watched');
    const place: ProbePlace = { kind: 'data', address: linear(address), length: Number(match[2]), access: access };
    return guarded(parts, request, { places: [place], reason: 'data breakpoint', shown: {} });
  } catch (error) {
    return failed((error as Error).message);
  }
}
