/** The VMCS panel: every field of the current VMCS, why an entry failed, and the entries and exits so far. */
import { html, nothing, render, type TemplateResult } from 'lit';
import type { StateEvent } from '../shared/panel-protocol';
import type { VmcsBody, VmcsChecksBody, VmcsDiffBody, VmcsFieldView } from '../shared/vmcs-protocol';
import { Connection } from './connection';
import { codeLink, cpuTabs, emptyState, memoryLink } from './parts';
import { checkResults, failureSection } from './vmcs-checks';
import { diffView, historyList } from './vmcs-history';

const root = document.querySelector<HTMLElement>('#root') as HTMLElement;

let active = false;
let running = false;
let names: readonly string[] = [];
let vcpu = 0;
let body: VmcsBody | undefined;
let checks: VmcsChecksBody | undefined;
let diff: VmcsDiffBody | undefined;
let search = '';
let changedOnly = false;
/** Groups that are folded, fields that are unfolded. */
const folded = new Set<string>();
const unfolded = new Set<string>();
/** Key of the field that is being edited. */
let editing: string | undefined;
let problem = '';
/** The field to come into sight when the page is drawn next. */
let wanted: string | undefined;

const connection = new Connection({
  session(now) {
    active = now;
    running = false;
    body = checks = diff = undefined;
    editing = undefined;
    problem = '';
    vcpu = 0;
    show();
    if (now) void start();
  },
  event(event, state) {
    if (event === 'ringside/state') take(state as StateEvent);
  },
  checkVmcs: () => void check(),
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
  if (running || state.terminated) show();
  else void load();
}

async function load(): Promise<void> {
  try {
    body = await connection.request('ringside/vmcs', { vcpu });
    // What was compared or checked was the VMCS as it stood.
    checks = undefined;
    if (diff && diff.to === undefined) diff = undefined;
  } catch {
    // No session that could answer: the next event asks again.
  }
  show();
}

async function check(): Promise<void> {
  problem = '';
  try {
    body ??= await connection.request('ringside/vmcs', { vcpu });
    checks = await connection.request('ringside/vmcsChecks', { vcpu });
  } catch (error) {
    problem = (error as Error).message;
  }
  show();
}

async function compare(from: number, to: number | undefined): Promise<void> {
  try {
    diff = await connection.request('ringside/vmcsDiff', { vcpu, from, ...(to !== undefined && { to }) });
    problem = '';
  } catch (error) {
    problem = (error as Error).message;
  }
  show();
}

async function change(field: string, value: string): Promise<void> {
  try {
    await connection.request('ringside/setVmcsField', { vcpu, field, value });
    editing = undefined;
    problem = '';
    wanted = field;
  } catch (error) {
    problem = (error as Error).message;
  }
  show();
}

async function copy(format: 'text' | 'json'): Promise<void> {
  try {
    connection.copy((await connection.request('ringside/exportVmcs', { vcpu, format })).text);
  } catch (error) {
    problem = (error as Error).message;
    show();
  }
}

function show(): void {
  render(page(), root);
  const input = root.querySelector<HTMLInputElement>('.edit input');
  if (input && document.activeElement !== input && !input.dataset['seen']) {
    input.dataset['seen'] = 'yes';
    input.focus();
    input.select();
  }
  if (wanted === undefined) return;
  const row = root.querySelector<HTMLElement>(`#field-${wanted}`);
  wanted = undefined;
  row?.scrollIntoView({ block: 'nearest' });
  row?.querySelector<HTMLElement>('button')?.focus();
}

/** Unfolds a field wherever it is. */
function goTo(key: string): void {
  const field = body?.fields.find((each) => each.key === key);
  if (!field) return;
  search = '';
  changedOnly = false;
  folded.delete(field.group);
  unfolded.add(key);
  wanted = key;
  show();
}

function page(): TemplateResult {
  if (!active)
    return emptyState(
      'While a guest that uses VMX is being debugged, this shows its current VMCS field by field, its VM entries and exits, and why an entry failed.',
    );
  if (!body) return emptyState('The VMCS is read when the guest stops.');
  if (!body.available) return emptyState('This processor has no VMX.');
  const { failure, region, history } = body;
  return html`<div class="vmcs">
    ${cpuTabs(names, vcpu, choose)}
    ${heading(body)}
    ${problem && editing === undefined ? html`<p class="problem lead" role="alert">${problem}</p>` : nothing}
    ${failure ? failureSection(connection, failure, region ? goTo : undefined) : nothing}
    ${checks ? checkResults(checks, goTo, dismiss) : nothing}
    ${
      region
        ? html`${toolbar(body)}<div class="panes"><div class="fields">${groups(body)}</div>${side(body)}</div>`
        : html`${emptyState(withoutVmcs(body))}${history.length > 0 ? html`<div class="panes">${side(body)}</div>` : nothing}`
    }
  </div>`;
}

const withoutVmcs = ({ operation }: VmcsBody): string =>
  operation === 'off' ? 'The processor is not in VMX operation: VMXON enters it.' : 'There is no current VMCS: VMPTRLD makes one current.';

function choose(index: number): void {
  vcpu = index;
  editing = undefined;
  diff = undefined;
  void load();
}

function dismiss(): void {
  checks = undefined;
  show();
}

const OPERATION = { off: 'not in VMX operation', root: 'VMX root operation', 'non-root': 'VMX non-root operation' } as const;

function heading({ operation, vmxonPointer, region }: VmcsBody): TemplateResult {
  return html`<dl class="page-facts">
    <div><dt class="operation">${OPERATION[operation]}</dt><dd></dd></div>
    ${vmxonPointer ? html`<div><dt>VMXON region</dt><dd>${memoryLink(connection, vmxonPointer.memoryReference, vmxonPointer.address)}</dd></div>` : nothing}
    ${
      region
        ? html`<div><dt>current VMCS</dt><dd>${memoryLink(connection, region.memoryReference, region.address)}</dd></div>
          <div title="VMLAUNCH wants a clear VMCS, VMRESUME a launched one"><dt>launch state</dt><dd>${region.launched ? 'launched' : 'clear'}</dd></div>
          ${region.shadow ? html`<div><dt></dt><dd>shadow VMCS</dd></div>` : nothing}
          ${region.abortIndicator ? html`<div class="problem"><dt>VMX-abort indicator</dt><dd class="number">${region.abortIndicator}</dd></div>` : nothing}`
        : nothing
    }
    ${running ? html`<div class="note">running: as of the last stop</div>` : nothing}
  </dl>`;
}

function toolbar({ since, fields }: VmcsBody): TemplateResult {
  const find = (event: Event): void => {
    search = (event.target as HTMLInputElement).value;
    show();
  };
  const toggle = (): void => {
    changedOnly = !changedOnly;
    show();
  };
  const changed = fields.filter(({ previous }) => previous !== undefined).length;
  return html`<div class="chips toolbar" role="toolbar" aria-label="VMCS">
    <input id="search" type="search" spellcheck="false" aria-label="search fields" placeholder="name, encoding, value or bit" .value=${search} @input=${find}>
    <button class="chip" aria-pressed=${changedOnly} @click=${toggle}>changed only <span class="number">${changed}</span></button>
    <button class="chip" title="Make all checks of VM entry on this VMCS as it is now" @click=${() => void check()}>check now</button>
    <button class="chip" @click=${() => void copy('text')}>copy as text</button>
    <button class="chip" @click=${() => void copy('json')}>copy as JSON</button>
    <span class="count" role="status">${since ? `marked: changed since ${since.kind} ${since.sequence} (${since.what})` : 'no entry or exit yet'}</span>
  </div>`;
}

function matches({ key, name, encoding, value, parts, meaning, previous }: VmcsFieldView): boolean {
  if (changedOnly && previous === undefined) return false;
  const text = search.trim().toLowerCase();
  if (!text) return true;
  return [key, name, encoding, value, meaning ?? '', ...parts.map((part) => part.name)].some((each) => each.toLowerCase().includes(text));
}

function groups({ fields }: VmcsBody): TemplateResult {
  const all = [...new Set(fields.map(({ group }) => group))];
  const shown = all.map((group) => ({ group, rows: fields.filter((field) => field.group === group && matches(field)) }));
  if (shown.every(({ rows }) => rows.length === 0)) {
    return emptyState(search ? `No field has "${search}" in it.` : 'Nothing has changed.');
  }
  return html`<table class="grid"><thead><tr><th scope="col">field</th><th scope="col">value</th><th scope="col">meaning</th><th scope="col">encoding</th></tr></thead>
    ${shown.filter(({ rows }) => rows.length > 0).map(({ group, rows }) => groupRows(group, rows))}</table>`;
}

function groupRows(group: string, rows: readonly VmcsFieldView[]): TemplateResult {
  // A search looks into folded groups, too.
  const open = !folded.has(group) || search.trim() !== '' || changedOnly;
  const toggle = (): void => {
    if (!folded.delete(group)) folded.add(group);
    show();
  };
  return html`<tbody><tr class="group"><th colspan="4" scope="rowgroup"><button class="fold" aria-expanded=${open} @click=${toggle}>${
    open ? '▾' : '▸'
  } ${group}</button> <span class="note number">${rows.length}</span></th></tr>${open ? rows.map(fieldRow) : nothing}</tbody>`;
}

function fieldRow(field: VmcsFieldView): TemplateResult {
  const { key, name, encoding, width, readOnly, meaning, purpose, parts, previous } = field;
  const open = unfolded.has(key);
  const toggle = (): void => {
    if (!unfolded.delete(key)) unfolded.add(key);
    show();
  };
  const set = parts.filter((part) => part.set && /^[01]$/.test(part.value)).map((part) => part.name);
  const said = [meaning, meaning === undefined || set.length > 3 ? set.join(', ') : ''].filter(Boolean).join('; ');
  return html`<tr id="field-${key}" class=${previous === undefined ? '' : 'changed'} title=${previous === undefined ? purpose : `was ${previous}`}>
    <th scope="row"><button class="fold" aria-expanded=${open} @click=${toggle}>${name}</button></th>
    <td>${editing === key ? editor(field) : valueCell(field)}</td>
    <td class="said">${said}</td>
    <td class="number note">${encoding} <span title="bits">${width}</span>${readOnly ? html` <span title="VMWRITE may not change it">read-only</span>` : nothing}</td></tr>
    ${open ? unfoldedRow(field) : nothing}`;
}

function valueCell(field: VmcsFieldView): TemplateResult {
  const { key, name, value, at, memoryReference, previous } = field;
  const shown = at
    ? codeLink(connection, at)
    : memoryReference === undefined
      ? html`<span class="number">${value}</span>`
      : memoryLink(connection, memoryReference, value);
  const edit = (): void => {
    editing = key;
    problem = '';
    show();
  };
  return html`<span class=${previous === undefined ? '' : 'changed-value'} @dblclick=${edit}>${shown}</span>
    <button class="edit-value" title="Change ${name}" aria-label="change ${name}" ?disabled=${running} @click=${edit}>✎</button>`;
}

function editor({ key, name, value }: VmcsFieldView): TemplateResult {
  const submit = (event: Event): void => {
    event.preventDefault();
    void change(key, root.querySelector<HTMLInputElement>('.edit input')?.value ?? '');
  };
  const leave = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    editing = undefined;
    problem = '';
    wanted = key;
    show();
  };
  return html`<form class="edit" @submit=${submit} @keydown=${leave}><input class="number" type="text" spellcheck="false" autocomplete="off" aria-label="new value of ${name}" .value=${value}>
    <button class="chip">set</button>${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}</form>`;
}

function unfoldedRow({ key, purpose, parts, previous, readOnly }: VmcsFieldView): TemplateResult {
  return html`<tr class="parts"><td colspan="4"><p class="note">${purpose}${previous === undefined ? nothing : html`; was <span class="number">${previous}</span>`}${
    readOnly ? '; VMWRITE refuses it, a debugger may change it' : nothing
  }</p>
    <div class="bits" aria-label="parts of ${key}">${parts.map(
      ({ name, value, set, meaning }) =>
        html`<span class="bit ${set ? 'set' : 'clear'}" title=${meaning ?? ''}>${name}<b>${value}</b>${meaning && set && !/^[01]$/.test(value) ? html` <span class="note">${meaning}</span>` : nothing}</span> `,
    )}</div></td></tr>`;
}

function side({ history, moments }: VmcsBody): TemplateResult {
  return html`<section class="moments" aria-label="entries and exits">
    ${
      diff
        ? diffView(diff, goTo, () => {
            diff = undefined;
            show();
          })
        : nothing
    }
    ${historyList(history, moments, diff, (from, to) => void compare(from, to))}
  </section>`;
}

show();
