/** The I/O port space of 65,536 bytes. */
import type { AccessSize } from './physical-memory';

/** A device's side of a range of ports. `port` is absolute, values are unsigned. */
export interface PortHandler {
  read(port: number, size: AccessSize): number;
  write(port: number, size: AccessSize, value: number): void;
}

interface Registration {
  readonly handler: PortHandler;
  /** The widest access that the device decodes; wider ones arrive split, low byte first. */
  readonly width: AccessSize;
}

export class PortBus {
  private readonly ports: (Registration | undefined)[] = new Array(0x10000).fill(undefined);

  /**
   * Connects a device to `count` ports from `first`; a later one replaces an earlier.
   * @param width the widest access that it decodes as one, in bytes
   */
  connect(first: number, count: number, handler: PortHandler, width: AccessSize = 1): void {
    for (let port = first; port < first + count; port++) this.ports[port] = { handler, width };
  }

  disconnect(first: number, count: number): void {
    for (let port = first; port < first + count; port++) this.ports[port] = undefined;
  }

  /** Reads a port; nothing there gives all ones. Ports wrap at 64 KiB. */
  read(port: number, size: AccessSize): number {
    const found = this.ports[port];
    if (found && size <= found.width) return found.handler.read(port, size) >>> 0;
    if (size === 1) return 0xff;
    const half = (size >> 1) as AccessSize;
    return (this.read(port, half) | (this.read((port + half) & 0xffff, half) << (8 * half))) >>> 0;
  }

  /** Writes a port; nothing there swallows it. */
  write(port: number, size: AccessSize, value: number): void {
    const found = this.ports[port];
    if (found && size <= found.width) {
      found.handler.write(port, size, size === 4 ? value >>> 0 : value & (size === 1 ? 0xff : 0xffff));
    } else if (size > 1) {
      const half = (size >> 1) as AccessSize;
      this.write(port, half, value & (half === 1 ? 0xff : 0xffff));
      this.write((port + half) & 0xffff, half, value >>> (8 * half));
    }
  }
}
