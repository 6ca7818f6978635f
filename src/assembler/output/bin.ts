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
  private readonly all: readonly Section[];
  /** Sections with contents, in the order of the image. */
  private readonly contents: readonly Section[];
  private readonly placed = new Map<Section, PlacedSection>();
  private readonly waiting = new Set<Section>();
  /** Where each section with contents lies unless it says otherwise, and where the one before it ends. */
  private readonly loaded = new Map<Section, { readonly at: number; readonly before: number; readonly position: number }>();

  constructor(assembly: Assembly) {
    this.assembly = assembly;
    const [text, ...others] = assembly.sections.values();
    this.all = [text, ...others.filter(({ rank }) => rank > 0).sort((a, b) => a.rank - b.rank)];
    this.contents = this.ordered(this.all.filter((section) => !section.nobits));
  }

  run(): PlacedSection[] {
    this.load();
    for (const section of this.all) this.place(section);
    return [...this.placed.values()];
  }

  private fail(section: Section, message: string): void {
    this.assembly.diagnostics.error(section.place ?? NOWHERE, message);
  }

  /**
   * Source order, with exceptions: a section that follows another comes right behind it, one that states its start stands by address,
   * and each takes along the sections behind it that say neither.
   */
  private ordered(sections: readonly Section[]): Section[] {
    const chains: Section[][] = [];
    for (const section of sections) {
      const { start, follows } = section.attributes;
      if (start !== undefined && follows !== undefined)
        this.fail(section, `section ${section.name} has both start and follows: expected one of them`);
      if (start !== undefined || follows !== undefined || chains.length === 0) chains.push([section]);
      else if (chains[chains.length - 1][0].attributes.follows === section.name) chains.push([section]);
      else chains[chains.length - 1].push(section);
    }
    const startOf = ([head]: Section[]): number => head.attributes.start ?? Number(this.assembly.origin);
    const order = chains
      .filter(([head]) => head.attributes.follows === undefined)
      .sort((a, b) => startOf(a) - startOf(b))
      .flat();
    return this.withFollowers(
      order,
      chains.filter(([head]) => head.attributes.follows !== undefined),
    );
  }

  private withFollowers(order: Section[], chains: Section[][]): Section[] {
    const waiting = [...chains];
    for (let progress = true; progress; ) {
      progress = false;
      for (let i = 0; i < waiting.length; i++) {
        const at = order.findIndex(({ name }) => name === waiting[i][0].attributes.follows);
        if (at < 0) continue;
        order.splice(at + 1, 0, ...waiting[i]);
        waiting.splice(i--, 1);
        progress = true;
      }
    }
    for (const [head] of waiting)
      this.fail(head, `section ${head.name} follows ${head.attributes.follows}, which is no section with contents`);
    return [...order, ...waiting.flat()];
  }

  /** Gives each section with contents its place in the image. */
  private load(): void {
    let origin = Number(this.assembly.origin);
    let end = origin;
    for (const [i, section] of this.contents.entries()) {
      const { start, align } = section.attributes;
      if (i === 0 && start !== undefined) {
        if (!this.assembly.originSet) origin = start;
        end = start;
      }
      const at = start ?? alignUp(end, align ?? (i === 0 ? 1 : DEFAULT_ALIGNMENT));
      if (at < end) this.fail(section, `section ${section.name} starts at ${at}, inside the section before it, which ends at ${end}`);
      else if (at < origin) this.fail(section, `section ${section.name} starts at ${at}, before the origin of the image, ${origin}`);
      this.loaded.set(section, { at, before: end, position: at - origin });
      end = at + sizeOf(section);
    }
  }

  /** Gives a section its place in memory, after that of the section that it depends on. */
  private place(section: Section): PlacedSection | undefined {
    const before = this.placed.get(section);
    if (before) return before;
    if (this.waiting.has(section)) {
      this.fail(section, `section ${section.name} follows itself`);
      return undefined;
    }
    this.waiting.add(section);
    const loaded = this.loaded.get(section);
    const placed = {
      section,
      address: loaded ? this.contentAddress(section, loaded) : this.emptyAddress(section),
      position: loaded?.position ?? -1,
    };
    this.placed.set(section, placed);
    return placed;
  }

  private contentAddress(section: Section, loaded: { readonly at: number; readonly before: number }): number {
    const { vstart, valign, vfollows } = section.attributes;
    if (vstart !== undefined) return vstart;
    if (vfollows !== undefined) return alignUp(this.endOf(this.named(section, vfollows)), valign ?? DEFAULT_ALIGNMENT);
    // In memory a section lies where it is loaded unless it says otherwise; what comes after it is not moved with it.
    return valign ? alignUp(loaded.before, valign) : loaded.at;
  }

  /** Address of a section without contents: behind the one before it in the source, but .bss behind all contents. */
  private emptyAddress(section: Section): number {
    const { vstart, start, valign, align, follows, vfollows, implied } = section.attributes;
    if ((vstart ?? valign ?? vfollows) !== undefined && (start ?? align ?? follows) !== undefined) {
      this.fail(
        section,
        `section ${section.name} has no contents: expected either start, align and follows or vstart, valign and vfollows, not both`,
      );
    }
    const address = vstart ?? start;
    if (address !== undefined) return address;
    const name = follows ?? vfollows;
    const before = implied ? this.contents.at(-1) : this.all[this.all.indexOf(section) - 1];
    return alignUp(this.endOf(name === undefined ? before : this.named(section, name)), valign ?? align ?? DEFAULT_ALIGNMENT);
  }

  private named(section: Section, name: string): Section | undefined {
    const target = this.all.find((other) => other.name === name);
    if (!target) this.fail(section, `section ${section.name} follows ${name}, which is no section`);
    return target;
  }

  /** Where a section ends in memory; the origin where there is none. */
  private endOf(section: Section | undefined): number {
    const placed = section && this.place(section);
    return placed ? placed.address + sizeOf(placed.section) : Number(this.assembly.origin);
  }
}

/** Places the sections of a flat image in memory and in the image. */
export function layOut(assembly: Assembly): readonly PlacedSection[] {
  const order = new Layout(assembly).run();
  for (const placed of order) placed.section.address = placed.address;
  return order;
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
  if (assembly.diagnostics.hasErrors) return new Uint8Array(0);
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
    if (position < 0 || section.offset === 0) continue;
    image.set(section.data.view(), position);
    for (const fixup of section.fixups) apply(assembly, section, fixup, image, position);
  }
  return image;
}
