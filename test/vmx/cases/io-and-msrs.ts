/** Ports and MSRs: exits by bitmap or without one, what they report, TSC offset (manual, "I/O-Bitmap Addresses", "MSR-Bitmap Address"). */
import { type ExpectedExit, fault, GP, type VmxCase } from '../harness/cases';

interface Io {
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly in?: true;
  readonly string?: true;
  readonly rep?: true;
  readonly immediate?: true;
}
/** Exit qualification for I/O instructions. */
const io = (access: Io): number =>
  access.size -
  1 +
  (access.in ? 8 : 0) +
  (access.string ? 16 : 0) +
  (access.rep ? 32 : 0) +
  (access.immediate ? 64 : 0) +
  access.port * 0x10000;
const ioExit = (access: Io, length: number): ExpectedExit => ({ reason: 30, qualification: io(access), length });

const BITMAPS = 'primary CPU_IO_BITMAPS';
const at = (port: number): string => `${port < 0x8000 ? 'IO_A' : 'IO_B'} + ${(port & 0x7fff) >> 3}`;
const bit = (port: number): string => `or byte [${at(port)}], 1 << ${port & 7}`;

/** Where an MSR's bit for reading is. */
const readBit = (msr: number): string =>
  `or byte [MSR_BITMAP + ${(msr >= 0xc0000000 ? 0x400 : 0) + ((msr & 0x1fff) >> 3)}], 1 << ${msr & 7}`;
const writeBit = (msr: number): string => readBit(msr).replace('MSR_BITMAP', 'MSR_BITMAP + 0x800');

const PORT = 0xf10;

export const IO_CASES: readonly VmxCase[] = [
  {
    name: 'every I/O instruction exits unconditionally',
    setup: 'primary CPU_IO',
    code: `
      in al, 0x71
      in ax, 0x72
      in eax, 0x73
      out 0x74, al
      out 0x75, ax
      out 0x76, eax
      mov edx, ${PORT}
      in al, dx
      in ax, dx
      in eax, dx
      out dx, al
      out dx, ax
      mov edx, 0xffffffff
      out dx, eax`,
    exits: [
      ioExit({ port: 0x71, size: 1, in: true, immediate: true }, 2),
      ioExit({ port: 0x72, size: 2, in: true, immediate: true }, 3),
      ioExit({ port: 0x73, size: 4, in: true, immediate: true }, 2),
      ioExit({ port: 0x74, size: 1, immediate: true }, 2),
      ioExit({ port: 0x75, size: 2, immediate: true }, 3),
      ioExit({ port: 0x76, size: 4, immediate: true }, 2),
      ioExit({ port: PORT, size: 1, in: true }, 1),
      ioExit({ port: PORT, size: 2, in: true }, 2),
      ioExit({ port: PORT, size: 4, in: true }, 1),
      ioExit({ port: PORT, size: 1 }, 1),
      ioExit({ port: PORT, size: 2 }, 2),
      ioExit({ port: 0xffff, size: 4 }, 1),
    ],
  },
  {
    name: 'string I/O: address size, segment, linear address; not at all with a count of 0',
    setup: 'primary CPU_IO',
    code: `
      mov edx, ${PORT}
      mov edi, PROBE + 8
      mov esi, PROBE + 16
      mov ecx, 3
      first: insb
      outsw
      rep insd
      a32 fs rep outsb
      xor ecx, ecx
      rep outsb
      note 7`,
    exits: [
      { ...ioExit({ port: PORT, size: 1, in: true, string: true }, 1), linear: 0x400008, rip: 'first' },
      { ...ioExit({ port: PORT, size: 2, string: true }, 2), linear: 0x400010, info: (2 << 7) | (3 << 15) },
      { ...ioExit({ port: PORT, size: 4, in: true, string: true, rep: true }, 2), linear: 0x400008 },
      { ...ioExit({ port: PORT, size: 1, string: true, rep: true }, 4), linear: 0x400010, info: (1 << 7) | (4 << 15) },
    ],
    notes: [7],
  },
  {
    name: 'the bitmaps go before unconditional exiting, and are clear',
    setup: `primary CPU_IO | CPU_IO_BITMAPS`,
    code: `mov edx, ${PORT}\nin al, dx\nin eax, dx\nin al, 0x71\nmov edx, 0xfffe\nin ax, dx\nnote 7`,
    notes: [7],
  },
  {
    name: 'bitmaps at their corners',
    setup: `${BITMAPS}
      ${bit(0)}
      ${bit(0x7fff)}
      ${bit(0x8000)}
      ${bit(0xffff)}`,
    code: `
      in al, 0
      in al, 1
      mov edx, 0x7ffe
      in al, dx
      in ax, dx
      inc edx
      in al, dx
      inc edx
      in al, dx
      inc edx
      in al, dx
      mov edx, 0xfffe
      in al, dx
      inc edx
      in al, dx
      note 7`,
    exits: [
      ioExit({ port: 0, size: 1, in: true, immediate: true }, 2),
      ioExit({ port: 0x7ffe, size: 2, in: true }, 2),
      ioExit({ port: 0x7fff, size: 1, in: true }, 1),
      ioExit({ port: 0x8000, size: 1, in: true }, 1),
      ioExit({ port: 0xffff, size: 1, in: true }, 1),
    ],
    notes: [7],
  },
  {
    name: 'any byte of a wide access counts',
    setup: `${BITMAPS}\n${bit(PORT + 3)}`,
    code: `
      mov edx, ${PORT}
      in al, dx
      in ax, dx
      in eax, dx
      inc edx
      in ax, dx
      inc edx
      in ax, dx
      inc edx
      in al, dx
      inc edx
      in eax, dx
      note 7`,
    exits: [
      ioExit({ port: PORT, size: 4, in: true }, 1),
      ioExit({ port: PORT + 2, size: 2, in: true }, 2),
      ioExit({ port: PORT + 3, size: 1, in: true }, 1),
    ],
    notes: [7],
  },
  {
    name: 'an access that wraps around port 0xffff exits, whatever the bitmaps say',
    setup: BITMAPS,
    code: 'mov edx, 0xffff\nin al, dx\nin ax, dx\nin eax, dx\ndec edx\nin ax, dx\nin eax, dx\ndec edx\nin eax, dx\ndec edx\nin eax, dx\nnote 7',
    exits: [
      ioExit({ port: 0xffff, size: 2, in: true }, 2),
      ioExit({ port: 0xffff, size: 4, in: true }, 1),
      ioExit({ port: 0xfffe, size: 4, in: true }, 1),
      ioExit({ port: 0xfffd, size: 4, in: true }, 1),
    ],
    notes: [7],
  },
  {
    name: 'ring 3 without IOPL: #GP by the TSS before the exit; with IOPL the exit',
    user: true,
    setup: 'primary CPU_IO',
    code: 'try in al, 0x71\ntry out 0x72, eax\nvmcall\nin al, 0x73',
    onExit: `
      push rax
      vmset GUEST_RFLAGS, 0x3002
      pop rcx
      xor eax, eax`,
    exits: [{ reason: 18 }, ioExit({ port: 0x73, size: 1, in: true, immediate: true }, 2)],
    notes: [fault(GP), fault(GP)],
  },
  {
    name: 'ports of a 32-bit guest under a 32-bit host',
    host: 32,
    setup: 'primary CPU_IO',
    code: `mov edx, ${PORT}\nmov esi, PROBE\nout dx, ax\nes outsb\na16 insb`,
    exits: [
      ioExit({ port: PORT, size: 2 }, 2),
      { ...ioExit({ port: PORT, size: 1, string: true }, 2), linear: 0x400000, info: 1 << 7 },
      ioExit({ port: PORT, size: 1, in: true, string: true }, 2),
    ],
  },
];

export const MSR_CASES: readonly VmxCase[] = [
  {
    name: 'without bitmaps every MSR exits, those that do not exist too',
    code: `
      mov ecx, 0x10
      rdmsr
      mov ecx, 0x12345678
      rdmsr
      wrmsr
      mov ecx, 0xc0000080
      wrmsr
      note 7`,
    exits: [31, 31, 32, 32].map((reason) => ({ reason, length: 2, qualification: 0 })),
    notes: [7],
  },
  {
    name: 'ring 3: #GP before the exit',
    user: true,
    code: 'mov ecx, 0x10\ntry rdmsr\ntry wrmsr',
    notes: [fault(GP), fault(GP)],
  },
  {
    name: 'MSR bitmaps: reading and writing apart, low and high, at their corners',
    setup: `
      primary CPU_MSR_BITMAPS
      ${readBit(0x174)}
      ${writeBit(0x175)}
      ${readBit(0xc0000100)}
      ${writeBit(0xc0000101)}
      ${readBit(0)}
      ${readBit(0x1fff)}
      ${writeBit(0xc0001fff)}
      ${writeBit(0xc0000000)}`,
    code: `
      xor eax, eax
      xor edx, edx
      mov ecx, 0x174
      rdmsr                               ; exits
      wrmsr
      mov ecx, 0x175
      rdmsr
      wrmsr                               ; exits
      mov ecx, 0xc0000100
      rdmsr                               ; exits
      xor eax, eax
      xor edx, edx
      wrmsr
      mov ecx, 0xc0000101
      rdmsr
      wrmsr                               ; exits
      xor ecx, ecx
      rdmsr                               ; exits
      mov ecx, 0x1fff
      rdmsr                               ; exits
      mov ecx, 0x1ffe
      try rdmsr
      mov ecx, 0xc0000000
      wrmsr                               ; exits
      mov ecx, 0xc0001fff
      wrmsr                               ; exits
      note 7
      mov ecx, 0x2000                     ; out of their reach
      rdmsr
      mov ecx, 0xc0002000
      rdmsr
      wrmsr
      mov ecx, 0xbfffffff
      rdmsr
      mov ecx, 0x40000000
      wrmsr`,
    exits: [31, 32, 31, 32, 31, 31, 32, 32, 31, 31, 32, 31, 32].map((reason) => ({ reason, length: 2 })),
    notes: [fault(GP), 7],
  },
  {
    name: 'TSC offset: RDTSC, RDTSCP, RDMSR and IA32_TSC_ADJUST-less',
    setup: `
      primary CPU_TSC_OFFSET | CPU_MSR_BITMAPS
      secondary SEC_RDTSCP
      mov rax, 1 << 60
      mov edx, TSC_OFFSET
      call vmwrite_field`,
    code: `
      rdtsc
      shr edx, 28
      note rdx
      rdtscp
      shr edx, 28
      note rdx
      mov ecx, 0x10
      rdmsr
      shr edx, 28
      note rdx`,
    after: 'rdtsc\nshr edx, 28\nnote rdx',
    notes: [1, 1, 1, 0],
  },
  {
    name: 'the TSC offset means nothing without its control',
    setup: 'mov rax, 1 << 60\nmov edx, TSC_OFFSET\ncall vmwrite_field',
    code: 'rdtsc\nshr edx, 28\nnote rdx',
    notes: [0],
  },
  {
    name: 'MSR lists: stored and loaded on exit, loaded on entry',
    setup: `
      mov dword [ENTRY_LIST], 0xc0000102        ; IA32_KERNEL_GS_BASE
      mov dword [ENTRY_LIST + 8], 0x1111
      mov dword [ENTRY_LIST + 16], 0x174        ; IA32_SYSENTER_CS: behind the field of the guest
      mov dword [ENTRY_LIST + 24], 0x33
      mov dword [STORE_LIST], 0xc0000102
      mov dword [STORE_LIST + 8], -1
      mov dword [STORE_LIST + 16], 0x174
      mov dword [LOAD_LIST], 0xc0000102
      mov dword [LOAD_LIST + 8], 0x2222
      vmset ENTRY_LOAD_COUNT, 2
      vmset EXIT_STORE_COUNT, 2
      vmset EXIT_LOAD_COUNT, 1
      vmset GUEST_SYSENTER_CS, 0x44
      primary CPU_MSR_BITMAPS`,
    code: `
      mov ecx, 0xc0000102
      rdmsr
      note rax
      mov eax, 0x3333
      wrmsr
      mov ecx, 0x174
      rdmsr
      note rax`,
    after: `
      mov ecx, 0xc0000102
      rdmsr
      note rax
      note [STORE_LIST + 8]
      note [STORE_LIST + 24]
      mov ecx, 0x174
      rdmsr
      note rax`,
    notes: [0x1111, 0x33, 0x2222, 0x3333, 0x33, 0],
  },
  ...(
    [
      ['IA32_FS_BASE', '0xc0000100', 'dword 0'],
      ['IA32_GS_BASE', '0xc0000101', 'dword 0'],
      ['an MSR that does not exist', '0x12345678', 'dword 0'],
      ['x2APIC registers', '0x808', 'dword 0'],
      ['a value that the MSR refuses', '0x277', 'dword 2'],
    ] as const
  ).map(
    ([name, msr, value]): VmxCase => ({
      name: `loading MSRs on entry fails: ${name}`,
      setup: `
        mov dword [ENTRY_LIST], 0x174
        mov dword [ENTRY_LIST + 16], ${msr}
        mov ${value.replace('dword', 'dword [ENTRY_LIST + 24],')}
        vmset ENTRY_LOAD_COUNT, 3`,
      exits: [{ reason: 0x80000022, qualification: 2 }],
    }),
  ),
  {
    name: 'loading MSRs on entry fails: reserved bits of the first entry',
    setup: 'mov dword [ENTRY_LIST], 0x174\nmov dword [ENTRY_LIST + 4], 1\nvmset ENTRY_LOAD_COUNT, 1\nvmset GUEST_SYSENTER_CS, 0x55',
    after: 'mov ecx, 0x174\nrdmsr\nnote rax\nvmset ENTRY_LOAD_COUNT, 0\nop vmresume',
    exits: [{ reason: 0x80000022, qualification: 1 }],
    notes: [0, 5],
  },
  {
    name: 'an MSR that cannot be stored: VMX abort 1',
    setup: 'mov dword [STORE_LIST], 0x12345678\nvmset EXIT_STORE_COUNT, 1',
    code: 'cpuid',
    stop: 'VMX abort 1',
  },
  {
    name: 'an MSR that cannot be loaded: VMX abort 4',
    setup: 'mov dword [LOAD_LIST], 0xc0000100\nvmset EXIT_LOAD_COUNT, 1',
    code: 'cpuid',
    stop: 'VMX abort 4',
  },
  {
    name: 'the TSC can be stored on exit, without the guest’s offset',
    setup: `
      mov dword [STORE_LIST], 0x10
      vmset EXIT_STORE_COUNT, 1
      primary CPU_TSC_OFFSET
      mov rax, 1 << 60
      mov edx, TSC_OFFSET
      call vmwrite_field
      rdtsc
      shl rdx, 32
      or rax, rdx
      mov [before], rax`,
    code: 'nop',
    after: `
      rdtsc
      shl rdx, 32
      or rax, rdx
      mov rbx, [STORE_LIST + 8]
      sub rax, rbx                        ; now is not before it
      shr rax, 63
      note rax
      sub rbx, [before]
      shr rbx, 63
      note rbx`,
    data: 'align 8\nbefore: dq 0',
    notes: [0, 0],
  },
  {
    name: 'IA32_PAT and IA32_EFER: loaded, saved, given back',
    setup: `
      entering ENTRY_LOAD_PAT | ENTRY_LOAD_EFER
      exiting EXIT_SAVE_PAT | EXIT_LOAD_PAT | EXIT_SAVE_EFER | EXIT_LOAD_EFER
      primary CPU_MSR_BITMAPS
      vmset GUEST_PAT, 0x01040506
      vmset HOST_PAT, 0x06050400
      vmset GUEST_EFER, 0x500
      vmset HOST_EFER, 0xd01`,
    code: `
      mov ecx, 0x277
      rdmsr
      note rax
      mov eax, 0x06060606
      wrmsr
      mov ecx, 0xc0000080
      rdmsr
      note rax
      or eax, 1
      wrmsr`,
    after: `
      mov ecx, 0x277
      rdmsr
      note rax
      mov ecx, 0xc0000080
      rdmsr
      note rax
      mov edx, GUEST_PAT
      vmread rax, rdx
      note rax
      mov edx, GUEST_EFER
      vmread rax, rdx
      note rax`,
    notes: [0x01040506, 0x500, 0x06050400, 0xd01, 0x06060606, 0x501],
  },
  {
    name: 'IA32_EFER without its controls: LMA and LME follow the entry, NXE and SCE stay the host’s',
    guest: 32,
    setup: 'primary CPU_MSR_BITMAPS',
    code: 'mov ecx, 0xc0000080\nrdmsr\nnote eax',
    after: 'mov ecx, 0xc0000080\nrdmsr\nnote rax',
    notes: [0x801, 0xd01],
  },
  {
    name: 'SYSENTER MSRs are loaded and saved without any control',
    setup: `
      primary CPU_MSR_BITMAPS
      vmset GUEST_SYSENTER_CS, 0x123
      vmset GUEST_SYSENTER_ESP, 0x456
      vmset GUEST_SYSENTER_EIP, 0x789
      vmset HOST_SYSENTER_CS, 0x321
      vmset HOST_SYSENTER_ESP, 0x654
      vmset HOST_SYSENTER_EIP, 0x987`,
    code: `
      mov ecx, 0x174
      rdmsr
      note rax
      inc ecx
      rdmsr
      note rax
      add eax, 0x1000
      wrmsr
      inc ecx
      rdmsr
      note rax`,
    after: `
      mov ecx, 0x174
      rdmsr
      note rax
      inc ecx
      rdmsr
      note rax
      inc ecx
      rdmsr
      note rax
      mov edx, GUEST_SYSENTER_ESP
      vmread rax, rdx
      note rax`,
    notes: [0x123, 0x456, 0x789, 0x321, 0x654, 0x987, 0x1456],
  },
  {
    name: 'IA32_DEBUGCTL is cleared by an exit and saved with the debug controls',
    setup: 'primary CPU_MSR_BITMAPS\nvmset GUEST_DEBUGCTL, 1',
    code: 'mov ecx, 0x1d9\nrdmsr\nnote rax',
    after: 'mov ecx, 0x1d9\nrdmsr\nnote rax\nmov edx, GUEST_DEBUGCTL\nvmread rax, rdx\nnote rax',
    notes: [1, 0, 1],
  },
];
