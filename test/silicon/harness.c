/*
 * Runs single instructions on the real processor and reports what they did; built for 32 and for 64 bits.
 *
 * With the argument "facts" it prints, as raw 32-bit words, EAX to EDX of CPUID leaves 1, 7, 0xD/1 and 0x80000001, and, as words of
 * 0 or 1, whether programs may use RDFSBASE and its kin, and whether they may have segment descriptors.
 *
 * Else it has the names of two files. The input: the numbers of segment descriptors and of cases, the descriptors as struct user_desc
 * (of the GDT from entry 12 on, else of the LDT), the contents of the data region, then cases (struct test, then 512 bytes of x87 and
 * SSE state if it says so). The output: for each case a result, the x87 and SSE state if it changed, and the bytes of the data region
 * that changed.
 *
 * Each case runs in user mode: its bytes stand alone in a region of INT3s, so that a signal always follows; the handler notes the
 * outcome, and by changing the saved context lets the return from the signal start the next case. In the handler DS, ES, FS, GS and
 * the bases are whatever the case left, so nothing there may use thread-local storage: no C library.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <cpuid.h>
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA ((uint8_t *)0x01000000)
#define DATA_SIZE 0x2000
#define CODE ((uint8_t *)0x01100000)
#define CODE_SIZE 0x1000
#define LONGEST 16
#define MAX_CHANGES 1024
#define FX_SIZE 512
/* What software may use at the end of the image says how large the frame is. */
#define FX_USED 416
#define FIRST_TLS 12
#define LAST_TLS 14
#define OUTPUT_OF_CASE 5120

struct test {
  uint64_t registers[16]; /* in encoding order */
  uint64_t flags;
  uint64_t fs_base;
  uint64_t gs_base;
  uint16_t start; /* offset in the code region */
  uint8_t length;
  uint8_t vectors; /* FX_SIZE bytes follow, as FXSAVE stores them */
  uint32_t zero;
  uint8_t code[LONGEST];
};

struct result {
  uint64_t registers[16];
  uint64_t flags;
  uint64_t ip;
  uint64_t vector;
  uint64_t error;
  uint64_t cr2;
  uint64_t fs_base;
  uint64_t gs_base;
  uint16_t segments[6]; /* ES, CS, SS, DS, FS, GS */
  uint16_t changes;
  uint16_t vectors;
};

struct change {
  uint16_t offset;
  uint8_t value;
  uint8_t zero;
};

static uint8_t pristine[DATA_SIZE];
static uint8_t alternate[1 << 18];
/* The code region again, writable. */
static uint8_t *writable;
static const uint8_t *input, *input_end;
static uint8_t *output, *output_start;
static int output_file;
static int started;
static struct test current;
static uint64_t current_fx[FX_SIZE / 8];
static const uint64_t plain_fx[FX_SIZE / 8] = {0x37f, 0, 0, 0x1f80};

#ifdef __x86_64__
#define COUNT 16
static const int indexes[COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define IP REG_RIP
#define FX_OFFSET 0
#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

static long call3(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(first), "S"(second), "d"(third) : "rcx", "r11", "memory");
  return result;
}
#else
#define COUNT 8
static const int indexes[COUNT] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_UESP, REG_EBP, REG_ESI, REG_EDI};
#define IP REG_EIP
/* Behind the image that FSAVE stores, and a status word and a magic number. */
#define FX_OFFSET 112

static long call3(long number, long first, long second, long third) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(first), "c"(second), "d"(third) : "memory");
  return result;
}
#endif

static long call2(long number, long first, long second) { return call3(number, first, second, 0); }

static void copy(void *to, const void *from, unsigned size) {
  for (unsigned i = 0; i < size / 8; i++) ((uint64_t *)to)[i] = ((const uint64_t *)from)[i];
}

static int equal(const void *a, const void *b, unsigned size) {
  for (unsigned i = 0; i < size / 8; i++)
    if (((const uint64_t *)a)[i] != ((const uint64_t *)b)[i]) return 0;
  return 1;
}

static uint8_t *frame_of(const ucontext_t *context) { return (uint8_t *)context->uc_mcontext.fpregs; }

#ifndef __x86_64__
/* The kernel takes a 32-bit program's x87 state from the older image. */
static void write_legacy(uint8_t *legacy, const uint8_t *fx) {
  const uint16_t *words = (const uint16_t *)fx;
  uint32_t *image = (uint32_t *)legacy;
  image[0] = 0xffff0000u | words[0];
  image[1] = 0xffff0000u | words[1];
  uint32_t tags = 0;
  for (unsigned i = 0; i < 8; i++) {
    if (!(fx[4] >> i & 1)) tags |= 3u << (2 * i);
    for (unsigned j = 0; j < 10; j++) legacy[28 + 10 * i + j] = fx[32 + 16 * i + j];
  }
  image[2] = 0xffff0000u | tags;
  image[3] = image[4] = image[5] = 0;
  image[6] = 0xffff0000u;
}
#endif

static void finish(void) {
  call2(SYS_ftruncate, output_file, output - output_start);
  call2(SYS_exit_group, 0, 0);
}

static void next(ucontext_t *context) {
  if (input >= input_end) finish();
  /* The bytes of the last case give way to INT3s. */
  for (unsigned i = 0; i < current.length; i++) writable[current.start + i] = 0xcc;
  copy(&current, input, sizeof current);
  input += sizeof current;
  copy(current_fx, current.vectors ? (const void *)input : plain_fx, FX_SIZE);
  if (current.vectors) input += FX_SIZE;
  for (unsigned i = 0; i < current.length; i++) writable[current.start + i] = current.code[i];
  greg_t *registers = context->uc_mcontext.gregs;
  for (int i = 0; i < COUNT; i++) registers[indexes[i]] = (greg_t)current.registers[i];
  registers[REG_EFL] = (greg_t)current.flags;
  registers[IP] = (greg_t)(uintptr_t)(CODE + current.start);
#ifdef __x86_64__
  registers[REG_CSGSFS] = 0x33 | (greg_t)0x2b << 48;
  __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" ::"r"(0));
  call2(SYS_arch_prctl, ARCH_SET_FS, (long)current.fs_base);
  call2(SYS_arch_prctl, ARCH_SET_GS, (long)current.gs_base);
#else
  registers[REG_ESP] = (greg_t)current.registers[4];
  registers[REG_CS] = 0x23;
  registers[REG_SS] = registers[REG_DS] = registers[REG_ES] = 0x2b;
  registers[REG_FS] = (greg_t)current.fs_base;
  registers[REG_GS] = (greg_t)current.gs_base;
#endif
  uint8_t *fx = frame_of(context) + FX_OFFSET;
  copy(fx, current_fx, FX_USED);
  /* The header of the extended frame: x87 and SSE are not in their initial state. */
  *(uint64_t *)(fx + 512) |= 3;
#ifndef __x86_64__
  write_legacy(frame_of(context), (const uint8_t *)current_fx);
#endif
}

static void report(const ucontext_t *context, const uint16_t *segments) {
  struct result *result = (struct result *)output;
  const greg_t *registers = context->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) result->registers[i] = i >= COUNT ? 0 : sizeof(greg_t) == 8 ? (uint64_t)registers[indexes[i]] : (uint32_t)registers[indexes[i]];
  result->flags = (uint32_t)registers[REG_EFL];
  result->ip = sizeof(greg_t) == 8 ? (uint64_t)registers[IP] : (uint32_t)registers[IP];
  result->vector = (uint32_t)registers[REG_TRAPNO];
  result->error = (uint32_t)registers[REG_ERR];
  for (int i = 0; i < 6; i++) result->segments[i] = segments[i];
#ifdef __x86_64__
  result->cr2 = (uint64_t)registers[REG_CR2];
  result->segments[1] = (uint16_t)registers[REG_CSGSFS];
  result->segments[2] = (uint16_t)(registers[REG_CSGSFS] >> 48);
  call2(SYS_arch_prctl, ARCH_GET_FS, (long)&result->fs_base);
  call2(SYS_arch_prctl, ARCH_GET_GS, (long)&result->gs_base);
#else
  result->cr2 = context->uc_mcontext.cr2;
  static const int saved[6] = {REG_ES, REG_CS, REG_SS, REG_DS, REG_FS, REG_GS};
  for (int i = 0; i < 6; i++) result->segments[i] = (uint16_t)registers[saved[i]];
  result->fs_base = result->gs_base = 0;
#endif
  output += sizeof *result;

  const uint8_t *frame = frame_of(context) + FX_OFFSET;
  /* A component in its initial state is not written to the frame. */
  const uint64_t present = *(const uint64_t *)(frame + 512);
  uint8_t *fx = output;
  copy(fx, frame, FX_SIZE);
  if (!(present & 1)) {
    copy(fx, plain_fx, 24);
    for (unsigned i = 32; i < 160; i++) fx[i] = 0;
  }
  /* The opcode, which is worth as much as the pointer to it; and what bits of MXCSR there are. */
  *(uint16_t *)(fx + 6) = 0;
  *(uint32_t *)(fx + 28) = 0;
  if (!(present & 2))
    for (unsigned i = 160; i < FX_USED; i++) fx[i] = 0;
  result->vectors = !equal(fx, current_fx, FX_USED);
  if (result->vectors) output += FX_SIZE;

  result->changes = 0;
  struct change *changes = (struct change *)output;
  if (!equal(DATA, pristine, DATA_SIZE)) {
    for (unsigned at = 0; at < DATA_SIZE && result->changes < MAX_CHANGES; at++) {
      if (DATA[at] == pristine[at]) continue;
      changes[result->changes].offset = at;
      changes[result->changes].value = DATA[at];
      changes[result->changes].zero = 0;
      result->changes++;
    }
    copy(DATA, pristine, DATA_SIZE);
  }
  output += (result->changes * sizeof *changes + 7) & ~7;
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  /* Neither alignment checks, nor what a case may have put into flags that the return from the signal does not set. */
#ifdef __x86_64__
  __asm__ volatile("pushf; andq $~0x244000, (%%rsp); popf" ::: "memory", "cc");
#else
  __asm__ volatile("pushf; andl $~0x244000, (%%esp); popf" ::: "memory", "cc");
#endif
  uint16_t segments[6] = {0};
  __asm__ volatile("mov %%es, %0; mov %%ds, %1; mov %%fs, %2; mov %%gs, %3"
                   : "=m"(segments[0]), "=m"(segments[3]), "=m"(segments[4]), "=m"(segments[5]));
  if (started) report(context, segments);
  started = 1;
  next(context);
}

/* By the call of 32-bit programs, which alone lets a program have entries of the GDT. @return 0 if done */
static int set_descriptor(struct user_desc *descriptor) {
  if (descriptor->entry_number >= FIRST_TLS && descriptor->entry_number <= LAST_TLS) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(243), "b"(descriptor) : "memory", "cc"
#ifdef __x86_64__
                     , "r8", "r9", "r10", "r11"
#endif
    );
    return (int)result;
  }
  return (int)call3(SYS_modify_ldt, 0x11, (long)descriptor, sizeof *descriptor);
}

/* The C library's own segment may be among them, so nothing of it can be called from then on. */
static int set_descriptors(const uint8_t *list, uint32_t count) {
  /* Static: its address has to fit into 32 bits. */
  static struct user_desc descriptor;
  for (; count > 0; count--, list += sizeof descriptor) {
    copy(&descriptor, list, sizeof descriptor);
    if (set_descriptor(&descriptor) != 0) return 1;
  }
  return 0;
}

static int print_facts(void) {
  const uint32_t leaves[][2] = {{1, 0}, {7, 0}, {0xd, 1}, {0x80000001, 0}};
  for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
    uint32_t words[4] = {0};
    __get_cpuid_count(leaves[i][0], leaves[i][1], &words[0], &words[1], &words[2], &words[3]);
    fwrite(words, sizeof words, 1, stdout);
  }
  const uint32_t bases = (uint32_t)getauxval(AT_HWCAP2) >> 1 & 1;
  fwrite(&bases, sizeof bases, 1, stdout);
  /* Entries that no other program part uses. */
  static struct user_desc local = {.entry_number = 0, .seg_32bit = 1}, global = {.entry_number = LAST_TLS, .seg_32bit = 1};
  const uint32_t descriptors = set_descriptor(&local) == 0 && set_descriptor(&global) == 0;
  fwrite(&descriptors, sizeof descriptors, 1, stdout);
  return 0;
}

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int argc, char **argv) {
  /* The heap would lie anywhere. */
  const int kind = personality(0xffffffff);
  if (!(kind & ADDR_NO_RANDOMIZE) && personality(kind | ADDR_NO_RANDOMIZE) >= 0) execv("/proc/self/exe", argv);
  if (argc == 2 && strcmp(argv[1], "facts") == 0) return print_facts();
  if (argc != 3) return 2;
  const int file = open(argv[1], O_RDONLY);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return fail(argv[1]);
  input = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  input_end = input + status.st_size;
  output_file = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600);
  const size_t capacity = (((const uint32_t *)input)[1] + 1) * (size_t)OUTPUT_OF_CASE;
  if (output_file < 0 || ftruncate(output_file, capacity) != 0) return fail(argv[2]);
  output = output_start = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, output_file, 0);
  const int code_file = memfd_create("code", 0);
  if (code_file < 0 || ftruncate(code_file, CODE_SIZE) != 0) return fail("memfd_create");
  writable = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, code_file, 0);
  if (input == MAP_FAILED || output == MAP_FAILED || writable == MAP_FAILED) return fail("mmap");
  if (mmap(DATA, DATA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != DATA) return fail("mmap");
  if (mmap(CODE, CODE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, code_file, 0) != CODE) return fail("mmap");
  memset(writable, 0xcc, CODE_SIZE);
  const uint32_t descriptors = *(const uint32_t *)input;
  const uint8_t *list = input + 8;
  input = list + descriptors * sizeof(struct user_desc);
  copy(pristine, input, DATA_SIZE);
  copy(DATA, pristine, DATA_SIZE);
  input += DATA_SIZE;
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
  if (set_descriptors(list, descriptors) != 0) call2(SYS_exit_group, 3, 0);
  /* Let the frame hold the x87 and vector state: only what is in use is saved. */
  __asm__ volatile("fninit; int3");
  return 1;
}
