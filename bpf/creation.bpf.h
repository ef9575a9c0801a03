/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files as they are made, before anybody can find them: a new inode is seen in its maker's own context, with the mode that the file
 * system gave it, when its ctime is set (since 6.13), ext4 has allocated it, or inode_init_owner() is called (kernel tier). So
 * neither a descriptor that is closed, nor a umask that changes, nor an open that fails in the end hides it.
 *
 * creation_seen()     from such a hook
 * creation_named()    a directory has changed, in which it may have got its name: the mode is final, nobody can have changed it
 * creation_take()     where the call ends, in the same thread: what it has made, which is forgotten
 * creation_dentry()   under which name that is now
 *
 * What a request of io_uring makes is kept with the request: another thread than that which has made it may see its end, and several
 * may have been worked on by then. */
#ifndef NEEDLE_CREATION_BPF_H
#define NEEDLE_CREATION_BPF_H

#include "snoop.bpf.h"

struct creation {
	struct inode *inode; /* NULL: none was seen */
	struct super_block *sb;
	struct vfsmount *mnt;  /* of its directory; NULL: not known */
	struct dentry *dentry; /* its name, where a hook is handed that before it is made; may be another file's since */
	__u64 ino;
	__u32 generation;
	__u32 mode;  /* i_mode, with umask and default ACL applied */
	__u32 named; /* a directory has changed since */
	__u32 unused;
};

/* By thread. Of one that was evicted, the line knows less. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct creation);
} creations SEC(".maps");

/* Whether all file systems tell of new inodes to tracepoints: multigrain time stamps, 6.13. */
#define CTIME_TRACED bpf_core_type_exists(struct trace_event_raw_ctime_ns_xchg)

static __always_inline struct dentry *alias_of(struct inode *inode)
{
	void *alias = READ(inode, i_dentry.first);
	struct dentry___plain *plain = NULL;

	if (!alias)
		return NULL;
	return bpf_core_field_exists(plain->d_alias) ? alias - bpf_core_field_offset(struct dentry___plain, d_alias) :
						       alias - bpf_core_field_offset(struct dentry, d_u.d_alias);
}

/* Whether it was made just now, not read from a disk: it has no name yet. */
static __always_inline bool is_new(struct inode *inode)
{
	struct inode___state *as_struct = (void *)inode;
	struct inode___enum *as_enum = (void *)inode;
	__u32 state;

	if (READ(inode, i_dentry.first))
		return false;
	if (!CTIME_TRACED) /* the hooks tell */
		return true;
	if (bpf_core_field_exists(as_struct->i_state))
		state = word_at((void *)inode + bpf_core_field_offset(struct inode___state, i_state));
	else if (bpf_core_field_exists(as_enum->i_state))
		state = READ(as_enum, i_state);
	else
		state = READ(inode, i_state);
	return (state & (I_NEW | I_CREATING)) != I_NEW;
}

static __always_inline struct creation *creation_of(__u32 tid)
{
	return bpf_map_lookup_elem(&creations, &tid);
}

/* The room of this thread, empty if it is new; NULL: none could be had. */
ROOM_FN(creation_room, creations, __u32, struct creation)

/* A new inode, in the room `c` of a thread or of a request. On overlayfs the one beneath comes first; of the same file system only a
 * directory is preceded by others, which are copied up, and a file followed by others, which hold its attributes. */
static __always_inline void creation_seen_in(struct creation *c, struct inode *inode)
{
	struct super_block *sb = READ(inode, i_sb);
	__u32 mode = READ(inode, i_mode);

	if (c->inode && c->inode != inode && c->sb == sb && (mode & S_IFMT) != S_IFDIR)
		return;
	c->inode = inode;
	c->sb = sb;
	c->mode = mode;
}

static __always_inline void creation_seen(__u32 tid, struct inode *inode)
{
	struct creation *c = creation_room(tid);

	if (c)
		creation_seen_in(c, inode);
}

/* Of the room `c`. */
static __always_inline void creation_named(struct creation *c)
{
	c->named = 1;
	c->mode = READ(c->inode, i_mode);
	c->ino = READ(c->inode, i_ino);
	c->generation = READ(c->inode, i_generation);
}

static __always_inline bool creation_take(__u32 tid, struct creation *made)
{
	static const struct creation nothing = {};
	struct creation *c = creation_of(tid);

	if (!c || (!c->inode && !c->dentry))
		return false;
	*made = *c;
	*c = nothing;
	return true;
}

/* Whether it has got a name, and what was seen is still it. */
static __always_inline bool creation_stays(const struct creation *made)
{
	struct inode *inode = made->inode;

	return made->named && READ(inode, i_ino) == made->ino && READ(inode, i_generation) == made->generation && alias_of(inode);
}

/* Its name, if there is one; NULL: none, or its memory is another inode's. */
static __always_inline struct dentry *creation_dentry(const struct creation *made)
{
	struct inode *inode = made->inode;

	if (!inode || READ(inode, i_sb) != made->sb || ((READ(inode, i_mode) ^ made->mode) & S_IFMT))
		return NULL;
	return alias_of(inode);
}

#endif
