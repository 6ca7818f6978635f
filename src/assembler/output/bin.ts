/** Flat images: sections get their places, fix-ups their values. */

import type { Assembly } from '../assembly';
import { add, type Int, store, subtract } from '../int64';
import { MAX_IMAGE_BYTES } from '../limits';
import type { Section, SectionFixup } from '../sections';
import type { Place } from '../source';
import { type Base, isInt, type Value } from '../values';

const DEFAULT_ALIGNMENT = 4;

export interface PlacedSection {
  readonly section: Section;
  /** In memory. */
  address: number;
  /** In the image; -1 for sections without contents. */
  position: number;
}

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

function sizeOf(section: Section): number {
  return section.offset;
}

const NOWHERE: Place = { line: { file: '', number: 1, text: '' }, column: 0, length: 1, expansion: undefined };

class Layout {
  private readonly assembly: Assembly;
  private readonly placed = new Map<Section, PlacedSection>();
  readonly order: PlacedSection[] = [];

  constructor(assembly: Assembly) {
    this.assembly = assembly;
  }

  private fail(section: Section, message: string): void {
    this.assembly.diagnostics.error(section.place ?? NOWHERE, message);
  }

  run(): void {
    const origin = Number(this.assembly.origin);
    const all = [...this.assembly.sections.values()].filter((section) => section.name === '.text' || section.rank > 0);
    const contents = this.ordered(all.filter((section) => !section.nobits));
    this.placeContents(contents, origin);
    this.placeRest(all.filter((section) => section.nobits), contents);
  }

  /** Source order, but a section that follows another comes right behind it. */
  private ordered(sections: readonly Section[]): Section[] {
    const order = sections.filter((section) => section.attributes.follows === undefined);
    const waiting = sections.filter((section) => section.attributes.follows !== undefined);
    let progress = true;
    while (waiting.length > 0 && progress) {
      progress = false;
      for (let i = 0; i < waiting.length; i++) {
        const at = order.findIndex(({ name }) => name === waiting[i].attributes.follows);
        if (at < 0) continue;
        order.splice(at + 1, 0, waiting[i]);
        waiting.splice(i--, 1);
        progress = true;
      }
    }
    for (const section of waiting) this.fail(section, `section ${section.name} follows ${section.attributes.follows}, which is no section with contents before it`);
    return [...order, ...waiting];
  }

  private placeContents(sections: readonly Section[], origin: number): void {
    let load = origin;
    let memory = origin;
    for (const [i, section] of sections.entries()) {
      const { attributes } = section;
      const alignment = attributes.align ?? (i === 0 ? 1 : DEFAULT_ALIGNMENT);
      if (attributes.start !== undefined) {
        if (attributes.start < load && i > 0) this.fail(section, `section ${section.name} starts at ${attributes.start}, inside the section before it`);
        if (i === 0 && !this.assembly.originSet) origin = attributes.start;
        memory += attributes.start - load;
        load = attributes.start;
      } else {
        const aligned = alignUp(load, alignment);
        memory = alignUp(memory, attributes.valign ?? alignment);
        load = aligned;
      }
      if (attributes.vstart !== undefined) memory = attributes.vstart;
      const placed = { section, address: memory, position: load - origin };
      this.order.push(placed);
      this.placed.set(section, placed);
      load += sizeOf(section);
      memory += sizeOf(section);
    }
  }

  private placeRest(sections: readonly Section[], contents: readonly Section[]): void {
    let last = this.placed.get(contents[contents.length - 1]);
    for (const section of sections) {
      const { attributes } = section;
      const followed = attributes.follows ?? attributes.vfollows;
      if (followed !== undefined) {
        const target = [...this.placed.values()].find((other) => other.section.name === followed);
        if (!target) this.fail(section, `section ${section.name} follows ${followed}, which is not placed before it`);
        else last = target;
      }
      let address = last ? last.address + sizeOf(last.section) : Number(this.assembly.origin);
      address = alignUp(address, attributes.valign ?? attributes.align ?? DEFAULT_ALIGNMENT);
      if (attributes.vstart !== undefined) address = attributes.vstart;
      else if (attributes.start !== undefined) address = attributes.start;
      const placed = { section, address, position: -1 };
      this.order.push(placed);
      this.placed.set(section, placed);
      last = placed;
    }
  }
}

/** Places the sections of a flat image in memory and in the image. */
export function layOut(assembly: Assembly): readonly PlacedSection[] {
  const layout = new Layout(assembly);
  layout.run();
  for (const placed of layout.order) placed.section.address = placed.address;
  return layout.order;
}

/** Address of a base in memory. */
function addressOf(base: Base): Int {
  return base.kind === 'section' ? (base as Section).address : 0;
}

/** Absolute value of a symbol in a flat image. */
export function resolve(value: Value): Int {
  if (isInt(value)) return value;
  let result = value.constant;
  for (const { of, coefficient } of value.terms) {
    if ('class' in of) continue;
    const address = addressOf(of);
    result = coefficient === -1 ? subtract(result, address) : add(result, address);
  }
  return result;
}

function apply(assembly: Assembly, section: Section, fixup: SectionFixup, image: Uint8Array, position: number): void {
  if (fixup.wrt) {
    assembly.diagnostics.error(fixup.place, 'the output format bin does not support WRT');
    return;
  }
  let value = fixup.base ? add(fixup.addend, addressOf(fixup.base)) : fixup.addend;
  if (fixup.relative) value = subtract(value, section.address + fixup.from);
  store(image, position + fixup.offset, value, fixup.size);
}

/** Bytes of the flat image. */
export function writeImage(assembly: Assembly, order: readonly PlacedSection[]): Uint8Array {
  let length = 0;
  for (const { section, position } of order) {
    if (position >= 0 && (section.offset > 0 || position === 0)) length = Math.max(length, position + section.offset);
  }
  if (length > MAX_IMAGE_BYTES) {
    assembly.diagnostics.error(order[0].section.place ?? NOWHERE, `the image has ${length} bytes: the limit is ${MAX_IMAGE_BYTES}`);
    return new Uint8Array(0);
  }
  const image = new Uint8Array(length);
  for (const { section, position } of order) {
    if (position < 0) continue;
    image.set(section.data.view(), position);
    for (const fixup of section.fixups) apply(assembly, section, fixup, image, position);
  }
  return image;
}
