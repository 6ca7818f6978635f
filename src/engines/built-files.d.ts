/** What is made while the project is built. */

/** Assembly sources are imported as the bytes that our assembler makes of them (src/tooling/assembly-plugin.mjs). */
declare module '*.asm' {
  const image: Uint8Array;
  export default image;
}

/** The interpreter's handlers (src/tooling/handlers-plugin.mjs). */
declare module '*/prebuilt.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
declare module '*/prebuilt.json' {
  const indexes: readonly (readonly [key: string, index: number])[];
  export default indexes;
}
