/** Lists of MSRs that VM entries load and VM exits store and load (manual, "Loading MSRs", "Saving MSRs"). */
import { GuestFault } from '../system/fault';
import type { Cpu } from '../system/cpu';
import { readMsr, writeMsr } from '../system/msr';

/** Bytes of an entry: index, a reserved word, the value. */
export const MSR_ENTRY_SIZE = 16;
const X2APIC_FIRST = 0x800;
const X2APIC_LAST = 0x8ff;
const FS_BASE = 0xc0000100;
const GS_BASE = 0xc0000101;
const BIOS_UPDATE_TRIGGER = 0x79;
const SMM_MONITOR_CONTROL = 0x9b;
const SMBASE = 0x9e;

const isX2apic = (index: number): boolean => index >= X2APIC_FIRST && index <= X2APIC_LAST;
/** MSRs that have fields of their own, or must not change on the way. */
const NOT_LOADED = new Set([FS_BASE, GS_BASE, BIOS_UPDATE_TRIGGER, SMM_MONITOR_CONTROL]);

/**
 * @param address of the list, in physical memory
 * @returns number of the first entry that cannot be loaded, from 1; 0 when all were
 */
export function loadMsrs(cpu: Cpu, address: number, count: number): number {
  const { memory } = cpu.mmu;
  for (let number = 1; number <= count; number++) {
    const at = address + (number - 1) * MSR_ENTRY_SIZE;
    const index = memory.readWord(at) >>> 0;
    if (memory.readWord(at + 4) !== 0 || isX2apic(index) || NOT_LOADED.has(index)) return number;
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
    if (memory.readWord(at + 4) !== 0 || isX2apic(index) || index === SMBASE) return number;
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
