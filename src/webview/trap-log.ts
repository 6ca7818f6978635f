/** The Trap Log: one row a transition. Only the rows in sight exist; the log may have a million. */
import { html, nothing, render, type TemplateResult } from 'lit';
import { formatLinear } from '../shared/addresses';
import type { LogExtent, TransitionFilter, TransitionRow, TransitionsBody, TransitionView } from '../shared/panel-protocol';
import type { Ring, TransitionKind } from '../shared/transition';
import { Connection } from './connection';
import { checkList, codeLink, detailTable, emptyState, ringMark } from './parts';

const ROW = 22;
/** Rows fetched around those in sight. */
const MARGIN = 60;
const root = document.querySelector<HTMLElement>('#root') as HTMLElement;

let active = false;
let body: TransitionsBody | undefined;
let kinds: readonly TransitionKind[] | undefined;
let causes: readonly string[] | undefined;
let rings: readonly Ring[] | undefined;
let changesOnly = false;
/** Index, among the matching rows, of the one with the focus. */
let focused = -1;
let unfolded: TransitionView | undefined;
/** The list keeps its place while the log grows, unless it is at its end. */
let following = true;
let fetching = false;
let stale = false;

const connection = new Connection({
  session(now) {
    active = now;
    body = undefined;
    unfolded = undefined;
    focused = -1;
    following = true;
    show();
    if (now) void load();
  },
  event(event, extent) {
    if (event === 'ringside/transitions') grow(extent as LogExtent);
    else if (event === 'ringside/state') void load();
  },
  showTransition: (sequence) => void reveal(sequence),
});

const filter = (): TransitionFilter => ({ kinds, causes, rings, changesOnly: changesOnly || undefined });

function list(): HTMLElement | null {
  return root.querySelector<HTMLElement>('.rows');
}

function visible(): { first: number; count: number } {
  const element = list();
  const height = element?.clientHeight ?? 400;
  return { first: Math.floor((element?.scrollTop ?? 0) / ROW), count: Math.ceil(height / ROW) + 1 };
}

function grow(extent: LogExtent): void {
  if (body && extent.total === body.total) return;
  void load();
}

/** Fetches what is in sight, one request at a time. */
async function load(): Promise<void> {
  if (fetching) {
    stale = true;
    return;
  }
  fetching = true;
  try {
    const { first, count } = visible();
    const from = following && body ? Math.max(0, body.matching - count) : first;
    body = await connection.request('ringside/transitions', {
      start: Math.max(0, from - MARGIN),
      count: count + 2 * MARGIN,
      filter: filter(),
    });
    show();
    if (following) toEnd();
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

function toEnd(): void {
  const element = list();
  if (element) element.scrollTop = element.scrollHeight;
}

function scrolled(): void {
  const element = list();
  if (!element || !body) return;
  following = element.scrollTop + element.clientHeight >= element.scrollHeight - ROW;
  const { first, count } = visible();
  const loaded = first >= body.start && first + count <= body.start + body.rows.length;
  if (!loaded && (first + count < body.matching || first < body.start)) void load();
}

async function reveal(sequence: number): Promise<void> {
  kinds = causes = rings = undefined;
  changesOnly = false;
  following = false;
  await load();
  if (!body) return;
  focused = sequence - body.first;
  const element = list();
  if (element) element.scrollTop = Math.max(0, focused * ROW - element.clientHeight / 2);
  await load();
  await unfold(sequence);
}

async function unfold(sequence: number): Promise<void> {
  unfolded =
    unfolded?.sequence === sequence ? undefined : await connection.request('ringside/transition', { sequence }).catch(() => undefined);
  show();
}

function show(): void {
  render(page(), root);
  // Positions are set on the elements: a style attribute would be refused by the page's policy.
  const inner = root.querySelector<HTMLElement>('.inner');
  if (inner && body) {
    inner.style.height = `${body.matching * ROW}px`;
    const window = inner.querySelector<HTMLElement>('.window');
    if (window) window.style.transform = `translateY(${body.start * ROW}px)`;
  }
}

function page(): TemplateResult {
  if (!active)
    return emptyState('While a guest is being debugged, this lists every change of ring or mode, with its cause and the checks it passed.');
  if (!body) return emptyState('The guest is starting.');
  const several = body.rows.some(({ vcpu }) => vcpu > 0);
  return html`<div class="trap-log ${several ? 'several' : ''}">
    ${chips(body)}
    <div class="rows" role="listbox" aria-label="transitions" tabindex="0" @scroll=${scrolled} @keydown=${key} aria-activedescendant=${focused >= 0 ? `row-${focused}` : nothing}>
      <div class="head row" aria-hidden="true">
        <span>#</span>${several ? html`<span>cpu</span>` : nothing}<span>rings</span><span>cause</span><span>at</span><span>kind</span><span>count</span>
      </div>
      <div class="inner"><div class="window">${body.rows.map((row, i) => rowLine(row, (body as TransitionsBody).start + i, several))}</div></div>
    </div>
    ${unfolded ? details(unfolded) : nothing}
    ${body.matching === 0 ? emptyState(body.total === 0 ? 'No transition yet.' : 'No transition matches the filters.') : nothing}
  </div>`;
}

function rowLine(row: TransitionRow, index: number, several: boolean): TemplateResult {
  const { sequence, count, vcpu, kind, cause, from, to, at } = row;
  const pick = (): void => {
    focused = index;
    void unfold(sequence);
  };
  return html`<div id="row-${index}" role="option" class="row ${index === focused ? 'focused' : ''} kind-${kind}" aria-selected=${index === focused} @click=${pick} @dblclick=${() => openRow(row)}>
    <span class="number">${sequence}</span>${several ? html`<span class="number">${vcpu}</span>` : nothing}<span>${ringMark(from)}→${ringMark(to)}</span><span class="cause">${cause}</span><span>${codeLink(connection, at)}</span><span>${kind}</span><span class="number">${count.toLocaleString('en')}</span>
  </div>`;
}

function openRow({ at }: TransitionRow): void {
  if (at.path !== undefined && at.line !== undefined) connection.open({ kind: 'source', path: at.path, line: at.line });
  else connection.open({ kind: 'disassembly', address: at.address });
}

function details(view: TransitionView): TemplateResult {
  const { sequence, cause, kind, source, target, at, targetAt, checks } = view;
  const far = (pointer: { selector: number; offset: number }): string =>
    `${pointer.selector.toString(16).padStart(4, '0')}:${formatLinear(pointer.offset).slice(2)}`;
  return html`<section class="unfolded" aria-label="transition ${sequence}">
    <h3>#${sequence} ${cause.name} <span class="note">${kind}</span>
      <button class="link" @click=${() => connection.copy(JSON.stringify(view, undefined, 2))}>copy</button>
      <button class="link" @click=${() => void unfold(sequence)} aria-label="close">close</button></h3>
    <p class="number">${far(source)} → ${far(target)}</p>
    <p>from ${codeLink(connection, at)}${targetAt ? html` to ${codeLink(connection, targetAt)}` : nothing}</p>
    ${checkList(checks)}${detailTable(connection, view.details)}
  </section>`;
}

function key(event: KeyboardEvent): void {
  if (!body) return;
  const page = Math.max(1, visible().count - 2);
  const moves: Readonly<Record<string, number>> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: page,
    PageUp: -page,
    Home: -Infinity,
    End: Infinity,
  };
  const move = moves[event.key];
  const row = body.rows[focused - body.start];
  if (move !== undefined) {
    event.preventDefault();
    focused = Math.max(0, Math.min(body.matching - 1, focused + move));
    const element = list();
    if (element) {
      if (focused * ROW < element.scrollTop) element.scrollTop = focused * ROW;
      else if ((focused + 1) * ROW > element.scrollTop + element.clientHeight)
        element.scrollTop = (focused + 1) * ROW - element.clientHeight;
    }
    show();
  } else if ((event.key === 'Enter' || event.key === ' ') && row) {
    event.preventDefault();
    if (event.key === 'Enter' && event.ctrlKey) openRow(row);
    else void unfold(row.sequence);
  } else if (event.key === 'Escape' && unfolded) {
    unfolded = undefined;
    show();
  }
}

/** A chip for every kind, ring and frequent cause that occurs; the pressed ones are what is shown. */
function chips({ byKind, byCause, matching, total }: TransitionsBody): TemplateResult {
  const frequent = Object.entries(byCause)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 12);
  return html`<div class="chips" role="toolbar" aria-label="filters">
    ${Object.entries(byKind).map(([name, count]) => chip(name, count, kinds?.includes(name as TransitionKind) ?? false, () => (kinds = toggle(kinds, name as TransitionKind))))}
    <span class="gap"></span>
    ${([0, 1, 2, 3] as const).map((ring) => chip(`ring ${ring}`, undefined, rings?.includes(ring) ?? false, () => (rings = toggle(rings, ring))))}
    <span class="gap"></span>
    ${frequent.map(([name, count]) => chip(name, count, causes?.includes(name) ?? false, () => (causes = toggle(causes, name))))}
    <span class="gap"></span>
    ${chip('changes only', undefined, changesOnly, () => (changesOnly = !changesOnly))}
    <span class="count" role="status">${matching.toLocaleString('en')} of ${total.toLocaleString('en')}</span>
    <button class="chip" @click=${() => connection.exportLog()}>export…</button>
  </div>`;
}

function toggle<T>(chosen: readonly T[] | undefined, value: T): readonly T[] | undefined {
  const next = chosen?.includes(value) ? chosen.filter((other) => other !== value) : [...(chosen ?? []), value];
  return next.length > 0 ? next : undefined;
}

function chip(name: string, count: number | undefined, pressed: boolean, press: () => void): TemplateResult {
  const click = (): void => {
    press();
    unfolded = undefined;
    focused = -1;
    void load();
  };
  return html`<button class="chip" aria-pressed=${pressed} @click=${click}>${name}${count === undefined ? nothing : html` <span class="number">${count.toLocaleString('en')}</span>`}</button>`;
}

window.addEventListener('resize', () => void load());
show();
