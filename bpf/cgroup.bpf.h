/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* In which cgroups the current task is, and whether user space has said that they are not wanted. */
#ifndef NEEDLE_CGROUP_BPF_H
#define NEEDLE_CGROUP_BPF_H

#include "task.bpf.h"

/* --container, --exclude-container, --host: user space knows the containers, and writes the cgroups
 * here whose events it does not want. Those of another that it has not seen, or that lost its place,
 * are sent, and it decides then. */
__u64 unwanted[UNWANTED_SLOTS] = {};

/* The task's cgroup under controller number `i`, if it is one of v1 and not the root: the id of
 * its directory there. */
static __always_inline __u64 v1_cgroup(struct css_set *set, int i, struct cgroup **cgroup)
{
	struct cgroup_subsys_state *css;

	css = (void *)word_at((void *)set + bpf_core_field_offset(struct css_set, subsys) + i * sizeof(css));
	*cgroup = READ(css, cgroup);
	if (READ(*cgroup, level) <= 0 || READ(*cgroup, root) == READ(set, dfl_cgrp, root))
		return 0;
	return READ(*cgroup, kn, id) | (__u64)i << 56;
}

/* clang-format off */
#define TRY_V1(name)                                                                          \
	if (!ids->v1 && bpf_core_enum_value_exists(enum cgroup_subsys_id, name##_cgrp_id))    \
		ids->v1 = v1_cgroup(set, bpf_core_enum_value(enum cgroup_subsys_id, name##_cgrp_id), v1)
/* clang-format on */

/* Where a task with this css_set is, in v2 in `unified`. `v1` becomes the cgroup of ids->v1. */
static __always_inline void cgroups_of(struct ev_cgroups *ids, __u64 unified, struct css_set *set, struct cgroup **v1)
{
	ids->unified = unified;
	ids->v1 = 0;
	if (!(filter.want & WANT_V1))
		return;
	TRY_V1(pids);
	TRY_V1(devices);
	TRY_V1(memory);
	TRY_V1(cpu);
	TRY_V1(freezer);
}

__noinline int cgroup_unwanted(void)
{
	struct css_set *set = READ(current_task(), cgroups);
	struct ev_cgroups ids;
	struct cgroup *v1;
	__u64 key;

	cgroups_of(&ids, current_cgroup_id(), set, &v1);
	key = cgroups_key(&ids);
	return *(volatile __u64 *)&unwanted[UNWANTED_SLOT(key)] == key;
}

#endif
