/** Bits of the guest's interruptibility state (manual, "Guest Non-Register State"). */
export const Interruptibility = { sti: 1, movSs: 2, smi: 4, nmi: 8 } as const;
