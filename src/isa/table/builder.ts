/** How the family files write rows: one line an encoding, what a family has in common said once. */
import type { Bits, ControlFlow, Feature, FlagLetters, InstructionRow, PrivilegeClass } from '../types';

export type RowSource = Omit<InstructionRow, 'id'>;

/** What differs from a plain, unprivileged, flagless instruction of the 8086. */
export interface Traits {
  readonly aliases?: readonly string[];
  readonly reads?: FlagLetters;
  readonly writes?: FlagLetters;
  readonly undefines?: FlagLetters;
  /** The flags stay when a count is zero. */
  readonly conditional?: boolean;
  readonly privilege?: PrivilegeClass;
  readonly flow?: ControlFlow;
  readonly feature?: Feature;
  /** Takes effect on forms whose first operand may be memory. */
  readonly lockable?: boolean;
  readonly repeat?: InstructionRow['repeat'];
  readonly modes?: readonly Bits[];
  readonly size64?: InstructionRow['size64'];
  /** The mnemonic where it is not given. */
  readonly semantics?: string;
  readonly condition?: number;
  readonly redundant?: boolean;
}

/** `encoding: operands`, with its own traits where they differ from the family's. */
export type Form = string | readonly [form: string, traits: Traits];

export const STATUS_FLAGS = 'oszapc';
export const ALL_FLAGS = 'oditszapcn';

/** Traits that many rows share. */
export const NOT_IN_64: Traits = { modes: [16, 32] };
export const ONLY_IN_64: Traits = { modes: [64], feature: 'x86-64' };
/** Stack operations: 64 bits by default in 64-bit mode, 16 with 66. */
export const STACK_SIZE: Traits = { size64: 'default64' };
/** Near branches: 64 bits in 64-bit mode whatever the prefixes. */
export const BRANCH_SIZE: Traits = { size64: 'always64' };
export const REDUNDANT: Traits = { redundant: true };

const EVERY_MODE: readonly Bits[] = [16, 32, 64];

/**
 * The rows of one mnemonic.
 * @param manual title of the entry in the manual's instruction set reference
 * @param traits what all the forms have in common
 * @param forms each `encoding: operand,operand`
 */
export function rows(mnemonic: string, manual: string, traits: Traits, forms: readonly Form[]): RowSource[] {
  return forms.map((form) => {
    const [text, own] = typeof form === 'string' ? [form, {}] : form;
    return row(mnemonic, manual, text, { ...traits, ...own });
  });
}

function row(mnemonic: string, manual: string, form: string, traits: Traits): RowSource {
  const [encoding, operandText = ''] = form.split(': ').map((part) => part.trim());
  const operands = operandText === '' ? [] : operandText.split(',').map((code) => code.trim());
  return {
    mnemonic,
    aliases: traits.aliases ?? [],
    encoding,
    operands,
    flags: {
      read: traits.reads ?? '',
      written: traits.writes ?? '',
      undefined: traits.undefines ?? '',
      conditional: traits.conditional ?? false,
    },
    privilege: traits.privilege ?? 'innocuous',
    flow: traits.flow ?? 'next',
    feature: traits.feature ?? '8086',
    lockable: (traits.lockable ?? false) && /^[EM]/.test(operands[0] ?? ''),
    repeat: traits.repeat ?? 'none',
    modes: traits.modes ?? EVERY_MODE,
    size64: traits.size64 ?? 'normal',
    manual,
    semantics: traits.semantics ?? mnemonic,
    condition: traits.condition,
    redundant: traits.redundant ?? false,
  };
}
