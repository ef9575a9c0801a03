/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For static linking: elfutils 0.192 (Debian 13) has these in a library of its own that it does not install, so its
 * libelf.a alone does not link (elfutils bug 32293). Their trees are those of search.h, behind a pointer that is the
 * first member; the lock behind it, of a libelf that is built with locks, is left alone: one thread uses libelf here.
 * Weak: a libelf.a that brings its own has the say. */
#include <search.h>
#include <stddef.h>

struct search_tree {
  void *root;
};

__attribute__((weak)) void eu_search_tree_init(struct search_tree *tree);
__attribute__((weak)) void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *));
__attribute__((weak)) void *eu_tsearch(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *));
__attribute__((weak)) void *eu_tdelete(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *));

void eu_search_tree_init(struct search_tree *tree) { tree->root = NULL; }

void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *)) { tdestroy(tree->root, free_node); }

void *eu_tsearch(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *)) {
  return tsearch(key, &tree->root, compare);
}

void *eu_tdelete(const void *key, struct search_tree *tree, int (*compare)(const void *, const void *)) {
  return tdelete(key, &tree->root, compare);
}
