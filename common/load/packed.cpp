// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/packed.h"

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <memory>

namespace needle {

const void* unpacked(const char* begin, const char* end, std::size_t* size) {
  static std::unique_ptr<char[]> object;
  std::uint32_t length = 0;  // RFC 1952: the last four bytes, least significant first
  std::memcpy(&length, end - sizeof length, sizeof length);
  object = std::make_unique<char[]>(length);
  z_stream stream{};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(begin));
  stream.avail_in = static_cast<uInt>(end - begin);
  stream.next_out = reinterpret_cast<Bytef*>(object.get());
  stream.avail_out = length;
  const bool whole = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK && inflate(&stream, Z_FINISH) == Z_STREAM_END;
  inflateEnd(&stream);
  *size = whole ? length : 0;
  return whole ? object.get() : nullptr;
}

}  // namespace needle
