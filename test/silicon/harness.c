/*
 * Runs single instructions on the real processor and reports what they did; built for 32 and for 64 bits.
 *
 * With the argument "cpuid" it prints, as raw 32-bit words, EAX to EDX of CPUID leaves 1, 7, 0xD/1 and 0x80000001.
 *
 * Standard input: the contents of the data region, then cases (struct test). Standard output: for each case a result,
 * followed by the bytes of the data region that changed. Each case runs in user mode: its bytes stand alone in a region
 * of INT3s, so that a signal always follows; the handler notes the outcome, and by changing the saved context lets the
 * return from the signal start the next case.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA ((uint8_t *)0x01000000)
#define DATA_SIZE 0x2000
#define CODE ((uint8_t *)0x01100000)
#define CODE_SIZE 0x1000
#define START 0x800
#define MAX_CHANGES 1024
#define FX_SIZE 512

struct test {
  uint64_t registers[16]; /* in encoding order */
  uint64_t flags;
  uint8_t fx[FX_SIZE]; /* as FXSAVE stores it */
  uint8_t length;
  uint8_t code[15];
};

struct result {
  uint64_t registers[16];
  uint64_t flags;
  uint64_t ip;
  uint64_t vector;
  uint64_t error;
  uint64_t cr2;
  uint64_t changes;
  uint8_t fx[FX_SIZE];
};

struct change {
  uint16_t offset;
  uint8_t value;
  uint8_t zero;
};

static uint8_t pristine[DATA_SIZE];
static uint8_t alternate[65536];
static int started;

#ifdef __x86_64__
#define COUNT 16
static const int indexes[COUNT] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define IP REG_RIP
#define FX_OFFSET 0
#else
#define COUNT 8
static const int indexes[COUNT] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_UESP, REG_EBP, REG_ESI, REG_EDI};
#define IP REG_EIP
/* Behind the image that FSAVE stores, and a status word and a magic number. */
#define FX_OFFSET 112
#endif

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
    memcpy(legacy + 28 + 10 * i, fx + 32 + 16 * i, 10);
  }
  image[2] = 0xffff0000u | tags;
  image[3] = image[4] = image[5] = 0;
  image[6] = 0xffff0000u;
}
#endif

static void finish(void) {
  fflush(stdout);
  _exit(0);
}

static void next(ucontext_t *context) {
  struct test test;
  if (fread(&test, sizeof test, 1, stdin) != 1) finish();
  memset(CODE, 0xcc, CODE_SIZE);
  memcpy(CODE + START, test.code, test.length);
  greg_t *registers = context->uc_mcontext.gregs;
  for (int i = 0; i < COUNT; i++) registers[indexes[i]] = (greg_t)test.registers[i];
#ifndef __x86_64__
  registers[REG_ESP] = (greg_t)test.registers[4];
#endif
  registers[REG_EFL] = (greg_t)test.flags;
  registers[IP] = (greg_t)(uintptr_t)(CODE + START);
  uint8_t *fx = frame_of(context) + FX_OFFSET;
  /* What software may use at the end says how large the frame is. */
  memcpy(fx, test.fx, 416);
  /* The header of the extended frame: x87 and SSE are not in their initial state. */
  *(uint64_t *)(fx + 512) |= 3;
#ifndef __x86_64__
  write_legacy(frame_of(context), test.fx);
#endif
}

static void report(const ucontext_t *context) {
  struct result result;
  static struct change changes[MAX_CHANGES];
  const greg_t *registers = context->uc_mcontext.gregs;
  memset(&result, 0, sizeof result);
  for (int i = 0; i < COUNT; i++) result.registers[i] = sizeof(greg_t) == 8 ? (uint64_t)registers[indexes[i]] : (uint32_t)registers[indexes[i]];
  result.flags = (uint32_t)registers[REG_EFL];
  result.ip = sizeof(greg_t) == 8 ? (uint64_t)registers[IP] : (uint32_t)registers[IP];
  result.vector = (uint32_t)registers[REG_TRAPNO];
  result.error = (uint32_t)registers[REG_ERR];
#ifdef __x86_64__
  result.cr2 = (uint64_t)registers[REG_CR2];
#else
  result.cr2 = context->uc_mcontext.cr2;
#endif
  const uint8_t *fx = frame_of(context) + FX_OFFSET;
  memcpy(result.fx, fx, FX_SIZE);
  /* A component in its initial state is not written to the frame. */
  const uint64_t present = *(const uint64_t *)(fx + 512);
  if (!(present & 1)) {
    memset(result.fx, 0, 24);
    memset(result.fx + 32, 0, 128);
    result.fx[0] = 0x7f;
    result.fx[1] = 3;
  }
  if (!(present & 2)) memset(result.fx + 160, 0, 256);
  for (int at = 0; at < DATA_SIZE && result.changes < MAX_CHANGES; at++) {
    if (DATA[at] == pristine[at]) continue;
    changes[result.changes].offset = at;
    changes[result.changes].value = DATA[at];
    result.changes++;
  }
  if (result.changes) memcpy(DATA, pristine, DATA_SIZE);
  fwrite(&result, sizeof result, 1, stdout);
  fwrite(changes, sizeof changes[0], result.changes, stdout);
}

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  if (started) report(context);
  started = 1;
  next(context);
}

static int print_cpuid(void) {
  const uint32_t leaves[][2] = {{1, 0}, {7, 0}, {0xd, 1}, {0x80000001, 0}};
  for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
    uint32_t words[4] = {0};
    __get_cpuid_count(leaves[i][0], leaves[i][1], &words[0], &words[1], &words[2], &words[3]);
    fwrite(words, sizeof words, 1, stdout);
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "cpuid") == 0) return print_cpuid();
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (mmap(DATA, DATA_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) != DATA) return 1;
  if (mmap(CODE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0) != CODE) return 1;
  memset(CODE, 0xcc, CODE_SIZE);
  if (fread(pristine, DATA_SIZE, 1, stdin) != 1) return 1;
  memcpy(DATA, pristine, DATA_SIZE);
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&stack, NULL);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++) sigaction(signals[i], &action, NULL);
  static char buffer[1 << 20];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  /* Let the frame hold the x87 and vector state: only what is in use is saved. */
  __asm__ volatile("fninit; int3");
  return 1;
}
