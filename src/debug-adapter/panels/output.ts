/** What the guest writes, gathered so that a flood of bytes becomes few events. */
import type { Engine, OutputChannel } from '../../engines/engine';

/** More than this is handed over at once, slice or not. */
const LARGEST = 1 << 16;

export class GuestOutput {
  private readonly pending = new Map<OutputChannel, number[]>();
  /** Takes what was gathered. */
  onFlush: (channel: OutputChannel, bytes: Uint8Array) => void = () => {};

  constructor(engine: Engine) {
    engine.onOutput = (channel, byte) => {
      let bytes = this.pending.get(channel);
      if (!bytes) {
        bytes = [];
        this.pending.set(channel, bytes);
      }
      bytes.push(byte);
      if (bytes.length >= LARGEST) this.flush();
    };
  }

  flush(): void {
    for (const [channel, bytes] of this.pending) {
      if (bytes.length > 0) this.onFlush(channel, Uint8Array.from(bytes));
    }
    this.pending.clear();
  }
}
