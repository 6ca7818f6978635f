/** `ringside disasm`: a flat file as instructions. */
import { decode, isFailure } from '../isa/decoder';
import { format } from '../isa/formatter';
import { readInput } from './files';
import { parseNumber, parseOptions, UsageError } from './options';

const hex = (value: number | bigint, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');

/** Canonical addresses above the hole are negative numbers, as `LinearAddress` has them. */
const addressText = (address: number, digits: number): string => hex(BigInt.asUintN(64, BigInt(address)), digits);

function parseOrigin(text: string): number {
  if (!/^0x[89a-f][0-9a-f]{15}$/i.test(text.replaceAll('_', ''))) return parseNumber(text, 'origin');
  const value = Number(BigInt.asIntN(64, BigInt(text.replaceAll('_', ''))));
  if (!Number.isSafeInteger(value)) throw new UsageError(`--origin: "${text}" is no canonical address`);
  return value;
}

/** Address, bytes, text; what is no instruction is shown as a byte. */
export function disasm(args: readonly string[]): number {
  const { values, positionals } = parseOptions(args, { bits: { type: 'string' }, origin: { type: 'string' } });
  const [path, ...rest] = positionals;
  if (path === undefined || rest.length > 0) throw new UsageError('disasm takes one file');
  const bits = Number(values.bits);
  if (bits !== 16 && bits !== 32 && bits !== 64) throw new UsageError('disasm needs --bits 16, 32 or 64');
  const origin = values.origin === undefined ? 0 : parseOrigin(values.origin as string);
  const bytes = readInput(path);
  const digits = bits === 64 ? 16 : 8;
  let lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const result = decode(bytes, at, bits);
    const length = isFailure(result) ? 1 : result.length;
    const text = isFailure(result) ? `db 0x${hex(bytes[at], 2).toLowerCase()}` : format(result, { address: origin + at });
    const raw = [...bytes.subarray(at, at + length)].map((byte) => hex(byte, 2)).join('');
    lines.push(`${addressText(origin + at, digits)}  ${raw.padEnd(22)}  ${text}\n`);
    at += length;
    if (lines.length >= 4096) {
      process.stdout.write(lines.join(''));
      lines = [];
    }
  }
  process.stdout.write(lines.join(''));
  return 0;
}
