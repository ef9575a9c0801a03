// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/nearest.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace needle {
namespace {

bool same(char a, char b) {
  const auto plain = [](char c) { return c == '-' ? '_' : std::tolower(static_cast<unsigned char>(c)); };
  return plain(a) == plain(b);
}

// Characters to insert, to take away or to replace: Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); i++) {
    std::size_t corner = row[0]++;
    for (std::size_t j = 0; j < b.size(); j++) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({corner + !same(a[i], b[j]), above + 1, row[j] + 1});
      corner = above;
    }
  }
  return row.back();
}

bool begins(std::string_view text, std::string_view with) {
  return with.size() >= 3 && text.size() > with.size() && std::equal(with.begin(), with.end(), text.begin(), same);
}

}  // namespace

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& names) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, text.size() / 3) + 1;
  for (const std::string_view name : names)
    if (const std::size_t d = distance(text, name); d < least) least = d, best = name;
  if (!best.empty()) return best;
  const auto like = std::ranges::find_if(names, [&](std::string_view n) { return begins(n, text) || begins(text, n); });
  return like == names.end() ? std::string_view{} : *like;
}

}  // namespace needle
