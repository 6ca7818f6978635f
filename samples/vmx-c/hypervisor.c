/* A small hypervisor in C. Its guest, further down, has memory of its own by EPT, prints through a serial port that the hypervisor plays,
   asks CPUID who it runs under, makes hypercalls, touches memory that it does not have yet, and halts. */
#include <stdarg.h>
#include <stdint.h>
#include "vmcs.h"

enum { COM1 = 0x3f8, EXIT_PORT = 0xf4, CODE = 8, DATA = 16, TASK = 24 };
enum { HYPERCALL_ADD = 1, HYPERCALL_TICKS = 2 };

struct registers {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};

extern int enter_guest(struct registers *registers, int launched);
extern uint64_t gdt[5];
extern uint8_t task_state[104];

#define PAGE __attribute__((aligned(4096)))
static uint32_t vmxon_region[1024] PAGE, vmcs_region[1024] PAGE;
static uint64_t ept_pml4[512] PAGE, ept_pdpt[512] PAGE, ept_directory[512] PAGE;
static uint8_t guest_stack[4096] PAGE;

/* ---- What C has no words for */

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
static inline uint8_t in8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline uint64_t read_msr(uint32_t index) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return (uint64_t)high << 32 | low;
}
static inline void write_msr(uint32_t index, uint64_t value) {
  __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}
#define READ_REGISTER(name)                            \
  static inline uint64_t read_##name(void) {           \
    uint64_t value;                                    \
    __asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
    return value;                                      \
  }
READ_REGISTER(cr0)
READ_REGISTER(cr3)
READ_REGISTER(cr4)

/* ---- Printing: %s, %d (unsigned), %x */

static void put(char character) {
  while (!(in8(COM1 + 5) & 0x20)) {
  }
  out8(COM1, character);
}

static void put_number(uint64_t value, unsigned base) {
  if (value >= base) put_number(value / base, base);
  put("0123456789abcdef"[value % base]);
}

static void print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  for (; *format; format++) {
    if (*format != '%') {
      put(*format);
      continue;
    }
    switch (*++format) {
    case 's':
      for (const char *text = va_arg(arguments, const char *); *text; text++) put(*text);
      break;
    case 'd':
      put_number(va_arg(arguments, uint64_t), 10);
      break;
    case 'x':
      put_number(va_arg(arguments, uint64_t), 16);
      break;
    }
  }
  va_end(arguments);
}

static void stop(uint32_t status) {
  for (;;) out32(EXIT_PORT, status);
}

/* ---- VMX */

static void demand(int good, const char *what) {
  if (good) return;
  print("hypervisor: %s failed\n", what);
  stop(1);
}

static void vmwrite(enum vmcs_field field, uint64_t value) {
  uint8_t good;
  __asm__ volatile("vmwrite %2, %1; seta %0" : "=r"(good) : "r"((uint64_t)field), "r"(value) : "cc");
  if (!good) print("hypervisor: no field %x\n", (uint64_t)field);
}

static uint64_t vmread(enum vmcs_field field) {
  uint64_t value = 0;
  __asm__ volatile("vmread %1, %0" : "+r"(value) : "r"((uint64_t)field) : "cc");
  return value;
}

static void enter_vmx_operation(void) {
  uint8_t good;
  uint64_t feature_control = read_msr(0x3a);
  if (!(feature_control & 1)) write_msr(0x3a, feature_control | 5);
  demand((read_msr(0x3a) & 5) == 5, "the firmware has VT-x locked out: VMXON");
  __asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() | 1 << 13));
  vmxon_region[0] = vmcs_region[0] = read_msr(0x480) & 0x7fffffff;
  uint64_t address = (uintptr_t)vmxon_region;
  __asm__ volatile("vmxon %1; seta %0" : "=r"(good) : "m"(address) : "cc", "memory");
  demand(good, "VMXON");
  address = (uintptr_t)vmcs_region;
  __asm__ volatile("vmclear %1; seta %0" : "=r"(good) : "m"(address) : "cc", "memory");
  demand(good, "VMCLEAR");
  __asm__ volatile("vmptrld %1; seta %0" : "=r"(good) : "m"(address) : "cc", "memory");
  demand(good, "VMPTRLD");
}

/* The low half of a capability MSR has what must be 1, the high half what may be. */
static void set_controls(enum vmcs_field field, uint32_t msr, uint32_t wish) {
  uint64_t allowed = read_msr(msr);
  demand((wish & ~(allowed >> 32)) == 0, "a control that this processor lacks");
  vmwrite(field, (wish | (uint32_t)allowed) & (allowed >> 32));
}

/* The guest has the first 16 MiB, one to one. What lies above it gets when it touches it. */
static void make_ept(void) {
  ept_pml4[0] = (uintptr_t)ept_pdpt | 7;
  ept_pdpt[0] = (uintptr_t)ept_directory | 7;
  for (uint64_t i = 0; i < 8; i++) ept_directory[i] = i << 21 | 0xb7; /* read, write, execute; write-back; 2 MiB */
  vmwrite(EPT_POINTER, (uintptr_t)ept_pml4 | 3 << 3 | 6);
}

static void segment(int number, uint16_t selector, uint64_t base, uint32_t limit, uint32_t rights) {
  vmwrite(GUEST_ES_SELECTOR + 2 * number, selector);
  vmwrite(GUEST_ES_BASE + 2 * number, base);
  vmwrite(GUEST_ES_LIMIT + 2 * number, limit);
  vmwrite(GUEST_ES_RIGHTS + 2 * number, rights);
}

static void make_vmcs(void (*entry)(void)) {
  set_controls(PIN_CONTROLS, 0x48d, 0);
  set_controls(PRIMARY_CONTROLS, 0x48e, 1u << 7 | 1u << 24 | 1u << 31); /* HLT exiting, I/O exiting, secondary controls */
  set_controls(SECONDARY_CONTROLS, 0x48b, 1 << 1);                      /* EPT */
  set_controls(EXIT_CONTROLS, 0x48f, 1 << 9);                           /* host address-space size */
  set_controls(ENTRY_CONTROLS, 0x490, 1 << 9);                          /* IA-32e mode guest */
  vmwrite(EXCEPTION_BITMAP, 0);
  vmwrite(CR0_MASK, 0);
  vmwrite(CR4_MASK, 0);
  make_ept();

  for (int i = 0; i < 6; i++) segment(i, i == 1 ? CODE : DATA, 0, 0xffffffff, i == 1 ? 0xa09b : 0xc093);
  segment(6, 0, 0, 0, 0x10000);
  segment(7, TASK, (uintptr_t)task_state, 0x67, 0x8b);
  vmwrite(GUEST_GDTR_BASE, (uintptr_t)gdt);
  vmwrite(GUEST_GDTR_LIMIT, sizeof gdt - 1);
  vmwrite(GUEST_IDTR_BASE, 0);
  vmwrite(GUEST_IDTR_LIMIT, 0);
  vmwrite(GUEST_CR0, read_cr0());
  vmwrite(GUEST_CR3, read_cr3());
  vmwrite(GUEST_CR4, read_cr4());
  vmwrite(GUEST_DR7, 0x400);
  vmwrite(GUEST_RSP, (uintptr_t)guest_stack + sizeof guest_stack - 8);
  vmwrite(GUEST_RIP, (uintptr_t)entry);
  vmwrite(GUEST_RFLAGS, 2);
  vmwrite(GUEST_PENDING_DEBUG, 0);
  vmwrite(GUEST_INTERRUPTIBILITY, 0);
  vmwrite(GUEST_ACTIVITY, 0);
  vmwrite(GUEST_DEBUGCTL, 0);
  vmwrite(VMCS_LINK_POINTER, -1);

  for (int i = 0; i < 6; i++) vmwrite(HOST_ES_SELECTOR + 2 * i, i == 1 ? CODE : DATA);
  vmwrite(HOST_TR_SELECTOR, TASK);
  vmwrite(HOST_CR0, read_cr0());
  vmwrite(HOST_CR3, read_cr3());
  vmwrite(HOST_CR4, read_cr4());
  vmwrite(HOST_FS_BASE, 0);
  vmwrite(HOST_GS_BASE, 0);
  vmwrite(HOST_TR_BASE, (uintptr_t)task_state);
  vmwrite(HOST_GDTR_BASE, (uintptr_t)gdt);
  vmwrite(HOST_IDTR_BASE, 0);
  vmwrite(HOST_SYSENTER_CS, 0);
  vmwrite(HOST_SYSENTER_ESP, 0);
  vmwrite(HOST_SYSENTER_EIP, 0);
}

/* ---- Exits */

static uint64_t exits;

static uint64_t hypercall(uint64_t number, uint64_t first, uint64_t second) {
  switch (number) {
  case HYPERCALL_ADD:
    return first + second;
  case HYPERCALL_TICKS:
    return exits;
  default:
    return -1;
  }
}

/* The guest's serial port: always ready, and what is written to it goes to the real one. */
static void port_access(struct registers *guest, uint64_t qualification) {
  uint16_t port = qualification >> 16;
  int in = qualification >> 3 & 1;
  if (in) guest->rax = (guest->rax & ~0xffull) | (port == COM1 + 5 ? 0x20 : 0xff);
  else if (port == COM1) put(guest->rax);
}

/* The instruction is then executed once more: guest RIP stays. */
static int give_memory(uint64_t address, uint64_t qualification) {
  uint64_t page = address >> 21;
  print("hypervisor: the guest %ss at %x, and gets memory there\n", qualification & 2 ? "write" : "read", address);
  if (page >= 512 || ept_directory[page]) return 0;
  ept_directory[page] = page << 21 | 0xb7;
  return 1;
}

/* 1 while the guest is to go on. */
static int handle(struct registers *guest) {
  uint64_t reason = vmread(EXIT_REASON), qualification = vmread(EXIT_QUALIFICATION);
  exits++;
  switch (reason) {
  case EXIT_CPUID:
    guest->rax = 0x40000000;
    guest->rbx = 0x676e6952; /* "RingsideVM" */
    guest->rcx = 0x65646973;
    guest->rdx = 0x00004d56;
    break;
  case EXIT_VMCALL:
    guest->rax = hypercall(guest->rax, guest->rdi, guest->rsi);
    break;
  case EXIT_IO:
    port_access(guest, qualification);
    break;
  case EXIT_HLT:
    print("hypervisor: the guest halts\n");
    return 0;
  case EXIT_EPT_VIOLATION:
    return give_memory(vmread(GUEST_PHYSICAL_ADDRESS), qualification);
  default:
    print("hypervisor: unexpected exit %d, qualification %x\n", reason & 0xffff, qualification);
    return 0;
  }
  vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_LENGTH));
  return 1;
}

/* ---- The guest: it runs on EPT's memory and cannot reach the hypervisor but by exits */

static uint64_t call_hypervisor(uint64_t number, uint64_t first, uint64_t second) {
  __asm__ volatile("vmcall" : "+a"(number) : "D"(first), "S"(second) : "memory");
  return number;
}

static void guest_main(void) {
  uint32_t leaf = 0x40000000, name[4] = {0};
  __asm__ volatile("cpuid" : "+a"(leaf), "=b"(name[0]), "=c"(name[1]), "=d"(name[2]));
  print("guest: I run under \"%s\"\n", (const char *)name);
  print("guest: 1000 + 234 is %d\n", call_hypervisor(HYPERCALL_ADD, 1000, 234));
  volatile uint32_t *far = (uint32_t *)0x1800000;
  *far = 42;
  print("guest: there is %d now\n", (uint64_t)*far);
  for (;;) __asm__ volatile("hlt");
}

void hypervisor(void) {
  struct registers guest = {0};
  int launched = 0, failure;
  enter_vmx_operation();
  make_vmcs(guest_main);
  print("hypervisor: in VMX root operation\n");
  while ((failure = enter_guest(&guest, launched)) == 0) {
    launched = 1;
    if (!handle(&guest)) break;
  }
  if (failure) print("hypervisor: VM entry failed with error %d\n", failure == 2 ? vmread(INSTRUCTION_ERROR) : 0);
  print("hypervisor: done\n");
  stop(failure);
}
