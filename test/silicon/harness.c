/*
 * Runs single 32-bit instructions on the real processor and reports what they did.
 *
 * Standard input: the contents of the data region, then cases (struct test). Standard output: for each case a result,
 * followed by the bytes of the data region that changed. Each case runs in user mode: its bytes stand alone in a region
 * of INT3s, so that a signal always follows; the handler notes the outcome, and by changing the saved context lets the
 * return from the signal start the next case.
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

#define DATA ((uint8_t *)0x01000000)
#define DATA_SIZE 0x2000
#define CODE ((uint8_t *)0x01100000)
#define CODE_SIZE 0x1000
#define START 0x800
#define MAX_CHANGES 256

struct test {
  uint32_t registers[8]; /* in encoding order */
  uint32_t eflags;
  uint8_t length;
  uint8_t code[15];
};

struct result {
  uint32_t registers[8];
  uint32_t eflags;
  uint32_t eip;
  uint32_t vector;
  uint32_t error;
  uint32_t cr2;
  uint32_t changes;
};

struct change {
  uint16_t offset;
  uint8_t value;
  uint8_t zero;
};

static uint8_t pristine[DATA_SIZE];
static uint8_t alternate[65536];
static const int indexes[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
static int started;

static void finish(void) {
  fflush(stdout);
  _exit(0);
}

static void next(ucontext_t *context) {
  struct test test;
  if (fread(&test, sizeof test, 1, stdin) != 1) finish();
  memset(CODE, 0xcc, CODE_SIZE);
  memcpy(CODE + START, test.code, test.length);
  for (int i = 0; i < 8; i++) context->uc_mcontext.gregs[indexes[i]] = test.registers[i];
  context->uc_mcontext.gregs[REG_UESP] = test.registers[4];
  context->uc_mcontext.gregs[REG_EFL] = test.eflags;
  context->uc_mcontext.gregs[REG_EIP] = (greg_t)(uintptr_t)(CODE + START);
}

static void report(const ucontext_t *context) {
  struct result result;
  static struct change changes[MAX_CHANGES];
  memset(&result, 0, sizeof result);
  for (int i = 0; i < 8; i++) result.registers[i] = context->uc_mcontext.gregs[indexes[i]];
  result.registers[4] = context->uc_mcontext.gregs[REG_UESP];
  result.eflags = context->uc_mcontext.gregs[REG_EFL];
  result.eip = context->uc_mcontext.gregs[REG_EIP];
  result.vector = context->uc_mcontext.gregs[REG_TRAPNO];
  result.error = context->uc_mcontext.gregs[REG_ERR];
  result.cr2 = context->uc_mcontext.cr2;
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
