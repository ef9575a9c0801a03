// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "print/text.h"

#include "print/unicode.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <iterator>

namespace needle {
namespace {

constexpr char kHex[] = "0123456789abcdef";

template <class T> void to_chars(Buffer& out, T v, int base = 10) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.begin(), digits.end(), v, base).ptr;
  out.append(digits.begin(), end);
}

struct Character {
  std::size_t bytes;  // of valid UTF-8; 0: it is none
  char32_t code;
};

// The first character of a string that is not empty. RFC 3629: no overlong forms, no surrogates.
Character decode(std::string_view s) {
  const auto byte = [s](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  const unsigned b = byte(0);
  if (b < 0x80) return {1, b};
  const std::size_t n = b < 0xC2 ? 0 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 0;
  if (n == 0 || n > s.size()) return {0, 0};
  char32_t code = b & (0x7Fu >> n);
  for (std::size_t i = 1; i < n; i++) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    code = code << 6 | (byte(i) & 0x3F);
  }
  const bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? Character{0, 0} : Character{n, code};
}

// Whether a character acts on the terminal, hides, re-orders others, or passes for a blank: see print/unicode.
bool deceives(char32_t c) {
  const auto* const next = std::ranges::upper_bound(kDeceivingCharacters, c, {}, &CharacterRange::first);
  return next != std::begin(kDeceivingCharacters) && c <= std::prev(next)->last;
}

using Block [[gnu::vector_size(16)]] = unsigned char;

// What of a character, or of each in a block, is not 0 unless it is a visible one of ASCII, and none of these.
template <char... Except> auto odd(auto c) { return (c < 0x21) | (c > 0x7E) | (... | (c == static_cast<unsigned char>(Except))); }

// Whether all are visible characters of ASCII but these: what needs no look at each. The last block may overlap.
template <char... Except> bool is_plain(std::string_view s) {
  if (s.size() < sizeof(Block))
    return std::ranges::none_of(s, [](char c) { return odd<Except...>(static_cast<unsigned char>(c)); });
  const auto block = [s](std::size_t at) {
    Block b;
    std::memcpy(&b, &s[at], sizeof b);
    return b;
  };
  auto found = odd<Except...>(block(s.size() - sizeof(Block)));
  for (std::size_t at = 0; at + sizeof(Block) < s.size(); at += sizeof(Block)) found |= odd<Except...>(block(at));
  std::uint64_t halves[2];
  std::memcpy(halves, &found, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

// Columns of a terminal that a character takes: by the blocks of UAX #11 (East Asian Width, emoji) and of combining marks, which
// newer versions of Unicode fill up but do not move.
std::size_t width_of(char32_t c) {
  static constexpr CharacterRange kNone[] = {{0x300, 0x36F},   {0x483, 0x489},   {0x591, 0x5BD},   {0x64B, 0x65F},
                                             {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE20, 0xFE2F}},
                                  kTwo[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},   {0xA960, 0xA97C},
                                            {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                                            {0xFFE0, 0xFFE6},   {0x16FE0, 0x18CFF}, {0x1AFF0, 0x1B2FF}, {0x1F300, 0x1F64F},
                                            {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x1FA70, 0x1FAFF}, {0x20000, 0x3FFFD}};
  const auto within = [c](const CharacterRange& r) { return c >= r.first && c <= r.last; };
  if (c < 0x300) return 1;
  return std::ranges::any_of(kTwo, within) ? 2 : std::ranges::any_of(kNone, within) ? 0 : 1;
}

bool is_ascii(std::string_view s) {
  unsigned all = 0;
  for (const char c : s) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

// One character's bytes, escaped as in C.
void put_escaped(Buffer& out, std::string_view bytes) {
  if (bytes == "\n") out += "\\n";
  else if (bytes == "\t") out += "\\t";
  else if (bytes == "\r") out += "\\r";
  else
    for (const char c : bytes) put_hex_byte(out, c);
}

}  // namespace

void put_decimal(Buffer& out, std::uint64_t v) { to_chars(out, v); }
void put_decimal(Buffer& out, std::int64_t v) { to_chars(out, v); }
void put_hexadecimal(Buffer& out, std::uint64_t v) {
  out += "0x";
  to_chars(out, v, 16);
}

void put_octal(Buffer& out, unsigned v, int digits) {
  const int top = v > 0777 ? (v > 07777 ? 11 : 4) : 3;
  for (int i = (top > digits ? top : digits) - 1; i >= 0; i--)
    out.push_back(static_cast<char>('0' + (i > 10 ? 0 : v >> (3 * i) & 7)));
}

void put_padded(Buffer& out, std::uint32_t v, std::size_t width) {
  static constexpr auto kPairs = [] {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; i++)
      pairs[2 * i] = static_cast<char>('0' + i / 10), pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    return pairs;
  }();
  std::array<char, 20> digits;
  std::size_t at = width;
  for (; at >= 2; v /= 100) std::memcpy(&digits[at -= 2], &kPairs[2 * (v % 100)], 2);
  if (at == 1) digits[0] = static_cast<char>('0' + v % 10);
  out.append(digits.data(), width);
}

void put_hex_byte(Buffer& out, char ch) {
  const auto c = static_cast<unsigned char>(ch);
  out += "\\x";
  out.push_back(kHex[c >> 4]);
  out.push_back(kHex[c & 15]);
}

void put_text(Buffer& out, std::string_view s, Blanks blanks) {
  if (s.empty()) {
    out.push_back('-');
    return;
  }
  if (s == "-" || s == "?") {  // as a value these two mean "none" and "not known"
    put_hex_byte(out, s[0]);
    return;
  }
  if (is_plain<'\\'>(s)) {
    out += s;
    return;
  }
  bool after_blank = true;  // a blank at the start, at the end, or behind another is escaped
  while (!s.empty()) {
    const Character c = decode(s);
    const std::size_t n = c.bytes ? c.bytes : 1;
    bool blank = false;
    if (c.bytes == 0) put_hex_byte(out, s[0]);
    else if (c.code == '\\') out += "\\\\";
    else if (c.code == ' ') {
      blank = blanks == Blanks::single && !after_blank && s.size() > 1;
      out += blank ? " " : "\\x20";
    } else if (deceives(c.code)) put_escaped(out, s.substr(0, n));
    else out += s.substr(0, n);
    after_blank = blank;
    s.remove_prefix(n);
  }
}

std::size_t screen_width(std::string_view s) {
  if (is_ascii(s)) return s.size();
  std::size_t width = 0;
  while (!s.empty()) {
    const Character c = decode(s);
    width += c.bytes ? width_of(c.code) : 1;
    s.remove_prefix(c.bytes ? c.bytes : 1);
  }
  return width;
}

std::size_t bytes_within(std::string_view s, std::size_t width) {
  std::size_t at = 0;
  while (at < s.size()) {
    const Character c = decode(s.substr(at));
    std::size_t bytes = c.bytes ? c.bytes : 1, columns = c.bytes ? width_of(c.code) : 1;
    if (c.code == '\\') columns = bytes = s.substr(at).starts_with("\\x") ? 4 : 2;
    if (columns > width) break;
    width -= columns;
    at += bytes;
  }
  return std::min(at, s.size());
}

void put_shell_word(Buffer& out, std::string_view s) {
  if (s.empty()) {
    out += "''";
    return;
  }
  if (s != "-" &&
      is_plain<'|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~', '!', '{', '}', '^'>(
          s)) {
    out += s;
    return;
  }
  bool ansi = s.find("  ") != s.npos;
  for (std::string_view rest = s; !ansi && !rest.empty();) {
    const Character c = decode(rest);
    ansi = c.bytes == 0 || deceives(c.code);
    rest.remove_prefix(c.bytes ? c.bytes : 1);
  }
  if (!ansi) {
    out.push_back('\'');
    for (const char c : s) {
      if (c == '\'') out += "'\\''";
      else out.push_back(c);
    }
    out.push_back('\'');
    return;
  }
  out += "$'";
  for (bool after_blank = false; !s.empty();) {
    const Character c = decode(s);
    const std::size_t n = c.bytes ? c.bytes : 1;
    const bool blank = c.code == ' ' && c.bytes == 1;
    if (c.bytes == 0) put_hex_byte(out, s[0]);
    else if (c.code == '\\' || c.code == '\'') (out.push_back('\\'), out.push_back(s[0]));
    else if (deceives(c.code) || (blank && after_blank)) put_escaped(out, s.substr(0, n));
    else out += s.substr(0, n);
    after_blank = blank;
    s.remove_prefix(n);
  }
  out.push_back('\'');
}

bool put_json_body(Buffer& out, std::string_view s) {
  const auto unicode = [&out](char32_t unit) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[unit >> shift & 15]);
  };
  bool valid = true;
  while (!s.empty()) {
    const Character c = decode(s);
    if (c.bytes == 0) {
      unicode(0xFFFD);
      valid = false;
      s.remove_prefix(1);
      continue;
    }
    if (c.code == '"' || c.code == '\\') (out.push_back('\\'), out.push_back(s[0]));
    else if (c.code == '\n') out += "\\n";
    else if (c.code == '\t') out += "\\t";
    else if (c.code == '\r') out += "\\r";
    else if (!deceives(c.code)) out += s.substr(0, c.bytes);
    else if (c.code < 0x10000) unicode(c.code);
    else (unicode(0xD800 + ((c.code - 0x10000) >> 10)), unicode(0xDC00 + (c.code & 0x3FF)));
    s.remove_prefix(c.bytes);
  }
  return valid;
}

void put_hex_member(Buffer& out, std::string_view key, std::string_view s) {
  out += ",\"";
  out += key;
  out += "_hex\":\"";
  for (const char ch : s) {
    const auto c = static_cast<unsigned char>(ch);
    out.push_back(kHex[c >> 4]);
    out.push_back(kHex[c & 15]);
  }
  out.push_back('"');
}

void put_null(Buffer& out, std::string_view key) {
  put_key(out, key);
  out += "null";
}

void put_json_member(Buffer& out, std::string_view key, std::string_view s) {
  put_key(out, key);
  out.push_back('"');
  if (is_plain<'"', '\\'>(s)) {
    out += s;
    out.push_back('"');
    return;
  }
  const bool valid = put_json_body(out, s);
  out.push_back('"');
  if (!valid) put_hex_member(out, key, s);
}

}  // namespace needle
