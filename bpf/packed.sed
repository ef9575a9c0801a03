# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Of a skeleton of bpftool, the definition of NAME__elf_bytes(): not the object, but what unpacks it.
/^static inline const void \*[a-z0-9_]*__elf_bytes(size_t \*sz)$/,/^}/ {
	/^static/!d
	i\
#include "load/packed.h"\
asm(".pushsection .rodata\\n@NAME@_gz:\\n.incbin \\"@GZ@\\"\\n@NAME@_gz_end:\\n.popsection");\
extern "C" const char @NAME@_gz[] __attribute__((visibility("hidden"))), @NAME@_gz_end[] __attribute__((visibility("hidden")));
	s/$/ { return needle::unpacked(@NAME@_gz, @NAME@_gz_end, sz); }/
}
