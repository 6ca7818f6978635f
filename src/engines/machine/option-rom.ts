/** Option ROMs: adapters' own firmware between 0xC0000 and 0xDFFFF (IBM PC/AT Technical Reference, "Adapter ROM modules"). */

/**
 * A copy whose last byte makes the sum of all bytes 0, as a BIOS demands before it calls a ROM.
 * @param image begins with 55 AA and its length in units of 512 bytes
 * @throws RangeError where it does not, or where the length differs
 */
export function sealOptionRom(image: Uint8Array): Uint8Array {
  if (image[0] !== 0x55 || image[1] !== 0xaa) throw new RangeError('an option ROM begins with 55 aa');
  if (image[2] * 512 !== image.length) throw new RangeError(`an option ROM of ${image.length} bytes says that it has ${image[2] * 512}`);
  const sealed = image.slice();
  sealed[sealed.length - 1] = 0;
  sealed[sealed.length - 1] = -sealed.reduce((sum, byte) => sum + byte, 0) & 0xff;
  return sealed;
}
