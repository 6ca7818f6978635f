/** What is wrong with a program, told where the editor can lead to it. */
import { formatProblem, type LaunchProblem } from '../../engines/launch';
import { baseName } from '../sources/paths';
import type { Session } from '../session';

/** Sends an output event for each problem of a source. @returns one line for the response */
export function reportProblems(problems: readonly LaunchProblem[], session: Session): string {
  for (const problem of problems) {
    const { path, line, column } = problem;
    if (path === undefined || line === undefined) continue;
    session.dispatcher.event('output', {
      category: 'stderr',
      output: `${formatProblem(problem)}\n`,
      source: { name: baseName(path), path: session.host.resolve(path) },
      line: session.positions.toClientLine(line),
      column: session.positions.toClientColumn(Math.max(1, column ?? 1)),
    });
  }
  const [first] = problems;
  if (!first) return 'the program cannot be launched';
  return problems.length === 1 ? formatProblem(first) : `${problems.length} errors; the first: ${formatProblem(first)}`;
}
