/* Runs two guests by /dev/kvm, as any virtual machine monitor on Linux does: one in real mode, one in 64-bit mode. Prints what they did. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 1 << 20, CODE = 0x1000, PML4 = 0x4000, PDPT = 0x5000, DIRECTORY = 0x6000, STACK = 0x8000, EXITS = 50 };

/* mov dx, 0x3f8; 2 + 3 and a newline are written to it; the word at 0x2000 is doubled; hlt */
static const uint8_t real_mode[] = {
    0xba, 0xf8, 0x03, 0x00, 0xd8, 0x04, '0', 0xee, 0xb0, '\n', 0xee, 0xd1, 0x26, 0x00, 0x20, 0xa1, 0x00, 0x20, 0xe7, 0x80, 0xf4,
};

#ifdef __x86_64__ /* A 32-bit host has 32-bit guests alone. */
/* mov rax, 0x123456789abcdef0; push rax; pop rbx; mov [0x200000], ebx (no memory there); in eax, 0x40; cpuid leaf 0x40000000; hlt */
static const uint8_t long_mode[] = {
    0x48, 0xb8, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12, 0x50, 0x5b, 0x89, 0x1c, 0x25, 0x00, 0x00, 0x20, 0x00, 0xe5, 0x40,
    0x89, 0xc6, 0xb8, 0x00, 0x00, 0x00, 0x40, 0x0f, 0xa2, 0xf4,
};
#endif

static int kvm, run_size;

static void demand(long result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

struct guest {
  int vm, cpu;
  uint8_t *memory;
  struct kvm_run *run;
};

static struct guest make_guest(const uint8_t *code, size_t size) {
  struct guest guest;
  demand(guest.vm = ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  demand(ioctl(guest.vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
  guest.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memcpy(guest.memory + CODE, code, size);
  struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uintptr_t)guest.memory};
  demand(ioctl(guest.vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  demand(guest.cpu = ioctl(guest.vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
  guest.run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, guest.cpu, 0);
  return guest;
}

static void start_at(struct guest *guest) {
  struct kvm_regs registers = {.rip = CODE, .rsp = STACK, .rflags = 2, .rax = 2, .rbx = 3};
  demand(ioctl(guest->cpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
}

static void run(const char *name, struct guest *guest) {
  for (int i = 0; i < EXITS; i++) {
    demand(ioctl(guest->cpu, KVM_RUN, 0), "KVM_RUN");
    struct kvm_run *run = guest->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    switch (run->exit_reason) {
    case KVM_EXIT_HLT: {
      struct kvm_regs registers;
      demand(ioctl(guest->cpu, KVM_GET_REGS, &registers), "KVM_GET_REGS");
      printf("%s: halt at %llx, rax %llx, rsi %llx\n", name, registers.rip, registers.rax, registers.rsi);
      return;
    }
    case KVM_EXIT_IO:
      if (run->io.direction == KVM_EXIT_IO_IN) {
        printf("%s: in %d bytes from %x\n", name, run->io.size, run->io.port);
        memset(data, 0x5a, run->io.size);
      } else {
        printf("%s: out %d bytes to %x: %x\n", name, run->io.size, run->io.port, run->io.size == 1 ? *data : *(uint16_t *)data);
      }
      break;
    case KVM_EXIT_MMIO:
      printf("%s: %s of %d bytes at %llx: %x\n", name, run->mmio.is_write ? "write" : "read", run->mmio.len, run->mmio.phys_addr,
             *(uint32_t *)run->mmio.data);
      break;
    default:
      printf("%s: exit %d, hardware reason %llx\n", name, run->exit_reason, run->hw.hardware_exit_reason);
      return;
    }
  }
}

/* An argument: without the guest in real mode, for which KVM without unrestricted guests wants CR4.VME. */
int main(int count, char **arguments) {
  (void)arguments;
  demand(kvm = open("/dev/kvm", O_RDWR), "/dev/kvm");
  printf("KVM version %d\n", ioctl(kvm, KVM_GET_API_VERSION, 0));
  demand(run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_sregs segments;

  if (count == 1) {
    struct guest real = make_guest(real_mode, sizeof real_mode);
    real.memory[0x2000] = 21;
    demand(ioctl(real.cpu, KVM_GET_SREGS, &segments), "KVM_GET_SREGS");
    segments.cs.base = segments.cs.selector = 0;
    demand(ioctl(real.cpu, KVM_SET_SREGS, &segments), "KVM_SET_SREGS");
    start_at(&real);
    run("real mode", &real);
  }

#ifdef __x86_64__
  struct guest large = make_guest(long_mode, sizeof long_mode);
  *(uint64_t *)(large.memory + PML4) = PDPT | 3;
  *(uint64_t *)(large.memory + PDPT) = DIRECTORY | 3;
  for (int i = 0; i < 512; i++) ((uint64_t *)(large.memory + DIRECTORY))[i] = i * 0x200000ull | 0x83;
  demand(ioctl(large.cpu, KVM_GET_SREGS, &segments), "KVM_GET_SREGS");
  segments.cr3 = PML4;
  segments.cr4 = 0x20;
  segments.cr0 = 0x80000033;
  segments.efer = 0x500;
  struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
  struct kvm_segment data = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
  segments.cs = code;
  segments.ds = segments.es = segments.fs = segments.gs = segments.ss = data;
  demand(ioctl(large.cpu, KVM_SET_SREGS, &segments), "KVM_SET_SREGS");
  start_at(&large);
  run("64-bit mode", &large);
#endif
  printf("done\n");
  return 0;
}
