/** The Page Tables panel's data: the walk of an address, and what all tables map. */
import type { NestedWalk, PageEntry, PageMap, PageRegion, PageTables, RegisterField, VirtualCpu } from '../../engines/engine';
import type { NestedWalkView, PageEntryView, PageFieldView, PageMapBody, PageRegionView, PageWalkBody } from '../../shared/panel-protocol';
import { compileAddress } from '../expressions/compile';
import { hexOf } from '../expressions/format';
import { parseExpression } from '../expressions/parser';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { UserError } from '../protocol/errors';
import { describe } from '../protocol/shapes';
import { inLongMode, linear } from '../state/cpu-facts';
import { placeInCode } from './places';

/** @param text an expression that gives an address @throws UserError */
export function walkOf(guest: Guest, cpu: VirtualCpu, text: string, nested = false): PageWalkBody {
  const pageTables = tablesOf(cpu, nested);
  const address = addressOf(guest, cpu, text, nested ? pageTables.mode === '4-level' : inLongMode(cpu));
  const { entries, physical, pageSize, nested: nestedWalk, verdicts } = pageTables.walk(linear(address));
  return {
    hasGuest: cpu.vmx?.guestTables !== undefined,
    mode: pageTables.mode,
    facts: pageTables.facts(),
    at: placeInCode(address, guest.program),
    entries: entries.map(entryView),
    ...(physical !== undefined && {
      physical: {
        address: hexOf(BigInt(physical), physical < 2 ** 32 ? 32 : 40),
        // Memory is what the host calls so.
        memoryReference: formatReference({ space: 'physical', address: nestedWalk ? (nestedWalk.physical ?? physical) : physical }),
        pageSize: pageSize ?? 0,
      },
    }),
    ...(nestedWalk && { nested: nestedView(nestedWalk) }),
    verdicts: verdicts.map(({ errorCode, ...verdict }) => ({
      ...verdict,
      ...(errorCode !== undefined && { errorCode: hexOf(BigInt(errorCode), 16) }),
    })),
  };
}

function fieldViews(fields: readonly RegisterField[]): PageFieldView[] {
  return fields.map(({ name, value, low = 0, high = low, meaning }) => ({
    name,
    value: high === low ? String(value) : hexOf(value, high - low + 1),
    meaning,
  }));
}

function entryView({ level, index, address, value, bits, fields, covers, nested }: PageEntry): PageEntryView {
  const place = nested ? nested.physical : address;
  return {
    level,
    index,
    ...(address !== undefined && { address: hexOf(BigInt(address), bits === 64 ? 40 : 32) }),
    ...(place !== undefined && { memoryReference: formatReference({ space: 'physical', address: place }) }),
    value: hexOf(value, bits),
    fields: fieldViews(fields),
    covers,
    ...(nested && { nested: nestedView(nested) }),
  };
}

const HOST_DIGITS = 40;
const hostAddress = (address: number) => ({
  address: hexOf(BigInt(address), HOST_DIGITS),
  memoryReference: formatReference({ space: 'physical', address }),
});

function nestedView({ guestPhysical, entries, physical, ...rest }: NestedWalk): NestedWalkView {
  return {
    ...rest,
    guestPhysical: hexOf(BigInt(guestPhysical), HOST_DIGITS),
    entries: entries.map(({ level, index, address, value, fields, covers }) => ({
      level,
      index,
      ...hostAddress(address),
      value: hexOf(value, 64),
      fields: fieldViews(fields),
      covers,
    })),
    ...(physical !== undefined && { physical: hostAddress(physical) }),
  };
}

/** @param guest the tables of the current VMCS's guest */
function tablesOf(cpu: VirtualCpu, guest: boolean): PageTables {
  if (!guest) return cpu.pageTables;
  const tables = cpu.vmx?.guestTables;
  if (!tables) throw new UserError('there is no guest beside what runs: it needs a current VMCS, in VMX root operation');
  return tables;
}

/** @param long addresses have 64 bits */
function addressOf({ environment }: Guest, cpu: VirtualCpu, text: unknown, long: boolean): number {
  if (typeof text !== 'string' || text.trim() === '') throw new UserError(`'address' must be an expression, not ${describe(text)}`);
  environment.vcpu = cpu.index;
  let space: string;
  let address: number;
  try {
    const expression = parseExpression(text);
    // A number or register alone is a linear address, without a segment.
    const far = expression.kind === 'space' || expression.kind === 'far';
    ({ space, address } = compileAddress(far ? expression : { kind: 'space', space: 'linear', of: expression, at: 0 }, environment)());
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  if (space !== 'linear') throw new UserError('page tables are walked for linear addresses');
  if (long ? address < -(2 ** 47) || address >= 2 ** 47 : address < 0 || address >= 2 ** 32) {
    throw new UserError(long ? `${hexOf(BigInt(address), 64)} is not canonical` : `${hexOf(BigInt(address), 64)} does not fit 32 bits`);
  }
  return address;
}

/** Keeps what was read last: a panel asks for it page by page. */
export class PageMaps {
  private guest: Guest | undefined;
  private key = '';
  private map: PageMap = { regions: [], pages: {}, cut: false };

  page(guest: Guest, cpu: VirtualCpu, start: number, count: number, merged: boolean, nested = false): PageMapBody {
    const pageTables = tablesOf(cpu, nested);
    const key = `${guest.generation}:${guest.engine.instructionCount}:${cpu.index}:${merged}:${nested}`;
    if (this.guest !== guest || this.key !== key) {
      this.map = pageTables.map(merged);
      this.guest = guest;
      this.key = key;
    }
    const { regions, pages, cut } = this.map;
    const first = Math.max(0, Math.min(start, regions.length));
    return {
      mode: pageTables.mode,
      facts: pageTables.facts(),
      start: first,
      total: regions.length,
      rows: regions.slice(first, first + Math.max(0, count)).map((region) => rowOf(region, guest)),
      pages,
      cut,
    };
  }
}

function rowOf(region: PageRegion, { program }: Guest): PageRegionView {
  const found = program.symbolAt(region.start);
  return { ...region, end: region.start + region.size - 1, ...(found?.offset === 0 && { symbol: found.symbol.name }) };
}
