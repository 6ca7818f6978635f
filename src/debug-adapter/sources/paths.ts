/** Paths as clients and as compilers write them. */

/** Separators, `.` and `..` made alike; the case of drive letters too. */
export function normalisePath(path: string): string {
  const slashed = path.replace(/\\/g, '/').replace(/^([a-z]):/, (drive) => drive.toUpperCase());
  const parts: string[] = [];
  for (const part of slashed.split('/')) {
    if (part === '..' && parts.length > 0 && parts[parts.length - 1] !== '' && parts[parts.length - 1] !== '..') parts.pop();
    else if (part !== '.' && (part !== '' || parts.length === 0)) parts.push(part);
  }
  return parts.join('/');
}

export function baseName(path: string): string {
  return path.replace(/^.*[/\\]/, '');
}

/** Where a relative path of a program lies. */
export function resolvePath(directory: string, path: string): string {
  return isAbsolute(path) || directory === '' ? path : `${directory.replace(/[/\\]$/, '')}/${path}`;
}

function isAbsolute(path: string): boolean {
  return /^([/\\]|[a-zA-Z]:[/\\])/.test(path);
}

export function directoryOf(path: string): string {
  return path.replace(/[/\\]?[^/\\]*$/, '');
}

/** How many of the last parts two paths share. */
export function commonTail(a: string, b: string): number {
  const left = normalisePath(a).split('/').reverse();
  const right = normalisePath(b).split('/').reverse();
  let count = 0;
  while (count < left.length && count < right.length && left[count] === right[count]) count++;
  return count;
}

/** A file in which a source line is one instruction. */
export function isAssembly(path: string): boolean {
  return !/\.(c|cc|cpp|cxx|c\+\+|h|hh|hpp|rs|d|zig|go|m|ada|adb|f|f90|pas|swift|nim)$/i.test(path);
}
