/** What the processor says of itself: exactly what works (manual, CPUID). */

const VENDOR = 'RingsideCPU ';

/** Leaf 1, EDX. */
const FEATURES = {
  de: 1 << 2,
  pse: 1 << 3,
  tsc: 1 << 4,
  msr: 1 << 5,
  cx8: 1 << 8,
  sep: 1 << 11,
  pge: 1 << 13,
  cmov: 1 << 15,
} as const;

/** Family 6, as for processors with CMOV and SYSENTER; model 8, stepping 3. */
const SIGNATURE = 0x683;

const word = (text: string, at: number): number =>
  (text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)) >>> 0;

const BRAND = 'Ringside x86 processor'.padEnd(48, '\0');

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

const MAX_BASIC = 1;
const MAX_EXTENDED = 0x80000004;

const LEAVES: ReadonlyMap<number, Leaf> = new Map<number, Leaf>([
  [0, [MAX_BASIC, word(VENDOR, 0), word(VENDOR, 8), word(VENDOR, 4)]],
  [1, [SIGNATURE, 0, 0, Object.values(FEATURES).reduce((all, bit) => all | bit)]],
  [0x80000000, [MAX_EXTENDED, 0, 0, 0]],
  [0x80000001, [0, 0, 0, 0]],
  ...[0, 1, 2].map((i): [number, Leaf] => [
    0x80000002 + i,
    [word(BRAND, i * 16), word(BRAND, i * 16 + 4), word(BRAND, i * 16 + 8), word(BRAND, i * 16 + 12)],
  ]),
]);

/** @returns EAX, EBX, ECX, EDX; a leaf beyond the last gives the last basic one */
export function cpuid(leaf: number, _subleaf: number): Leaf {
  return LEAVES.get(leaf) ?? (LEAVES.get(MAX_BASIC) as Leaf);
}
