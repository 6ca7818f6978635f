/** The scope Hypercall: number, arguments and result at a VMCALL, where the guest's general registers can be found. */
import type { AddressSpace, VirtualCpu } from '../../engines/engine';
import { ORIGIN, SIZE } from '../../engines/vmx/memory-map';
import { formatLinear } from '../../shared/addresses';
import { hexOf } from '../expressions/format';
import type { Guest } from '../guest';
import { formatReference } from '../memory/reference';
import { readNumber, signedAddress, stackTop } from '../state/cpu-facts';
import type { Entry } from '../state/variables';
import { type ArgumentType, type Hypercall, registerPart } from './table';

const VMCALL = 18;
const VMCALL_LENGTH = 3;
const NUMBER = 'rax';
/** Bytes that the built-in hypervisor keeps the guest's general registers in, at the end of its stack, by their encodings. */
const SAVED = 16 * 8;
const LONGEST_TEXT = 80;

/** Where a stop stands in the course of a hypercall. */
type Stage = 'before' | 'handled' | 'behind';

interface Found {
  readonly stage: Stage;
  /** Whose linear addresses the arguments are. */
  readonly space: AddressSpace;
  /** A general register of the guest, and what it is called in expressions. */
  register(name: string): { readonly value: bigint; readonly bits: number; readonly expression: string } | undefined;
}

/** @returns undefined where no hypercall is under way, or its registers are nowhere to be found */
function find(guest: Guest, cpu: VirtualCpu): Found | undefined {
  const { engine } = guest;
  const live = (name: string): ReturnType<Found['register']> => {
    const narrow = /^r[a-ds]/.test(name) ? name.replace('r', 'e') : name;
    const known = cpu.register(name) ? name : narrow;
    const found = cpu.register(known);
    return found && { ...found, expression: known };
  };
  if (cpu.place.vmx === 'non-root') {
    if (cpu.decode(cpu.address)?.row.mnemonic === 'vmcall') return { stage: 'before', space: 'linear', register: live };
    return isBehind(guest, cpu) ? { stage: 'behind', space: 'linear', register: live } : undefined;
  }
  const saved = cpu.savedGuest;
  if (saved?.exitReason !== VMCALL) return undefined;
  if (saved.exitAddress === cpu.address) return { stage: 'handled', space: 'guest', register: live };
  // Of the built-in hypervisor it is known where it has put them.
  const kept = saved.exitStack - SAVED;
  const builtIn = engine.technique === 'vmx' && saved.exitAddress >= ORIGIN && saved.exitAddress < ORIGIN + SIZE;
  if (!builtIn || stackTop(cpu) > kept) return undefined;
  return {
    stage: 'handled',
    space: 'guest',
    register: (name) => {
      const { index, size } = registerPart(name) ?? { index: 0, size: 8 };
      const at = kept + index * 8;
      const halves = [0, 4].map((offset) => BigInt(readNumber(engine, cpu.index, 'linear', at + offset, 4) ?? 0));
      const value = BigInt.asUintN(size * 8, halves[0] | (halves[1] << 32n));
      return { value, bits: size * 8, expression: `${{ 2: 'word', 4: 'dword', 8: 'qword' }[size]} [linear:0x${at.toString(16)}]` };
    },
  };
}

/** The hypervisor has just answered a VMCALL and let the guest go on behind it. */
function isBehind({ engine: { transitions } }: Guest, { index, address }: VirtualCpu): boolean {
  const own = [];
  for (let i = transitions.total - 1; i >= transitions.first && own.length < 2; i--) {
    const entry = transitions.raw(i);
    if (entry?.vcpu === index) own.push(entry);
  }
  const [entry, exit] = own;
  return entry?.kind === 'vm-entry' && exit?.kind === 'vm-exit' && exit.cause === VMCALL && exit.address + VMCALL_LENGTH === address;
}

export const hasHypercall = (guest: Guest, cpu: VirtualCpu): boolean => find(guest, cpu) !== undefined;

/** What the scope shows; each line can be changed. */
export function hypercallEntries(guest: Guest, cpu: VirtualCpu): Entry[] {
  const found = find(guest, cpu);
  if (!found) return [];
  const { stage } = found;
  const number = found.register(NUMBER);
  // Behind it the number is not known any more: the result is in its place.
  const call = stage === 'behind' || !number ? undefined : callOf(guest, number.value);
  const entries: (Entry | undefined)[] = [];
  if (stage !== 'behind' && number) {
    entries.push({
      name: 'number',
      expression: number.expression,
      value: `${number.value}${call ? `  (${call.name})` : ''}`,
      type: 'hypercall',
      readOnly: false,
    });
    entries.push(...(call?.arguments ?? []).map(({ name, register, type }) => entry(guest, cpu, found, name, register, type)));
  }
  if (stage !== 'before') entries.push(entry(guest, cpu, found, 'result', call?.result ?? NUMBER));
  return entries.filter((each) => each !== undefined);
}

/** Numbers are 32 bits wide where the guest is; the upper half may be what it was. */
const callOf = ({ hypercalls }: Guest, number: bigint): Hypercall | undefined =>
  hypercalls.get(Number(BigInt.asUintN(53, number))) ?? hypercalls.get(Number(BigInt.asUintN(32, number)));

function entry(guest: Guest, cpu: VirtualCpu, found: Found, name: string, register: string, given?: ArgumentType): Entry | undefined {
  const held = found.register(register);
  if (!held) return undefined;
  const { value, bits, expression } = held;
  const type = given ?? (`i${bits}` as ArgumentType);
  const points = type === 'address' || type === 'string';
  const address = signedAddress(value);
  return {
    name,
    expression,
    value: SHOWN[type]?.(guest, cpu, found, value) ?? numberText(value, type),
    type: `${type} in ${register}`,
    ...(points && { memoryReference: formatReference({ space: found.space, address }) }),
    readOnly: false,
  };
}

function numberText(value: bigint, type: ArgumentType): string {
  const bits = Number(type.slice(1));
  const low = BigInt.asUintN(bits, value);
  return `${type.startsWith('i') ? BigInt.asIntN(bits, value) : low}  (${hexOf(low, bits)})`;
}

const SHOWN: Readonly<Partial<Record<ArgumentType, (guest: Guest, cpu: VirtualCpu, found: Found, value: bigint) => string>>> = {
  bool: (_guest, _cpu, _found, value) => `${value}  (${value === 0n ? 'false' : 'true'})`,
  address: ({ program }, _cpu, _found, value) => {
    const name = program.seenFrom('non-root').nameOf(signedAddress(value));
    return `${formatLinear(signedAddress(value))}${name ? `  (${name})` : ''}`;
  },
  string: ({ engine }, { index }, { space }, value) => {
    const bytes = engine.readMemory(index, space, signedAddress(value), LONGEST_TEXT);
    const end = bytes.indexOf(0);
    const text = JSON.stringify(String.fromCharCode(...bytes.subarray(0, end < 0 ? undefined : end)));
    return `${formatLinear(signedAddress(value))}  (${bytes.length === 0 ? 'no memory' : text}${end < 0 && bytes.length > 0 ? ' …' : ''})`;
  },
};
