/** What keeps the whole benchmark from running, in one line. */
export class BenchError extends Error {}
