/** What the debugger's expressions are made of. `at` is the place in the text, from 0. */

export type Size = 1 | 2 | 4 | 8;

export type UnaryOperator = '-' | '+' | '~' | '!';

export type BinaryOperator =
  | '||'
  | '&&'
  | '|'
  | '^'
  | '&'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '<<'
  | '>>'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%';

export type Expression =
  | { readonly kind: 'number'; readonly value: bigint; readonly at: number /** Written in decimal. */; readonly decimal?: boolean }
  /** `1.5`: to be put where numbers with a fraction live. */
  | { readonly kind: 'fraction'; readonly text: string; readonly at: number }
  /** A register, flag, register's field (`cs.base`), symbol, constant or `$` variable. */
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  /** `[address]`, with or without a size before it. */
  | { readonly kind: 'memory'; readonly size: Size | undefined; readonly address: Expression; readonly at: number }
  /** `byte eax`: cut to a size. */
  | { readonly kind: 'cast'; readonly size: Size; readonly of: Expression; readonly at: number }
  /** `linear:x`, `phys:x`. */
  | { readonly kind: 'space'; readonly space: 'linear' | 'physical'; readonly of: Expression; readonly at: number }
  /** `es:di`, `0x10:0x1234`. */
  | { readonly kind: 'far'; readonly segment: Expression; readonly offset: Expression; readonly at: number }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly of: Expression; readonly at: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  /** `signed(x)`. */
  | { readonly kind: 'call'; readonly name: string; readonly argument: Expression; readonly at: number };

/** `eax = 5`, `[di] += 1`. */
export interface Assignment {
  readonly kind: 'assignment';
  readonly target: Expression;
  /** The operation of `+=` and its like. */
  readonly operator: BinaryOperator | undefined;
  readonly value: Expression;
  readonly at: number;
}

/** Something wrong with an expression; the message says where. */
export class ExpressionError extends Error {
  /** From 0. */
  readonly at: number;

  constructor(problem: string, at: number) {
    super(`column ${at + 1}: ${problem}`);
    this.at = at;
  }
}
