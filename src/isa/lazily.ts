/**
 * A table that is built once, when it is first wanted: most programs want few of them.
 * @returns a function that gives it
 */
export function lazily<T>(build: () => T): () => T {
  let built: { readonly value: T } | undefined;
  return () => (built ??= { value: build() }).value;
}
