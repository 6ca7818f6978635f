/** `--hypervisor <program>`: a hypervisor of the user's own on the bare processor, with its guest as a module. */
import { describe, expect, it } from 'vitest';
import { LaunchError, type LaunchOptions } from '../../src/engines/launch';
import { launch } from '../../src/engines/launcher';

/** Says what its first module is called, and then the module itself, whether CR4.VMXE can be set, and where the processor is. */
const HYPERVISOR = `
    bits 32
    org 0x100000
    align 4
header:
    dd 0x1badb002, 0x00010003, -(0x1badb002 + 0x00010003)
    dd header, 0x100000, end, end, start
start:
    mov esp, end + 0x1000
    mov esi, [ebx + 24]         ; the list of modules
    mov edi, [esi + 8]          ; text
say:
    mov al, [edi]
    inc edi
    or al, al
    jz module
    out 0xe9, al
    jmp say
module:
    mov al, ':'
    out 0xe9, al
    mov edi, [esi]
    mov ecx, [esi + 4]
    sub ecx, edi
bytes:
    mov al, [edi]
    inc edi
    out 0xe9, al
    loop bytes
    mov eax, cr4
    or eax, 1 << 13
    mov cr4, eax
    mov al, '!'
    out 0xe9, al
    xor eax, eax
    mov edx, 0xf4
    out dx, eax
    hlt
end:
`;
const FILES: Readonly<Record<string, string>> = {
  '/hypervisor.asm': HYPERVISOR,
  '/a guest.asm': 'bits 16\ndb "code"\n',
  '/guest.bin': 'raw\x01',
  '/empty.asm': 'bits 16\n',
  '/broken.asm': 'bits 16\nmov\n',
};

function say(options: LaunchOptions): string {
  const { engine } = launch(options, (path) => (FILES[path] === undefined ? undefined : new TextEncoder().encode(FILES[path])));
  let said = '';
  engine.onOutput = (_, byte) => {
    said += String.fromCharCode(byte);
  };
  const { reason } = engine.run({ instructions: 1e6 });
  return `${engine.technique} ${reason} ${said}`;
}

describe("a hypervisor of the user's own", () => {
  const bare = { engine: 'vmx', hypervisor: '/hypervisor.asm' } as const;

  it('runs on the bare processor, with an assembled guest as its module', () => {
    expect(say({ ...bare, program: '/a guest.asm', append: 'one two' })).toBe('vmx exited a_guest.asm one two:code!');
  });

  it('takes a guest of any kind as it is', () => {
    expect(say({ ...bare, program: '/guest.bin' })).toBe('vmx exited guest.bin:raw\x01!');
  });

  it.each([
    ['a guest that is not there', { ...bare, program: '/nothing' }, '/nothing: the file cannot be read'],
    ['a guest with mistakes', { ...bare, program: '/broken.asm' }, '/broken.asm:2'],
    ['a guest of nothing', { ...bare, program: '/empty.asm' }, '/empty.asm: the source assembles to nothing'],
    ['a hypervisor that is not there', { ...bare, hypervisor: '/nothing' }, '/nothing: the file cannot be read'],
    ['another engine', { hypervisor: '/hypervisor.asm', program: '/guest.bin' }, '"hypervisor" needs the engine "vmx"'],
    ['the built-in one under another engine', { hypervisor: 'builtin', program: '/guest.bin' }, '"hypervisor" needs the engine "vmx"'],
  ] as const)('refuses %s', (_, options, message) => {
    expect(() => say(options)).toThrow(LaunchError);
    expect(() => say(options)).toThrow(message);
  });
});
