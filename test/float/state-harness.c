/*
 * Runs single 64-bit instructions on the real processor with x87 and SSE state of one's choice, and reports what they did. As
 * test/silicon/harness.c, but all of the state comes from and goes to the frame of a signal, whose return loads it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define DATA ((uint8_t *)0x20000000)
#define DATA_SIZE 0x2000
#define CODE ((uint8_t *)0x20100000)
#define CODE_SIZE 0x1000
#define START 0x800
#define MAX_CHANGES 1024
#define LEGACY_AREA 512

struct test {
  uint64_t registers[16]; /* in encoding order */
  uint64_t eflags;
  uint8_t length;
  uint8_t code[15];
  uint8_t fx[LEGACY_AREA];
};

struct result {
  uint64_t registers[16];
  uint64_t eflags, rip, vector, error, cr2, changes;
  uint8_t fx[LEGACY_AREA];
};

struct change {
  uint16_t offset;
  uint8_t value;
  uint8_t zero;
};

static uint8_t pristine[DATA_SIZE];
static uint8_t alternate[1 << 20];
static const int indexes[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static int started;

static void next(ucontext_t *context) {
  struct test test;
  if (fread(&test, sizeof test, 1, stdin) != 1) {
    fflush(stdout);
    _exit(0);
  }
  memset(CODE, 0xcc, CODE_SIZE);
  memcpy(CODE + START, test.code, test.length);
  for (int i = 0; i < 16; i++) context->uc_mcontext.gregs[indexes[i]] = test.registers[i];
  context->uc_mcontext.gregs[REG_EFL] = test.eflags;
  context->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)(CODE + START);
  uint8_t *area = (uint8_t *)context->uc_mcontext.fpregs;
  memcpy(area, test.fx, 416);
  *(uint64_t *)(area + LEGACY_AREA) |= 3; /* both components are there */
}

static void report(const ucontext_t *context) {
  struct result result;
  static struct change changes[MAX_CHANGES];
  memset(&result, 0, sizeof result);
  for (int i = 0; i < 16; i++) result.registers[i] = context->uc_mcontext.gregs[indexes[i]];
  result.eflags = context->uc_mcontext.gregs[REG_EFL];
  result.rip = context->uc_mcontext.gregs[REG_RIP];
  result.vector = context->uc_mcontext.gregs[REG_TRAPNO];
  result.error = context->uc_mcontext.gregs[REG_ERR];
  result.cr2 = context->uc_mcontext.gregs[REG_CR2];
  memcpy(result.fx, context->uc_mcontext.fpregs, LEGACY_AREA);
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

int main(void) {
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
  __asm__ volatile("int3");
  return 1;
}
