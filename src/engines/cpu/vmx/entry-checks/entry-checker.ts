/**
 * The checks as a processor makes them, time and again: a hypervisor resumes its guest thousands of times with the same controls, host state
 * and segments. What passed is not asked again while every value it looked at is as it was; comparing those is several times quicker.
 */
import { Cr0, Flag } from '../../state';
import { Field, type FieldKey, fieldByKey } from '../fields';
import type { CheckArea, CheckWorld, EntryCheck } from './check';
import { EXECUTION_CONTROL_CHECKS } from './execution-controls';
import { ENTRY_CONTROL_CHECKS, EXIT_CONTROL_CHECKS } from './exit-and-entry-controls';
import { GUEST_SEGMENT_CHECKS } from './guest-segments';
import { HOST_STATE_CHECKS } from './host-state';
import { firstFailure, OF_AREA } from './index';

/** Rows that are asked together. */
interface Group {
  readonly rows: readonly EntryCheck[];
  /** Encodings of the fields that they look at: low halves, with the bits that matter, and high halves. */
  readonly low: Uint16Array;
  readonly masks: Int32Array;
  readonly high: Uint16Array;
}

/** Seen as words of the world rather than as fields. */
const CONTROL_WORDS: ReadonlySet<FieldKey> = new Set([
  'pinControls',
  'primaryControls',
  'secondaryControls',
  'exitControls',
  'entryControls',
]);
/** Of these only the given bits matter where `only` says so. */
type Only = Readonly<Partial<Record<FieldKey, number>>>;

function groupOf(rows: readonly EntryCheck[], only: Only = {}): Group {
  const fields = [...new Set(rows.flatMap((row) => row.fields))].filter((key) => !CONTROL_WORDS.has(key));
  return {
    rows,
    low: Uint16Array.from(fields, (key) => Field[key]),
    masks: Int32Array.from(fields, (key) => only[key] ?? -1),
    high: Uint16Array.from(
      fields.filter((key) => only[key] === undefined && [64, 'natural'].includes(fieldByKey(key).width)),
      (key) => Field[key],
    ),
  };
}

const stable = (row: EntryCheck): boolean => !row.readsMemory;
/** What seldom changes between two entries. */
const GROUPS: Readonly<Record<'controls' | 'host state' | 'guest state', Group>> = {
  controls: groupOf([...EXECUTION_CONTROL_CHECKS, ...EXIT_CONTROL_CHECKS, ...ENTRY_CONTROL_CHECKS].filter(stable), { guestCr0: Cr0.pe }),
  'host state': groupOf(HOST_STATE_CHECKS),
  'guest state': groupOf(GUEST_SEGMENT_CHECKS, { guestRflags: Flag.vm, guestCr0: Cr0.pe }),
};
const rest = (area: keyof typeof GROUPS): readonly EntryCheck[] => OF_AREA[area].filter((row) => !GROUPS[area].rows.includes(row));
const REST = { controls: rest('controls'), 'host state': rest('host state'), 'guest state': rest('guest state') };

/** Words in front of those of fields: five control words and the mode. */
const WORLD_WORDS = 6;

/** What a group looked at when it passed. */
class Remembered {
  private readonly group: Group;
  private readonly words: Int32Array;
  private passed = false;

  constructor(group: Group) {
    this.group = group;
    this.words = new Int32Array(WORLD_WORDS + group.low.length + group.high.length);
  }

  /** Writes down what the group looks at now. @returns whether anything is other than it was */
  private look({ vmcs, controls, processor }: CheckWorld): boolean {
    const { group, words } = this;
    const { low, masks, high } = group;
    const mode = Number(processor.longMode);
    let changed =
      (words[0] ^ controls.pin) |
      (words[1] ^ controls.primary) |
      (words[2] ^ controls.secondary) |
      (words[3] ^ controls.exit) |
      (words[4] ^ controls.entry) |
      (words[5] ^ mode);
    words[0] = controls.pin;
    words[1] = controls.primary;
    words[2] = controls.secondary;
    words[3] = controls.exit;
    words[4] = controls.entry;
    words[5] = mode;
    let at = WORLD_WORDS;
    for (let i = 0; i < low.length; i++, at++) {
      const word = vmcs.low(low[i]) & masks[i];
      changed |= words[at] ^ word;
      words[at] = word;
    }
    for (let i = 0; i < high.length; i++, at++) {
      const word = vmcs.high(high[i]) | 0;
      changed |= words[at] ^ word;
      words[at] = word;
    }
    return changed !== 0;
  }

  /** @returns whether all its rows hold */
  holds(world: CheckWorld): boolean {
    if (this.look(world) || !this.passed) this.passed = allHold(this.group.rows, world);
    return this.passed;
  }
}

function allHold(rows: readonly EntryCheck[], world: CheckWorld): boolean {
  for (let i = 0; i < rows.length; i++) if (!rows[i].holds(world)) return false;
  return true;
}

/** One processor's. Its bits of CR4 and IA32_EFER are always the same. */
export class EntryChecker {
  private readonly remembered = {
    controls: new Remembered(GROUPS.controls),
    'host state': new Remembered(GROUPS['host state']),
    'guest state': new Remembered(GROUPS['guest state']),
  };

  /** As the function of this name: the first check of an area that refuses, in the manual's order. */
  firstFailure(world: CheckWorld, area: Exclude<CheckArea, 'MSR loading'>): EntryCheck | undefined {
    return this.remembered[area].holds(world) && allHold(REST[area], world) ? undefined : firstFailure(world, area);
  }
}
