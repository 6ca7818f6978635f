/** Assembly sources are imported as the bytes that our assembler makes of them (src/tooling/assembly-plugin.mjs). */
declare module '*.asm' {
  const image: Uint8Array;
  export default image;
}
