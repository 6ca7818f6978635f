/** What was measured, as the JSON has it; ratios and means. */
import type { Outcome } from './guest-process';

export interface EngineResult {
  readonly seconds?: number;
  /** Millions of the guest's instructions a second; instructions as ours counts them. */
  readonly mips?: number;
  readonly checksum?: string;
  readonly correct: boolean;
  readonly problem?: string;
}

export interface RowResult {
  readonly id: string;
  readonly kind: string;
  readonly width: number;
  readonly rounds: number;
  /** Between START and DONE; undefined when ours did not run. */
  readonly instructions?: number;
  readonly expected: string;
  /** By engine. */
  readonly engines: Readonly<Record<string, EngineResult>>;
  /** Speed of ours over the peer's: by ours, by peer. */
  readonly ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface MeanResult {
  readonly ours: string;
  readonly peer: string;
  /** Each guest counts once. */
  readonly overRows: number;
  readonly rows: number;
  /** Each kind of guests counts once, by the mean of its guests. */
  readonly overKinds: number;
  readonly kinds: number;
}

export interface RowFacts {
  readonly id: string;
  readonly kind: string;
  readonly width: number;
  readonly rounds: number;
  readonly expected: string;
}

/** @param outcomes the best by engine */
export function rowResult(facts: RowFacts, outcomes: ReadonlyMap<string, Outcome>, ours: readonly string[]): RowResult {
  const counts = [...outcomes.values()].flatMap((outcome) => ('problem' in outcome ? [] : (outcome.instructions ?? [])));
  const instructions = counts.at(0);
  const engines: Record<string, EngineResult> = {};
  for (const [name, outcome] of outcomes) {
    if ('problem' in outcome) engines[name] = { problem: outcome.problem, correct: false };
    else {
      const { seconds, checksum } = outcome;
      const mips = instructions === undefined ? undefined : instructions / seconds / 1e6;
      engines[name] = { seconds, mips, checksum, correct: checksum === facts.expected };
    }
  }
  const ratios: Record<string, Record<string, number>> = {};
  const valid = (name: string): number | undefined => (engines[name]?.correct ? engines[name].seconds : undefined);
  for (const mine of ours) {
    for (const theirs of outcomes.keys()) {
      const [own, other] = [valid(mine), valid(theirs)];
      if (!ours.includes(theirs) && own !== undefined && other !== undefined) (ratios[mine] ??= {})[theirs] = other / own;
    }
  }
  return { ...facts, instructions, engines, ratios };
}

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** Of each pair that has a row in common. */
export function means(rows: readonly RowResult[], pairs: readonly { readonly ours: string; readonly peer: string }[]): MeanResult[] {
  return pairs.flatMap(({ ours, peer }) => {
    const kinds = new Map<string, number[]>();
    for (const { kind, ratios } of rows) {
      const ratio = ratios[ours]?.[peer];
      if (ratio !== undefined) kinds.set(kind, [...(kinds.get(kind) ?? []), ratio]);
    }
    const lists = [...kinds.values()];
    if (lists.length === 0) return [];
    return [
      {
        ours,
        peer,
        overRows: geometricMean(lists.flat()),
        rows: lists.flat().length,
        overKinds: geometricMean(lists.map((list) => geometricMean(list))),
        kinds: lists.length,
      },
    ];
  });
}
