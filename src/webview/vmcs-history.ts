/** VM entries and exits in the VMCS panel, and what differs between any two. */
import { html, nothing, type TemplateResult } from 'lit';
import type { VmcsDiffBody, VmxMomentView } from '../shared/vmcs-protocol';

/** Rows that are drawn; the ring holds 512. */
const SHOWN = 512;

type Compare = (from: number, to: number | undefined) => void;

const momentText = ({ kind, sequence, what }: VmxMomentView): string => `${kind} ${sequence} (${what})`;
const SIGNS = { entry: '→', exit: '←', 'failed entry': '✗' } as const;

/** The latest first. */
export function historyList(
  moments: readonly VmxMomentView[],
  total: number,
  diff: VmcsDiffBody | undefined,
  compare: Compare,
): TemplateResult {
  if (moments.length === 0) return html`<p class="empty">VM entries and exits will be listed here, each with all fields as they were.</p>`;
  const oldest = moments[moments.length - 1].sequence;
  return html`<p class="lead">${total === 1 ? '1 entry or exit' : `${total.toLocaleString('en')} entries and exits`}${total > moments.length ? `, the last ${moments.length} kept` : ''}
      <button class="chip" title="Compare the latest entry or exit with the VMCS as it is now" @click=${() => compare(moments[0].sequence, undefined)}>changes since</button></p>
    <table class="grid history"><thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">#</th><th scope="col"></th><th scope="col">what</th><th scope="col">count</th></tr></thead>
    <tbody>${moments.slice(0, SHOWN).map((moment) => row(moment, oldest, diff, compare))}</tbody></table>`;
}

function row(moment: VmxMomentView, oldest: number, diff: VmcsDiffBody | undefined, compare: Compare): TemplateResult {
  const { sequence, kind, what, count, reason, vmcs } = moment;
  const isFrom = diff?.from.sequence === sequence;
  const isTo = diff?.to?.sequence === sequence;
  const before = Math.max(oldest, sequence - 1);
  const pick = (side: 'from' | 'to'): void => {
    if (side === 'from') compare(sequence, diff && diff.from.sequence !== sequence ? diff.to?.sequence : undefined);
    else compare(diff ? diff.from.sequence : before, sequence);
  };
  const button = (side: 'from' | 'to', pressed: boolean): TemplateResult =>
    html`<button class="chip pick" aria-pressed=${pressed} aria-label="compare ${side} ${momentText(moment)}" @click=${() => pick(side)}>${side === 'from' ? 'A' : 'B'}</button>`;
  return html`<tr class=${isFrom || isTo ? 'picked' : ''} title="VMCS ${vmcs}"><td>${button('from', isFrom)}</td><td>${button('to', isTo)}</td>
    <td class="number">${sequence}</td><td><span class="sign ${kind === 'failed entry' ? 'problem' : ''}" title=${kind} aria-label=${kind}>${SIGNS[kind]}</span></td>
    <td><button class="link" title="What it changed" @click=${() => compare(before, sequence)}>${what}</button>${reason === undefined ? nothing : html` <span class="note number">${reason}</span>`}</td>
    <td class="number">${count.toLocaleString('en')}</td></tr>`;
}

export function diffView({ from, to, fields }: VmcsDiffBody, goTo: (field: string) => void, close: () => void): TemplateResult {
  return html`<section class="diff" aria-label="differences"><h3 role="status">${fields.length} ${fields.length === 1 ? 'field differs' : 'fields differ'}
      <button class="chip" @click=${close}>close</button></h3>
    <p class="note">from ${momentText(from)} to ${to ? momentText(to) : 'the VMCS as it is now'}</p>
    <table class="grid"><tbody>${fields.map(
      ({ key, name, before, after, changes, meaning }) =>
        html`<tr><th scope="row"><button class="link" @click=${() => goTo(key)}>${name}</button></th><td class="number"><del>${before}</del> <ins>${after}</ins></td>
          <td class="said">${changes.length > 0 ? changes.join(', ') : (meaning ?? nothing)}</td></tr>`,
    )}</tbody></table></section>`;
}
