// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>

namespace needle {

// Takes constants of the program out of its resident memory: pages of its file, to be read again if they are needed again.
void forget_pages(const void* bytes, std::size_t size);

}  // namespace needle
