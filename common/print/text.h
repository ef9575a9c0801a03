// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Text that may go to a terminal, to awk or to jq, whatever bytes it is made from. Knows nothing of events.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace needle {

using Buffer = std::string;

// Whether a cell is one awk field, or the last column, which may hold single blanks.
enum class Blanks { escaped, single };

void put_decimal(Buffer&, std::uint64_t);
void put_decimal(Buffer&, std::int64_t);
void put_hexadecimal(Buffer&, std::uint64_t);  // with 0x before it
void put_octal(Buffer&, unsigned value, int digits);
void put_padded(Buffer&, std::uint32_t value, std::size_t width);  // in decimal, with zeros before it; width: at most 20
void put_hex_byte(Buffer&, char);                                  // \xHH

// Text that a terminal may get: control bytes, what is not UTF-8, and characters that hide
// or re-order others become \n \t \r \\ \xHH, which can be undone without loss. Empty is "-".
void put_text(Buffer&, std::string_view, Blanks);
// One word as a POSIX shell (with $'...' where needed) would read it back.
void put_shell_word(Buffer&, std::string_view);
// How many columns of a terminal such a text takes.
std::size_t screen_width(std::string_view);
// How many of its bytes take no more than `width` columns; no character and no escape is cut in two.
std::size_t bytes_within(std::string_view, std::size_t width);
// "key":"value", in which the same characters are \uXXXX; where the value is no UTF-8, with U+FFFD
// for what is none, and "key_hex":"..." behind it.
void put_json_member(Buffer&, std::string_view key, std::string_view value);
bool put_json_body(Buffer&, std::string_view value);  // without key and quotes; returns whether all of it was UTF-8
void put_hex_member(Buffer&, std::string_view key, std::string_view value);  // ,"key_hex":"..."
void put_null(Buffer&, std::string_view key);

// "key":
inline void put_key(Buffer& out, std::string_view key) {
  const std::size_t at = out.size();
  out.append(key.size() + 3, '"');  // one append, not three: JSON is full of keys
  std::memcpy(&out[at + 1], key.data(), key.size());
  out.back() = ':';
}

}  // namespace needle
