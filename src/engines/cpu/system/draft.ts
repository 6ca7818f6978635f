/** A transition on its way into the log: one for each processor, filled anew each time, so that nothing is made that nobody looks at. */
import type { Place, ProcessorMode, Ring, TransitionKind } from '../../../shared/transition';
import type { RawTransition } from '../../transitions';
import { SYS } from '../layout';
import { type CpuState, Seg } from '../state';

const RINGS: readonly Ring[] = [0, 1, 2, 3];
const MODES: readonly ProcessorMode[] = ['real', 'virtual-8086', 'protected-16', 'protected-32', 'compatibility', 'long'];

/** By SYS.vmx, mode and ring. */
const PLACES = (['off', 'root', 'non-root'] as const).map(
  (vmx) =>
    Object.fromEntries(
      MODES.map((mode) => [mode, RINGS.map((ring): Place => ({ ring, guestRing: ring, mode, vmx }))]),
    ) as unknown as Readonly<Record<ProcessorMode, readonly Place[]>>,
);
const RESET_PLACE = PLACES[0].real[0];

/** Where a processor is. */
export const placeOf = (state: CpuState): Place => PLACES[state.sys(SYS.vmx)][state.mode][state.cpl];

const ABSENT = -1;

export class TransitionDraft implements RawTransition {
  kind: TransitionKind = 'gate';
  from = RESET_PLACE;
  to = RESET_PLACE;
  cause = ABSENT;
  causeName = '';
  address = 0;
  fromSelector = 0;
  fromOffset = 0;
  toSelector = 0;
  toOffset = 0;
  errorCode = ABSENT;
  fromStackSelector = ABSENT;
  fromStackOffset = ABSENT;
  toStackSelector = ABSENT;
  toStackOffset = ABSENT;
  gateLow = ABSENT;
  gateHigh = ABSENT;
  targetHigh = ABSENT;
  extra = ABSENT;

  /** Takes down what is known before. @param at offset in CS of the instruction that causes it */
  begin(state: CpuState, kind: TransitionKind, cause: number, causeName: string, at: number): void {
    this.kind = kind;
    this.from = placeOf(state);
    this.cause = cause;
    this.causeName = causeName;
    this.address = state.linear(Seg.cs, at);
    this.fromSelector = state.selector(Seg.cs);
    this.fromOffset = at;
    this.errorCode = ABSENT;
    this.fromStackSelector = ABSENT;
    this.fromStackOffset = ABSENT;
    this.toStackSelector = ABSENT;
    this.toStackOffset = ABSENT;
    this.gateLow = ABSENT;
    this.gateHigh = ABSENT;
    this.targetHigh = ABSENT;
    this.extra = ABSENT;
  }

  /** Takes down the stack that is left, to be forgotten if it turns out to stay. */
  leaveStack(selector: number, pointer: number): void {
    this.fromStackSelector = selector;
    this.fromStackOffset = pointer;
  }

  keepStack(): void {
    this.fromStackSelector = ABSENT;
    this.fromStackOffset = ABSENT;
  }
}
