/** The two sides of the border between a hypervisor and its guest, as stacks are read: what the processor is in, and what it has left. */
import type { Engine, SavedGuest, VirtualCpu } from '../../engines/engine';
import type { Ring } from '../../shared/transition';
import { type GuestEnvironment, selectorBase } from '../expressions/guest-environment';
import { readNumber, stackTop } from './cpu-facts';

/** Whose linear addresses a stack's are. */
export type StackSpace = 'linear' | 'guest';

export interface StackSide {
  readonly space: StackSpace;
  readonly ring: Ring;
  /** Linear address of the stack's top. */
  readonly stack: number;
  read(address: number, length: number): Uint8Array;
  /** See `readNumber`. */
  number(address: number, size: number): number | undefined;
  /** @throws Error with one line for a selector that names nothing */
  selectorBase(selector: number): number;
}

const readers = (engine: Engine, { index }: VirtualCpu, space: StackSpace): Pick<StackSide, 'space' | 'read' | 'number'> => ({
  space,
  read: (address, length) => engine.readMemory(index, space, address, length),
  number: (address, size) => readNumber(engine, index, space, address, size),
});

export function presentSide(engine: Engine, cpu: VirtualCpu, environment: GuestEnvironment): StackSide {
  return {
    ...readers(engine, cpu, 'linear'),
    ring: cpu.place.ring,
    stack: stackTop(cpu),
    selectorBase: (selector) => environment.selectorBase(selector),
  };
}

export function savedSide(engine: Engine, cpu: VirtualCpu, guest: SavedGuest): StackSide {
  const side = readers(engine, cpu, 'guest');
  const { place, stack, tables } = guest;
  return {
    ...side,
    ring: place.ring,
    stack,
    selectorBase: (selector) => {
      const { base, limit } = tables[selector & 4 ? 'ldt' : 'gdt'];
      const index = selector & 0xfff8;
      const entry = (index === 0 && !(selector & 4)) || index + 7 > limit ? undefined : base + index;
      return selectorBase(selector, place.mode, entry, side.number);
    },
  };
}
