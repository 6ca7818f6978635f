/** What a line says, once it is parsed: everything that does not change from pass to pass. */

import type { AssemblerRegister, Distance, EncodedInstruction, PrefixRequest } from '../isa/encoder';
import type { Expression } from './expressions';
import type { Token } from './lexer';
import type { LogicalLine } from './preprocessor/frames';

interface OperandSizes {
  /** Bytes that the source states, or 0. */
  readonly size: number;
  readonly strict: boolean;
  readonly distance: Distance | undefined;
}

export interface ValueSyntax extends OperandSizes {
  readonly kind: 'value';
  readonly expression: Expression;
  readonly token: Token;
}

interface RegisterSyntax extends OperandSizes {
  readonly kind: 'register';
  /** Behind TO, as the destination of an x87 operation. */
  readonly to: boolean;
  readonly register: AssemblerRegister;
  readonly token: Token;
}

export interface MemorySyntax extends OperandSizes {
  readonly kind: 'memory';
  /** Number of the segment register that the operand states, or -1. */
  readonly segment: number;
  readonly displacementSize: 0 | 1 | 2 | 4 | 8;
  readonly noSplit: boolean;
  readonly addressing: 'rel' | 'abs' | undefined;
  readonly expression: Expression;
  readonly token: Token;
}

export interface FarSyntax extends OperandSizes {
  readonly kind: 'far';
  readonly selector: Expression;
  readonly offset: Expression;
  readonly token: Token;
}

export type OperandSyntax = ValueSyntax | RegisterSyntax | MemorySyntax | FarSyntax;

export type DataItem =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'value'; readonly size: number; readonly expression: Expression; readonly token: Token }
  | { readonly kind: 'reserve'; readonly size: number }
  | { readonly kind: 'repeat'; readonly count: Expression; readonly token: Token; readonly items: readonly DataItem[] };

export interface InstructionBody {
  readonly kind: 'instruction';
  readonly mnemonic: string;
  readonly prefixes: PrefixRequest;
  readonly operands: readonly OperandSyntax[];
  /** No operand holds a symbol: the encoding depends on the code size alone. */
  readonly constant: boolean;
  readonly token: Token;
  /** Of a constant instruction: its encoding under a code size, kept from pass to pass. */
  cache?: { readonly bits: number; readonly defaultRelative: boolean; readonly encoded: EncodedInstruction };
}

export type Body =
  | { readonly kind: 'none' }
  | InstructionBody
  /** Prefixes without an instruction. */
  | { readonly kind: 'prefixes'; readonly prefixes: PrefixRequest }
  | { readonly kind: 'data'; readonly items: readonly DataItem[] }
  | { readonly kind: 'reserve'; readonly size: number; readonly count: Expression; readonly token: Token }
  | { readonly kind: 'equ'; readonly value: Expression; readonly token: Token }
  | {
      readonly kind: 'incbin';
      readonly path: string;
      readonly skip: Expression | undefined;
      readonly length: Expression | undefined;
      readonly token: Token;
    }
  | { readonly kind: 'directive'; readonly name: string; readonly arguments: readonly Token[]; readonly token: Token };

export interface LabelSyntax {
  /** Without the dollar sign that escapes it. */
  readonly name: string;
  readonly token: Token;
}

export interface Statement {
  readonly label: LabelSyntax | undefined;
  readonly times: Expression | undefined;
  readonly timesToken: Token | undefined;
  readonly body: Body;
  readonly source: LogicalLine;
}
