/** Page tables of the hypervisor and of its guest: both map the first 4 GiB to themselves with 2 MiB pages. */
import { FRAME_SIZE, type PhysicalMemory } from '../machine/physical-memory';
import { EPT, NOWHERE, ORIGIN, PAGE_TABLES } from './memory-map';

const LARGE = 2 ** 21;
const LARGE_PAGES = 2 ** 32 / LARGE;
const DIRECTORIES = 4;

/**
 * @param at where the tables begin: one of each upper level, then the directories
 * @param link bits of an entry that leads on @param leaf bits of one that maps a page
 * @param place where a page leads
 */
function writeTables(memory: PhysicalMemory, at: number, link: number, leaf: number, place: (address: number) => number): void {
  const [top, middle, first] = [at, at + FRAME_SIZE, at + 2 * FRAME_SIZE];
  const put = (address: number, low: number): void => {
    memory.write(address, 4, low >>> 0);
    memory.write(address + 4, 4, 0);
  };
  put(top, middle | link);
  for (let i = 0; i < DIRECTORIES; i++) put(middle + i * 8, (first + i * FRAME_SIZE) | link);
  for (let i = 0; i < LARGE_PAGES; i++) put(first + i * 8, place(i * LARGE) | leaf);
}

const PRESENT_WRITABLE = 3;
const LARGE_PAGE = 0x80;

/** @returns CR3 */
export function writeHostTables(memory: PhysicalMemory): number {
  writeTables(memory, PAGE_TABLES, PRESENT_WRITABLE, PRESENT_WRITABLE | LARGE_PAGE, (address) => address);
  return PAGE_TABLES;
}

const ALL_RIGHTS = 7;
const WRITE_BACK = 6 << 3;
const FOUR_LEVELS = 3 << 3;

/** What the guest sees of memory: all but the hypervisor. @returns the EPT pointer, unsigned */
export function writeEpt(memory: PhysicalMemory): number {
  writeTables(memory, EPT, ALL_RIGHTS, ALL_RIGHTS | WRITE_BACK | LARGE_PAGE, (address) => (address === ORIGIN ? NOWHERE : address));
  return (EPT | FOUR_LEVELS | 6) >>> 0;
}
