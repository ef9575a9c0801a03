// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What values of options are made of.
#pragma once

#include <charconv>
#include <string_view>
#include <system_error>

namespace needle {

// Calls f for each word between commas.
template <class F> void for_each_word(std::string_view list, F f) {
  for (std::size_t end = 0; end != list.npos; list.remove_prefix(end == list.npos ? 0 : end + 1)) {
    end = list.find(',');
    f(list.substr(0, end));
  }
}

// False if that is not all that the text is.
template <class T> bool to_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && error == std::errc{} && end == text.data() + text.size();
}

}  // namespace needle
