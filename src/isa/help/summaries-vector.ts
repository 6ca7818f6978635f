/** What each meaning of MMX and SSE does, in one sentence, by the name of its semantics. */
import type { Summaries } from './summaries';

const LANES: Readonly<Record<string, string>> = { b: 'bytes', w: 'words', d: 'doublewords', q: 'quadwords' };
const ELEMENT: Readonly<Record<string, string>> = { b: 'byte', w: 'word', d: 'doubleword', q: 'quadword' };

/** `{lanes}` stands for the name of the elements, whose letters follow the common part of the name. */
function lanes(prefix: string, letters: string, sentence: string): readonly (readonly [string, string])[] {
  return letters
    .split('')
    .map((letter) => [prefix + letter, sentence.replaceAll('{lanes}', LANES[letter]).replaceAll('{element}', ELEMENT[letter])]);
}

const FLOAT_KINDS: readonly (readonly [suffix: string, lanes: string])[] = [
  ['ps', 'four singles'],
  ['pd', 'two doubles'],
  ['ss', 'the lowest single'],
  ['sd', 'the lowest double'],
];
const SCALAR = FLOAT_KINDS.slice(2);
const PACKED = FLOAT_KINDS.slice(0, 2);
const SINGLE = [FLOAT_KINDS[0], FLOAT_KINDS[2]];

function floats(name: string, sentence: string, kinds = FLOAT_KINDS): readonly (readonly [string, string])[] {
  return kinds.map(([suffix, which]) => [name + suffix, sentence.replace('{which}', which)]);
}

const EXTENSIONS: readonly (readonly [string, string, string])[] = [
  ['bw', 'bytes', 'words'],
  ['bd', 'bytes', 'doublewords'],
  ['bq', 'bytes', 'quadwords'],
  ['wd', 'words', 'doublewords'],
  ['wq', 'words', 'quadwords'],
  ['dq', 'doublewords', 'quadwords'],
];

const INTERLEAVE_LOW = 'Interleaves the {from} of the lower halves of destination and source.';
const INTERLEAVE_HIGH = 'Interleaves the {from} of the upper halves of destination and source.';
const INTERLEAVED: readonly (readonly [string, string])[] = [
  ['bw', 'bytes'],
  ['wd', 'words'],
  ['dq', 'doublewords'],
  ['qdq', 'quadwords'],
];

const CONVERSION = 'rounded as MXCSR says';
const TRUNCATION = 'rounded toward zero';

export const VECTOR_SUMMARIES: Summaries = {
  ...Object.fromEntries([
    ...lanes('padd', 'bwdq', 'Adds the {lanes} of the source to those of the destination, carries dropped.'),
    ...lanes('padds', 'bw', 'Adds signed {lanes}; what does not fit becomes the largest or smallest value.'),
    ...lanes('paddus', 'bw', 'Adds unsigned {lanes}; what does not fit becomes the largest value.'),
    ...lanes('psub', 'bwdq', 'Subtracts the {lanes} of the source from those of the destination, borrows dropped.'),
    ...lanes('psubs', 'bw', 'Subtracts signed {lanes}; what does not fit becomes the largest or smallest value.'),
    ...lanes('psubus', 'bw', 'Subtracts unsigned {lanes}; what would be negative becomes 0.'),
    ...lanes('pavg', 'bw', 'Averages unsigned {lanes}, halves rounded up.'),
    ...lanes('pmins', 'bwd', 'Keeps the smaller of each pair of signed {lanes}.'),
    ...lanes('pminu', 'bwd', 'Keeps the smaller of each pair of unsigned {lanes}.'),
    ...lanes('pmaxs', 'bwd', 'Keeps the larger of each pair of signed {lanes}.'),
    ...lanes('pmaxu', 'bwd', 'Keeps the larger of each pair of unsigned {lanes}.'),
    ...lanes('pcmpeq', 'bwdq', 'Fills each {element} with ones where both are equal, else with zeros.'),
    ...lanes('pcmpgt', 'bwdq', 'Fills each {element} with ones where the destination is greater, signed, else with zeros.'),
    ...lanes('psll', 'wdq', 'Shifts {lanes} left by one count, zeros entering; a count beyond the width clears them.'),
    ...lanes('psrl', 'wdq', 'Shifts {lanes} right by one count, zeros entering; a count beyond the width clears them.'),
    ...lanes('psra', 'wd', 'Shifts {lanes} right by one count, copies of their signs entering.'),
    ...lanes('phadd', 'wd', 'Adds neighbouring {lanes}: sums of the destination low, of the source high.'),
    ...lanes('phsub', 'wd', 'Subtracts neighbouring {lanes}, the second from the first: the destination low, the source high.'),
    ...lanes('psign', 'bwd', 'Negates, keeps or clears each {element} of the destination by the sign of that of the source.'),
    ...lanes('pabs', 'bwd', 'Gives the absolute value of each of the {lanes}.'),
    ...lanes('pinsr', 'bwdq', 'Replaces the {element} that the immediate selects.'),
    ...lanes('pextr', 'bwdq', 'Extracts the {element} that the immediate selects, zeros filling a wider register.'),
    ...EXTENSIONS.flatMap(([name, from, to]) => [
      [`pmovsx${name}`, `Widens the lowest ${from} to ${to} by their signs.`] as const,
      [`pmovzx${name}`, `Widens the lowest ${from} to ${to} with zeros.`] as const,
    ]),
    ...INTERLEAVED.flatMap(([name, from]) => [
      [`punpckl${name}`, INTERLEAVE_LOW.replace('{from}', from)] as const,
      [`punpckh${name}`, INTERLEAVE_HIGH.replace('{from}', from)] as const,
    ]),
    ...floats('add', 'Adds {which}.'),
    ...floats('mul', 'Multiplies {which}.'),
    ...floats('sub', 'Subtracts {which}.'),
    ...floats('div', 'Divides {which}.'),
    ...floats('min', 'Keeps the smaller of {which}; the source, if one is a NaN or both are zeros.'),
    ...floats('max', 'Keeps the larger of {which}; the source, if one is a NaN or both are zeros.'),
    ...floats('sqrt', 'Takes the square root of {which}.'),
    ...floats('rsqrt', 'Approximates the reciprocal of the square root of {which} to 12 bits.', SINGLE),
    ...floats('rcp', 'Approximates the reciprocal of {which} to 12 bits.', SINGLE),
    ...floats('cmp', 'Compares {which} by the predicate in the immediate: all ones if it holds, else zeros.'),
    ...floats('ucomi', 'Compares {which} into ZF, PF and CF; only signalling NaNs are an invalid operation.', SCALAR),
    ...floats('comi', 'Compares {which} into ZF, PF and CF; every NaN is an invalid operation.', SCALAR),
    ...floats('hadd', 'Adds neighbours of {which}: sums of the destination low, of the source high.', PACKED),
    ...floats('hsub', 'Subtracts neighbours of {which}: differences of the destination low, of the source high.', PACKED),
    ...floats('addsub', 'Subtracts the even and adds the odd of {which}.', PACKED),
    ...floats('round', 'Rounds {which} to integers as the immediate says.'),
    ...floats('dp', 'Computes the dot product of {which} that the immediate selects, into the places that it selects.', PACKED),
    ...floats('shuf', 'Selects from {which} of the destination (low) and of the source (high) by the immediate.', PACKED),
    ...floats('blend', 'Takes from the source those of {which} whose bit in the immediate is set.', PACKED),
    ...floats('blendv', 'Takes from the source those of {which} whose sign in XMM0 is set.', PACKED),
    ...floats('movmsk', 'Collects the signs of {which} in a general register.', PACKED),
  ]),
  movd: 'Copies a doubleword between a general register or memory and a vector register, the rest of which it clears.',
  movq: 'Copies a quadword; the upper half of an XMM destination becomes 0.',
  moveAligned: 'Copies 16 bytes; in memory they must be aligned to 16.',
  moveUnaligned: 'Copies 16 bytes, from or to any address.',
  movss: 'Copies a single: from memory with zeros above it, between registers with the rest left as it is.',
  movsd: 'Copies a double: from memory with zeros above it, between registers with the rest left as it is.',
  loadLow: 'Loads the lower quadword, leaving the upper one.',
  storeLow: 'Stores the lower quadword.',
  loadHigh: 'Loads the upper quadword, leaving the lower one.',
  storeHigh: 'Stores the upper quadword.',
  movhlps: 'Copies the upper quadword of the source to the lower one of the destination.',
  movlhps: 'Copies the lower quadword of the source to the upper one of the destination.',
  movsldup: 'Copies the even singles, each into two places.',
  movshdup: 'Copies the odd singles, each into two places.',
  movddup: 'Copies the lowest double into both places.',
  maskmov: 'Stores at DS:rDI the bytes of the first register whose counterparts in the second have their top bit set.',
  pmovmskb: 'Collects the top bits of all bytes in a general register.',
  extractps: 'Extracts the single that the immediate selects, as bits.',
  insertps: 'Copies one single of the source, chosen by the immediate, to a place of the destination, and clears the places it names.',
  pand: 'Clears in the destination every bit that is clear in the source.',
  pandn: 'Inverts the destination, then clears every bit that is clear in the source.',
  por: 'Sets in the destination every bit that is set in the source.',
  pxor: 'Flips in the destination every bit that is set in the source.',
  pslldq: 'Shifts the register left by whole bytes.',
  psrldq: 'Shifts the register right by whole bytes.',
  pmullw: 'Multiplies words and keeps the low halves of the products.',
  pmulhw: 'Multiplies signed words and keeps the high halves of the products.',
  pmulhuw: 'Multiplies unsigned words and keeps the high halves of the products.',
  pmulhrsw: 'Multiplies signed words as fractions: bits 15 to 30 of the products, rounded.',
  pmulld: 'Multiplies doublewords and keeps the low halves of the products.',
  pmuludq: 'Multiplies the even unsigned doublewords into quadwords.',
  pmuldq: 'Multiplies the even signed doublewords into quadwords.',
  pmaddwd: 'Multiplies signed words and adds neighbouring products.',
  pmaddubsw: 'Multiplies unsigned bytes by signed ones and adds neighbouring products with saturation.',
  psadbw: 'Adds up the absolute differences of eight unsigned bytes.',
  mpsadbw: 'Adds up absolute differences of four bytes of the source with eight overlapping groups of the destination.',
  packsswb: 'Narrows signed words to signed bytes with saturation: the destination low, the source high.',
  packssdw: 'Narrows signed doublewords to signed words with saturation: the destination low, the source high.',
  packuswb: 'Narrows signed words to unsigned bytes with saturation: the destination low, the source high.',
  packusdw: 'Narrows signed doublewords to unsigned words with saturation: the destination low, the source high.',
  pshufb: 'Picks bytes of the destination by the indexes in the source; an index with its top bit set gives 0.',
  pshufw: 'Picks four words of the source by the immediate.',
  pshufd: 'Picks four doublewords of the source by the immediate.',
  pshufhw: 'Picks the upper four words by the immediate and copies the lower ones.',
  pshuflw: 'Picks the lower four words by the immediate and copies the upper ones.',
  palignr: 'Joins destination and source and takes what begins so many bytes up in the source.',
  phaddsw: 'Adds neighbouring signed words with saturation: the destination low, the source high.',
  phsubsw: 'Subtracts neighbouring signed words with saturation: the destination low, the source high.',
  phminposuw: 'Finds the smallest unsigned word and its place.',
  ptest: 'Sets ZF if no bit of the source is set in the destination, and CF if all of them are.',
  pblendvb: 'Takes from the source those bytes whose top bit in XMM0 is set.',
  pblendw: 'Takes from the source those words whose bit in the immediate is set.',
  emms: 'Marks all x87 registers as empty, so that the FPU can be used after MMX.',
  cvtpi2ps: `Converts two doublewords to singles, ${CONVERSION}.`,
  cvtpi2pd: 'Converts two doublewords to doubles.',
  cvtsi2ss: `Converts an integer to a single, ${CONVERSION}.`,
  cvtsi2sd: `Converts an integer to a double, ${CONVERSION}.`,
  cvttps2pi: `Converts two singles to doublewords in an MMX register, ${TRUNCATION}.`,
  cvttpd2pi: `Converts two doubles to doublewords in an MMX register, ${TRUNCATION}.`,
  cvttss2si: `Converts a single to an integer, ${TRUNCATION}.`,
  cvttsd2si: `Converts a double to an integer, ${TRUNCATION}.`,
  cvtps2pi: `Converts two singles to doublewords in an MMX register, ${CONVERSION}.`,
  cvtpd2pi: `Converts two doubles to doublewords in an MMX register, ${CONVERSION}.`,
  cvtss2si: `Converts a single to an integer, ${CONVERSION}.`,
  cvtsd2si: `Converts a double to an integer, ${CONVERSION}.`,
  cvtps2pd: 'Converts two singles to doubles.',
  cvtpd2ps: `Converts two doubles to singles, ${CONVERSION}.`,
  cvtss2sd: 'Converts a single to a double.',
  cvtsd2ss: `Converts a double to a single, ${CONVERSION}.`,
  cvtdq2ps: `Converts four doublewords to singles, ${CONVERSION}.`,
  cvtps2dq: `Converts four singles to doublewords, ${CONVERSION}.`,
  cvttps2dq: `Converts four singles to doublewords, ${TRUNCATION}.`,
  cvttpd2dq: `Converts two doubles to doublewords, ${TRUNCATION}.`,
  cvtdq2pd: 'Converts two doublewords to doubles.',
  cvtpd2dq: `Converts two doubles to doublewords, ${CONVERSION}.`,
};
