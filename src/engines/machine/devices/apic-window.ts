/** Local APICs in memory: one page, at which each processor finds its own. */
import type { MmioHandler, PhysicalMemory } from '../physical-memory';
import type { LocalApic } from './local-apic';

/**
 * Keeps the page of every local APIC mapped from now on. Processors may have moved theirs to different places; one that
 * has no APIC at another's page sees what lies under it.
 * @param active index of the processor whose access is being served
 */
export function showLocalApics(memory: PhysicalMemory, apics: readonly LocalApic[], active: () => number): void {
  const covers = new Map<number, { uncover(): void; readonly under: MmioHandler }>();
  const handler = (page: number): MmioHandler => {
    const own = (): LocalApic | undefined => {
      const apic = apics[active()];
      return apic?.page === page ? apic : undefined;
    };
    return {
      read: (offset, size) => own()?.readMemory(offset, size) ?? covers.get(page)?.under.read(offset, size) ?? 0xffffffff,
      write: (offset, size, value) => {
        const apic = own();
        if (apic) apic.writeMemory(offset, size, value);
        else covers.get(page)?.under.write(offset, size, value);
      },
    };
  };
  const update = (): void => {
    const wanted = new Set(apics.flatMap(({ page }) => (page === undefined ? [] : [page])));
    for (const [page, cover] of covers) {
      if (wanted.has(page)) continue;
      cover.uncover();
      covers.delete(page);
    }
    for (const page of wanted) if (!covers.has(page)) covers.set(page, memory.coverFrame(page, handler(page)));
  };
  for (const apic of apics) apic.onPage = update;
  update();
}
