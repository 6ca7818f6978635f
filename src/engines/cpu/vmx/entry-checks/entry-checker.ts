/**
 * The checks as a processor makes them, time and again: a hypervisor resumes its guest thousands of times with the same controls, host state
 * and segments. What passed is not asked again while every value it looked at is as it was; comparing those is several times quicker.
 */
import { Cr0, Flag } from '../../state';
import { Field, type FieldKey, fieldByKey } from '../fields';
import type { CheckArea, CheckWorld, EntryCheck } from './check';
import { EXECUTION_CONTROL_CHECKS } from './execution-controls';
import { ENTRY_CONTROL_CHECKS, EXIT_CONTROL_CHECKS } from './exit-and-entry-controls';
import { GUEST_NON_REGISTER_CHECKS } from './guest-activity';
import { GUEST_CONTROL_REGISTER_CHECKS } from './guest-control-registers';
import { GUEST_SEGMENT_CHECKS } from './guest-segments';
import { GUEST_TABLE_RIP_AND_RFLAGS_CHECKS } from './guest-tables-rip-rflags';
import { HOST_STATE_CHECKS } from './host-state';
import { firstFailure, OF_AREA } from './index';

/** Rows that are asked together: those that look at memory, or at RIP, are in none. */
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
/** Fields of which a group looks at these bits of the low half alone. */
type Only = Readonly<Partial<Record<FieldKey, number>>>;

function groupOf(rows: readonly EntryCheck[], only: Only = {}): Group {
  const stable = rows.filter((row) => !row.readsMemory && !row.fields.includes('guestRip'));
  const fields = [...new Set(stable.flatMap((row) => row.fields))].filter((key) => !CONTROL_WORDS.has(key));
  return {
    rows: stable,
    low: Uint16Array.from(fields, (key) => Field[key]),
    masks: Int32Array.from(fields, (key) => only[key] ?? -1),
    high: Uint16Array.from(
      fields.filter((key) => [64, 'natural'].includes(fieldByKey(key).width)),
      (key) => Field[key],
    ),
  };
}

type Area = Exclude<CheckArea, 'MSR loading'>;
/** Flags that programs change all the time, and no check looks at. */
const COMMON_FLAGS =
  Flag.cf |
  Flag.pf |
  Flag.af |
  Flag.zf |
  Flag.sf |
  Flag.df |
  Flag.of |
  Flag.iopl |
  Flag.nt |
  Flag.rf |
  Flag.ac |
  Flag.vif |
  Flag.vip |
  Flag.id;
/** What changes together, or not at all, between two entries. */
const GROUPS: Readonly<Record<Area, readonly Group[]>> = {
  controls: [groupOf([...EXECUTION_CONTROL_CHECKS, ...EXIT_CONTROL_CHECKS, ...ENTRY_CONTROL_CHECKS], { guestCr0: Cr0.pe })],
  'host state': [groupOf(HOST_STATE_CHECKS)],
  'guest state': [
    groupOf([...GUEST_CONTROL_REGISTER_CHECKS, ...GUEST_SEGMENT_CHECKS], { guestRflags: Flag.vm }),
    groupOf([...GUEST_TABLE_RIP_AND_RFLAGS_CHECKS, ...GUEST_NON_REGISTER_CHECKS], { guestRflags: ~COMMON_FLAGS, guestCr0: Cr0.pe }),
  ],
};
/** What is asked each time. */
const rest = (area: Area): readonly EntryCheck[] => OF_AREA[area].filter((row) => GROUPS[area].every(({ rows }) => !rows.includes(row)));
const REST: Readonly<Record<Area, readonly EntryCheck[]>> = {
  controls: rest('controls'),
  'host state': rest('host state'),
  'guest state': rest('guest state'),
};

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
  private readonly remembered: Readonly<Record<Area, readonly Remembered[]>> = {
    controls: GROUPS.controls.map((group) => new Remembered(group)),
    'host state': GROUPS['host state'].map((group) => new Remembered(group)),
    'guest state': GROUPS['guest state'].map((group) => new Remembered(group)),
  };

  /** As the function of this name: the first check of an area that refuses, in the manual's order. */
  firstFailure(world: CheckWorld, area: Area): EntryCheck | undefined {
    const groups = this.remembered[area];
    for (let i = 0; i < groups.length; i++) if (!groups[i].holds(world)) return firstFailure(world, area);
    return allHold(REST[area], world) ? undefined : firstFailure(world, area);
  }
}
