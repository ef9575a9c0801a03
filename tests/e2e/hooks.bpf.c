// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs of no tool, for the choice between them: see hooks.cpp. */
#include "context.bpf.h"

/* Preferred, but it only runs when somebody calls fcntl(2) for a lease, which others hardly ever do. */
SEC("?tp_btf/generic_add_lease")
int deed__fentry_lease(void* ctx) { return 0; }

SEC("?tp_btf/sys_enter")
int deed__tp_any(void* ctx) { return 0; }

SEC("?tp_btf/generic_add_lease")
int deed__tp_opt_lease(void* ctx) { return 0; }

/* Optional, but with a trial of its own. */
SEC("?tp_btf/generic_add_lease")
int deed__tp_opt_tried_alt_1(void* ctx) { return 0; }

SEC("?tp_btf/sys_enter")
int deed__tp_opt_tried_alt_2(void* ctx) { return 0; }

/* The second is the first that there is; then the third is not needed. */
SEC("?tp_btf/of_no_kernel")
int choice__tp_opt_one_alt_1(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_one_alt_2(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_one_alt_3(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_one_also(void* ctx) { return 0; }

SEC("?tp_btf/of_no_kernel")
int choice__tp_opt_two_alt_1(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_two_also(void* ctx) { return 0; }

/* Two that go together: of the first two one is not there, of the next two one does not load. */
SEC("?tp_btf/sys_exit")
int choice__tp_opt_pair_alt_1_there(void* ctx) { return 0; }

SEC("?tp_btf/of_no_kernel")
int choice__tp_opt_pair_alt_1_gone(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_pair_alt_2_there(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_pair_alt_2_refused(void* ctx) { return *(volatile int*)8; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_pair_alt_3_one(void* ctx) { return 0; }

SEC("?tp_btf/sys_enter")
int choice__tp_opt_pair_alt_3_other(void* ctx) { return 0; }

SEC("?tp_btf/sys_exit")
int choice__tp_opt_pair_alt_4(void* ctx) { return 0; }

/* A load from nowhere. */
SEC("?tp_btf/sys_exit")
int choice__tp_alt_1_refused(void* ctx) { return *(volatile int*)8; }

SEC("?tp_btf/sys_exit")
int choice__tp_alt_2_works(void* ctx) { return 0; }
