/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every tool needs. */
#ifndef NEEDLE_SNOOP_BPF_H
#define NEEDLE_SNOOP_BPF_H

#include "filter.bpf.h"
#include "header.bpf.h"
#include "record.bpf.h"
#include "self.bpf.h"

#endif
