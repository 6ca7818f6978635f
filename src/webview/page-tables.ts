/** The Page Tables panel: the walk of an address, level by level, and all that is mapped. Only the rows in sight exist. */
import { html, nothing, render, type TemplateResult } from 'lit';
import { formatLinear } from '../shared/addresses';
import type {
  NestedWalkView,
  PageEntryView,
  PageFact,
  PageMapBody,
  PageRegionView,
  PageVerdictView,
  PageWalkBody,
  StateEvent,
} from '../shared/panel-protocol';
import { Connection } from './connection';
import { codeLink, cpuTabs, emptyState, memoryLink, sizeText } from './parts';

const ROW = 22;
/** Rows fetched around those in sight. */
const MARGIN = 80;
const root = document.querySelector<HTMLElement>('#root') as HTMLElement;

let active = false;
let running = false;
let names: readonly string[] = [];
let vcpu = 0;
/** What is to be walked: an expression, which may name a register. */
let wanted = '';
let walked: PageWalkBody | undefined;
let problem = '';
/** The access whose reason is shown. */
let chosen = 'read';
let chosenUser = false;
let map: PageMapBody | undefined;
let merged = false;
/** The tables of the VMCS's guest, while the hypervisor runs. */
let guest = false;
/** Walks of the second dimension whose levels are shown. */
const unfolded = new Set<string>();
let fetching = false;
let stale = false;

const connection = new Connection({
  session(now) {
    active = now;
    running = false;
    walked = map = undefined;
    problem = '';
    vcpu = 0;
    show();
    if (now) void start();
  },
  event(event, body) {
    if (event === 'ringside/state') take(body as StateEvent);
  },
  walk(address) {
    wanted = address;
    void walk();
  },
});

async function start(): Promise<void> {
  try {
    take(await connection.request('ringside/state', undefined));
  } catch {
    // The session is still starting: it will send its state by itself.
  }
}

function take(state: StateEvent): void {
  running = state.running;
  names = state.vcpus.map(({ name }) => name);
  if (vcpu >= names.length) vcpu = 0;
  const here = state.vcpus[vcpu];
  // Of a guest that runs they are the processor's.
  if (here?.place.vmx !== 'root') guest = false;
  if (!wanted && here) wanted = formatLinear(here.at.address);
  if (running || state.terminated) show();
  else refresh();
}

function refresh(): void {
  void walk();
  void load();
}

async function walk(): Promise<void> {
  const asked = wanted.trim();
  if (!asked) return;
  try {
    walked = await connection.request('ringside/pageWalk', { vcpu, address: asked, guest });
    problem = '';
    const denied = walked.verdicts.find(({ kind, user }) => kind === chosen && user === chosenUser);
    if (!denied) chosen = 'read';
  } catch (error) {
    problem = (error as Error).message;
  }
  show();
}

const list = (): HTMLElement | null => root.querySelector<HTMLElement>('.regions');

function visible(): { first: number; count: number } {
  const element = list();
  return { first: Math.floor((element?.scrollTop ?? 0) / ROW), count: Math.ceil((element?.clientHeight ?? 400) / ROW) + 1 };
}

/** Fetches the regions in sight, one request at a time. */
async function load(): Promise<void> {
  if (fetching) {
    stale = true;
    return;
  }
  fetching = true;
  try {
    const { first, count } = visible();
    map = await connection.request('ringside/pageMap', {
      vcpu,
      start: Math.max(0, first - MARGIN),
      count: count + 2 * MARGIN,
      merged,
      guest,
    });
    show();
  } catch {
    // The session is starting or has ended; its next event asks again.
  } finally {
    fetching = false;
  }
  if (stale) {
    stale = false;
    void load();
  }
}

function scrolled(): void {
  if (!map) return;
  const { first, count } = visible();
  const end = Math.min(first + count, map.total);
  if (first < map.start || end > map.start + map.rows.length) void load();
}

function show(): void {
  render(page(), root);
  // Positions are set on the elements: a style attribute would be refused by the page's policy.
  const inner = root.querySelector<HTMLElement>('.inner');
  if (!inner || !map) return;
  inner.style.height = `${map.total * ROW}px`;
  const window = inner.querySelector<HTMLElement>('.window');
  if (window) window.style.transform = `translateY(${map.start * ROW}px)`;
}

function page(): TemplateResult {
  if (!active)
    return emptyState(
      'While a guest is being debugged, this walks its page tables for any address, and lists all that they map, with the rights.',
    );
  return html`<div class="page-tables">
    ${cpuTabs(names, vcpu, choose)}
    ${facts(map?.facts ?? walked?.facts)}
    <div class="panes">
      <section class="walk" aria-label="page walk">${form()}${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}${walked ? walkView(walked) : nothing}</section>
      <section class="mapping" aria-label="mapped regions">${map ? mapView(map) : nothing}</section>
    </div>
  </div>`;
}

function toggleGuest(): void {
  guest = !guest;
  refresh();
}

function choose(index: number): void {
  vcpu = index;
  refresh();
}

function facts(list: readonly PageFact[] | undefined): TemplateResult | typeof nothing {
  if (!list) return nothing;
  return html`<dl class="page-facts">${list.map(
    ({ name, value, meaning }) =>
      html`<div class=${value === '0' ? 'off' : ''} title=${meaning}><dt>${name}</dt><dd class="number">${value}</dd></div>`,
  )}</dl>`;
}

function form(): TemplateResult {
  const submit = (event: Event): void => {
    event.preventDefault();
    wanted = root.querySelector<HTMLInputElement>('#address')?.value ?? '';
    void walk();
  };
  const go = (text: string) => (): void => {
    wanted = text;
    void walk();
  };
  return html`<form class="address" @submit=${submit}>
    <label for="address">address</label>
    <input id="address" class="number" type="text" spellcheck="false" autocomplete="off" .value=${wanted} placeholder="0xffffffff81000000, rip, start_kernel, [rsp]">
    <button class="chip">walk</button>
 ${
   walked?.hasGuest || guest
     ? html`<button class="chip" type="button" aria-pressed=${guest} title="In the page tables of the VMCS's guest, which does not run" @click=${toggleGuest}>of the guest</button>`
     : nothing
 }
    <button class="chip" type="button" title="the next instruction" @click=${go('$')}>next instruction</button>
    <button class="chip" type="button" title="the address of the last page fault" @click=${go('cr2')}>CR2</button>
    ${running ? html`<span class="note">running</span>` : nothing}
  </form>`;
}

function walkView({ mode, at, entries, physical, nested, verdicts }: PageWalkBody): TemplateResult {
  return html`
    <p class="lead">${codeLink(connection, at)} ${
      physical
        ? html`→ ${nested ? 'guest-physical' : 'physical'} ${memoryLink(connection, physical.memoryReference, physical.address)}${mode === 'none' ? ' (no paging)' : html` in a page of ${sizeText(physical.pageSize)}`}${nested ? hostResult(nested) : nothing}`
        : html`<strong class="problem">is not mapped</strong>`
    }</p>
    ${
      entries.length > 0
        ? html`<table class="levels"><thead><tr><th>level</th><th>index</th><th>at ${nested || entries.some((entry) => entry.nested) ? 'guest-physical' : 'physical'}</th><th>entry</th></tr></thead>
      ${entries.map((entry, i) => [entry.nested ? nestedRows(entry.nested, `${entry.level} ${i}`, `where the ${entry.level} lies`) : nothing, entryRows(entry)])}
      ${nested ? nestedRows(nested, 'page', 'the page itself') : nothing}</table>`
        : nested
          ? html`<table class="levels">${nestedRows(nested, 'page', 'the page itself')}</table>`
          : nothing
    }
    ${verdictTable(verdicts)}`;
}

const hostResult = ({ physical, problem, memoryType }: NestedWalkView): TemplateResult =>
  physical
    ? html` → host-physical ${memoryLink(connection, physical.memoryReference, physical.address)}${memoryType === undefined ? nothing : html` <span class="note">${memoryType}</span>`}`
    : html` <strong class="problem">${problem}</strong>`;

/** A walk in the second dimension: a line that unfolds into its levels. */
function nestedRows(walk: NestedWalkView, key: string, what: string): TemplateResult {
  const { guestPhysical, entries, physical, pageSize, rights, problem } = walk;
  const open = unfolded.has(key);
  const toggle = (): void => {
    if (!unfolded.delete(key)) unfolded.add(key);
    show();
  };
  return html`<tbody class="nested"><tr><td colspan="4"><button class="fold" aria-expanded=${open} title="Extended page tables: ${what}" @click=${toggle}>${open ? '▾' : '▸'} EPT</button>
      <span class="number">${guestPhysical}</span> → ${physical ? memoryLink(connection, physical.memoryReference, physical.address) : nothing}
      <span class="number">${rights}</span> <span class="note">${sizeText(pageSize)}, ${what}</span>${problem === undefined ? nothing : html` <span class="problem">${problem}</span>`}</td></tr></tbody>
    ${open ? entries.map((entry) => html`<tbody class="nested level-of-nested">${entryCells({ ...entry, level: `EPT ${entry.level}` })}</tbody>`) : nothing}`;
}

function entryRows(entry: PageEntryView): TemplateResult {
  return html`<tbody class="level">${entryCells(entry)}</tbody>`;
}

/** Bits that are set, and those that are clear where that says something. */
function entryCells({ level, index, address, memoryReference, value, fields, covers }: PageEntryView): TemplateResult {
  return html`<tr><th scope="row" title="covers ${sizeText(covers)}">${level}</th><td class="number">${index}</td>
      <td>${address === undefined ? html`<span class="note">in the processor</span>` : memoryReference === undefined ? html`<span class="number">${address}</span>` : memoryLink(connection, memoryReference, address)}</td>
      <td class="number">${value}</td></tr>
    <tr><td></td><td colspan="3" class="bits">${fields.map(
      ({ name, value: part, meaning }) =>
        html`<span class="bit ${part === '0' ? 'clear' : 'set'}" title=${meaning ?? ''}>${name}${/^[01]$/.test(part) ? html`<b>${part}</b>` : html` <b>${meaning ?? part}</b>`}</span> `,
    )}</td></tr>`;
}

const KINDS = ['read', 'write', 'execute'] as const;

function verdictTable(verdicts: readonly PageVerdictView[]): TemplateResult {
  const of = (kind: string, user: boolean): PageVerdictView | undefined =>
    verdicts.find((each) => each.kind === kind && each.user === user);
  const picked = of(chosen, chosenUser);
  const cell = (kind: string, user: boolean): TemplateResult => {
    const verdict = of(kind, user);
    const pick = (): void => {
      chosen = kind;
      chosenUser = user;
      show();
    };
    const allowed = verdict?.allowed === true;
    return html`<td><button class="chip verdict ${allowed ? 'passed' : 'failed'}" aria-pressed=${kind === chosen && user === chosenUser} title=${verdict?.reason ?? 'allowed'} @click=${pick}>
      <span class="sign" aria-hidden="true">${allowed ? '✓' : '✗'}</span> ${allowed ? 'allowed' : verdict?.errorCode === undefined ? 'EPT' : '#PF'}</button></td>`;
  };
  return html`<table class="verdicts"><thead><tr><td></td>${KINDS.map((kind) => html`<th scope="col">${kind}</th>`)}</tr></thead><tbody>
    ${[false, true].map((user) => html`<tr><th scope="row">${user ? 'user' : 'supervisor'}</th>${KINDS.map((kind) => cell(kind, user))}</tr>`)}
  </tbody></table>
  <p class="reason" role="status">${picked ? (picked.allowed ? `A ${picked.user ? 'user' : 'supervisor'} may ${picked.kind} here.` : html`${picked.reason}${picked.errorCode === undefined ? nothing : html` <span class="number">error code ${picked.errorCode}</span>`}`) : nothing}</p>`;
}

function mapView(body: PageMapBody): TemplateResult {
  const { mode, total, pages, cut, rows, start: first } = body;
  if (mode === 'none') return emptyState('Paging is off: every linear address is the physical address of the same number.');
  const toggle = (): void => {
    merged = !merged;
    void load();
  };
  const counts = Object.entries(pages).map(([size, count]) => `${count.toLocaleString('en')} × ${sizeText(Number(size))}`);
  return html`<div class="chips" role="toolbar" aria-label="map">
      <button class="chip" aria-pressed=${merged} title="Regions with the same rights become one, whether or not their frames follow each other" @click=${toggle}>by rights alone</button>
      <button class="chip" @click=${() => void copyMap()}>copy</button>
      <span class="count" role="status">${total.toLocaleString('en')} regions: ${counts.join(', ')}${cut ? '; there are more tables than were read' : ''}</span>
    </div>
    <div class="regions rows" role="table" aria-label="mapped regions" tabindex="0" @scroll=${scrolled}>
      <div class="head row" role="row"><span>linear</span><span>to</span><span>size</span><span>rights</span><span>page</span><span>physical</span><span></span></div>
      <div class="inner"><div class="window">${rows.map((row, i) => regionRow(row, first + i))}</div></div>
    </div>`;
}

const rightsText = ({ writable, user, executable, global }: PageRegionView): string =>
  `${user ? 'U' : 'S'} R${writable ? 'W' : '-'}${executable ? 'X' : '-'} ${global ? 'G' : '-'}`;

const RIGHTS_TITLE = 'U user or S supervisor; R read, W write, X execute; G global';

function regionRow(region: PageRegionView, index: number): TemplateResult {
  const { start: from, end, size, physical, contiguous, pageSize, repeats, symbol, writable, executable } = region;
  const pick = (): void => {
    wanted = formatLinear(from);
    void walk();
  };
  const where =
    repeats !== undefined
      ? html`<span class="note" title="The same tables as in front of it, used again">as the ${sizeText(repeats)} before</span>`
      : html`${formatLinear(physical)}${contiguous ? nothing : html`<span class="note" title="Its frames do not follow each other"> …</span>`}`;
  return html`<div class="row ${writable && executable ? 'writable-code' : ''}" role="row" id="region-${index}">
    <span role="cell"><button class="link" title="Walk the page tables" @click=${pick}>${formatLinear(from)}</button></span><span role="cell">${formatLinear(end)}</span><span role="cell" class="number">${sizeText(size)}</span><span role="cell" title=${RIGHTS_TITLE}>${rightsText(region)}</span><span role="cell" class="number">${repeats === undefined ? sizeText(pageSize) : nothing}</span><span role="cell">${where}</span><span role="cell" class="symbol">${symbol ?? nothing}</span>
  </div>`;
}

const PART = 1000;

/** All regions as text, a line each. */
async function copyMap(): Promise<void> {
  const lines: string[] = [];
  for (let at = 0; ; at += PART) {
    const part = await connection.request('ringside/pageMap', { vcpu, start: at, count: PART, merged, guest }).catch(() => undefined);
    if (!part) return;
    for (const row of part.rows) {
      const { start: from, end, physical, pageSize, repeats, symbol } = row;
      const where = repeats === undefined ? `${formatLinear(physical)}  ${sizeText(pageSize)} pages` : `as the ${sizeText(repeats)} before`;
      lines.push(`${formatLinear(from)}-${formatLinear(end)}  ${rightsText(row)}  ${where}${symbol ? `  ${symbol}` : ''}`);
    }
    if (at + PART >= part.total) break;
  }
  connection.copy(`${lines.join('\n')}\n`);
}

window.addEventListener('resize', () => void load());
show();
