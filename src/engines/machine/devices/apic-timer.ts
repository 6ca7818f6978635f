/** The local APIC's timer (manual, "APIC Timer"). It costs nothing while it cannot interrupt: its count is worked out when read. */
import type { Clock, Timer } from '../clock';

/** Virtual nanoseconds of a tick with the divider at 1: a bus of 1 GHz, as QEMU's. */
export const APIC_TICK = 1;

/** LVT timer bits 18:17. */
export const TimerMode = { oneShot: 0, periodic: 1, tscDeadline: 2 } as const;

/** The processor's time-stamp counter. */
export interface TimeStampSource {
  /** Its value now. */
  read(): number;
  /** Virtual nanoseconds since power-on at which it reaches a value; Infinity for never. */
  timeOf(value: number): number;
}

export interface ApicTimerState {
  /** Initial-count register. */
  initial: number;
  /** Divide configuration register. */
  divide: number;
  /** Virtual nanoseconds at which the count was `count`. */
  start: number;
  /** 0 when the timer is stopped. */
  count: number;
  mode: number;
  masked: boolean;
  /** IA32_TSC_DEADLINE, low and high 32 bits. */
  deadline: [low: number, high: number];
}

const stopped = (): ApicTimerState => ({
  initial: 0,
  divide: 0,
  start: 0,
  count: 0,
  mode: TimerMode.oneShot,
  masked: true,
  deadline: [0, 0],
});

export class ApicTimer {
  state = stopped();
  private readonly clock: Clock;
  private readonly timer: Timer;
  private readonly timeStamp: TimeStampSource;

  /** @param onExpire called when the timer interrupts */
  constructor(clock: Clock, timeStamp: TimeStampSource, onExpire: () => void) {
    this.clock = clock;
    this.timeStamp = timeStamp;
    this.timer = clock.timer(() => {
      this.expire();
      onExpire();
    });
  }

  reset(): void {
    this.state = stopped();
    this.arm();
  }

  load(state: ApicTimerState): void {
    this.state = structuredClone(state);
    this.arm();
  }

  /** Virtual nanoseconds of one count: dividers 2, 4, 8, 16, 32, 64, 128, 1 for bits 3, 1 and 0. */
  private get tick(): number {
    const { divide } = this.state;
    const code = ((divide >>> 1) & 4) | (divide & 3);
    return APIC_TICK * (code === 7 ? 1 : 2 << code);
  }

  get divide(): number {
    return this.state.divide;
  }

  get initial(): number {
    return this.state.initial;
  }

  /** The current-count register. */
  get current(): number {
    const { state } = this;
    if (state.count === 0 || state.mode === TimerMode.tscDeadline) return 0;
    const passed = Math.floor((this.clock.now - state.start) / this.tick);
    if (passed < state.count) return state.count - passed;
    // The count is reloaded when it reaches 0.
    return state.mode === TimerMode.periodic ? state.initial - ((passed - state.count) % state.initial) : 0;
  }

  setInitial(value: number): void {
    const { state } = this;
    if (state.mode === TimerMode.tscDeadline) return;
    state.initial = value;
    state.count = value;
    state.start = this.clock.now;
    this.arm();
  }

  /** The count goes on from where it is at the new rate. */
  setDivide(value: number): void {
    this.rebase();
    this.state.divide = value & 0xb;
    this.arm();
  }

  /** What LVT timer says. A change to or from TSC-deadline mode stops the timer. */
  configure(mode: number, masked: boolean): void {
    const { state } = this;
    this.dropPassed();
    if ((mode === TimerMode.tscDeadline) !== (state.mode === TimerMode.tscDeadline)) {
      state.count = 0;
      state.initial = 0;
      state.deadline = [0, 0];
    } else this.rebase();
    state.mode = mode;
    state.masked = masked;
    this.arm();
  }

  /** IA32_TSC_DEADLINE; 0 outside TSC-deadline mode, when it is not set, and after it fired. */
  get deadline(): readonly [low: number, high: number] {
    this.dropPassed();
    return this.state.deadline;
  }

  /** Ignored outside TSC-deadline mode. */
  setDeadline(low: number, high: number): void {
    if (this.state.mode !== TimerMode.tscDeadline) return;
    this.state.deadline = [low >>> 0, high >>> 0];
    this.arm();
  }

  private get deadlineCount(): number {
    const [low, high] = this.state.deadline;
    return high * 2 ** 32 + low;
  }

  /** While masked nothing fires; a deadline that has passed is gone all the same. */
  private dropPassed(): void {
    const { state } = this;
    if (state.masked && this.deadlineCount !== 0 && this.timeStamp.read() >= this.deadlineCount) state.deadline = [0, 0];
  }

  /** The time-stamp counter was written: a deadline is now at another time. */
  timeStampChanged(): void {
    this.arm();
  }

  /** Makes now the time from which the count is reckoned. */
  private rebase(): void {
    const { state } = this;
    const count = this.current;
    const { now } = this.clock;
    // Parts of a tick are kept, so that no rounding adds up.
    const part = state.count === 0 ? 0 : (now - state.start) % this.tick;
    state.count = count;
    state.start = now - part;
  }

  private arm(): void {
    const { state } = this;
    let next = Infinity;
    if (!state.masked) {
      if (state.mode === TimerMode.tscDeadline) {
        if (this.deadlineCount !== 0) next = this.timeStamp.timeOf(this.deadlineCount);
      } else if (state.count !== 0) next = state.start + state.count * this.tick;
    }
    if (next === Infinity) this.timer.cancel();
    else this.timer.set(next);
  }

  private expire(): void {
    const { state } = this;
    if (state.mode === TimerMode.tscDeadline) {
      state.deadline = [0, 0];
      return;
    }
    if (state.mode === TimerMode.periodic && state.initial !== 0) {
      // Periods shorter than an instruction run together.
      const period = state.initial * this.tick;
      const due = state.start + state.count * this.tick;
      state.start = due + Math.floor((this.clock.now - due) / period) * period;
      state.count = state.initial;
    } else state.count = 0;
    this.arm();
  }
}
