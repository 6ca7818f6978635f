/** VMX of a processor as the command line's `--json` and the panel's export have it: values are hex strings. */
import type { FailingCheck, NamedValue, VmxFacts, VmxFailure } from './vmx-facts';

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const valuesOf = (values: readonly NamedValue[]) => Object.fromEntries(values.map(({ name, field, value }) => [field ?? name, hex(value)]));

const checkOf = ({ id, area, section, rule, values }: FailingCheck) => ({
  id,
  area,
  section,
  rule,
  holds: false,
  values: valuesOf(values),
});

const failureOf = ({ instruction, number, title, explanation, values, count, address, checks }: VmxFailure) => ({
  instruction,
  number: number ?? null,
  title,
  explanation,
  values: valuesOf(values),
  instructions: count,
  address: hex(BigInt.asUintN(64, BigInt(address))),
  checks: checks.map(checkOf),
});

export interface VmxSummary {
  /** Null outside VMX operation before anything was refused. */
  readonly vmx: object | null;
  /** Fields of the current VMCS; null without one. */
  readonly vmcs: Readonly<Record<string, string>> | null;
  /** The checks of VM entry that do not hold; null without a current VMCS. */
  readonly entryChecks: readonly object[] | null;
}

export function vmxSummary(facts: VmxFacts | undefined): VmxSummary {
  if (!facts) return { vmx: null, vmcs: null, entryChecks: null };
  const { operation, vmxonPointer, region, failure, history } = facts;
  const checks = facts.check();
  const known = operation !== 'off' || failure !== undefined;
  return {
    vmx: known
      ? {
          operation,
          vmxonPointer: vmxonPointer === undefined ? null : hex(vmxonPointer),
          vmcsPointer: region ? hex(region.address) : null,
          launchState: region ? (region.launched ? 'launched' : 'clear') : null,
          abortIndicator: region?.abortIndicator ?? null,
          entriesAndExits: history.total,
          checks: checks ? { total: checks.total, failing: checks.failing.length, byArea: checks.byArea } : null,
          failure: failure ? failureOf(failure) : null,
        }
      : null,
    vmcs: region ? Object.fromEntries(facts.fields().map(({ key, value }) => [key, hex(value)])) : null,
    entryChecks: checks ? checks.failing.map(checkOf) : null,
  };
}
