/**
 * Probes: what a debugger wants to stop at or note, evaluated inside the engine's loop. A probe costs nothing where it
 * does not stand: code probes are decoded into the blocks of their own page, data probes take their own pages off the
 * quick path, the others hang on operations that are slow anyway.
 */
import type { Instruction } from '../isa/types';
import type { LinearAddress } from '../shared/addresses';
import type { RawTransition } from './transitions';

/** What a probe came upon. */
export interface ProbeEvent {
  readonly cpu: number;
  readonly address: LinearAddress;
  /** Data probes: the access. */
  readonly access?: { readonly address: LinearAddress; readonly size: number; readonly write: boolean };
  /** Port probes. */
  readonly port?: { readonly port: number; readonly size: number; readonly write: boolean; readonly value: number };
  readonly exception?: { readonly vector: number; readonly errorCode: number; readonly reason: string };
  readonly transition?: RawTransition;
  readonly instruction?: Instruction;
}

/** @returns whether to stop. Conditions, hit counts and log messages are in here; it must not run the engine. */
export type Decide = (event: ProbeEvent) => boolean;

export type ProbePlace =
  /** Before the instruction at a linear address. */
  | { readonly kind: 'code'; readonly address: LinearAddress }
  /** After the instruction that touched a byte of the range. */
  | { readonly kind: 'data'; readonly address: LinearAddress; readonly length: number; readonly access: 'read' | 'write' | 'readWrite' }
  /** Before every instruction of some mnemonics (lower case); `matches` narrows it down when the instruction is decoded. */
  | { readonly kind: 'opcode'; readonly mnemonics: ReadonlySet<string>; readonly matches?: (instruction: Instruction) => boolean }
  /** Before an exception is delivered; without a vector, any. */
  | { readonly kind: 'exception'; readonly vector?: number }
  /** After a transition that `Decide` lets through. */
  | { readonly kind: 'transition' }
  /** After an instruction that used a port; without one, any. */
  | { readonly kind: 'port'; readonly port?: number };

export interface Probe {
  readonly id: number;
  readonly place: ProbePlace;
  readonly decide: Decide;
}

export interface ProbeHit {
  readonly probe: Probe;
  readonly event: ProbeEvent;
}

const always: Decide = () => true;

/** Whether an opcode probe stands before an instruction. */
function isAt(place: ProbePlace, instruction: Instruction): boolean {
  return place.kind === 'opcode' && place.mnemonics.has(instruction.row.mnemonic) && (place.matches?.(instruction) ?? true);
}
const NONE: readonly Probe[] = [];

/** The probes of one session. */
export class Probes {
  private readonly all = new Map<number, Probe>();
  private nextId = 1;
  private codeByAddress = new Map<number, Probe[]>();
  private codePageNumbers = new Set<number>();
  private opcodeProbes: Probe[] = [];
  private byKind = new Map<ProbePlace['kind'], Probe[]>();
  /** Told after every change, with the kind that changed. */
  onChange: (kind: ProbePlace['kind']) => void = () => {};

  /** @returns the probe, to be given to `remove` */
  add(place: ProbePlace, decide: Decide = always): Probe {
    const probe: Probe = { id: this.nextId++, place, decide };
    this.all.set(probe.id, probe);
    this.changed(place.kind);
    return probe;
  }

  remove(probe: Probe): void {
    if (this.all.delete(probe.id)) this.changed(probe.place.kind);
  }

  private changed(kind: ProbePlace['kind']): void {
    const list = [...this.all.values()].filter((probe) => probe.place.kind === kind);
    this.byKind.set(kind, list);
    if (kind === 'code') {
      this.codeByAddress = new Map();
      for (const probe of list) {
        if (probe.place.kind !== 'code') continue;
        const { address } = probe.place;
        this.codeByAddress.set(address, [...(this.codeByAddress.get(address) ?? []), probe]);
      }
      this.codePageNumbers = new Set([...this.codeByAddress.keys()].map(pageOf));
    }
    if (kind === 'opcode') this.opcodeProbes = list;
    this.onChange(kind);
  }

  of(kind: ProbePlace['kind']): readonly Probe[] {
    return this.byKind.get(kind) ?? NONE;
  }

  /** Whether any instruction anywhere may have to be looked at. */
  get everywhere(): boolean {
    return this.opcodeProbes.length > 0;
  }

  onCodePage(page: number): boolean {
    return this.codePageNumbers.has(page);
  }

  /** Whether a probe may stand before an instruction. */
  wants(address: LinearAddress, instruction: Instruction): boolean {
    return this.codeByAddress.has(address) || this.opcodeProbes.some(({ place }) => isAt(place, instruction));
  }

  /** The probes that stand before an instruction. */
  before(address: LinearAddress, instruction: Instruction | undefined): readonly Probe[] {
    const opcodes = this.opcodeProbes.filter(({ place }) => instruction && isAt(place, instruction));
    return [...(this.codeByAddress.get(address) ?? []), ...opcodes];
  }

  /** Linear page numbers that data probes watch. */
  dataPages(): Set<number> {
    const pages = new Set<number>();
    for (const { place } of this.of('data')) {
      if (place.kind !== 'data') continue;
      for (let page = pageOf(place.address); page <= pageOf(place.address + place.length - 1); page++) pages.add(page);
    }
    return pages;
  }
}

const pageOf = (address: number): number => Math.floor(address / 4096);
