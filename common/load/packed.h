// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The BPF object of a static tool, which carries it compressed: it is a quarter of the tool else. See bpf/CMakeLists.txt.
#pragma once

#include <cstddef>

namespace needle {

// Unpacks what gzip has made. Valid until the next call. Null, and 0, if it is damaged.
const void* unpacked(const char* begin, const char* end, std::size_t* size);

}  // namespace needle
