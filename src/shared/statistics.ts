/** Named counters of an engine: numbers, and tables of numbers by name. */
export type Statistics = Readonly<Record<string, number | Readonly<Record<string, number>>>>;
