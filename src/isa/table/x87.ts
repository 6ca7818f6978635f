/**
 * The x87 FPU. The forms of its eight opcodes D8 to DF are those of the manual's Escape Opcode maps: a digit with memory, or a second
 * opcode byte. What the processor takes under several encodings has all of them here, the undocumented ones as redundant.
 */
import { REDUNDANT, rows } from './builder';
import type { Form, RowSource, Traits } from './builder';

const FPU: Traits = { feature: 'fpu' };
/** Compare into EFLAGS, as COMISS does. */
const INTO_FLAGS: Traits = { feature: 'fcmov', writes: 'oszapc' };

const fpu = (mnemonic: string, manual: string, forms: readonly Form[], traits: Traits = {}): RowSource[] =>
  rows(mnemonic, manual, { ...FPU, ...traits }, forms);

/** The arithmetic of one digit: with memory, to ST0, to STi and with a pop. `reverse` is the digit of D8's other order in DC and DE. */
function arithmetic(name: string, manual: string, digit: number, reverse: number): RowSource[] {
  const second = (n: number): string => `${(0xc0 + 8 * n).toString(16).toUpperCase()}+i`;
  return [
    ...fpu(`f${name}`, manual, [`D8 /${digit}: Md`, `DC /${digit}: Mq`, `DC ${second(reverse)}: STi,ST0`, `D8 ${second(digit)}: ST0,STi`]),
    ...fpu(`f${name}p`, manual, [`DE ${second(reverse)}: STi,ST0`]),
    ...fpu(`fi${name}`, manual, [`DA /${digit}: Md`, `DE /${digit}: Mw`]),
  ];
}

const ADD = 'FADD/FADDP/FIADD—Add';
const MUL = 'FMUL/FMULP/FIMUL—Multiply';
const SUB = 'FSUB/FSUBP/FISUB—Subtract';
const SUBR = 'FSUBR/FSUBRP/FISUBR—Reverse Subtract';
const DIV = 'FDIV/FDIVP/FIDIV—Divide';
const DIVR = 'FDIVR/FDIVRP/FIDIVR—Reverse Divide';
const COM = 'FCOM/FCOMP/FCOMPP—Compare Floating-Point Values';
const COMI = 'FCOMI/FCOMIP/FUCOMI/FUCOMIP—Compare Floating-Point Values and Set EFLAGS';
const UCOM = 'FUCOM/FUCOMP/FUCOMPP—Unordered Compare Floating-Point Values';
const ICOM = 'FICOM/FICOMP—Compare Integer';
const FST = 'FST/FSTP—Store Floating-Point Value';
const FIST = 'FIST/FISTP—Store Integer';
const LOAD_CONSTANT = 'FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ—Load Constant';
const CMOV = 'FCMOVcc—Floating-Point Conditional Move';
const INIT = 'FINIT/FNINIT—Initialize Floating-Point Unit';
const CLEX = 'FCLEX/FNCLEX—Clear Exceptions';
const STCW = 'FSTCW/FNSTCW—Store x87 FPU Control Word';
const STSW = 'FSTSW/FNSTSW—Store x87 FPU Status Word';
const STENV = 'FSTENV/FNSTENV—Store x87 FPU Environment';
const SAVE = 'FSAVE/FNSAVE—Store x87 FPU State';
const OBSOLETE = 'Intel 8087 and 80287 control instructions';

/** The spelling without N has WAIT in front. */
const waits = (spelling: string): Traits => ({ aliases: [spelling] });

const constants: readonly (readonly [string, string])[] = [
  ['fld1', 'E8'],
  ['fldl2t', 'E9'],
  ['fldl2e', 'EA'],
  ['fldpi', 'EB'],
  ['fldlg2', 'EC'],
  ['fldln2', 'ED'],
  ['fldz', 'EE'],
];

/** Name, opcode, condition as in Jcc, flags read. */
const moves: readonly (readonly [name: string, encoding: string, condition: number, reads: string])[] = [
  ['b', 'DA C0+i', 2, 'c'],
  ['e', 'DA C8+i', 4, 'z'],
  ['be', 'DA D0+i', 6, 'zc'],
  ['u', 'DA D8+i', 10, 'p'],
  ['nb', 'DB C0+i', 3, 'c'],
  ['ne', 'DB C8+i', 5, 'z'],
  ['nbe', 'DB D0+i', 7, 'zc'],
  ['nu', 'DB D8+i', 11, 'p'],
];

/** Without operands: mnemonic, second byte after D9, manual. */
const plain: readonly (readonly [mnemonic: string, second: string, manual: string])[] = [
  ['fnop', 'D0', 'FNOP—No Operation'],
  ['fchs', 'E0', 'FCHS—Change Sign'],
  ['fabs', 'E1', 'FABS—Absolute Value'],
  ['ftst', 'E4', 'FTST—TEST'],
  ['fxam', 'E5', 'FXAM—Examine Floating-Point'],
  ['f2xm1', 'F0', 'F2XM1—Compute 2x-1'],
  ['fyl2x', 'F1', 'FYL2X—Compute y * log2x'],
  ['fptan', 'F2', 'FPTAN—Partial Tangent'],
  ['fpatan', 'F3', 'FPATAN—Partial Arctangent'],
  ['fxtract', 'F4', 'FXTRACT—Extract Exponent and Significand'],
  ['fprem1', 'F5', 'FPREM1—Partial Remainder'],
  ['fdecstp', 'F6', 'FDECSTP—Decrement Stack-Top Pointer'],
  ['fincstp', 'F7', 'FINCSTP—Increment Stack-Top Pointer'],
  ['fprem', 'F8', 'FPREM—Partial Remainder'],
  ['fyl2xp1', 'F9', 'FYL2XP1—Compute y * log2(x +1)'],
  ['fsqrt', 'FA', 'FSQRT—Square Root'],
  ['fsincos', 'FB', 'FSINCOS—Sine and Cosine'],
  ['frndint', 'FC', 'FRNDINT—Round to Integer'],
  ['fscale', 'FD', 'FSCALE—Scale'],
  ['fsin', 'FE', 'FSIN—Sine'],
  ['fcos', 'FF', 'FCOS—Cosine'],
];

export const X87: readonly RowSource[] = [
  ...arithmetic('add', ADD, 0, 0),
  ...arithmetic('mul', MUL, 1, 1),
  ...arithmetic('sub', SUB, 4, 5),
  ...arithmetic('subr', SUBR, 5, 4),
  ...arithmetic('div', DIV, 6, 7),
  ...arithmetic('divr', DIVR, 7, 6),

  ...fpu('fcom', COM, ['D8 /2: Md', 'DC /2: Mq', 'D8 D0+i: ST0,STi', ['DC D0+i: ST0,STi', REDUNDANT]]),
  ...fpu('fcomp', COM, ['D8 /3: Md', 'DC /3: Mq', 'D8 D8+i: ST0,STi', ['DC D8+i: ST0,STi', REDUNDANT], ['DE D0+i: ST0,STi', REDUNDANT]]),
  ...fpu('fcompp', COM, ['DE D9']),
  ...fpu('fucom', UCOM, ['DD E0+i: ST0,STi']),
  ...fpu('fucomp', UCOM, ['DD E8+i: ST0,STi']),
  ...fpu('fucompp', UCOM, ['DA E9']),
  ...fpu('ficom', ICOM, ['DA /2: Md', 'DE /2: Mw']),
  ...fpu('ficomp', ICOM, ['DA /3: Md', 'DE /3: Mw']),
  ...fpu('fcomi', COMI, ['DB F0+i: ST0,STi'], INTO_FLAGS),
  ...fpu('fcomip', COMI, ['DF F0+i: ST0,STi'], INTO_FLAGS),
  ...fpu('fucomi', COMI, ['DB E8+i: ST0,STi'], INTO_FLAGS),
  ...fpu('fucomip', COMI, ['DF E8+i: ST0,STi'], INTO_FLAGS),

  ...fpu('fld', 'FLD—Load Floating-Point Value', ['D9 /0: Md', 'DD /0: Mq', 'DB /5: Mt', 'D9 C0+i: STi']),
  ...fpu('fst', FST, ['D9 /2: Md', 'DD /2: Mq', 'DD D0+i: STi']),
  ...fpu('fstp', FST, ['D9 /3: Md', 'DD /3: Mq', 'DB /7: Mt', 'DD D8+i: STi', ['DF D0+i: STi', REDUNDANT], ['DF D8+i: STi', REDUNDANT]]),
  // Pops an empty register without an exception.
  ...fpu('fstp', FST, [['D9 D8+i: STi', REDUNDANT]], { semantics: 'fstpnce' }),
  ...fpu('fild', 'FILD—Load Integer', ['DB /0: Md', 'DF /0: Mw', 'DF /5: Mq']),
  ...fpu('fist', FIST, ['DB /2: Md', 'DF /2: Mw']),
  ...fpu('fistp', FIST, ['DB /3: Md', 'DF /3: Mw', 'DF /7: Mq']),
  ...fpu('fisttp', 'FISTTP—Store Integer With Truncation', ['DB /1: Md', 'DF /1: Mw', 'DD /1: Mq'], { feature: 'sse3' }),
  ...fpu('fbld', 'FBLD—Load Binary Coded Decimal', ['DF /4: Mt']),
  ...fpu('fbstp', 'FBSTP—Store BCD Integer and Pop', ['DF /6: Mt']),
  ...fpu('fxch', 'FXCH—Exchange Register Contents', ['D9 C8+i: ST0,STi', ['DD C8+i: ST0,STi', REDUNDANT], ['DF C8+i: ST0,STi', REDUNDANT]]),
  ...moves.flatMap(([name, encoding, condition, reads]) =>
    fpu(`fcmov${name}`, CMOV, [`${encoding}: ST0,STi`], { feature: 'fcmov', semantics: 'fcmovcc', condition, reads }),
  ),
  ...fpu('ffree', 'FFREE—Free Floating-Point Register', ['DD C0+i: STi']),
  ...fpu('ffreep', 'FFREE—Free Floating-Point Register', ['DF C0+i: STi']),

  ...constants.flatMap(([name, second]) => fpu(name, LOAD_CONSTANT, [`D9 ${second}`])),
  ...plain.flatMap(([name, second, manual]) => fpu(name, manual, [`D9 ${second}`])),

  ...fpu('fninit', INIT, ['DB E3'], waits('finit')),
  ...fpu('fnclex', CLEX, ['DB E2'], waits('fclex')),
  ...fpu('fneni', OBSOLETE, ['DB E0'], { ...waits('feni'), semantics: 'fneni' }),
  ...fpu('fndisi', OBSOLETE, ['DB E1'], { ...waits('fdisi'), semantics: 'fneni' }),
  ...fpu('fsetpm', OBSOLETE, ['DB E4'], { semantics: 'fneni' }),
  ...fpu('fldcw', 'FLDCW—Load x87 FPU Control Word', ['D9 /5: Mw']),
  ...fpu('fnstcw', STCW, ['D9 /7: Mw'], waits('fstcw')),
  ...fpu('fnstsw', STSW, ['DD /7: Mw', 'DF E0: AX'], waits('fstsw')),
  ...fpu('fldenv', 'FLDENV—Load x87 FPU Environment', ['D9 /4: Menv']),
  ...fpu('fnstenv', STENV, ['D9 /6: Menv'], waits('fstenv')),
  ...fpu('frstor', 'FRSTOR—Restore x87 FPU State', ['DD /4: Mstate']),
  ...fpu('fnsave', SAVE, ['DD /6: Mstate'], waits('fsave')),
];
