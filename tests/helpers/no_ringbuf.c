// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A kernel without BPF ring buffers, as before 5.8. */
#include "refuse_bpf.h"

static int refusal(long command, const union bpf_attr* attr) {
  return command == BPF_MAP_CREATE && attr->map_type == BPF_MAP_TYPE_RINGBUF ? EINVAL : 0;
}
