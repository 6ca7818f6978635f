/** Text strings in XMM registers, checksums, cryptography, random numbers, and the bit operations that came after the 80386's. */
import { rows, STATUS_FLAGS } from './builder';
import type { RowSource, Traits } from './builder';

const SSE42: Traits = { feature: 'sse4.2' };
const TEXT: Traits = { ...SSE42, writes: STATUS_FLAGS };
const AES: Traits = { feature: 'aes' };
const SHA: Traits = { feature: 'sha' };
const BMI1: Traits = { feature: 'bmi1' };
const BMI2: Traits = { feature: 'bmi2' };
const LOWEST_BIT: Traits = { ...BMI1, writes: 'oszc', undefines: 'ap' };
const COUNT: Traits = { writes: 'zc', undefines: 'osap' };
const SHIFT = 'SARX/SHLX/SHRX—Shift Without Affecting Flags';
const CARRY_LESS = 'PCLMULQDQ—Carry-Less Multiplication Quadword';

export const SPECIALS: readonly RowSource[] = [
  ...rows('pcmpestrm', 'PCMPESTRM—Packed Compare Explicit Length Strings, Return Mask', TEXT, ['66 0F 3A 60 /r: Vdq,Wdq,Ib']),
  ...rows('pcmpestri', 'PCMPESTRI—Packed Compare Explicit Length Strings, Return Index', TEXT, ['66 0F 3A 61 /r: Vdq,Wdq,Ib']),
  ...rows('pcmpistrm', 'PCMPISTRM—Packed Compare Implicit Length Strings, Return Mask', TEXT, ['66 0F 3A 62 /r: Vdq,Wdq,Ib']),
  ...rows('pcmpistri', 'PCMPISTRI—Packed Compare Implicit Length Strings, Return Index', TEXT, ['66 0F 3A 63 /r: Vdq,Wdq,Ib']),
  ...rows('crc32', 'CRC32—Accumulate CRC32 Value', SSE42, ['F2 0F 38 F0 /r: Gy,Eb', 'F2 0F 38 F1 /r: Gy,Ev']),

  ...rows('aesimc', 'AESIMC—Perform the AES InvMixColumn Transformation', AES, ['66 0F 38 DB /r: Vdq,Wdq']),
  ...rows('aesenc', 'AESENC—Perform One Round of an AES Encryption Flow', AES, ['66 0F 38 DC /r: Vdq,Wdq']),
  ...rows('aesenclast', 'AESENCLAST—Perform Last Round of an AES Encryption Flow', AES, ['66 0F 38 DD /r: Vdq,Wdq']),
  ...rows('aesdec', 'AESDEC—Perform One Round of an AES Decryption Flow', AES, ['66 0F 38 DE /r: Vdq,Wdq']),
  ...rows('aesdeclast', 'AESDECLAST—Perform Last Round of an AES Decryption Flow', AES, ['66 0F 38 DF /r: Vdq,Wdq']),
  ...rows('aeskeygenassist', 'AESKEYGENASSIST—AES Round Key Generation Assist', AES, ['66 0F 3A DF /r: Vdq,Wdq,Ib']),
  ...rows('pclmulqdq', CARRY_LESS, { feature: 'pclmulqdq' }, ['66 0F 3A 44 /r: Vdq,Wdq,Ib']),
  ...rows('sha1nexte', 'SHA1NEXTE—Calculate SHA1 State Variable E After Four Rounds', SHA, ['NP 0F 38 C8 /r: Vdq,Wdq']),
  ...rows('sha1msg1', 'SHA1MSG1—Perform an Intermediate Calculation for the Next Four SHA1 Message Dwords', SHA, [
    'NP 0F 38 C9 /r: Vdq,Wdq',
  ]),
  ...rows('sha1msg2', 'SHA1MSG2—Perform a Final Calculation for the Next Four SHA1 Message Dwords', SHA, ['NP 0F 38 CA /r: Vdq,Wdq']),
  ...rows('sha256rnds2', 'SHA256RNDS2—Perform Two Rounds of SHA256 Operation', SHA, ['NP 0F 38 CB /r: Vdq,Wdq']),
  ...rows('sha256msg1', 'SHA256MSG1—Perform an Intermediate Calculation for the Next Four SHA256 Message Dwords', SHA, [
    'NP 0F 38 CC /r: Vdq,Wdq',
  ]),
  ...rows('sha256msg2', 'SHA256MSG2—Perform a Final Calculation for the Next Four SHA256 Message Dwords', SHA, ['NP 0F 38 CD /r: Vdq,Wdq']),
  ...rows('sha1rnds4', 'SHA1RNDS4—Perform Four Rounds of SHA1 Operation', SHA, ['NP 0F 3A CC /r: Vdq,Wdq,Ib']),

  ...rows('movbe', 'MOVBE—Move Data After Swapping Bytes', { feature: 'movbe' }, ['NFx 0F 38 F0 /r: Gv,Mv', 'NFx 0F 38 F1 /r: Mv,Gv']),
  ...rows('popcnt', 'POPCNT—Return the Count of Number of Bits Set to 1', { feature: 'popcnt', writes: STATUS_FLAGS }, [
    'F3 0F B8 /r: Gv,Ev',
  ]),
  ...rows('tzcnt', 'TZCNT—Count the Number of Trailing Zero Bits', { feature: 'bmi1', ...COUNT }, ['F3 0F BC /r: Gv,Ev']),
  ...rows('lzcnt', 'LZCNT—Count the Number of Leading Zero Bits', { feature: 'lzcnt', ...COUNT }, ['F3 0F BD /r: Gv,Ev']),
  ...rows('andn', 'ANDN—Logical AND NOT', { ...BMI1, writes: 'oszc', undefines: 'ap' }, ['VEX.LZ.0F38 F2 /r: Gy,By,Ey']),
  ...rows('bextr', 'BEXTR—Bit Field Extract', { ...BMI1, writes: 'ozc', undefines: 'sap' }, ['VEX.LZ.0F38 F7 /r: Gy,Ey,By']),
  ...rows('blsr', 'BLSR—Reset Lowest Set Bit', LOWEST_BIT, ['VEX.LZ.0F38 F3 /1: By,Ey']),
  ...rows('blsmsk', 'BLSMSK—Get Mask Up to Lowest Set Bit', LOWEST_BIT, ['VEX.LZ.0F38 F3 /2: By,Ey']),
  ...rows('blsi', 'BLSI—Extract Lowest Set Isolated Bit', LOWEST_BIT, ['VEX.LZ.0F38 F3 /3: By,Ey']),
  ...rows('bzhi', 'BZHI—Zero High Bits Starting With Specified Bit Position', { ...BMI2, writes: 'oszc', undefines: 'ap' }, [
    'VEX.LZ.0F38 F5 /r: Gy,Ey,By',
  ]),
  ...rows('pdep', 'PDEP—Parallel Bits Deposit', BMI2, ['VEX.LZ.F2.0F38 F5 /r: Gy,By,Ey']),
  ...rows('pext', 'PEXT—Parallel Bits Extract', BMI2, ['VEX.LZ.F3.0F38 F5 /r: Gy,By,Ey']),
  ...rows('mulx', 'MULX—Unsigned Multiply Without Affecting Flags', BMI2, ['VEX.LZ.F2.0F38 F6 /r: Gy,By,Ey']),
  ...rows('rorx', 'RORX—Rotate Right Logical Without Affecting Flags', BMI2, ['VEX.LZ.F2.0F3A F0 /r: Gy,Ey,Ib']),
  ...rows('sarx', SHIFT, BMI2, ['VEX.LZ.F3.0F38 F7 /r: Gy,Ey,By']),
  ...rows('shlx', SHIFT, BMI2, ['VEX.LZ.66.0F38 F7 /r: Gy,Ey,By']),
  ...rows('shrx', SHIFT, BMI2, ['VEX.LZ.F2.0F38 F7 /r: Gy,Ey,By']),
  ...rows('adcx', 'ADCX—Unsigned Integer Addition of Two Operands With Carry Flag', { feature: 'adx', reads: 'c', writes: 'c' }, [
    '66 0F 38 F6 /r: Gy,Ey',
  ]),
  ...rows('adox', 'ADOX—Unsigned Integer Addition of Two Operands With Overflow Flag', { feature: 'adx', reads: 'o', writes: 'o' }, [
    'F3 0F 38 F6 /r: Gy,Ey',
  ]),
  ...rows('rdrand', 'RDRAND—Read Random Number', { feature: 'rdrand', writes: STATUS_FLAGS }, ['NFx 0F C7 /6: Rv']),
  ...rows('rdseed', 'RDSEED—Read Random SEED', { feature: 'rdseed', writes: STATUS_FLAGS }, ['NFx 0F C7 /7: Rv']),
];
