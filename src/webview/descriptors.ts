/** The Descriptor Tables panel: GDT, LDT, IDT and the task-state segment, every entry decoded. */
import { html, nothing, render, type TemplateResult } from 'lit';
import type { DescriptorsBody, DescriptorView, StateEvent, TssField, TssView } from '../shared/panel-protocol';
import { Connection } from './connection';
import { codeLink, cpuTabs, emptyState, hex, memoryLink } from './parts';

const root = document.querySelector<HTMLElement>('#root') as HTMLElement;

let active = false;
let names: readonly string[] = [];
let vcpu = 0;
let body: DescriptorsBody | undefined;
let selected = 'GDT';

const connection = new Connection({
  session(now) {
    active = now;
    body = undefined;
    vcpu = 0;
    show();
    if (now) void start();
  },
  event(event, state) {
    if (event === 'ringside/state') take(state as StateEvent);
  },
});

async function start(): Promise<void> {
  try {
    take(await connection.request('ringside/state', undefined));
  } catch {
    // The session is still starting: it will send its state by itself.
  }
}

function take({ vcpus, running, terminated }: StateEvent): void {
  names = vcpus.map(({ name }) => name);
  if (vcpu >= names.length) vcpu = 0;
  if (!running && !terminated) void load();
}

async function load(): Promise<void> {
  try {
    body = await connection.request('ringside/descriptors', { vcpu });
    show();
  } catch {
    // No session that could answer: the next event asks again.
  }
}

function show(): void {
  render(page(), root);
}

type TableBody = DescriptorsBody['tables'][number];

function page(): TemplateResult {
  if (!active)
    return emptyState('While a guest is being debugged, this shows its GDT, LDT, IDT and task-state segment, every entry decoded.');
  if (!body) return emptyState('What the tables contain is read when the guest stops.');
  const { tables, tss } = body;
  const tabs = [...tables.map(({ name }) => name), ...(tss ? ['TSS'] : [])];
  const tab = tabs.includes(selected) ? selected : tabs[0];
  const table = tables.find(({ name }) => name === tab);
  const choose = (name: string) => (): void => {
    selected = name;
    show();
  };
  return html`<div class="descriptors">
    ${cpuTabs(names, vcpu, (index) => {
      vcpu = index;
      void load();
    })}
    <div class="chips" role="tablist" aria-label="tables">${tabs.map(
      (name) =>
        html`<button role="tab" class="chip" aria-selected=${name === tab} @click=${choose(name)}>${name}${count(tables, name)}</button>`,
    )}<button class="chip copy" @click=${copyJson}>copy as JSON</button></div>
    ${table ? tableView(table) : tss ? tssView(tss) : nothing}
  </div>`;
}

function copyJson(): void {
  connection.copy(JSON.stringify(body, undefined, 2));
}

function count(tables: readonly TableBody[], name: string): TemplateResult | typeof nothing {
  const table = tables.find((each) => each.name === name);
  return table ? html` <span class="number">${table.vectors?.length ?? table.descriptors.length}</span>` : nothing;
}

function tableView({ name, base, limit, memoryReference, entries, descriptors, vectors, problem }: TableBody): TemplateResult {
  return html`<p class="lead">base ${memoryLink(connection, memoryReference, base)} limit <span class="number">${limit}</span> <span class="note">room for ${entries.toLocaleString('en')} entries</span></p>
    ${problem ? html`<p class="problem">${problem}</p>` : nothing}
    ${vectors ? vectorTable(vectors) : descriptors.length > 0 ? descriptorTable(name, descriptors) : problem ? nothing : emptyState(`The ${name} has no entry that is not empty.`)}`;
}

function vectorTable(vectors: NonNullable<TableBody['vectors']>): TemplateResult {
  return html`<table class="grid"><thead><tr><th>vector</th><th>handler</th></tr></thead><tbody>${vectors.map(
    ({ index, at, memoryReference }) =>
      html`<tr><td>${memoryLink(connection, memoryReference, hex(index, 2))}</td><td>${codeLink(connection, at)}</td></tr>`,
  )}</tbody></table>`;
}

function descriptorTable(name: string, descriptors: readonly DescriptorView[]): TemplateResult {
  const gatesOnly = name === 'IDT';
  return html`<table class="grid"><thead><tr><th>${gatesOnly ? 'vector' : 'selector'}</th><th>type</th><th>DPL</th><th>P</th>
    ${gatesOnly ? html`<th>IST</th>` : html`<th>base</th><th>limit</th><th>bits</th><th>held by</th>`}<th>leads to</th><th>bytes</th></tr></thead>
    <tbody>${descriptors.map((descriptor) => descriptorRow(descriptor, gatesOnly))}</tbody></table>`;
}

function descriptorRow(descriptor: DescriptorView, gatesOnly: boolean): TemplateResult {
  const { index, selector, type, dpl, present, raw, memoryReference, base, limit, bits, heldBy, target, interruptStack, parameters } =
    descriptor;
  return html`<tr class=${present ? '' : 'absent'}>
    <td>${memoryLink(connection, memoryReference, hex(gatesOnly ? index : selector, gatesOnly ? 2 : 4))}</td>
    <td>${type}</td><td><span class="mark ring-${dpl}">${dpl}</span></td><td title=${present ? 'present' : 'not present'}>${present ? '1' : '0'}</td>
    ${
      gatesOnly
        ? html`<td class="number">${interruptStack ?? nothing}</td>`
        : html`<td class="number">${base ?? nothing}</td><td class="number">${limit ?? nothing}</td><td>${bits?.join(' ') ?? nothing}${parameters ? `${parameters} parameters` : nothing}</td>
          <td>${heldBy.map((name) => html`<span class="held">${name}</span> `)}</td>`
    }
    <td>${target ? html`<span class="number">${hex(target.selector, 4)}:</span>${codeLink(connection, target.at)}${target.ring === dpl ? nothing : html` <span class="note">ring ${target.ring}</span>`}` : nothing}</td>
    <td class="number note">${raw}</td></tr>`;
}

function tssView({ selector, type, base, limit, memoryReference, fields }: TssView): TemplateResult {
  return html`<p class="lead">TR <span class="number">${hex(selector, 4)}</span> ${type}, base ${memoryLink(connection, memoryReference, base)} limit <span class="number">${limit}</span></p>
    <table class="grid"><tbody>${fields.map(tssRow)}</tbody></table>`;
}

function tssRow({ name, value, meaning, at, memoryReference }: TssField): TemplateResult {
  const shown = at ? codeLink(connection, at) : memoryReference === undefined ? value : memoryLink(connection, memoryReference, value);
  return html`<tr><th scope="row">${name}</th><td class="number">${shown}</td><td class="note">${meaning ?? nothing}</td></tr>`;
}

show();
