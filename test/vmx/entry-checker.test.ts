/** What passed may be remembered only while nothing that it looked at has changed. */
import { describe, expect, it } from 'vitest';
import type { CheckWorld, EntryCheck } from '../../src/engines/cpu/vmx/entry-checks/check';
import { EntryChecker } from '../../src/engines/cpu/vmx/entry-checks/entry-checker';
import { allFailures, ENTRY_CHECKS, firstFailure } from '../../src/engines/cpu/vmx/entry-checks/index';
import { type FieldKey, fieldByEncoding, fieldByKey, VMCS_FIELDS } from '../../src/engines/cpu/vmx/fields';
import { CASES } from './entry-checks-cases';
import { KIND_NAMES, sampleWorld, worldOf } from './entry-checks-support';

const AREAS = ['controls', 'host state', 'guest state'] as const;
const WORDS = ['pin', 'primary', 'secondary', 'exit', 'entry'] as const;

function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

/** Fields that many checks look at. */
const OFTEN: readonly FieldKey[] = ['guestCr0', 'guestRflags', 'guestRip', 'entryInterruptionInfo', 'guestInterruptibilityState'];

/** A value near what is valid: one bit of it turned over, or another of the usual ones. */
function vary(random: (below: number) => number, value: bigint): bigint {
  const usual = [0n, 1n, 0x93n, 0xf3n, 0xc09bn, 0x10000n, 0xffffffffn, 0x801en];
  return random(3) ? value ^ (1n << BigInt(random(random(2) ? 64 : 18))) : usual[random(usual.length)];
}

describe('the processor’s own checks', () => {
  it('answer as the plain ones do, whatever changes between two entries', () => {
    const random = randomNumbers(99);
    let [passed, refused] = [0, 0];
    for (let guest = 0; guest < 60; guest++) {
      const kind = KIND_NAMES[guest % KIND_NAMES.length];
      const checker = new EntryChecker();
      const fields: Partial<Record<FieldKey, bigint>> = {};
      const memory: Record<number, number> = {};
      for (let entry = 0; entry < 120; entry++) {
        const { key, encoding } = random(4) ? VMCS_FIELDS[random(VMCS_FIELDS.length)] : fieldByKey(OFTEN[random(OFTEN.length)]);
        const { vmcs } = worldOf(kind, fields);
        const before = fields[key];
        fields[key] = vary(random, (BigInt(vmcs.high(encoding)) << 32n) | BigInt(vmcs.low(encoding)));
        if (random(4) === 0) memory[0x2000 + 4 * random(8)] = random(0x10000);
        const longMode = random(20) === 0 ? kind === '32-bit host' : kind !== '32-bit host';
        const world = worldOf(kind, fields, { memory, processor: { longMode } });
        for (const area of AREAS) {
          const expected = firstFailure(world, area);
          expect(checker.firstFailure(world, area)).toBe(expected);
          if (expected) refused++;
          else passed++;
        }
        // Mostly what was wrong is put right, so that most entries pass.
        if (allFailures(world).length > 0 && random(8)) {
          if (before === undefined) delete fields[key];
          else fields[key] = before;
        }
      }
    }
    expect(passed).toBeGreaterThan(2000);
    expect(refused).toBeGreaterThan(500);
  });

  it('see each bit that decides', () => {
    let decided = 0;
    for (const [id, { kind, bad }] of CASES) {
      const check = ENTRY_CHECKS.find((row) => row.id === id) as EntryCheck;
      const { area } = check;
      if (area === 'MSR loading') continue;
      const refused = sampleWorld({ kind }, bad);
      for (const key of check.fields) {
        const { encoding } = fieldByKey(key);
        const value = (BigInt(refused.vmcs.high(encoding)) << 32n) | BigInt(refused.vmcs.low(encoding));
        for (let bit = 0n; bit < 64n; bit++) {
          const world = sampleWorld({ kind }, { ...bad, fields: { ...bad.fields, [key]: value ^ (1n << bit) } });
          if (!check.holds(world) || firstFailure(world, area)) continue;
          const checker = new EntryChecker();
          expect(checker.firstFailure(world, area)).toBeUndefined();
          expect(checker.firstFailure(refused, area)).toBe(firstFailure(refused, area));
          decided++;
        }
      }
    }
    expect(decided).toBeGreaterThan(400);
  });

  it('see a virtual TPR that changes in memory', () => {
    const checker = new EntryChecker();
    const at = (vtpr: number): CheckWorld =>
      worldOf('64-bit guest', { primaryControls: 0x04206172, virtualApicAddress: 0x10000, tprThreshold: 5 }, { memory: { 0x10080: vtpr } });
    expect(checker.firstFailure(at(0x50), 'controls')).toBeUndefined();
    expect(checker.firstFailure(at(0x40), 'controls')?.id).toBe('controls.tpr-threshold.vtpr');
  });

  it('look at a field once when nothing has changed', () => {
    for (const area of ['controls', 'host state'] as const) {
      const checker = new EntryChecker();
      const looks = (): number => {
        const counts = new Map<number, number>();
        const world = worldOf('64-bit guest');
        const low = (field: number): number => {
          counts.set(field, (counts.get(field) ?? 0) + 1);
          return world.vmcs.low(field);
        };
        expect(checker.firstFailure({ ...world, vmcs: { ...world.vmcs, low } }, area)).toBeUndefined();
        return Math.max(...counts.values());
      };
      expect(looks()).toBeGreaterThan(2);
      expect(looks()).toBe(1);
    }
  });
});

describe('a check', () => {
  /** What a check looked at. */
  interface Seen {
    readonly fields: Set<FieldKey>;
    memory: boolean;
  }
  function watched(world: CheckWorld, seen: Seen): CheckWorld {
    const look = (encoding: number): void => {
      seen.fields.add((fieldByEncoding(encoding) as { key: FieldKey }).key);
    };
    const controls = {} as Record<(typeof WORDS)[number], number>;
    for (const word of WORDS) {
      Object.defineProperty(controls, word, {
        get: () => {
          seen.fields.add(`${word}Controls`);
          return world.controls[word];
        },
      });
    }
    return {
      ...world,
      controls,
      vmcs: {
        ...world.vmcs,
        low: (encoding) => {
          look(encoding);
          return world.vmcs.low(encoding);
        },
        high: (encoding) => {
          look(encoding);
          return world.vmcs.high(encoding);
        },
      },
      memory: (address) => {
        seen.memory = true;
        return world.memory(address);
      },
    };
  }

  it('looks at the fields that it names, all of them and no others, and at memory if it says so', () => {
    const seen = new Map(ENTRY_CHECKS.map(({ id }): [string, Seen] => [id, { fields: new Set(), memory: false }]));
    for (const sample of CASES.values()) {
      for (const world of [sampleWorld(sample, sample.bad), sampleWorld(sample, sample.good)]) {
        for (const check of ENTRY_CHECKS) check.holds(watched(world, seen.get(check.id) as Seen));
      }
    }
    const told = ENTRY_CHECKS.map(({ id, fields, readsMemory }) => ({ id, fields: [...fields].sort(), memory: readsMemory ?? false }));
    const looked = [...seen].map(([id, { fields, memory }]) => ({ id, fields: [...fields].sort(), memory }));
    expect(looked).toEqual(told);
  });
});
