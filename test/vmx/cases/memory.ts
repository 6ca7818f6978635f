/** EPT as guests meet it, VM functions, VMCS shadowing (manual, "The Extended Page Table Mechanism", "VM Functions", "VMCS Shadowing"). */
import { fault, OK, UD, VMFAIL_INVALID, type VmxCase } from '../harness/cases';

const AGAIN = 'mov eax, ANSWER_AGAIN';
const END = 'mov eax, ANSWER_END';

/** Bits of an exit qualification. */
const [READ, WRITE, FETCH] = [1, 2, 4];
const allowed = (rights: number): number => rights << 3;
const LINEAR = 1 << 7;
const OF_ACCESS = 1 << 8;

const PAGE = 0x405000;
/** Sets what EPT lets do with the page at PROBE + 0x5000. */
const rights = (bits: number): string => `use_ept\nmov dword [EPT_PT + 5 * 8], ${bits === 0 ? 0 : `PROBE + 0x5000 | 0x30 | ${bits}`}`;
const REPAIR = `mov dword [EPT_PT + 5 * 8], PROBE + 0x5037\n${AGAIN}`;

/** One access that EPT refuses, and its exit; then the page is there, and the access goes on. */
const violation = (name: string, bits: number, code: string, access: number, offset = 0x123): VmxCase => ({
  name: `EPT violation: ${name}`,
  setup: `mov dword [PROBE + 0x5000], 0xc3\n${rights(bits)}`,
  code: `mov ebx, PROBE + 0x5000\n${code}\nnote 7`,
  onExit: REPAIR,
  exits: [
    {
      reason: 48,
      qualification: access | allowed(bits) | LINEAR | OF_ACCESS,
      linear: PAGE + offset,
      physical: PAGE + offset,
      vectoring: 0,
    },
  ],
  notes: [7],
});

/** A table of the guest's own at PROBE + 0x5000 translates 0x2000000. */
const OWN_TABLE = `
  mov dword [DIRECTORIES + 0x80], PROBE + 0x5007
  mov dword [PROBE + 0x5000 + 8], PROBE + 0x6007
  mov rax, cr3
  mov cr3, rax`;

const ept: readonly VmxCase[] = [
  violation('a read where nothing is', 0, 'mov al, [rbx + 0x123]', READ),
  violation('a write where nothing is', 0, 'mov [rbx + 0x123], al', WRITE),
  violation('a fetch where nothing is', 0, 'call rbx', FETCH, 0),
  violation('a write to what may be read', 1, 'mov [rbx + 0x123], al', WRITE),
  violation('a write to what may be read and executed', 5, 'mov [rbx + 0x123], al', WRITE),
  violation('a fetch from what may be read and written', 3, 'call rbx', FETCH, 0),
  violation('a read of what may be executed alone', 4, 'mov al, [rbx + 0x123]', READ),
  {
    name: 'EPT violation in the walk: read of an entry',
    setup: `${OWN_TABLE}\n${rights(0)}`,
    code: 'mov al, [0x2001234]\nnote 7',
    onExit: REPAIR,
    exits: [{ reason: 48, qualification: READ | LINEAR, linear: 0x2001234, physical: PAGE + 8 }],
    notes: [7],
  },
  {
    name: 'EPT violation in the walk: the accessed flag of an entry that may not be written',
    setup: `${OWN_TABLE}\n${rights(1)}`,
    code: 'mov al, [0x2001234]\nnote 7',
    onExit: REPAIR,
    // It is read and written at once.
    exits: [{ reason: 48, qualification: READ | WRITE | allowed(1) | LINEAR, linear: 0x2001234, physical: PAGE + 8 }],
    notes: [7],
  },
  ...[2, 6, 0x23].map(
    (entry): VmxCase => ({
      name: `EPT misconfiguration: entry ${entry.toString(16)}`,
      setup: `use_ept\nmov dword [EPT_PT + 5 * 8], PROBE + 0x5000 | ${entry === 0x23 ? 0x10 | 3 : 0x30 | entry}`,
      code: 'mov ebx, PROBE + 0x5000\nmov al, [rbx + 0x123]\nnote 7',
      onExit: `mov dword [EPT_PT + 5 * 8], PROBE + 0x5037\n${AGAIN}`,
      exits: [{ reason: 49, qualification: 0, physical: PAGE + 0x123 }],
      notes: [7],
    }),
  ),
  {
    name: 'EPT violation while an event is delivered: INT n',
    setup: `${rights(0)}\nvmset GUEST_IDTR_BASE, PROBE + 0x5000`,
    code: 'there: int 0x30',
    onExit: END,
    exits: [
      {
        reason: 48,
        qualification: READ | LINEAR | OF_ACCESS,
        linear: PAGE + 0x300,
        physical: PAGE + 0x300,
        vectoring: 0x80000430,
        length: 2,
        rip: 'there',
      },
    ],
  },
  {
    name: 'EPT violation while an event is delivered: an exception with an error code',
    setup: `${rights(0)}\nvmset GUEST_IDTR_BASE, PROBE + 0x5000`,
    code: 'mov eax, 0x3e8\nthere: mov gs, eax',
    onExit: END,
    exits: [{ reason: 48, vectoring: 0x80000b0d, vectoringErrorCode: 0x3e8, rip: 'there', linear: PAGE + 0xd0 }],
  },
  {
    name: 'EPT violation while an event is injected, which the host injects again',
    setup: `
      ${rights(0)}
      mov rsi, IDT64
      mov rdi, PROBE + 0x5000
      mov ecx, 0x400
      rep movsb
      vmset GUEST_IDTR_BASE, PROBE + 0x5000
      vmset GUEST_RFLAGS, 0x202
      vmset ENTRY_INTERRUPTION, 0x80000035`,
    code: 'note 7',
    onExit: `
      mov edx, VECTORING_INFO
      vmread rax, rdx
      mov edx, ENTRY_INTERRUPTION
      vmwrite rdx, rax
      ${REPAIR}`,
    exits: [{ reason: 48, vectoring: 0x80000035, rip: 'guest', linear: PAGE + 0x350 }],
    notes: [fault(0x35), 7],
  },
  {
    name: 'EPT translates for a 32-bit host’s guest, too',
    host: 32,
    setup: 'use_ept\nmov dword [EPT_PT + 5 * 8], PROBE + 0x6037\nmov dword [PROBE + 0x6000], 0x1234',
    code: 'note [PROBE + 0x5000]\nmov dword [EPT_PT], 0\nmov eax, [PROBE]',
    onExit: END,
    exits: [{ reason: 48, qualification: READ | LINEAR | OF_ACCESS, linear: 0x400000, physical: 0x400000 }],
    notes: [0x1234],
  },
];

const functions: readonly VmxCase[] = [
  {
    name: 'EPTP switching: VMFUNC changes what is seen, exits for what it has not',
    setup: `
      use_ept
      secondary SEC_VM_FUNCTIONS
      vmset VM_FUNCTIONS, 1
      vmset EPTP_LIST, EPTP_PAGE
      ; a second hierarchy: the same but for the pages of PROBE, which are all the one at PROBE + 0x6000
      mov dword [EPTP_PAGE], EPT_PML4 | 0x1e
      mov dword [EPTP_PAGE + 16], SECOND | 0x1e
      mov dword [SECOND], SECOND + 0x1000 | 7
      mov esi, EPT_PDPT
      mov edi, SECOND + 0x1000
      mov ecx, 32
      rep movsb
      mov dword [SECOND + 0x1000], SECOND + 0x2000 | 7
      mov esi, EPT_PDS
      mov edi, SECOND + 0x2000
      mov ecx, 4096
      rep movsb
      mov dword [SECOND + 0x2000 + 16], SECOND + 0x3000 | 7
      mov dword [SECOND + 0x3000], PROBE + 0x6037
      mov dword [PROBE], 1
      mov dword [PROBE + 0x6000], 2`,
    code: `
      mov ebx, [PROBE]
      note rbx
      xor eax, eax
      mov ecx, 2
      vmfunc
      mov ebx, [PROBE]
      note rbx
      xor ecx, ecx
      vmfunc
      mov ebx, [PROBE]
      note rbx
      mov ecx, 1
      first: vmfunc                       ; an entry of the list that is 0
      mov ecx, 512
      second: vmfunc
      mov eax, 1
      third: vmfunc
      mov eax, 64
      try vmfunc
      note 7`,
    data: 'SECOND equ AREA + 0x2c000',
    exits: [
      { reason: 59, length: 3, qualification: 0, rip: 'first' },
      { reason: 59, rip: 'second' },
      { reason: 59, rip: 'third' },
    ],
    notes: [1, 2, 1, fault(UD), 7],
  },
  {
    name: 'VMFUNC that is not enabled',
    code: 'xor eax, eax\ntry vmfunc\nnote 7',
    notes: [fault(UD), 7],
  },
];

/** VMCS2 becomes a shadow VMCS that the VMCS links to. */
const SHADOW = `
  or dword [VMCS2], 1 << 31
  op vmclear [vmcs2_pointer]
  op vmptrld [vmcs2_pointer]
  op vmlaunch
  vmset GUEST_RSP, 0x1230
  op vmptrld [vmcs_pointer]
  vmset LINK_POINTER, VMCS2
  secondary SEC_SHADOWING
  vmset VMREAD_BITMAP, READ_BITMAP
  vmset VMWRITE_BITMAP, WRITE_BITMAP`;
const SHADOW_NOTES = [OK, OK, VMFAIL_INVALID, OK];

const shadowing: readonly VmxCase[] = [
  {
    name: 'a guest reads and writes the shadow VMCS; bitmaps say which fields exit',
    setup: `
      ${SHADOW}
      or byte [READ_BITMAP + (GUEST_RIP >> 3)], 1 << (GUEST_RIP & 7)
      or byte [WRITE_BITMAP + (GUEST_RFLAGS >> 3)], 1 << (GUEST_RFLAGS & 7)`,
    code: `
      mov edx, GUEST_RSP
      vmread rax, rdx
      note rax
      mov eax, 0x4560
      vmwrite rdx, rax
      vmread rbx, rdx
      note rbx
      mov edx, GUEST_RIP
      first: vmread rax, rdx
      vmwrite rdx, rax
      mov edx, GUEST_RFLAGS
      vmread rax, rdx
      second: vmwrite rdx, rax
      mov edx, 0x8000                     ; beyond the bitmaps
      third: vmread rax, rdx`,
    after: `
      mov edx, GUEST_RSP
      vmread rax, rdx
      note rax
      vmptrld [vmcs2_pointer]
      vmread rax, rdx
      note rax`,
    exits: [
      { reason: 23, rip: 'first' },
      { reason: 25, rip: 'second' },
      { reason: 23, rip: 'third' },
    ],
    notes: [...SHADOW_NOTES, 0x1230, 0x4560, 0x260000, 0x4560],
  },
  {
    name: 'shadowing without a link pointer: VMfailInvalid in the guest',
    setup: `${SHADOW}\nvmset LINK_POINTER, -1`,
    code: 'mov edx, GUEST_RSP\nvmread rax, rdx\nsetc al\nmovzx eax, al\nnote rax',
    notes: [...SHADOW_NOTES, 1],
  },
  {
    name: 'a link pointer to a VMCS that is no shadow: qualification 4',
    setup: `${SHADOW}\nand dword [VMCS2], ~(1 << 31)`,
    exits: [{ reason: 0x80000021, qualification: 4 }],
    notes: SHADOW_NOTES,
  },
  {
    name: 'shadowing in ring 3: #GP, or the exit where a bit is set',
    user: true,
    setup: SHADOW,
    code: 'mov edx, GUEST_RSP\ntry vmread rax, rdx\nmov edx, 0x8000\ntry vmread rax, rdx',
    exits: [{ reason: 23 }],
    notes: [...SHADOW_NOTES, fault(13)],
  },
];

export const MEMORY_CASES = { EPT: ept, 'VM functions': functions, 'VMCS shadowing': shadowing } as const;
