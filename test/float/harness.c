/*
 * Runs single floating-point operations on the real processor. Standard input: cases (struct test); standard output: one
 * result for each. x87 operands are in ST(0) (a) and ST(1) (b), or a is the bytes of a memory operand; SSE operands are in
 * XMM0 (a) and XMM1 (b), RAX holds the low quadword of a.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

struct test {
  uint32_t operation;
  uint32_t control; /* FCW or MXCSR */
  uint64_t unused;
  uint8_t a[16];
  uint8_t b[16];
};

struct result {
  uint8_t first[16];  /* ST(0), XMM0 or the memory operand */
  uint8_t second[16]; /* ST(1) */
  uint32_t status;    /* status word, or MXCSR */
  uint32_t eflags;    /* or, for x87, the tag word */
  uint64_t rax;
};

static void *resume;
static uint64_t saved_rax, saved_flags;

static void trap(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  ucontext_t *c = context;
  c->uc_mcontext.fpregs->mxcsr |= 0x1f80;
  c->uc_mcontext.gregs[REG_RIP] = (greg_t)resume;
}

#pragma pack(1)
struct image {
  uint32_t control, status, tags, ip, cs, dp, ds;
  struct {
    uint8_t bytes[10];
  } st[8];
};

/* The stack holds b below a. */
#define X87(code, text)                                                                                              \
  case code:                                                                                                         \
    __asm__ volatile("fninit; fldt %[b]; fldt %[a]; fldcw %[cw]; fnclex; " text "; fnsave %[image]"                  \
                     : [image] "=m"(image), [memory] "+m"(memory), [flags] "=m"(saved_flags)                         \
                     : [a] "m"(t->a), [b] "m"(t->b), [cw] "m"(t->control)                                            \
                     : "cc", "rax", "memory");                                                                       \
    break;

#define TO_MEMORY(code, text)                                                                                        \
  case code:                                                                                                         \
    memset(memory, 0xee, sizeof memory);                                                                             \
    __asm__ volatile("fninit; fldt %[b]; fldt %[a]; fldcw %[cw]; fnclex; " text " %[memory]; fnsave %[image]"        \
                     : [image] "=m"(image), [memory] "+m"(memory)                                                    \
                     : [a] "m"(t->a), [b] "m"(t->b), [cw] "m"(t->control)                                            \
                     : "memory");                                                                                    \
    stored = 1;                                                                                                      \
    break;

#define FROM_MEMORY(code, text)                                                                                      \
  case code:                                                                                                         \
    memcpy(memory, t->a, 16);                                                                                        \
    __asm__ volatile("fninit; fldt %[b]; fldcw %[cw]; fnclex; " text " %[memory]; fnsave %[image]"                   \
                     : [image] "=m"(image), [memory] "+m"(memory)                                                    \
                     : [b] "m"(t->b), [cw] "m"(t->control)                                                           \
                     : "memory");                                                                                    \
    break;

#define FLAGS "; pushfq; popq %[flags]"

static void x87(const struct test *t, struct result *r) {
  static struct image image;
  static uint8_t memory[16];
  int stored = 0;
  switch (t->operation) {
    X87(0, "fadd %%st(1), %%st")
    X87(1, "fsub %%st(1), %%st")
    X87(2, "fmul %%st(1), %%st")
    X87(3, "fdiv %%st(1), %%st")
    X87(4, "fsqrt")
    X87(5, "fcom")
    X87(6, "fucom")
    X87(7, "frndint")
    X87(8, "fscale")
    X87(9, "fprem")
    X87(10, "fprem1")
    X87(11, "fxtract")
    TO_MEMORY(12, "fsts")
    TO_MEMORY(13, "fstl")
    TO_MEMORY(14, "fists")
    TO_MEMORY(15, "fistl")
    TO_MEMORY(16, "fistpll")
    TO_MEMORY(17, "fisttps")
    TO_MEMORY(18, "fisttpl")
    TO_MEMORY(19, "fisttpll")
    FROM_MEMORY(20, "flds")
    FROM_MEMORY(21, "fldl")
    FROM_MEMORY(22, "filds")
    FROM_MEMORY(23, "fildl")
    FROM_MEMORY(24, "fildll")
    FROM_MEMORY(25, "fbld")
    TO_MEMORY(26, "fbstp")
    X87(27, "fcomi %%st(1), %%st" FLAGS)
    X87(28, "fucomi %%st(1), %%st" FLAGS)
    X87(29, "ftst")
    X87(30, "fxam")
    X87(31, "f2xm1")
    X87(32, "fyl2x")
    X87(33, "fyl2xp1")
    X87(34, "fpatan")
    X87(35, "fptan")
    X87(36, "fsin")
    X87(37, "fcos")
    X87(38, "fsincos")
    X87(39, "fchs")
    X87(40, "fabs")
    FROM_MEMORY(41, "fadds")
    FROM_MEMORY(42, "faddl")
    FROM_MEMORY(43, "fidivl")
    FROM_MEMORY(44, "fcoms")
    FROM_MEMORY(45, "fcoml")
  }
  memcpy(r->first, stored ? memory : image.st[0].bytes, stored ? 16 : 10);
  memcpy(r->second, image.st[1].bytes, 10);
  r->status = image.status & 0xffff;
  r->eflags = (t->operation == 27 || t->operation == 28) ? saved_flags : image.tags & 0xffff;
}

#define SSE(code, text)                                                                                              \
  case code:                                                                                                         \
    __asm__ volatile("leaq 1f(%%rip), %%rax; movq %%rax, %[resume]; movups %[a], %%xmm0; movups %[b], %%xmm1; "       \
                     "movq %[a], %%rax; ldmxcsr %[control]; " text "; 1: stmxcsr %[status]; pushfq; popq %[flags]; "  \
                     "ldmxcsr %[usual]; movups %%xmm0, %[first]; movq %%rax, %[rax]"                                 \
                     : [resume] "=m"(resume), [status] "=m"(r->status), [flags] "=m"(saved_flags),                   \
                       [first] "=m"(r->first), [rax] "=m"(saved_rax)                                                 \
                     : [a] "m"(t->a), [b] "m"(t->b), [control] "m"(t->control), [usual] "m"(usual)                   \
                     : "cc", "rax", "xmm0", "xmm1", "memory");                                                       \
    break;

#define ALL_SIZES(code, name)                                                                                        \
  SSE(code, name "ss %%xmm1, %%xmm0")                                                                                \
  SSE(code + 1, name "sd %%xmm1, %%xmm0")                                                                            \
  SSE(code + 2, name "ps %%xmm1, %%xmm0")                                                                            \
  SSE(code + 3, name "pd %%xmm1, %%xmm0")

#define COMPARE(code, predicate)                                                                                     \
  SSE(code, "cmpss $" predicate ", %%xmm1, %%xmm0")                                                                  \
  SSE(code + 1, "cmpsd $" predicate ", %%xmm1, %%xmm0")

#define ROUND(code, mode)                                                                                            \
  SSE(code, "roundss $" mode ", %%xmm1, %%xmm0")                                                                     \
  SSE(code + 1, "roundsd $" mode ", %%xmm1, %%xmm0")

static void sse(const struct test *t, struct result *r) {
  static const uint32_t usual = 0x1f80;
  switch (t->operation) {
    ALL_SIZES(100, "add")
    ALL_SIZES(104, "sub")
    ALL_SIZES(108, "mul")
    ALL_SIZES(112, "div")
    ALL_SIZES(116, "sqrt")
    ALL_SIZES(120, "min")
    ALL_SIZES(124, "max")
    SSE(128, "comiss %%xmm1, %%xmm0")
    SSE(129, "comisd %%xmm1, %%xmm0")
    SSE(130, "ucomiss %%xmm1, %%xmm0")
    SSE(131, "ucomisd %%xmm1, %%xmm0")
    SSE(132, "cvtss2sd %%xmm1, %%xmm0")
    SSE(133, "cvtsd2ss %%xmm1, %%xmm0")
    SSE(134, "cvtsi2ss %%eax, %%xmm0")
    SSE(135, "cvtsi2sd %%eax, %%xmm0")
    SSE(136, "cvtsi2ssq %%rax, %%xmm0")
    SSE(137, "cvtsi2sdq %%rax, %%xmm0")
    SSE(138, "cvtss2si %%xmm1, %%eax")
    SSE(139, "cvtsd2si %%xmm1, %%eax")
    SSE(140, "cvtss2si %%xmm1, %%rax")
    SSE(141, "cvtsd2si %%xmm1, %%rax")
    SSE(142, "cvttss2si %%xmm1, %%eax")
    SSE(143, "cvttsd2si %%xmm1, %%eax")
    SSE(144, "cvttss2si %%xmm1, %%rax")
    SSE(145, "cvttsd2si %%xmm1, %%rax")
    SSE(146, "rcpss %%xmm1, %%xmm0")
    SSE(147, "rsqrtss %%xmm1, %%xmm0")
    SSE(148, "addsubps %%xmm1, %%xmm0")
    SSE(149, "addsubpd %%xmm1, %%xmm0")
    SSE(150, "haddps %%xmm1, %%xmm0")
    SSE(151, "haddpd %%xmm1, %%xmm0")
    SSE(152, "dpps $0xff, %%xmm1, %%xmm0")
    SSE(153, "dppd $0x33, %%xmm1, %%xmm0")
    SSE(154, "cvtdq2ps %%xmm1, %%xmm0")
    SSE(155, "cvtps2dq %%xmm1, %%xmm0")
    SSE(156, "cvttps2dq %%xmm1, %%xmm0")
    SSE(157, "cvtdq2pd %%xmm1, %%xmm0")
    SSE(158, "cvtpd2dq %%xmm1, %%xmm0")
    SSE(159, "cvttpd2dq %%xmm1, %%xmm0")
    SSE(160, "cvtps2pd %%xmm1, %%xmm0")
    SSE(161, "cvtpd2ps %%xmm1, %%xmm0")
    COMPARE(162, "0")
    COMPARE(164, "1")
    COMPARE(166, "2")
    COMPARE(168, "3")
    COMPARE(170, "4")
    COMPARE(172, "5")
    COMPARE(174, "6")
    COMPARE(176, "7")
    ROUND(178, "0")
    ROUND(180, "1")
    ROUND(182, "2")
    ROUND(184, "3")
    ROUND(186, "4")
    ROUND(188, "8")
    ROUND(190, "12")
  }
  r->rax = saved_rax;
  r->eflags = saved_flags;
}

int main(void) {
  struct sigaction action = {.sa_sigaction = trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGFPE, &action, NULL);
  static char in[1 << 20], out[1 << 20];
  setvbuf(stdin, in, _IOFBF, sizeof in);
  setvbuf(stdout, out, _IOFBF, sizeof out);
  struct test test;
  while (fread(&test, sizeof test, 1, stdin) == 1) {
    struct result result;
    memset(&result, 0, sizeof result);
    if (test.operation < 100) x87(&test, &result);
    else sse(&test, &result);
    fwrite(&result, sizeof result, 1, stdout);
  }
  return 0;
}
