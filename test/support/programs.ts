/** Programs and files of the system that tests hold ours against. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Full path of a program on PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']) {
    if (!folder) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/**
 * Why a test cannot run here.
 * @param needs Debian package by program name or absolute file name
 * @returns undefined when all are there, else a sentence that says what to install
 */
export function missing(needs: Readonly<Record<string, string>>): string | undefined {
  const absent = Object.entries(needs).filter(([name]) => {
    if (!name.startsWith('/')) return !findProgram(name);
    try {
      accessSync(name, constants.R_OK);
      return false;
    } catch {
      return true;
    }
  });
  if (absent.length === 0) return undefined;
  const packages = [...new Set(absent.map(([, debianPackage]) => debianPackage))];
  return `needs ${absent.map(([name]) => name).join(', ')}: apt-get install ${packages.join(' ')}`;
}
