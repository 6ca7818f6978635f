/** Where the built-in hypervisor keeps what: a mebibyte of physical memory that no guest sees. See layout.inc for its own part. */

export const ORIGIN = 0xf0000000;
export const SIZE = 0x100000;

/** A page each, from the origin on: code and tables of the image come first. */
export const IMAGE_SIZE = 0x8000;
export const AREAS = ORIGIN + 0x10000;
export const AREA_SIZE = 0x4000;
export const EPT = ORIGIN + 0x60000;
export const PAGE_TABLES = ORIGIN + 0x68000;
export const IO_BITMAP_A = ORIGIN + 0x70000;
export const IO_BITMAP_B = ORIGIN + 0x71000;
export const MSR_BITMAPS = ORIGIN + 0x72000;
/** Fields that a processor's hypervisor writes before the first entry. */
export const FIELDS = ORIGIN + 0x80000;
export const FIELDS_SIZE = 0x2000;

/** Within a processor's area: its regions, pointers to them, the guest's registers, and at the end the stack. */
export const AREA = { vmxon: 0, vmcs: 0x1000, vmxonPointer: 0x2000, vmcsPointer: 0x2008, registers: 0x2080, stack: AREA_SIZE } as const;

/** Selectors. */
export const HOST_CODE = 0x08;
export const HOST_DATA = 0x10;
export const HOST_TASK = 0x18;

export const SERVICE_PORT = 0x5256;
/** What is asked by it. */
export const Service = { fatal: 0, unexpected: 1, hypercall: 2, taskSwitch: 3, init: 4, tripleFault: 5, floatError: 6 } as const;

/** In place of `ORIGIN` guests find what is here: nothing. */
export const NOWHERE = 0xf0200000;
