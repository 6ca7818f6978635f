/** What a debugger knows of the built-in hypervisor: its labels. Its source is not where the user's is, so there are no lines. */
import type { DebugInfo, ProgramSymbol } from '../../symbols/debug-info';
import { LineTableBuilder } from '../../symbols/line-table';
import { ProgramInfo } from '../../symbols/program-info';
import labels from './hypervisor.asm?labels';
import { IMAGE_SIZE, ORIGIN } from './memory-map';

/** Stands for a path: whoever has sides of VMX operation puts it on the hypervisor's. */
export const BUILT_IN_HYPERVISOR = 'built-in hypervisor';

export function hypervisorSymbols(): DebugInfo {
  const places = labels.filter(([, address]) => address >= ORIGIN && address < ORIGIN + IMAGE_SIZE);
  const symbols = places.map(([name, address], i): ProgramSymbol => {
    const end = places[i + 1]?.[1] ?? address;
    return { name, address, size: end - address, kind: 'code', global: false };
  });
  return new ProgramInfo(BUILT_IN_HYPERVISOR, new LineTableBuilder().build(), symbols, 1);
}
