/** Fields, checks, failures and moments of VMX as the VMCS panel shows them. */
import type { RegisterField } from '../../engines/engine';
import type { FailingCheck, NamedValue, VmcsFieldValue, VmxFacts, VmxFailure, VmxMoment } from '../../engines/vmx-facts';
import type {
  VmcsChecksBody,
  VmcsCheckView,
  VmcsDiffBody,
  VmcsFieldView,
  VmcsPartView,
  VmcsValueView,
  VmxFailureView,
  VmxMomentView,
} from '../../shared/vmcs-protocol';
import { hexOf } from '../expressions/format';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { placeInCode } from './places';

export const physicalAddress = (address: number): { readonly address: string; readonly memoryReference: string } => ({
  address: hexOf(BigInt(address), address < 2 ** 32 ? 32 : 40),
  memoryReference: formatReference({ space: 'physical', address }),
});

const partValue = ({ value, low = 0, high = low }: RegisterField): string => (high === low ? String(value) : hexOf(value, high - low + 1));

const partView = (part: RegisterField): VmcsPartView => ({
  name: part.name,
  value: partValue(part),
  set: part.value !== 0n,
  ...(part.meaning !== undefined && { meaning: part.meaning }),
});

const valueView = ({ name, value, bits, meaning, field }: NamedValue): VmcsValueView => ({
  name,
  value: hexOf(value, bits),
  ...(meaning !== undefined && { meaning }),
  ...(field !== undefined && { field }),
});

const checkView = ({ values, ...check }: FailingCheck): VmcsCheckView => ({ ...check, values: values.map(valueView) });

export function checksOf(vmx: VmxFacts): VmcsChecksBody | undefined {
  const results = vmx.check();
  return results && { total: results.total, byArea: results.byArea, failing: results.failing.map(checkView) };
}

export function failureView(
  { instruction, number, title, explanation, values, count, address, checks }: VmxFailure,
  guest: Guest,
): VmxFailureView {
  return {
    instruction,
    ...(number !== undefined && { number }),
    title,
    ...(explanation !== undefined && { explanation }),
    values: values.map(valueView),
    count,
    at: placeInCode(address, guest.program),
    checks: checks.map(checkView),
  };
}

export const momentView = ({ vmcs, ...moment }: VmxMoment): VmxMomentView => ({ ...moment, vmcs: physicalAddress(vmcs).address });

/** Fields that hold the physical address of something in memory. */
const PHYSICAL: ReadonlySet<string> = new Set([
  'ioBitmapA',
  'ioBitmapB',
  'msrBitmaps',
  'virtualApicAddress',
  'apicAccessAddress',
  'eptPointer',
  'eptpListAddress',
  'vmreadBitmap',
  'vmwriteBitmap',
  'pmlAddress',
  'exitMsrStoreAddress',
  'exitMsrLoadAddress',
  'entryMsrLoadAddress',
  'vmcsLinkPointer',
  'hostCr3',
]);
const CODE: ReadonlySet<string> = new Set(['guestRip', 'hostRip']);
const LINEAR: ReadonlySet<string> = new Set([
  'guestRsp',
  'hostRsp',
  'guestGdtrBase',
  'guestIdtrBase',
  'hostGdtrBase',
  'hostIdtrBase',
  'guestTrBase',
  'hostTrBase',
  'guestLdtrBase',
  'guestSysenterEsp',
  'guestSysenterEip',
  'hostSysenterEsp',
  'hostSysenterEip',
  'guestLinearAddress',
]);
const LOW_BITS = 0xfffn;
const NO_POINTER = 0xffffffff_ffffffffn;

/**
 * Where a field's address leads. Linear ones do so in the address space that is in force alone.
 * @param side whose linear addresses those are
 */
function linkOf({ key, value }: VmcsFieldValue, guest: Guest, side: 'guest' | 'host'): Pick<VmcsFieldView, 'at' | 'memoryReference'> {
  if (value === 0n || value === NO_POINTER) return {};
  if (PHYSICAL.has(key)) return { memoryReference: formatReference({ space: 'physical', address: Number(value & ~LOW_BITS) }) };
  if ((CODE.has(key) || LINEAR.has(key)) && key.startsWith('host') === (side === 'host')) {
    const address = Number(BigInt.asIntN(64, value));
    if (!Number.isSafeInteger(address)) return {};
    return CODE.has(key) ? { at: placeInCode(address, guest.program) } : { memoryReference: formatReference({ space: 'linear', address }) };
  }
  return {};
}

/** @param before values by key that it is compared with */
export function fieldView(
  field: VmcsFieldValue,
  guest: Guest,
  side: 'guest' | 'host',
  before: ReadonlyMap<string, bigint> | undefined,
): VmcsFieldView {
  const { key, name, encoding, bits, natural, group, readOnly, value, meaning, purpose, parts } = field;
  const previous = before?.get(key);
  return {
    key,
    name,
    encoding: hexOf(BigInt(encoding), 16),
    width: natural ? 'natural' : String(bits),
    group,
    readOnly,
    value: hexOf(value, bits),
    ...(meaning !== undefined && { meaning }),
    purpose,
    parts: parts.map(partView),
    ...linkOf(field, guest, side),
    ...(previous !== undefined && previous !== value && { previous: hexOf(previous, bits) }),
  };
}

/** Fields that differ. */
export function differences(before: readonly VmcsFieldValue[], after: readonly VmcsFieldValue[]): VmcsDiffBody['fields'] {
  return after.flatMap((field, i) => {
    const old = before[i];
    if (old.value === field.value) return [];
    const { key, name, group, bits, value, meaning } = field;
    // Parts of a value whose form depends on others may not be the same.
    const comparable = old.parts.length === field.parts.length && field.parts.every((part, n) => part.name === old.parts[n].name);
    const changes = comparable
      ? field.parts.flatMap((part, n) =>
          part.value === old.parts[n].value ? [] : [`${part.name} ${partValue(old.parts[n])} → ${partValue(part)}`],
        )
      : [];
    return [
      { key, name, group, before: hexOf(old.value, bits), after: hexOf(value, bits), changes, ...(meaning !== undefined && { meaning }) },
    ];
  });
}
