/** CR0 and CR4 under guest/host masks and read shadows (manual, "Guest/Host Masks and Read Shadows for CR0 and CR4"). */
import { SYS } from '../layout';
import type { Cpu } from '../system/cpu';
import { Field } from './fields';
import type { Vmcs } from './vmcs';

const FIELDS: Readonly<Record<number, readonly [mask: number, shadow: number] | undefined>> = {
  [SYS.cr0]: [Field.cr0Mask, Field.cr0Shadow],
  [SYS.cr4]: [Field.cr4Mask, Field.cr4Shadow],
};

/** What a guest reads of a control register: bits that the host owns from the shadow. @param slot in SYS */
export function shadowed({ state, vmx }: Cpu, slot: number): readonly [low: number, high: number] {
  const [low, high] = [state.sys(slot), state.sysHigh(slot)];
  const fields = vmx.nonRoot ? FIELDS[slot] : undefined;
  if (!fields) return [low, high];
  const vmcs = vmx.current as Vmcs;
  const [mask, shadow] = fields;
  return [
    ((low & ~vmcs.low(mask)) | (vmcs.low(shadow) & vmcs.low(mask))) >>> 0,
    ((high & ~vmcs.high(mask)) | (vmcs.high(shadow) & vmcs.high(mask))) >>> 0,
  ];
}

/** What a guest's write makes of a control register: bits that the host owns stay. @param value low half */
export function unshadowed({ state, vmx }: Cpu, slot: number, value: number): number {
  const fields = vmx.nonRoot ? FIELDS[slot] : undefined;
  if (!fields) return value;
  const mask = (vmx.current as Vmcs).low(fields[0]);
  return ((value & ~mask) | (state.sys(slot) & mask)) >>> 0;
}
