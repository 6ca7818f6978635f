/** Which instructions have a crossing, by what has to be the same for two to share one. */
import type { Instruction } from '../../../isa/types';
import type { MakeHandler } from './crossing';
import { movFromControl, PLAIN_CONTROL_REGISTERS } from './control';
import { input, output, popf, sti } from './serializing';
import { int, int3, iret, syscall, sysenter, sysexit, sysret } from './transfers';

interface Entry {
  readonly make: MakeHandler;
  readonly long: boolean;
}

const SIZES = [1, 2, 4] as const;

function* entries(): Generator<[key: string, entry: Entry]> {
  for (const long of [false, true]) {
    const width = long ? 64 : 32;
    const whole = long ? 8 : 4;
    yield [`int ${width}`, { make: int, long }];
    yield [`int3 ${width}`, { make: int3, long }];
    yield [`iret ${width} ${whole}`, { make: iret, long }];
    yield [`popf ${width} ${whole}`, { make: popf, long }];
    yield [`sysenter ${width}`, { make: sysenter, long }];
    yield [`sysexit ${width} ${whole}`, { make: sysexit, long }];
    yield [`sti ${width}`, { make: sti, long }];
    for (const [number, slot] of PLAIN_CONTROL_REGISTERS) yield [`movFromControl ${width} ${number}`, { make: movFromControl(slot), long }];
    for (const size of SIZES) {
      for (const byRegister of [false, true]) {
        const where = byRegister ? 'dx' : 'immediate';
        yield [`in ${width} ${size} ${where}`, { make: input(size, byRegister), long }];
        yield [`out ${width} ${size} ${where}`, { make: output(size, byRegister), long }];
      }
    }
  }
  yield ['syscall 64', { make: syscall, long: true }];
  yield ['sysret 64 8', { make: sysret, long: true }];
}

export const CROSSINGS: ReadonlyMap<string, Entry> = new Map(entries());

const BY_OPERAND_SIZE = new Set(['iret', 'popf', 'sysexit', 'sysret']);

/** The key of the crossing that an instruction would have; most have none. */
export function crossingOf({ row, bits, operandSize, operands }: Instruction): string {
  const { semantics } = row;
  // 16-bit code differs in what it crosses alone.
  const width = bits === 64 ? 64 : 32;
  const devices = semantics === 'sti' || semantics === 'in' || semantics === 'out';
  if (bits === 16 && !devices) return '';
  if (semantics === 'in' || semantics === 'out') {
    const [first, second] = semantics === 'in' ? operands : [operands[1], operands[0]];
    if (first.kind !== 'register') return '';
    return `${semantics} ${width} ${first.size} ${second.kind === 'register' ? 'dx' : 'immediate'}`;
  }
  if (semantics === 'movFromControl') return `${semantics} ${width} ${operands[1].kind === 'register' ? operands[1].index : ''}`;
  return `${semantics} ${width}${BY_OPERAND_SIZE.has(semantics) ? ` ${operandSize}` : ''}`;
}
