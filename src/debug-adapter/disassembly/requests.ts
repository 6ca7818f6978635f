/** The disassemble request. */
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import type { AddressSpace } from '../../engines/engine';
import { format } from '../../isa/formatter';
import { formatLinear } from '../../shared/addresses';
import type { Guest } from '../guest';
import { parseReference } from '../memory/reference';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import { baseName } from '../sources/paths';
import type { Program } from '../sources/program';
import { codeBase } from '../state/cpu-facts';
import { Disassembler } from './disassembler';
import type { Line } from './sweep';

/** More than any view shows at once. */
const MOST = 20_000;

export function disassemblyRequests(session: Session): Handlers {
  return {
    disassemble: ({ memoryReference, offset = 0, instructionOffset = 0, instructionCount }) => {
      const { guest } = session;
      if (instructionCount > MOST) throw new UserError(`${instructionCount} instructions are too many at once; at most ${MOST}`);
      if (Math.abs(instructionOffset) > MOST)
        throw new UserError(`an instruction offset of ${instructionOffset} is too far; at most ${MOST}`);
      const { space, address } = parseReference(memoryReference);
      const cpu = guest.cpuOfFrame(undefined);
      const lines = new Disassembler(guest.engine, cpu, programOf(guest, space), space).lines(
        address + offset,
        instructionOffset,
        instructionCount,
      );
      const show = new Shower(guest, session, space);
      return { instructions: show.all(lines, address + offset) };
    },
  };
}

/** What there is of the program in a space. */
const programOf = (guest: Guest, space: AddressSpace): Program =>
  guest.program.seenFrom(space === 'guest' ? 'non-root' : guest.cpuOfFrame(undefined).place.vmx);

/** Lines as DAP shows them: each with its source position where that changes. */
class Shower {
  private readonly program: Program;
  private readonly session: Session;
  private readonly space: AddressSpace;
  private readonly base: number;
  private lastPosition = '';

  constructor(guest: Guest, session: Session, space: AddressSpace) {
    this.program = programOf(guest, space);
    this.session = session;
    this.space = space;
    const cpu = guest.cpuOfFrame(undefined);
    this.base = space === 'linear' ? codeBase(cpu) : space === 'guest' ? (cpu.savedGuest?.codeBase ?? 0) : 0;
  }

  /** @param fallback an address for lines that lie outside memory */
  all(lines: readonly (Line | undefined)[], fallback: number): P.DisassembledInstruction[] {
    const first = lines.findIndex((line) => line !== undefined);
    return lines.map((line, i) => (line ? this.show(line) : this.outside(lines, i, first, fallback)));
  }

  /** What is not there counts down before memory and up behind it, so that every line has an address of its own. */
  private outside(lines: readonly (Line | undefined)[], i: number, first: number, fallback: number): P.DisassembledInstruction {
    let address = fallback + i;
    if (first >= 0 && i < first) address = (lines[first] as Line).address - (first - i);
    else if (first >= 0) {
      let known = i;
      while (lines[known] === undefined) known--;
      const line = lines[known] as Line;
      address = line.address + line.bytes.length + (i - known - 1);
    }
    const before = i < first && (lines[first] as Line).address >= 0;
    return {
      address: before || first < 0 ? outsideAddress(address) : formatLinear(address),
      instruction: 'invalid',
      presentationHint: 'invalid',
    };
  }

  private show({ address, bytes, instruction }: Line): P.DisassembledInstruction {
    const text = instruction
      ? format(instruction, { address: address - this.base, symbols: (target) => this.symbolAt(target + this.base) })
      : `db ${[...bytes].map((byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(', ')}`;
    return {
      address: formatLinear(address),
      instructionBytes: [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
      instruction: text,
      ...this.symbolAndSource(address),
    };
  }

  private symbolAt(address: number): string | undefined {
    const found = this.program.symbolAt(address);
    return found?.offset === 0 ? found.symbol.name : undefined;
  }

  private symbolAndSource(address: number): Partial<P.DisassembledInstruction> {
    if (this.space === 'physical') return {};
    const { positions } = this.session;
    const symbol = this.symbolAt(address);
    const position = this.program.positionAt(address);
    const key = position ? `${position.path}:${position.line}` : '';
    const changed = position !== undefined && key !== this.lastPosition;
    this.lastPosition = key;
    return {
      ...(symbol !== undefined && { symbol }),
      ...(changed && { location: { name: baseName(position.path), path: position.path }, line: positions.toClientLine(position.line) }),
    };
  }
}

/** What lies a little below address 0 lies before memory; clients take it as it is. */
function outsideAddress(address: number): string {
  return address < 0 && address > -MOST * 16 ? `-0x${(-address).toString(16)}` : formatLinear(address);
}
