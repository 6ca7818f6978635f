/** Reading and writing memory by reference. */
import { memoryChanged } from '../console/assign';
import { UserError } from '../protocol/errors';
import type { Handlers } from '../protocol/requests';
import type { Session } from '../session';
import { decodeBase64, encodeBase64 } from './base64';
import { formatReference, parseReference } from './reference';

/** More than this in one answer would keep the adapter from others. */
const MOST = 1 << 24;

export function memoryRequests(session: Session): Handlers {
  return {
    readMemory: ({ memoryReference, offset = 0, count }) => {
      const { guest } = session;
      if (count > MOST) throw new UserError(`${count} bytes are too many at once; at most ${MOST}`);
      const { space, address } = parseReference(memoryReference);
      const start = address + offset;
      const outside = space === 'physical' && start < 0;
      const bytes = outside ? new Uint8Array(0) : guest.engine.readMemory(guest.cpuOfFrame(undefined).index, space, start, count);
      return {
        address: hexAddress(start),
        data: encodeBase64(bytes),
        ...(bytes.length < count && { unreadableBytes: count - bytes.length }),
      };
    },

    writeMemory: ({ memoryReference, offset = 0, data, allowPartial = false }) => {
      const { guest } = session;
      const { space, address } = parseReference(memoryReference);
      const start = address + offset;
      const bytes = decodeBase64(data);
      const vcpu = guest.cpuOfFrame(undefined).index;
      if (space === 'physical' && start < 0) throw new UserError('the address lies before memory');
      if (!allowPartial) {
        const readable = guest.engine.readMemory(vcpu, space, start, bytes.length).length;
        if (readable < bytes.length)
          throw new UserError(`only ${readable} of ${bytes.length} bytes at ${formatReference({ space, address: start })} are memory`);
      }
      const written = guest.engine.writeMemory(vcpu, space, start, bytes);
      if (written > 0) memoryChanged(session, guest, memoryReference, offset, written);
      if (written < bytes.length && !allowPartial) {
        throw new UserError(
          `${written} of ${bytes.length} bytes written at ${formatReference({ space, address: start })}; the next is no writable memory`,
        );
      }
      return { bytesWritten: written };
    },
  };
}

function hexAddress(address: number): string {
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}
