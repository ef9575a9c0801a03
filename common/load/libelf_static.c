/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For static linking: what libelf.a wants, and nobody else gives it or a BPF object needs it.
 * Weak: a library that brings it has the say. */

/* elfutils 0.192 (Debian 13) has these in a library of its own that it does not install, so its libelf.a alone does
 * not link (elfutils bug 32293). Their trees are those of search.h, behind a pointer that is the first member; the
 * lock behind it, of a libelf that is built with locks, is left alone: one thread uses libelf here. */
#include <search.h>
#include <stddef.h>

#define WEAK __attribute__((weak))

struct search_tree {
  void *root;
};

WEAK void eu_search_tree_init(struct search_tree *tree);
WEAK void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *));
WEAK void *eu_tsearch(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *));
WEAK void *eu_tdelete(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *));

void eu_search_tree_init(struct search_tree *tree) { tree->root = NULL; }

void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *)) { tdestroy(tree->root, free_node); }

void *eu_tsearch(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *)) {
  return tsearch(key, &tree->root, compare);
}

void *eu_tdelete(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *)) {
  return tdelete(key, &tree->root, compare);
}

/* Since 0.189 libelf can compress sections by zstd, whose 700 KB are for nothing here: no section of an object is. */
WEAK void *ZSTD_createCCtx(void);
WEAK size_t ZSTD_freeCCtx(void *context);
WEAK size_t ZSTD_compressStream2(void *context, void *out, void *in, int end);
WEAK size_t ZSTD_decompress(void *to, size_t room, const void *from, size_t size);
WEAK unsigned ZSTD_isError(size_t result);

void *ZSTD_createCCtx(void) { return NULL; }
size_t ZSTD_freeCCtx(void *context) { return (void)context, 0; }
size_t ZSTD_compressStream2(void *context, void *out, void *in, int end) { return (void)context, (void)out, (void)in, (void)end, (size_t)-1; }
size_t ZSTD_decompress(void *to, size_t room, const void *from, size_t size) { return (void)to, (void)room, (void)from, (void)size, (size_t)-1; }
unsigned ZSTD_isError(size_t result) { return result == (size_t)-1; }
