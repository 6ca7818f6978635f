/** Commands of the debug console, beside expressions: a table, and one function each. */
import { format } from '../../isa/formatter';
import { formatLinear } from '../../shared/addresses';
import { compileAddress } from '../expressions/compile';
import { hexOf } from '../expressions/format';
import { parseExpression } from '../expressions/parser';
import type { Location } from '../expressions/values';
import { Disassembler } from '../disassembly/disassembler';
import type { Guest } from '../guest';
import { UserError } from '../protocol/errors';
import type { Session } from '../session';
import { codeBase, signedAddress } from '../state/cpu-facts';
import { formatMemory, parseExamine } from './examine';
import { trapLogText } from './trap-log';

interface Call {
  readonly session: Session;
  readonly guest: Guest;
  readonly vcpu: number;
  /** What matched of the command's form. */
  readonly match: RegExpExecArray;
}

interface ConsoleCommand {
  readonly form: RegExp;
  readonly usage: string;
  readonly help: string;
  readonly run: (call: Call) => string;
}

const COMMANDS: readonly ConsoleCommand[] = [
  { form: /^help$/i, usage: 'help', help: 'this list', run: () => helpText() },
  {
    form: /^trap\s+log(?:\s+(\d+))?$/i,
    usage: 'trap log [count]',
    help: 'the latest transitions between rings and modes',
    run: ({ guest, match }) => trapLogText(guest, Number(match[1] ?? 10)),
  },
  {
    form: /^x(?:\/(\w+))?\s+(\S.*)$/i,
    usage: 'x/16xb address',
    help: 'memory: count, x d u o t c or s, b w d q for 1 2 4 8 bytes',
    run: ({ guest, vcpu, match }) => formatMemory(guest, vcpu, parseExamine(match[1] ?? ''), addressOf(guest, vcpu, match[2])),
  },
  {
    form: /^d(?:\/(\d+))?(?:\s+(\S.*))?$/i,
    usage: 'd/10 [address]',
    help: 'disassembly, from the next instruction where no address is given',
    run: ({ guest, vcpu, match }) => disassembly(guest, vcpu, Number(match[1] ?? 10), match[2]),
  },
  {
    form: /^(?:info\s+)?registers$/i,
    usage: 'registers',
    help: 'the general registers and the flags',
    run: ({ guest, vcpu }) => registersText(guest, vcpu),
  },
];

export const COMMAND_WORDS: readonly { readonly word: string; readonly help: string }[] = [
  { word: 'help', help: 'the list of commands' },
  { word: 'trap log', help: 'the latest transitions' },
  { word: 'x/16xb ', help: 'memory' },
  { word: 'd ', help: 'disassembly' },
  { word: 'registers', help: 'the general registers' },
];

/** @returns the answer, or undefined for text that is no command */
export function runCommand(session: Session, guest: Guest, vcpu: number, text: string): string | undefined {
  for (const { form, run } of COMMANDS) {
    const match = form.exec(text);
    if (match) return run({ session, guest, vcpu, match });
  }
  return undefined;
}

function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ usage }) => usage.length)) + 2;
  return [
    ...COMMANDS.map(({ usage, help }) => usage.padEnd(width) + help),
    'Anything else is an expression: registers, symbols, [es:di+4], dword [eax*4+table], phys:0xb8000, seg:off,',
    'cs.base, cr0.pe, $ring, arithmetic and comparisons as in C; register = value and [address] = value change.',
  ].join('\n');
}

function addressOf(guest: Guest, vcpu: number, text: string): Location {
  try {
    guest.environment.vcpu = vcpu;
    return compileAddress(parseExpression(text), guest.environment)();
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

const MOST_LINES = 1000;

function disassembly(guest: Guest, vcpu: number, count: number, text: string | undefined): string {
  const cpu = guest.engine.cpus[vcpu];
  const { space, address } =
    text === undefined ? { space: 'linear' as const, address: cpu.address as number } : codeAddress(guest, vcpu, text);
  const base = space === 'linear' ? codeBase(cpu) : 0;
  const lines = new Disassembler(guest.engine, cpu, guest.program, space).lines(address, 0, Math.min(count, MOST_LINES));
  return lines
    .flatMap((line) => {
      if (!line) return [];
      const symbol = guest.program.symbolAt(line.address);
      const bytes = [...line.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      const shown = line.instruction
        ? format(line.instruction, { address: line.address - base, symbols: (target) => exactName(guest, target + base) })
        : `db 0x${bytes}`;
      const label = symbol?.offset === 0 ? [`${symbol.symbol.name}:`] : [];
      return [...label, `${line.address === cpu.address ? '→' : ' '} ${formatLinear(line.address)}  ${bytes.padEnd(20)} ${shown}`];
    })
    .join('\n');
}

/** An address of code: an offset alone counts in CS. */
function codeAddress(guest: Guest, vcpu: number, text: string): Location {
  const expression = parseExpressionOrFail(text);
  if (expression.kind === 'number') return { space: 'linear', address: signedAddress(expression.value) };
  return addressOf(guest, vcpu, text);
}

function parseExpressionOrFail(text: string) {
  try {
    return parseExpression(text);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

function exactName(guest: Guest, address: number): string | undefined {
  const found = guest.program.symbolAt(address);
  return found?.offset === 0 ? found.symbol.name : undefined;
}

function registersText(guest: Guest, vcpu: number): string {
  const cpu = guest.engine.cpus[vcpu];
  return [...cpu.registers('general'), ...cpu.registers('flags')]
    .map(({ name, value, bits }) => `${name.padEnd(7)}${hexOf(value, bits)}`)
    .join('\n');
}
