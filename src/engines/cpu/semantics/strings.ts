/** String instructions: one iteration each; the context adds the repeat prefix. */
import type { Context, Semantics } from './context';
import type { Word } from './words';

const SI = 6;
const DI = 7;
const EAX = 0;

/** The element's size comes from the operand that is in memory, whichever that is. */
const element = (c: Context): Word => c.wordOf(c.isMemory(0) ? 0 : 1);

export const movs: Semantics = (c) => {
  const w = element(c);
  c.repeat(
    () => {
      const value = c.let(w.type, c.stringSource(w).read());
      c.stringDestination(w).write(value);
      c.advance(SI, w);
      c.advance(DI, w);
    },
    'count',
    { kind: 'copy', element: w },
  );
};

export const stos: Semantics = (c) => {
  const w = element(c);
  c.repeat(
    () => {
      c.stringDestination(w).write(c.let(w.type, c.register(EAX, w).read()));
      c.advance(DI, w);
    },
    'count',
    { kind: 'fill', element: w },
  );
};

export const lods: Semantics = (c) =>
  c.repeat(() => {
    const w = element(c);
    const value = c.let(w.type, c.stringSource(w).read());
    c.advance(SI, w);
    c.register(EAX, w).write(value);
  }, 'count');

export const scas: Semantics = (c) =>
  c.repeat(() => {
    const w = element(c);
    const b = c.let(w.type, c.stringDestination(w).read());
    const a = c.let(w.type, c.register(EAX, w).read());
    c.advance(DI, w);
    c.flags.sub(w, a, b, c.let(w.type, w.sub(a, b)));
  }, 'zero');

export const cmps: Semantics = (c) =>
  c.repeat(() => {
    const w = element(c);
    // Processors read the destination first, which shows when both would fault.
    const b = c.let(w.type, c.stringDestination(w).read());
    const a = c.let(w.type, c.stringSource(w).read());
    c.advance(SI, w);
    c.advance(DI, w);
    c.flags.sub(w, a, b, c.let(w.type, w.sub(a, b)));
  }, 'zero');
