// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What values of options are made of.
#pragma once

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

namespace needle {

// Calls f for each word between commas, or blanks: "$(pidof nginx)". Of an empty list: with an empty word.
template <class F> void for_each_word(std::string_view list, F f) {
  constexpr std::string_view kBlanks = " \t\n";
  const std::size_t first = list.find_first_not_of(kBlanks);
  list = first == list.npos ? std::string_view{} : list.substr(first, list.find_last_not_of(kBlanks) + 1 - first);
  for (;;) {
    const std::size_t end = list.find_first_of(", \t\n");
    f(list.substr(0, end));
    if (end == list.npos) return;
    std::size_t next = list.find_first_not_of(kBlanks, end);  // there is one: the list ends with no blank
    if (list[next] == ',') next = std::min(list.find_first_not_of(kBlanks, next + 1), list.size());
    list.remove_prefix(next);
  }
}

// False if that is not all that the text is.
template <class T> bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

}  // namespace needle
