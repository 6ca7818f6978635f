/** Pieces that several pages show in the same way. */
import { html, nothing, type TemplateResult } from 'lit';
import { formatLinear } from '../shared/addresses';
import type { PlaceInCode } from '../shared/panel-protocol';
import type { Place, TransitionCheck, TransitionDetail } from '../shared/transition';
import type { Connection } from './connection';

export const hex = (value: number, digits = 8): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** `ring 3`, with mode and what the guest believes where that differs. */
export function placeText({ ring, guestRing, mode, vmx, domain }: Place): string {
  const parts = [mode === 'real' ? 'real mode' : mode === 'virtual-8086' ? 'virtual-8086 mode' : `ring ${ring}`];
  if (guestRing !== ring) parts.push(`guest believes ring ${guestRing}`);
  if (vmx !== 'off') parts.push(`VMX ${vmx}`);
  if (domain) parts.push(domain);
  return parts.join(', ');
}

/** A small mark for a ring, R in real mode and V in virtual-8086 mode. */
export function ringMark(place: Place): TemplateResult {
  const letter = place.mode === 'real' ? 'R' : place.mode === 'virtual-8086' ? 'V' : String(place.ring);
  return html`<span class="mark ring-${letter}" title=${placeText(place)} aria-label=${placeText(place)}>${letter}</span>`;
}

/** An address that leads to its source, or to its instructions. */
export function codeLink(connection: Connection, at: PlaceInCode): TemplateResult {
  const follow = (event: MouseEvent): void => {
    event.stopPropagation();
    if (event.altKey) connection.open({ kind: 'walk', address: at.address });
    else if (at.path !== undefined && at.line !== undefined) connection.open({ kind: 'source', path: at.path, line: at.line });
    else connection.open({ kind: 'disassembly', address: at.address });
  };
  const file = at.path?.replace(/^.*[/\\]/, '');
  const title = file === undefined ? `Show the instructions at ${formatLinear(at.address)}` : `${file}:${at.line}`;
  return html`<button class="link" title=${`${title}\n${WALK_HINT}`} data-vscode-context=${walkContext(formatLinear(at.address))} @click=${follow}>${formatLinear(at.address)}${at.symbol ? html` <span class="symbol">${at.symbol}</span>` : nothing}</button>`;
}

const WALK_HINT = 'Alt+click: walk the page tables';

/** For the editor's context menu: see `webview/context` in the manifest. */
const walkContext = (address: string): string =>
  JSON.stringify({ webviewSection: 'address', ringsideAddress: address, preventDefaultContextMenuItems: true });

export function memoryLink(connection: Connection, memoryReference: string, text: string): TemplateResult {
  const linear = /^linear:(-?0x[0-9a-f]+)$/i.exec(memoryReference)?.[1];
  const follow = (event: MouseEvent): void => {
    event.stopPropagation();
    if (event.altKey && linear !== undefined) connection.open({ kind: 'walk', address: Number(BigInt.asIntN(64, BigInt(linear))) });
    else connection.open({ kind: 'memory', memoryReference });
  };
  return html`<button class="link" title=${linear === undefined ? 'Show the memory' : `Show the memory\n${WALK_HINT}`} data-vscode-context=${
    linear === undefined ? nothing : walkContext(linear)
  } @click=${follow}>${text}</button>`;
}

export function detailTable(connection: Connection, details: readonly TransitionDetail[]): TemplateResult | typeof nothing {
  if (details.length === 0) return nothing;
  return html`<table class="details"><tbody>${details.map(
    ({ name, value, meaning, address }) =>
      html`<tr><th scope="row">${name}</th><td class="number">${
        address === undefined ? value : memoryLink(connection, `linear:${formatLinear(address)}`, value)
      }</td><td>${meaning ?? nothing}</td></tr>`,
  )}</tbody></table>`;
}

export function checkList(checks: readonly TransitionCheck[]): TemplateResult | typeof nothing {
  if (checks.length === 0) return nothing;
  return html`<ul class="checks">${checks.map(
    ({ passed, text, manual }) =>
      html`<li class=${passed ? 'passed' : 'failed'}><span class="sign" aria-label=${passed ? 'passed' : 'failed'}>${
        passed ? '✓' : '✗'
      }</span> ${text} <span class="manual" title="Section of the manual">${manual}</span></li>`,
  )}</ul>`;
}

/** One sentence on what the panel will show. */
export const emptyState = (text: string): TemplateResult => html`<p class="empty">${text}</p>`;

/** Bytes in the unit that fits: `4 KiB`, `2 MiB`, `1 GiB`. */
export function sizeText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && value % 1024 === 0 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toLocaleString('en')} ${units[unit]}`;
}

/** Which processor a panel shows. */
export function cpuTabs(names: readonly string[], selected: number, choose: (index: number) => void): TemplateResult | typeof nothing {
  if (names.length < 2) return nothing;
  return html`<div role="tablist" class="chips">${names.map(
    (name, index) =>
      html`<button role="tab" class="chip" aria-selected=${index === selected} @click=${() => choose(index)}>${name}</button>`,
  )}</div>`;
}
