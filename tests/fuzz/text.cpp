// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Any bytes as a name: what is printed is one field without a control byte, is undone to the same bytes, and is valid JSON.
#include "fuzz.h"

#include "print/format.h"

#include <nlohmann/json.hpp>

using namespace needle;

namespace {

int digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

// The way back from put_text()'s escapes.
std::string undone(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'n': bytes += '\n'; break;
      case 't': bytes += '\t'; break;
      case 'r': bytes += '\r'; break;
      case '\\': bytes += '\\'; break;
      case 'x':
        bytes += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
        i += 2;
        break;
      default: expect(false, "an escape that is none", text);
    }
  }
  return bytes;
}

}  // namespace

std::vector<std::string> seeds() {
  return {"plain",    "two words",          "tab\tnewline\n", "\x1b[31m", "\xc3\xa9\xe2\x80\xae\xf0\x9f\x90\x8d",
          "\xff\xc3", "back\\slash 'quote'"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(data), size);
  for (const Blanks blanks : {Blanks::escaped, Blanks::single}) {
    Buffer text;
    put_text(text, name, blanks);
    expect(!text.empty(), "an empty field");
    for (const char c : text) expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a control byte is printed", text);
    if (blanks == Blanks::escaped) expect(text.find(' ') == text.npos, "more than one field", text);
    if (!name.empty()) expect(undone(text) == name, "not undone to the same bytes", text);
  }
  Buffer word;
  put_shell_word(word, name);
  for (const char c : word)
    expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "a control byte in a word of a shell", word);
  Buffer member = "{";
  put_json_member(member, "key", name);
  member += '}';
  const auto object = nlohmann::json::parse(member, nullptr, false);
  expect(object.is_object(), "no JSON", member);
  if (!object.contains("key_hex")) expect(object["key"].get<std::string>() == name, "JSON of other bytes", member);
  return 0;
}
