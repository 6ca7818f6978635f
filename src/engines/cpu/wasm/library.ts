/** Functions that many handlers call: emitted once, linked by name into the module that uses them. */
import { Code, type ValueType } from './code';
import type { Signature } from './module';

/** Index of a library function by its name. */
export type FunctionIndex = (name: string) => number;

export interface LibraryFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Writes the body, which returns on every path. Parameters are the locals 0, 1, … */
  body(code: Code, index: FunctionIndex): void;
}

export interface LinkedLibrary {
  /** To append to the module's types. */
  readonly types: readonly Signature[];
  /** To append to the module's functions. */
  readonly functions: readonly { readonly type: number; readonly body: Uint8Array }[];
  readonly index: FunctionIndex;
}

/**
 * Gives the functions their places in a module.
 * @param firstType number of types that the module has before these
 * @param firstFunction number of functions (imports counted) before these
 * @throws on a call of a function that is not in the list
 */
export function linkLibrary(list: readonly LibraryFunction[], firstType: number, firstFunction: number): LinkedLibrary {
  const indexes = new Map(list.map(({ name }, i) => [name, firstFunction + i]));
  const index: FunctionIndex = (name) => {
    const found = indexes.get(name);
    if (found === undefined) throw new Error(`no library function ${name}`);
    return found;
  };
  const types: Signature[] = [];
  const typeNumbers = new Map<string, number>();
  const functions = list.map(({ parameters, results, body }) => {
    const key = `${parameters} > ${results}`;
    let type = typeNumbers.get(key);
    if (type === undefined) {
      type = firstType + types.push({ parameters, results }) - 1;
      typeNumbers.set(key, type);
    }
    const code = new Code(parameters.length);
    body(code, index);
    code.unreachable();
    return { type, body: code.finish() };
  });
  return { types, functions, index };
}
