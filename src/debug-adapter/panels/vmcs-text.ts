/** The VMCS as text, for people: what the panel shows, line by line. */
import type { VmxFacts } from '../../engines/vmx-facts';
import { hexOf } from '../expressions/format';

export function vmcsText(vmx: VmxFacts): string {
  const { operation, vmxonPointer, region, failure } = vmx;
  const lines = [`VMX operation: ${operation}`];
  if (vmxonPointer !== undefined) lines.push(`VMXON region: 0x${vmxonPointer.toString(16)}`);
  lines.push(region ? `current VMCS: 0x${region.address.toString(16)}, ${region.launched ? 'launched' : 'clear'}` : 'current VMCS: none');
  if (region?.abortIndicator) lines.push(`VMX-abort indicator: ${region.abortIndicator}`);
  if (failure) {
    lines.push('', `${failure.instruction}: ${failure.title}`);
    for (const { name, value, bits, meaning } of failure.values)
      lines.push(`  ${name} = ${hexOf(value, bits)}${meaning ? ` (${meaning})` : ''}`);
    for (const { rule, section, values } of failure.checks) {
      lines.push(`  ✗ ${rule} (${section})`);
      for (const { name, value, bits } of values) lines.push(`      ${name} = ${hexOf(value, bits)}`);
    }
  }
  let group = '';
  const fields = vmx.fields();
  const width = Math.max(0, ...fields.map(({ name }) => name.length));
  for (const field of fields) {
    if (field.group !== group) lines.push('', field.group);
    ({ group } = field);
    const { name, encoding, value, bits, parts, meaning } = field;
    const set = parts.filter((part) => part.value !== 0n && part.low === part.high).map((part) => part.name);
    const said = [meaning, set.join(', ')].filter(Boolean).join('; ');
    lines.push(`  ${hexOf(BigInt(encoding), 16)}  ${name.padEnd(width)}  ${hexOf(value, bits).padStart(18)}${said ? `  ${said}` : ''}`);
  }
  return `${lines.join('\n')}\n`;
}
