/** The Rings panel: where the processor is, what lives in each ring, and how it came there. */
import { html, nothing, render, type TemplateResult } from 'lit';
import type { DescriptorView, RingContents, StateEvent, TransitionView, VcpuState } from '../shared/panel-protocol';
import { Connection } from './connection';
import { checkList, codeLink, cpuTabs, detailTable, emptyState, hex, memoryLink, placeText } from './parts';
import { ringsPicture } from './rings-picture';

const root = document.querySelector<HTMLElement>('#root') as HTMLElement;
let active = false;
let state: StateEvent | undefined;
let selected = 0;

const connection = new Connection({
  session(now) {
    active = now;
    state = undefined;
    show();
    if (now) void refresh();
  },
  event(event, body) {
    if (event !== 'ringside/state') return;
    state = body as StateEvent;
    show();
  },
});

async function refresh(): Promise<void> {
  try {
    state = await connection.request('ringside/state', undefined);
  } catch {
    // The session is still starting: it will send its state by itself.
  }
  show();
}

function show(): void {
  render(page(), root);
}

function page(): TemplateResult {
  if (!active)
    return emptyState(
      'While a guest is being debugged, this shows which ring its processor is in, what lives in each ring, and how it came there.',
    );
  const cpu = state?.vcpus[selected] ?? state?.vcpus[0];
  if (!state || !cpu) return emptyState('The guest is starting.');
  return html`
    ${cpuTabs(
      state.vcpus.map(({ name }) => name),
      selected,
      choose,
    )}
    <div class="rings ${state.running ? 'running' : ''}">
      <div class="picture">${ringsPicture(cpu, cpu.lastTransition)}</div>
      <div class="facts">
        ${summary(state, cpu)} ${cpu.lastTransition ? lastTransition(cpu.lastTransition) : html`<p class="empty">No transition yet.</p>`}
      </div>
      <div class="ring-list">
        ${
          cpu.rings
            ? [...cpu.rings.rings].reverse().map((ring) => ringRow(ring, cpu))
            : html`<p class="empty">Running; what the rings contain is read when the guest stops.</p>`
        }
      </div>
    </div>`;
}

function choose(index: number): void {
  selected = index;
  show();
}

function summary({ running, instructionCount, transitions }: StateEvent, cpu: VcpuState): TemplateResult {
  const { rings } = cpu;
  return html`<dl class="summary">
    <dt>processor</dt><dd><strong>${placeText(cpu.place)}</strong>${running ? ' (running)' : ''}</dd>
    <dt>mode</dt><dd>${cpu.place.mode}${rings ? `, paging ${rings.paging ? 'on' : 'off'}` : ''}, ${cpu.bits}-bit code</dd>
    <dt>at</dt><dd>${codeLink(connection, cpu.at)}${cpu.halted ? ' halted' : ''}</dd>
    ${rings ? html`<dt>IOPL</dt><dd>${rings.iopl}, interrupts ${rings.interruptsEnabled ? 'enabled' : 'disabled'}</dd>` : nothing}
    ${rings?.task ? html`<dt>task</dt><dd class="number">${hex(rings.task.selector, 4)} ${rings.task.type}, base ${rings.task.base}</dd>` : nothing}
    <dt>count</dt><dd class="number">${instructionCount.toLocaleString('en')} instructions, ${transitions.total.toLocaleString('en')} transitions</dd>
  </dl>`;
}

function ringRow(contents: RingContents, cpu: VcpuState): TemplateResult {
  const here = cpu.place.ring === contents.ring;
  return html`<section class="ring-row ${here ? 'here' : ''}" aria-label="ring ${contents.ring}">
    <h3><span class="mark ring-${contents.ring}">${contents.ring}</span> ring ${contents.ring}${here ? ' — the processor is here' : ''}</h3>
    ${
      contents.stack
        ? html`<p>stack ${memoryLink(connection, contents.stack.memoryReference, `${contents.stack.selector}:${contents.stack.pointer}`)} <span class="note">${STACK_SOURCES[contents.stack.source]}</span></p>`
        : nothing
    }
    ${contents.code.map(({ at, state: codeState, frame }) => html`<p>code ${codeLink(connection, at)} <span class="note">${codeState}, ${frame}</span></p>`)}
    ${contents.segments.map(segment)}
    ${contents.gates.map(gate)}
    ${contents.moreGates > 0 ? html`<p class="note">and ${contents.moreGates} more gates</p>` : nothing}
  </section>`;
}

const STACK_SOURCES = { current: 'in use', tss: 'in the TSS, for the next way in', saved: 'saved in an interrupt frame' } as const;

function segment({ table, selector, type, base, limit, present, heldBy, memoryReference, raw }: DescriptorView): TemplateResult {
  return html`<p>${memoryLink(connection, memoryReference, `${table} ${hex(selector, 4)}`)} <span title=${raw}>${type}</span>
    <span class="number">${base} + ${limit}</span>${present ? nothing : ' not present'}${heldBy.length > 0 ? html` <span class="held">${heldBy.join(' ')}</span>` : nothing}</p>`;
}

function gate({ table, index, selector, type, target, memoryReference, present }: DescriptorView): TemplateResult {
  const name = table === 'IDT' ? `INT ${hex(index, 2)}` : `${table} ${hex(selector, 4)}`;
  return html`<p>${memoryLink(connection, memoryReference, name)} ${type}${present ? nothing : ' not present'}
    ${target ? html`→ ring ${target.ring} ${codeLink(connection, target.at)}` : nothing}</p>`;
}

function lastTransition(transition: TransitionView): TemplateResult {
  const { sequence, cause, kind, from, to, at, targetAt, details, checks } = transition;
  return html`<section class="last" aria-live="polite" aria-label="last transition">
    <h3>last transition: <button class="link" title="Show in the trap log" @click=${() => connection.open({ kind: 'transition', sequence })}>#${sequence} ${cause.name}</button></h3>
    <p>${kind}: ${placeText(from)} → ${placeText(to)}, from ${codeLink(connection, at)}${targetAt ? html` to ${codeLink(connection, targetAt)}` : nothing}</p>
    ${checkList(checks)}${detailTable(connection, details)}
  </section>`;
}

show();
