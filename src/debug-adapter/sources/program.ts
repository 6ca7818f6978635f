/** Everything known of the program: the debug information of all its parts as one. */
import type { LinearAddress } from '../../shared/addresses';
import type { VmxOperation } from '../../shared/transition';
import type { DebugInfo, LineRange, ProgramSymbol } from '../../symbols/debug-info';
import { commonTail, directoryOf, normalisePath, resolvePath } from './paths';

export interface NamedAddress {
  readonly symbol: ProgramSymbol;
  readonly offset: number;
}

/** A file of one part of the program. */
export interface ProgramFile {
  readonly info: DebugInfo;
  /** As the part names it. */
  readonly path: string;
}

/** The part of VMX operation that code belongs to; `root` is what a hypervisor is in, before VMXON, too. */
export type Side = 'root' | 'non-root' | 'both';
export const SIDES: readonly Side[] = ['root', 'non-root', 'both'];

export const sideOf = (operation: VmxOperation): Side => (operation === 'non-root' ? 'non-root' : 'root');

export class Program {
  readonly parts: readonly DebugInfo[];
  private readonly sides: ReadonlyMap<string, Side>;
  private readonly views = new Map<Side, Program>();

  /** @param sides of parts by their paths, where that is not `both` */
  constructor(parts: readonly DebugInfo[], sides: ReadonlyMap<string, Side> = new Map()) {
    this.parts = parts;
    this.sides = sides;
  }

  sideOfPart({ path }: DebugInfo): Side {
    return this.sides.get(path) ?? 'both';
  }

  /** What there is of it at addresses of one side. */
  seenFrom(operation: VmxOperation): Program {
    if (this.sides.size === 0) return this;
    const side = sideOf(operation);
    let view = this.views.get(side);
    if (!view) {
      const order: readonly Side[] = [side, 'both'];
      view = new Program(order.flatMap((each) => this.parts.filter((part) => this.sideOfPart(part) === each)));
      this.views.set(side, view);
    }
    return view;
  }

  /** The side of the symbol that an expression begins with. */
  sideOfName(name: string): Side {
    const [symbol = ''] = /^[\w.@?~#]+/.exec(name) ?? [];
    const part = this.parts.find((each) => each.symbolNamed(symbol) !== undefined);
    return part ? this.sideOfPart(part) : 'both';
  }

  positionAt(address: number): LineRange | undefined {
    for (const part of this.parts) {
      const found = part.positionAt(address as LinearAddress);
      if (found) return { ...found, path: absolutePath({ info: part, path: found.path }) };
    }
    return undefined;
  }

  /** Of several parts' symbols the nearest. */
  symbolAt(address: number): NamedAddress | undefined {
    let best: NamedAddress | undefined;
    for (const part of this.parts) {
      const found = part.symbolAt(address);
      if (found && (!best || found.offset < best.offset)) best = found;
    }
    return best;
  }

  /** `kmain+0x12`; undefined where no symbol is near. */
  nameOf(address: number): string | undefined {
    const found = this.symbolAt(address);
    if (!found) return undefined;
    return found.offset === 0 ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
  }

  /** @param near address whose label a name with a leading dot belongs to */
  symbolNamed(name: string, near?: number): ProgramSymbol | undefined {
    if (name.startsWith('.') && near !== undefined) {
      const label = this.symbolAt(near)?.symbol.name.split('.')[0];
      const local = label === undefined ? undefined : this.symbolNamed(label + name);
      if (local) return local;
    }
    for (const part of this.parts) {
      const found = part.symbolNamed(name);
      if (found) return found;
    }
    return undefined;
  }

  rangesWithin(from: number, to: number): LineRange[] {
    return this.parts.flatMap((part) => part.rangesWithin(from as LinearAddress, to as LinearAddress));
  }

  get files(): ProgramFile[] {
    return this.parts.flatMap((info) => info.files.map((path) => ({ info, path })));
  }

  /** The files that a client's path means: those of the same path, else those that share the most of its end. */
  filesNamed(path: string): ProgramFile[] {
    const wanted = normalisePath(path);
    const { files } = this;
    const same = files.filter((file) => normalisePath(absolutePath(file)) === wanted || normalisePath(file.path) === wanted);
    if (same.length > 0) return same;
    const tails = files.map((file) => commonTail(file.path, path));
    const longest = Math.max(0, ...tails);
    return longest === 0 ? [] : files.filter((_, i) => tails[i] === longest);
  }
}

/** A file's path as a client can open it: a relative one lies beside its program. */
export function absolutePath({ info, path }: ProgramFile): string {
  return normalisePath(path === info.path ? path : resolvePath(directoryOf(info.path), path));
}
