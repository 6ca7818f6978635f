/** Random programs that nasm accepts: jumps of all distances, data, expressions, macros, conditions, repetitions, alignment, sections. */

/** Numbers below a bound, the same for the same seed. */
export type Random = (below: number) => number;

export function seededRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    // xorshift32
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

const REGISTERS: Readonly<Record<number, readonly string[]>> = {
  1: ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'],
  2: ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'],
  4: ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'],
  8: ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r12', 'r13', 'r15'],
};
const SIZE_NAMES: Readonly<Record<number, string>> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' };
const BINARY = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp', 'mov', 'test'];
const CONDITIONS = ['o', 'no', 'b', 'ae', 'z', 'nz', 'be', 'a', 's', 'ns', 'pe', 'po', 'l', 'ge', 'le', 'g'];
const PLAIN = [
  'nop',
  'cli',
  'sti',
  'cld',
  'hlt',
  'ret',
  'lodsb',
  'rep movsb',
  'stosw',
  'iret',
  'cwd',
  'clc',
  'xlatb',
  'int 0x10',
  'leave',
  'pushf',
];

export class ProgramWriter {
  private readonly random: Random;
  private readonly lines: string[] = [];
  private readonly labels: string[] = [];
  private readonly constants: string[] = [];
  private bits: 16 | 32 | 64 = 16;
  private next = 0;
  private macros = 0;
  private readonly format: 'bin' | 'elf32' | 'elf64';

  constructor(random: Random, format: 'bin' | 'elf32' | 'elf64' = 'bin') {
    this.random = random;
    this.format = format;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)];
  }

  write(count: number): string {
    const { random } = this;
    // All labels are known from the start, so that references go both ways.
    for (let i = 0; i < Math.max(2, count >> 3); i++) this.labels.push(`label_${i}`);
    for (let i = 0; i < 6; i++) this.constants.push(`CONSTANT_${i}`);
    if (this.format !== 'bin') this.lines.push('extern outside', `global ${this.labels[0]}`);
    else if (random(2)) this.lines.push(`org ${this.pick(['0x100', '0x7c00', '0x10000'])}`);
    this.setBits();
    if (random(3) === 0) this.writeMacro();
    for (let i = 0; i < count; i++) this.statement(0);
    while (this.next < this.labels.length) this.lines.push(`${this.labels[this.next++]}:`);
    for (const [i, name] of this.constants.entries()) this.lines.push(`${name} equ ${this.constantValue(i)}`);
    return `${this.lines.join('\n')}\n`;
  }

  private constantValue(i: number): string {
    if (i > 0 && this.random(3) === 0) return `${this.constants[i - 1]} + ${this.random(9)}`;
    if (this.random(4) === 0) return `${this.labels[1]} - ${this.labels[0]}`;
    return this.number();
  }

  private setBits(): void {
    this.bits = this.format === 'elf32' ? 32 : this.format === 'elf64' ? 64 : this.pick([16, 32, 64] as const);
    this.lines.push(`bits ${this.bits}`);
  }

  private number(): string {
    const { random } = this;
    switch (random(9)) {
      case 0:
        return `0x${random(0x10000).toString(16)}`;
      case 1:
        return String(random(128));
      case 2:
        return `-${1 + random(128)}`;
      case 3:
        return `${random(256).toString(2)}b`;
      case 4:
        return `'${this.pick(['a', 'Z', '0'])}'`;
      case 5:
        return `(${random(50)} + ${1 + random(9)} * ${random(9)})`;
      case 6:
        return `(${random(1000)} ${this.pick(['/', '%', '>>', '&', '|', '^', '<'])} ${1 + random(9)})`;
      case 7:
        return String(random(70_000));
      default:
        return String(this.pick([0, 1, 2, 127, 128, 255, 256, 32767, 65535]));
    }
  }

  private small(): string {
    return this.random(4) === 0 ? this.pick(this.constants) : this.number();
  }

  private label(): string {
    if (this.format !== 'bin' && this.random(6) === 0) return 'outside';
    return this.pick(this.labels);
  }

  private address(): string {
    const { random, bits } = this;
    const parts: string[] = [];
    if (bits === 16 && random(3)) {
      parts.push(this.pick(['bx', 'bp', 'si', 'di', 'bx+si', 'bx+di', 'bp+si', 'bp+di']));
    } else if (random(5)) {
      const size = bits === 64 ? 8 : 4;
      parts.push(this.pick(REGISTERS[size]));
      if (random(2)) parts.push(`${this.pick(REGISTERS[size].filter((name) => !name.endsWith('sp')))}*${this.pick([1, 2, 4, 8])}`);
    }
    const displacement = random(4);
    if (displacement === 0 || parts.length === 0) parts.push(random(2) ? this.label() : String(random(200)));
    else if (displacement === 1) parts.push(String(random(300)));
    else if (displacement === 2) parts.push(this.pick(this.constants));
    const prefix = this.random(12) === 0 ? `${this.pick(['es', 'fs', 'gs'])}:` : '';
    return `[${prefix}${parts.join('+')}]`;
  }

  private operandSize(): number {
    return this.pick(this.bits === 64 ? [1, 2, 4, 8] : [1, 2, 4]);
  }

  private instruction(): string {
    const { random } = this;
    const size = this.operandSize();
    // AH and its like go with no REX prefix, so 64-bit code does without them.
    const register = (): string => this.pick(size === 1 && this.bits === 64 ? REGISTERS[1].slice(0, 4) : REGISTERS[size]);
    switch (random(12)) {
      case 0:
        return this.pick(PLAIN);
      case 1:
        return `${this.pick(BINARY)} ${register()}, ${register()}`;
      case 2:
        return `${this.pick(BINARY)} ${register()}, ${this.address()}`;
      case 3:
        return `${this.pick(BINARY)} ${this.address()}, ${register()}`;
      case 4:
        return `${this.pick(BINARY)} ${register()}, ${this.small()}`;
      case 5:
        return `${this.pick(BINARY)} ${SIZE_NAMES[size]} ${this.address()}, ${this.small()}`;
      case 6:
        return `mov ${register()}, ${this.label()}`;
      case 7:
        return `${this.pick(['inc', 'dec', 'neg', 'not', 'mul', 'div'])} ${SIZE_NAMES[size]} ${this.address()}`;
      case 8:
        return `${this.pick(['shl', 'shr', 'sar', 'rol'])} ${register()}, ${this.pick(['1', 'cl', '3', ...this.constants.slice(0, 1)])}`;
      case 9:
        return `push ${this.pick(REGISTERS[this.bits === 64 ? 8 : 2])}`;
      case 10:
        return `lea ${this.pick(REGISTERS[Math.max(2, size)])}, ${this.address()}`;
      default:
        return `push ${this.small()}`;
    }
  }

  private branch(): string {
    const target = this.random(6) === 0 ? `$ ${this.pick(['+', '-'])} ${this.random(100)}` : this.label();
    switch (this.random(5)) {
      case 0:
        return `call ${target}`;
      case 1:
        return `jmp ${this.random(4) === 0 ? 'near ' : ''}${target}`;
      default:
        return `j${this.pick(CONDITIONS)} ${target}`;
    }
  }

  private data(): string {
    const { random } = this;
    switch (random(7)) {
      case 0:
        return `db ${this.number()}, "text", ${this.small()}`;
      case 1:
        return `dw ${this.label()}, ${this.small()}, ${this.label()} + ${random(9)}`;
      case 2:
        return `dd ${this.label()}, $ - $$, ${this.small()}`;
      case 3:
        return `dq ${this.small()}, ${random(100)}.${random(100)}`;
      case 4:
        return `times ${random(140)} db ${random(256)}`;
      case 5:
        return `times ${random(4)} ${this.instruction()}`;
      default:
        return `db ${1 + random(4)} dup (${random(256)}, ${random(256)})`;
    }
  }

  private writeMacro(): void {
    const name = `macro_${this.macros++}`;
    this.lines.push(`%macro ${name} 1-3 ${this.random(100)}, ${this.random(100)}`);
    this.lines.push('  db %1, %2, %0', '%%inside:', '  jmp %%inside', '  mov cl, %1');
    if (this.random(2)) this.lines.push('  %if %1 > 50', '    nop', '  %else', '    hlt', '  %endif');
    if (this.random(2)) this.lines.push('  %rep %0', '    db %1', '    %rotate 1', '  %endrep');
    this.lines.push('%endmacro');
  }

  private statement(depth: number): void {
    const { random, lines } = this;
    if (this.next < this.labels.length && depth === 0 && random(5) === 0) lines.push(`${this.labels[this.next++]}:`);
    switch (random(24)) {
      case 0:
        lines.push(`align ${this.pick([2, 4, 8, 16])}${random(2) ? ', db 0' : ''}`);
        break;
      case 1:
        if (depth > 0) break;
        if (this.format === 'bin') this.setBits();
        else lines.push(`section ${this.pick(['.text', '.data', '.rodata', '.other'])}`);
        break;
      case 2:
        if (this.macros > 0)
          lines.push(`macro_${random(this.macros)} ${Array.from({ length: 1 + random(3) }, () => random(100)).join(', ')}`);
        break;
      case 3:
        if (depth < 2) this.repetition(depth);
        break;
      case 4:
        if (depth === 0 && this.macros < 5) this.writeMacro();
        break;
      case 5:
      case 6:
      case 7:
      case 8:
        lines.push(this.data());
        break;
      case 9:
      case 10:
      case 11:
      case 12:
      case 13:
      case 14:
        lines.push(this.branch());
        break;
      default:
        lines.push(this.instruction());
    }
  }

  private repetition(depth: number): void {
    const counter = `counter_${depth}`;
    this.lines.push(`%assign ${counter} 0`, `%rep ${this.random(5)}`);
    for (let i = 0; i < 1 + this.random(3); i++) this.statement(depth + 1);
    this.lines.push(`db ${counter}`, `%assign ${counter} ${counter} + 1`, '%endrep');
  }
}
