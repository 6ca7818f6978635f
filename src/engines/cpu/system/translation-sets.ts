/**
 * What a processor remembers of its own addresses, and of a guest's: two sets of TLBs and jump caches. With VPIDs neither is lost when a
 * guest is entered or left; without, both are (manual, "Operations that Invalidate Cached Mappings"): each set when it comes into force
 * again. The second is made when the first guest is entered.
 */
import type { PhysicalMemory } from '../../machine/physical-memory';
import { GUEST_TRANSLATIONS, SYS, TRANSLATIONS } from '../layout';
import type { CpuState } from '../state';
import { eptRoot } from '../vmx/ept';
import type { GuestContext } from '../vmx/guest-context';
import { Translations } from './translations';

/** What of a guest's context its translations rest on. */
type Tag = Pick<GuestContext, 'eptPointer' | 'vpid' | 'apicAccessPage'>;

/**
 * Types of INVVPID: an address of one VPID, one VPID, all of them, one without its global pages (manual, "INVVPID—Invalidate Translations
 * Based on VPID").
 */
export const InvvpidType = { address: 0, single: 1, all: 2, retainGlobals: 3 } as const;
export type InvvpidType = (typeof InvvpidType)[keyof typeof InvvpidType];

/** The control registers that translations rest on, at the moment a set went out of force. */
class Controls {
  private cr0 = 0;
  private cr4 = 0;
  private efer = 0;
  private cr3 = 0;
  private cr3High = 0;
  private known = false;

  note(state: CpuState): void {
    this.cr0 = state.cr0;
    this.cr4 = state.cr4;
    this.efer = state.efer;
    this.cr3 = state.cr3;
    this.cr3High = state.sysHigh(SYS.cr3);
    this.known = true;
  }

  /** What a set must drop that is in force again. Known once only: the next time they must be noted anew. */
  stale(state: CpuState): 'nothing' | 'local' | 'all' {
    const { known } = this;
    this.known = false;
    if (!known || this.cr0 !== state.cr0 || this.cr4 !== state.cr4 || this.efer !== state.efer) return 'all';
    return this.cr3 === state.cr3 && this.cr3High === state.sysHigh(SYS.cr3) ? 'nothing' : 'local';
  }
}

export class TranslationSets {
  private readonly state: CpuState;
  private readonly memory: PhysicalMemory;
  private readonly own: Translations;
  private guest: Translations | undefined;
  /** The set in force. */
  current: Translations;
  private readonly ownControls = new Controls();
  private readonly guestControls = new Controls();
  /** Whose translations the second set holds. */
  private tag: Tag = { vpid: 0, apicAccessPage: -1 };

  constructor(state: CpuState, memory: PhysicalMemory) {
    this.state = state;
    this.memory = memory;
    this.own = new Translations(state, memory, state.translations);
    this.current = this.own;
  }

  each(visit: (set: Translations) => void): void {
    visit(this.own);
    if (this.guest) visit(this.guest);
  }

  /** Remembers what the set in force rests on, before a VM entry or exit loads other control registers. */
  noteControls(): void {
    (this.current === this.own ? this.ownControls : this.guestControls).note(this.state);
  }

  /** Puts the guest's set in force, for a guest whose control registers have been loaded. */
  enter(context: GuestContext): void {
    this.guest ??= this.make();
    this.switchTo(this.guest, this.guestControls, context.vpid !== 0 && sameTag(this.tag, context));
    this.tag = context;
  }

  /** Puts the processor's own set in force, after the host's control registers have been loaded. */
  leave(): void {
    this.switchTo(this.own, this.ownControls, this.current === this.own || this.tag.vpid !== 0);
  }

  private make(): Translations {
    const { state, memory } = this;
    const made = new Translations(state, memory, this.own.base - TRANSLATIONS + GUEST_TRANSLATIONS);
    made.initialize();
    return made;
  }

  private switchTo(set: Translations, controls: Controls, keep: boolean): void {
    const stale = controls.stale(this.state);
    if (!keep || stale === 'all') set.flush();
    else if (stale === 'local') set.flushLocal();
    this.current = set;
    this.state.useTranslations(set.base);
  }

  /** INVEPT. @param eptPointer what the descriptor names, or everything */
  invalidateEpt(eptPointer: readonly [low: number, high: number] | 'all'): void {
    const { tag } = this;
    if (tag.eptPointer === undefined) return;
    if (eptPointer === 'all' || eptRoot(eptPointer).table === eptRoot(tag.eptPointer).table) this.guest?.flush();
  }

  /** INVVPID. More may be dropped than was asked for, and is where one address is named: the guest's mode says what pages it has. */
  invalidateVpid(type: InvvpidType, vpid: number): void {
    if (type !== InvvpidType.all && vpid !== this.tag.vpid) return;
    if (type === InvvpidType.retainGlobals) this.guest?.flushLocal();
    else this.guest?.flush();
  }
}

function sameTag(a: Tag, b: Tag): boolean {
  return (
    a.vpid === b.vpid &&
    a.apicAccessPage === b.apicAccessPage &&
    a.eptPointer?.[0] === b.eptPointer?.[0] &&
    a.eptPointer?.[1] === b.eptPointer?.[1]
  );
}
