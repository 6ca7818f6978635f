/** Symbols, their values from pass to pass, and what the linker is told of them. */

import type { Place } from './source';
import { type Base, isInt, type Value } from './values';

/** A symbol that another object defines, or a block that the linker allocates. */
export class ExternalSymbol implements Base {
  readonly kind: 'external' | 'common';
  readonly name: string;
  /** Of a common block. */
  size = 0;
  alignment = 0;

  constructor(name: string, kind: 'external' | 'common') {
    this.name = name;
    this.kind = kind;
  }
}

type Binding = 'local' | 'global' | 'weak';

export interface LinkAttributes {
  binding: Binding;
  /** ELF symbol type: notype, object, func, tls. */
  type: 'notype' | 'object' | 'function' | 'tls';
  visibility: 'default' | 'internal' | 'hidden' | 'protected';
  /** Tokens of the size expression are evaluated by the directive. */
  size: number;
}

const PLAIN_LINKAGE: Readonly<LinkAttributes> = { binding: 'local', type: 'notype', visibility: 'default', size: 0 };

export interface SymbolEntry {
  readonly name: string;
  /** As the source writes it. */
  kind: 'label' | 'equ' | 'external' | 'common';
  value: Value;
  /** Pass of the last definition; 0 while only declared. */
  definedIn: number;
  place: Place | undefined;
  linkage: LinkAttributes;
  /** Of an external symbol: the object names it even where nothing refers to it. */
  required: boolean;
  /** Place among the definitions and external declarations of the last pass. */
  order: number;
}

export const sameValue = (a: Value, b: Value): boolean => {
  if (isInt(a) || isInt(b)) return a === b;
  if (a.constant !== b.constant || a.unknown !== b.unknown || a.terms.length !== b.terms.length) return false;
  return a.terms.every((term, i) => term.of === b.terms[i].of && term.coefficient === b.terms[i].coefficient);
};

export class SymbolTable {
  readonly all = new Map<string, SymbolEntry>();
  /** Non-local label that `.local` names belong to. */
  prefix = '';
  private next = 0;

  startPass(): void {
    this.prefix = '';
    this.next = 0;
  }

  /** Numbers a definition. */
  number(entry: SymbolEntry): void {
    entry.order = ++this.next;
  }

  /** Full name of a symbol: `.x` belongs to the label before it, `..x` to none. */
  fullName(name: string): string {
    return name.charCodeAt(0) === 0x2e && name.charCodeAt(1) !== 0x2e ? this.prefix + name : name;
  }

  find(name: string): SymbolEntry | undefined {
    return this.all.get(this.fullName(name));
  }

  /** The entry of a full name, made where there is none. */
  entry(name: string): SymbolEntry {
    let entry = this.all.get(name);
    if (!entry) {
      entry = { name, kind: 'label', value: 0, definedIn: 0, place: undefined, linkage: { ...PLAIN_LINKAGE }, required: false, order: 0 };
      this.all.set(name, entry);
    }
    return entry;
  }
}
