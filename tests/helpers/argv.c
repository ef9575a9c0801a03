// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What execsnoop's tests execute: writes the arguments that it was given, each with its NUL, to
// descriptor 9. Static, so that it runs from a memfd or in a chroot.
#include <string.h>
#include <unistd.h>

int main(int argc, char** argv) {
  for (int i = 0; i < argc; i++) {
    const char* at = argv[i];
    const char* end = at + strlen(at) + 1;
    while (at < end) {
      const ssize_t n = write(9, at, (size_t)(end - at));
      if (n <= 0) return 0;
      at += n;
    }
  }
  return 0;
}
