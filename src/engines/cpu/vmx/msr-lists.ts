/** Lists of MSRs that VM entries load and VM exits store and load (manual, "Loading MSRs", "Saving MSRs"). */
import { GuestFault } from '../system/fault';
import type { Cpu } from '../system/cpu';
import { readMsr, writeMsr } from '../system/msr';
import { isLoadable, MSR_ENTRY_SIZE } from './entry-checks/msr-loading';

const X2APIC_BITS = 0x000008;
const SMBASE = 0x9e;

/**
 * @param address of the list, in physical memory
 * @returns number of the first entry that cannot be loaded, from 1; 0 when all were
 */
export function loadMsrs(cpu: Cpu, address: number, count: number): number {
  const { memory } = cpu.mmu;
  for (let number = 1; number <= count; number++) {
    const at = address + (number - 1) * MSR_ENTRY_SIZE;
    const index = memory.readWord(at) >>> 0;
    if (!isLoadable(index, memory.readWord(at + 4))) return number;
    if (refuses(() => writeMsr(cpu, index, memory.readWord(at + 8) >>> 0, memory.readWord(at + 12) >>> 0))) return number;
  }
  return 0;
}

/** @returns number of the first entry that cannot be stored, from 1; 0 when all were */
export function storeMsrs(cpu: Cpu, address: number, count: number): number {
  const { memory } = cpu.mmu;
  for (let number = 1; number <= count; number++) {
    const at = address + (number - 1) * MSR_ENTRY_SIZE;
    const index = memory.readWord(at) >>> 0;
    if (memory.readWord(at + 4) !== 0 || index >>> 8 === X2APIC_BITS || index === SMBASE) return number;
    const refused = refuses(() => {
      const [low, high] = readMsr(cpu, index);
      memory.write(at + 8, 4, low >>> 0);
      memory.write(at + 12, 4, high >>> 0);
    });
    if (refused) return number;
  }
  return 0;
}

function refuses(access: () => void): boolean {
  try {
    access();
    return false;
  } catch (error) {
    if (error instanceof GuestFault) return true;
    throw error;
  }
}
