/** What is made while the project is built. */

/** Assembly sources are imported as the bytes that our assembler makes of them (src/tooling/assembly-plugin.mjs). */
declare module '*.asm' {
  const image: Uint8Array;
  export default image;
}
declare module '*.asm?labels' {
  /** But local ones, ascending. */
  const labels: readonly (readonly [name: string, value: number])[];
  export default labels;
}

/** The interpreter's handlers (src/tooling/handlers-plugin.mjs). */
declare module '*/prebuilt.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*/prebuilt.json' {
  /** The forms' keys, one a line, by their number in the function table, and the number of the first. */
  export const keys: string;
  export const first: number;
}
