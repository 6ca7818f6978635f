/** Functions that many handlers call: emitted once, linked by name into the module that uses them. */
import { Code, type Expr, type ValueType } from './code';
import type { Signature } from './module';

/** Index of a library function by its name. */
export type FunctionIndex = (name: string) => number;

export interface LibraryFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Writes the body, which returns on every path. Parameters are the locals 0, 1, … */
  readonly body: (code: Code, index: FunctionIndex) => void;
}

/** The functions of a library as other code of its module calls them. */
export interface Library {
  readonly index: FunctionIndex;
  /** Calls a function; each of its results may then be used any number of times. */
  call(code: Code, name: string, ...args: Expr[]): Expr[];
}

export interface LinkedLibrary {
  /** To append to the module's types. */
  readonly types: readonly Signature[];
  /** To append to the module's functions. */
  readonly functions: readonly { readonly type: number; readonly body: Uint8Array }[];
}

/**
 * The functions at their places in a module.
 * @param firstFunction number of functions (imports counted) before these
 */
export function placeLibrary(list: readonly LibraryFunction[], firstFunction: number): Library {
  const places = new Map(list.map((entry, i) => [entry.name, { index: firstFunction + i, results: entry.results }]));
  const find = (name: string): { index: number; results: readonly ValueType[] } => {
    const found = places.get(name);
    if (!found) throw new Error(`no library function ${name}`);
    return found;
  };
  return {
    index: (name) => find(name).index,
    call: (code, name, ...args) => {
      const { index, results } = find(name);
      return code.callMany(index, results, ...args);
    },
  };
}

/**
 * The functions' code.
 * @param firstType number of types that the module has before these
 * @throws on a call of a function that is not in the list
 */
export function linkLibrary(list: readonly LibraryFunction[], { index }: Library, firstType: number): LinkedLibrary {
  const types: Signature[] = [];
  const typeNumbers = new Map<string, number>();
  const functions = list.map(({ parameters, results, body }) => {
    const key = `${parameters.join()} > ${results.join()}`;
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
  return { types, functions };
}
