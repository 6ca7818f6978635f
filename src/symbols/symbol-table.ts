/** Symbols by name and by address. */
import type { ProgramSymbol } from './debug-info';

/** A symbol without a size says nothing of an address this far beyond it. */
const UNSIZED_REACH = 1 << 20;

export class SymbolTable {
  readonly symbols: readonly ProgramSymbol[];
  private readonly byName = new Map<string, ProgramSymbol>();
  /** Symbols that are places, ascending; of several at one address the best comes last. */
  private readonly places: readonly ProgramSymbol[];

  private readonly unsizedReach: number;

  /** @param unsizedReach how far a symbol without a size is taken to go */
  constructor(symbols: readonly ProgramSymbol[], unsizedReach = UNSIZED_REACH) {
    this.symbols = symbols;
    this.unsizedReach = unsizedReach;
    for (const symbol of symbols) {
      // A global one wins over local ones of the same name.
      if (symbol.global || !this.byName.has(symbol.name)) this.byName.set(symbol.name, symbol);
    }
    this.places = symbols.filter(({ kind }) => kind !== 'constant').sort((a, b) => a.address - b.address || rank(a) - rank(b));
  }

  named(name: string): ProgramSymbol | undefined {
    return this.byName.get(name);
  }

  /** The nearest symbol at or below an address. */
  at(address: number): { readonly symbol: ProgramSymbol; readonly offset: number } | undefined {
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.places[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const symbol = this.places[low - 1];
    if (!symbol) return undefined;
    const offset = address - symbol.address;
    return offset < (symbol.size || this.unsizedReach) ? { symbol, offset } : undefined;
  }
}

/** Which of several names for one address is shown: code before data, global before local. */
function rank({ kind, global, name }: ProgramSymbol): number {
  return (kind === 'code' ? 4 : kind === 'label' ? 2 : 0) + (global ? 1 : 0) - (name.includes('.') ? 2 : 0);
}
