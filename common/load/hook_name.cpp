// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/hook_name.h"

#include "error.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace needle {
namespace {

// Takes the next word of "alt_2_detail" off `rest`.
std::string_view next_word(std::string_view& rest) {
  const std::string_view word = rest.substr(0, rest.find('_'));
  rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  return word;
}

}  // namespace

HookName parse_hook_name(std::string_view program) {
  const auto bad = [program](const char* why) -> Error {
    return Error(fmt::format("the program name {} {}; see common/load/hook_name.h", program, why));
  };
  const std::size_t sep = program.find("__");
  if (sep == 0 || sep == program.npos) throw bad("has no WHAT__MECHANISM");
  std::string_view rest = program.substr(sep + 2);
  HookName name{.what = std::string(program.substr(0, sep)), .mechanism = std::string(next_word(rest)), .unit = {}};
  name.unit = name.group();
  if (!name.is_hook()) return name;
  if (std::ranges::find(kMechanisms, name.mechanism) == kMechanisms.end()) throw bad("has a mechanism that is none");
  if (std::string_view word = rest; next_word(word) == "opt") {
    const std::string_view unit = next_word(word);
    if (unit.empty()) throw bad("has no word behind _opt_");
    name.optional = true;
    name.unit += fmt::format("_opt_{}", unit);
    rest = word;
  }
  if (std::string_view word = rest; next_word(word) == "alt") {
    const std::string_view number = next_word(word);
    if (std::from_chars(number.data(), number.data() + number.size(), name.alternative).ptr != number.data() + number.size() ||
        name.alternative == 0)
      throw bad("has no number behind _alt_");
    rest = word;
  }
  while (!rest.empty())
    if (const std::string_view word = next_word(rest); word == "opt" || word == "alt")
      throw bad("has _opt_ or _alt_ in a wrong place");
  return name;
}

}  // namespace needle
