// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// compat NR [ARGUMENT...] - a 32-bit program that makes one system call, and ends with what it returned.
// ARGUMENT: a number; =TEXT, a pointer to TEXT; xHEX, a pointer to those bytes; + a pointer to the array of the words
// behind it. Without a libc, so that it takes no more than the compiler that the BPF programs need.
#if defined(__arm__)
__asm__(".globl _start\n_start: mov r0, sp\n b compat\n");
static long call(long nr, const long* a) {
  register long r7 __asm__("r7") = nr, r0 __asm__("r0") = a[0], r1 __asm__("r1") = a[1], r2 __asm__("r2") = a[2];
  register long r3 __asm__("r3") = a[3], r4 __asm__("r4") = a[4], r5 __asm__("r5") = a[5];
  __asm__ volatile("svc 0" : "+r"(r0) : "r"(r7), "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r5) : "memory");
  return r0;
}
#else
__asm__(".globl _start\n_start: pushl %esp\n call compat\n");
static long call(long nr, const long* a) {
  const long all[] = {nr, a[0], a[1], a[2], a[3], a[4], a[5]};
  long ret;  // %ebp, the sixth argument, may be the frame pointer
  __asm__ volatile("pushl %%ebp\n movl 4(%%eax), %%ebx\n movl 8(%%eax), %%ecx\n movl 12(%%eax), %%edx\n movl 16(%%eax), %%esi\n"
                   "movl 20(%%eax), %%edi\n movl 24(%%eax), %%ebp\n movl (%%eax), %%eax\n int $0x80\n popl %%ebp"
                   : "=a"(ret) : "a"(all) : "ebx", "ecx", "edx", "esi", "edi", "memory");
  return ret;
}
#endif

static long digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static long number(const char* s) {
  long n = 0;
  const int negative = *s == '-';
  for (s += negative; *s; s++) n = n * 10 + digit(*s);
  return negative ? -n : n;
}

static long bytes(char* s) {  // in place
  char* to = s;
  for (const char* from = s + 1; *from; from += 2) *to++ = (char)(digit(from[0]) << 4 | digit(from[1]));
  return (long)s;
}

#define EXIT 1  // of both architectures

void compat(long* stack) {
  char** word = (char**)(stack + 2);
  static long args[6], status[6];
  const long nr = number(*word++);
  for (int i = 0; i < 6 && *word; i++, word++) {
    if (**word == '+') {
      args[i] = (long)(word + 1);
      break;
    }
    args[i] = **word == '=' ? (long)(*word + 1) : **word == 'x' ? bytes(*word) : number(*word);
  }
  status[0] = call(nr, args) & 255;
  call(EXIT, status);
}
