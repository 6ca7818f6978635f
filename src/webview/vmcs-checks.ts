/** Refused VM entries in the VMCS panel: the check, its section, what it saw, and every further check that does not hold. */
import { html, nothing, type TemplateResult } from 'lit';
import type { VmcsChecksBody, VmcsCheckView, VmcsValueView, VmxFailureView } from '../shared/vmcs-protocol';
import type { Connection } from './connection';
import { codeLink } from './parts';

/** More are folded, so that the fields stay in sight. */
const FEW = 2;

type GoTo = ((field: string) => void) | undefined;

function valueList(values: readonly VmcsValueView[], goTo: GoTo): TemplateResult | typeof nothing {
  if (values.length === 0) return nothing;
  return html`<table class="details"><tbody>${values.map(
    ({ name, value, meaning, field }) =>
      html`<tr><th scope="row">${field !== undefined && goTo ? html`<button class="link" title="Show the field" @click=${() => goTo(field)}>${name}</button>` : name}</th><td class="number">${value}</td><td>${meaning ?? nothing}</td></tr>`,
  )}</tbody></table>`;
}

const checkItem = ({ rule, section, values }: VmcsCheckView, goTo: GoTo): TemplateResult =>
  html`<li class="failed"><span class="sign" aria-label="failed">✗</span> ${rule} <span class="manual" title="Section of the manual">${section}</span>${valueList(values, goTo)}</li>`;

const checkItems = (checks: readonly VmcsCheckView[], goTo: GoTo): TemplateResult =>
  html`<ul class="checks">${checks.map((check) => checkItem(check, goTo))}</ul>`;

/** Why the last VMX instruction was refused. */
export function failureSection(connection: Connection, failure: VmxFailureView, goTo: GoTo): TemplateResult {
  const { instruction, title, explanation, values, count, at, checks } = failure;
  const [first, ...rest] = checks;
  return html`<section class="failure" aria-label="why it failed">
    <h3>${instruction} failed: ${title}</h3>
    <p>at ${codeLink(connection, at)} <span class="note">after ${count.toLocaleString('en')} instructions; the values are those of that time</span></p>
    ${explanation ? html`<p>${explanation}</p>` : nothing}
    ${valueList(values, goTo)}
    ${first ? html`<p>This check refused:</p>${checkItems([first], goTo)}` : nothing}
    ${rest.length > 0 ? html`<details ?open=${rest.length <= FEW}><summary>${rest.length === 1 ? 'Another check' : `${rest.length} more checks`} would have refused, too</summary>${checkItems(rest, goTo)}</details>` : nothing}
  </section>`;
}

/** What "check now" found. */
export function checkResults({ total, byArea, failing }: VmcsChecksBody, goTo: GoTo, dismiss: () => void): TemplateResult {
  const areas = Object.entries(byArea)
    .map(([area, count]) => `${area} ${count}`)
    .join(', ');
  return html`<section class="failure results" aria-label="checks of VM entry">
    <h3 role="status">${failing.length === 0 ? `All ${total} checks of VM entry hold` : `${failing.length} of ${total} checks of VM entry ${failing.length === 1 ? 'does' : 'do'} not hold`}
      <button class="chip" @click=${dismiss}>close</button></h3>
    <p class="note">for the VMCS and the processor as they are now: ${areas}</p>
    ${checkItems(failing, goTo)}
  </section>`;
}
