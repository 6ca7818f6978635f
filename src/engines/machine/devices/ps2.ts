/** The wire between the keyboard controller and a PS/2 device. */
import type { Clock, Timer } from '../clock';

/** Virtual nanoseconds that a byte takes on the wire: 11 bits at 16.7 kHz. */
const BYTE_TIME = 660_000;

/** What the controller sees of a keyboard or mouse. */
export interface Ps2Device {
  /** A byte from the controller. */
  write(byte: number): void;
  /** A byte for the controller is on the wire. */
  readonly ready: boolean;
  /** Takes it. Only while `ready`. */
  take(): number;
  /** Set by the controller: called when `ready` becomes true. */
  onReady: () => void;
}

export interface Ps2QueueState {
  responses: number[];
  stream: number[];
  last: number;
  /** Virtual time at which the next stream byte may leave. */
  next: number;
}

/**
 * A device's output. Responses to commands are ready at once, because drivers poll for them with short loops; scan codes
 * and mouse packets leave at the speed of the wire, because handlers read port 0x60 twice and count on the same byte.
 */
export class Ps2Queue {
  state: Ps2QueueState = { responses: [], stream: [], last: 0, next: 0 };
  private readonly clock: Clock;
  private readonly timer: Timer;
  onReady: () => void = () => {};

  constructor(clock: Clock) {
    this.clock = clock;
    this.timer = clock.timer(() => this.onReady());
  }

  respond(...bytes: number[]): void {
    this.state.responses.push(...bytes);
    this.onReady();
  }

  send(...bytes: number[]): void {
    const idle = this.state.stream.length === 0;
    this.state.stream.push(...bytes);
    if (!idle) return;
    if (this.ready) this.onReady();
    else this.timer.set(this.state.next);
  }

  get ready(): boolean {
    return this.state.responses.length > 0 || (this.state.stream.length > 0 && this.clock.now >= this.state.next);
  }

  take(): number {
    const { state } = this;
    if (state.responses.length) {
      state.last = state.responses.shift()!;
      return state.last;
    }
    state.last = state.stream.shift()!;
    state.next = this.clock.now + BYTE_TIME;
    if (state.stream.length) this.timer.set(state.next);
    return state.last;
  }

  /** Drops what has not left. */
  clear(): void {
    this.state.responses = [];
    this.state.stream = [];
    this.timer.cancel();
  }

  reset(): void {
    this.clear();
    this.state = { responses: [], stream: [], last: 0, next: 0 };
  }

  save(): Ps2QueueState {
    return structuredClone(this.state);
  }

  load(state: Ps2QueueState): void {
    this.state = structuredClone(state);
  }
}
