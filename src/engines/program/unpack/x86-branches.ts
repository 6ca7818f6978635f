/**
 * Undoes XZ's x86 branch filter: packed code has absolute targets in its CALLs and JMPs, which repeat where relative ones differ
 * ("The .xz File Format", section 5.3.2). What an opcode byte may be is guessed from the bytes before it, exactly as the packer did.
 */

/** Sets of the last three bytes that looked like opcodes after which another one is believed. */
const BELIEVED = [true, true, true, false, true, false, false, false];
/** For such a set: how many bytes of the operand the earlier opcode covers. */
const COVERED = [0, 1, 2, 2, 3, 3, 3, 3];

/** A relative target has a sign extension on top. */
const isSign = (byte: number): boolean => byte === 0x00 || byte === 0xff;

/** Changes the bytes in place; the first is at position 0. */
export function undoX86Branches(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let seen = 0;
  let last = -1;
  for (let at = 0; at < bytes.length - 4; at++) {
    if ((bytes[at] & 0xfe) !== 0xe8) continue;
    const distance = at - last;
    last = at;
    seen = distance > 3 ? 0 : (seen << (distance - 1)) & 7;
    if (seen !== 0 && (!BELIEVED[seen] || isSign(bytes[at + 4 - COVERED[seen]]))) {
      seen = (seen << 1) | 1;
      continue;
    }
    if (!isSign(bytes[at + 4])) {
      seen = (seen << 1) | 1;
      continue;
    }
    const target = relative(view.getUint32(at + 1, true), at + 5, seen);
    // 25 bits, sign-extended.
    view.setInt32(at + 1, (target << 7) >> 7, true);
    at += 4;
  }
}

function relative(absolute: number, next: number, seen: number): number {
  let source = absolute;
  for (;;) {
    const target = (source - next) >>> 0;
    if (seen === 0) return target;
    const shift = COVERED[seen] * 8;
    if (!isSign((target >>> (24 - shift)) & 0xff)) return target;
    source = (target ^ (2 ** (32 - shift) - 1)) >>> 0;
  }
}
