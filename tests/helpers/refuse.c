// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A kernel that refuses to load BPF programs whose names begin with $REFUSED_PROGRAMS. */
#include "refuse_bpf.h"

#include <stdlib.h>
#include <string.h>

static int refusal(long command, const union bpf_attr* attr) {
  const char* refused = getenv("REFUSED_PROGRAMS");

  return command == BPF_PROG_LOAD && refused && !strncmp(attr->prog_name, refused, strlen(refused)) ? EPERM : 0;
}
