/**
 * One counter of an 8254 programmable interval timer. It is a function of time: nothing happens between accesses, and
 * `advance` brings it to the present. Source: Intel 8254 data sheet (order 231164), "Mode Definitions".
 */

/** Plain data, so that a snapshot is a copy of it. Times are in cycles of the input clock. */
export interface ChannelState {
  /** As written to the control word, 0 to 7; 6 and 7 act as 2 and 3. */
  mode: number;
  bcd: boolean;
  /** 1: low byte, 2: high byte, 3: low then high. */
  access: number;
  gate: boolean;
  /** The count in force, 1 to 65536 (10000 in BCD). */
  count: number;
  /** A count written and not yet in force (modes 1, 2, 3 and 5), or 0. */
  pending: number;
  /** The low byte of a two-byte count under way, or -1. */
  lowByte: number;
  /** Cycle at which `count` was loaded into the counting element. */
  loaded: number;
  /** Counting; false after a control word until a count (or trigger) arrives. */
  armed: boolean;
  /** Cycles counted when the gate closed, or -1 while it is open. */
  paused: number;
  /** What the counting element holds while nothing is counted. */
  idle: number;
  /** Cycles after `loaded` at which the pending count of modes 2 and 3 takes over. */
  takeover: number;
  /** The count was written and is not in the counting element yet. */
  nullCount: boolean;
  /** Latched count, or -1. */
  latch: number;
  /** Latched status, or -1. */
  status: number;
  /** The next read of a two-byte count gives the high byte. */
  readHigh: boolean;
}

/** As QEMU leaves it at reset: mode 3, full count. The data sheet leaves it undefined. */
const powerOn = (gate: boolean): ChannelState => ({
  mode: 3,
  bcd: false,
  access: 3,
  gate,
  count: 0x10000,
  pending: 0,
  lowByte: -1,
  loaded: 0,
  armed: true,
  paused: -1,
  idle: 0,
  takeover: 0,
  nullCount: false,
  latch: -1,
  status: -1,
  readHigh: false,
});

/** `t` is the present in clock cycles everywhere, never less than in the call before. */
export class PitChannel {
  state: ChannelState;
  /** Level of the gate when the machine starts. */
  private readonly gateAtReset: boolean;

  constructor(gateAtReset: boolean) {
    this.gateAtReset = gateAtReset;
    this.state = powerOn(gateAtReset);
  }

  reset(t: number): void {
    this.state = { ...powerOn(this.gateAtReset), loaded: t };
  }

  get mode(): number {
    return this.state.mode > 5 ? this.state.mode & 3 : this.state.mode;
  }

  private get modulus(): number {
    return this.state.bcd ? 10000 : 0x10000;
  }

  /** Cycles counted since the load. */
  private elapsed(t: number): number {
    return this.state.paused >= 0 ? this.state.paused : Math.max(0, t - this.state.loaded);
  }

  /** Puts a pending count of modes 2 and 3 in force where its cycle has ended. */
  private advance(t: number): void {
    const { state } = this;
    if (!state.pending || !state.armed || state.paused >= 0 || (this.mode !== 2 && this.mode !== 3)) return;
    const end = state.loaded + state.takeover;
    if (t < end) return;
    const position = state.takeover % state.count;
    state.count = state.pending;
    state.pending = 0;
    state.nullCount = false;
    // A half-cycle that ended in the middle goes on with the low half of the new count.
    state.loaded = position === 0 ? end : end - Math.ceil(state.count / 2);
  }

  /** The level of the OUT pin. */
  out(t: number): boolean {
    this.advance(t);
    const { state } = this;
    const elapsed = this.elapsed(t);
    switch (this.mode) {
      case 0:
        return state.armed && elapsed >= state.count;
      case 1:
        return !(state.armed && elapsed < state.count);
      case 2:
        return !(state.armed && state.gate && elapsed % state.count === state.count - 1);
      case 3:
        return !(state.armed && state.gate && elapsed % state.count >= Math.ceil(state.count / 2));
      default:
        return !(state.armed && elapsed === state.count);
    }
  }

  /** The next cycle at which OUT may change by itself; Infinity when none will. */
  nextChange(t: number): number {
    this.advance(t);
    const { state } = this;
    if (!state.armed || state.paused >= 0) return Infinity;
    const elapsed = this.elapsed(t);
    const origin = Math.max(t, state.loaded);
    switch (this.mode) {
      case 0:
      case 1:
        return elapsed < state.count ? state.loaded + state.count : Infinity;
      case 2: {
        const position = elapsed % state.count;
        return origin + (position < state.count - 1 ? state.count - 1 - position : 1);
      }
      case 3: {
        const position = elapsed % state.count;
        const high = Math.ceil(state.count / 2);
        return origin + (position < high ? high - position : state.count - position);
      }
      default:
        return elapsed < state.count ? state.loaded + state.count : elapsed === state.count ? state.loaded + state.count + 1 : Infinity;
    }
  }

  /** The counting element's value, 0 to 65535 or 0 to 9999. */
  private value(t: number): number {
    this.advance(t);
    const { state } = this;
    const elapsed = this.elapsed(t);
    if (!state.armed) return state.idle % this.modulus;
    const { count } = state;
    if (this.mode === 2) return (count - (elapsed % count)) % this.modulus;
    if (this.mode === 3) {
      const high = Math.ceil(count / 2);
      const position = elapsed % count;
      return ((count & ~1) - 2 * (position < high ? position : position - high)) % this.modulus;
    }
    const value = (count - elapsed) % this.modulus;
    return value < 0 ? value + this.modulus : value;
  }

  /** The value as the bus sees it: binary, or four decimal digits. */
  private reading(t: number): number {
    const value = this.value(t);
    if (!this.state.bcd) return value;
    return (Math.floor(value / 1000) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10);
  }

  /** A control word with a read/write field other than 0. */
  control(word: number, t: number): void {
    const { state } = this;
    const { gate } = state;
    const idle = this.value(t);
    this.state = {
      ...powerOn(gate),
      mode: (word >>> 1) & 7,
      bcd: (word & 1) !== 0,
      access: (word >>> 4) & 3,
      armed: false,
      nullCount: true,
      idle,
    };
  }

  latchCount(t: number): void {
    if (this.state.latch < 0) this.state.latch = this.reading(t);
  }

  latchStatus(t: number): void {
    const { state } = this;
    if (state.status >= 0) return;
    const out = this.out(t);
    const loading = state.nullCount || (state.armed && t < state.loaded);
    state.status = (out ? 0x80 : 0) | (loading ? 0x40 : 0) | (state.access << 4) | (state.mode << 1) | (state.bcd ? 1 : 0);
  }

  read(t: number): number {
    const { state } = this;
    if (state.status >= 0) {
      const { status } = state;
      state.status = -1;
      return status;
    }
    const value = state.latch >= 0 ? state.latch : this.reading(t);
    if (state.access === 1 || state.access === 2) {
      state.latch = -1;
      return state.access === 1 ? value & 0xff : value >>> 8;
    }
    const high = state.readHigh;
    state.readHigh = !high;
    if (high) state.latch = -1;
    return high ? value >>> 8 : value & 0xff;
  }

  write(byte: number, t: number): void {
    const { state } = this;
    if (state.access === 3 && state.lowByte < 0) {
      state.lowByte = byte;
      // The first byte stops mode 0; in the other modes counting goes on until the second.
      if (this.mode === 0) {
        state.idle = this.value(t);
        state.armed = false;
      }
      return;
    }
    const written = state.access === 1 ? byte : state.access === 2 ? byte << 8 : (byte << 8) | state.lowByte;
    state.lowByte = -1;
    const decimal = (written >>> 12) * 1000 + ((written >>> 8) & 15) * 100 + ((written >>> 4) & 15) * 10 + (written & 15);
    this.load((state.bcd ? decimal : written) || this.modulus, t);
  }

  private load(count: number, t: number): void {
    const { state } = this;
    const { mode } = this;
    if (mode === 1 || mode === 5) {
      state.pending = count;
      state.nullCount = true;
    } else if ((mode === 2 || mode === 3) && state.armed) {
      this.advance(t);
      const elapsed = this.elapsed(t);
      const position = elapsed % state.count;
      const half = Math.ceil(state.count / 2);
      state.pending = count;
      state.nullCount = true;
      state.takeover = elapsed - position + (mode === 3 && position < half ? half : state.count);
    } else {
      this.start(count, t);
    }
  }

  /** The counting element is loaded at the next clock. */
  private start(count: number, t: number): void {
    const { state } = this;
    state.count = count;
    state.pending = 0;
    state.nullCount = false;
    state.armed = true;
    state.loaded = t + 1;
    state.paused = state.gate || this.mode === 1 || this.mode === 5 ? -1 : 0;
  }

  setGate(gate: boolean, t: number): void {
    const { state } = this;
    if (gate === state.gate) return;
    this.advance(t);
    const elapsed = this.elapsed(t);
    state.gate = gate;
    switch (this.mode) {
      case 0:
      case 4:
        if (!gate) {
          state.paused = elapsed;
        } else if (state.paused >= 0) {
          state.loaded = t - state.paused;
          state.paused = -1;
        }
        break;
      case 1:
      case 5:
        // A trigger without a count written since the control word has nothing to load.
        if (gate && (state.pending || state.armed)) this.start(state.pending || state.count, t);
        break;
      default:
        if (!state.armed) break;
        if (gate) this.start(state.pending || state.count, t);
        else state.paused = elapsed;
    }
  }
}
