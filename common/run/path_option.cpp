// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/path_option.h"

#include "error.h"
#include "print/text.h"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <utility>

namespace needle {
namespace {

namespace fs = std::filesystem;

// Without "//" and "/.", as the programs fold what failed. A slash at the end stays: it tells a directory.
std::string folded(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); i++) {
    const bool after_slash = !out.empty() && out.back() == '/';
    if (after_slash && path[i] == '/') continue;
    if (after_slash && path[i] == '.' && (i + 1 == path.size() || path[i + 1] == '/')) continue;
    out += path[i];
  }
  return out;
}

// With the symbolic links of what exists resolved; empty if that cannot be.
std::string resolved(const std::string& path) {
  std::error_code error;
  std::string real = fs::weakly_canonical(path, error);
  if (error) return {};
  if (path.ends_with('/') && !real.ends_with('/')) real += '/';
  return real;
}

void add(std::vector<std::string>& all, std::string path) {
  path.resize(std::min<std::size_t>(path.size(), PREFIX_BYTES));
  if (!path.empty() && std::ranges::find(all, path) == all.end()) all.push_back(std::move(path));
}

std::string shown(std::string_view path) {
  Buffer line;
  put_text(line, path, Blanks::single);
  return std::string(line.begin(), line.end());
}

// Symbolic links to `real`, or to a directory above it, where systems have such: /bin for /usr/bin.
void add_links(const std::string& real, std::vector<std::string>& names) {
  for (const char* parent : {"/", "/usr/", "/var/"}) {
    std::error_code error;
    for (fs::directory_iterator at(parent, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (!at->is_symlink(ignored)) continue;
      std::string target = fs::canonical(at->path(), ignored);
      if (ignored || target == "/") continue;
      if (real == target || real.starts_with(target + '/')) add(names, at->path().string() + real.substr(target.size()));
      else if (target.starts_with(real)) add(names, at->path());
    }
  }
}

prefix prefix_of(std::string_view path) {
  prefix key{};
  key.bits = static_cast<__u32>(path.size() * 8);
  path.copy(key.bytes, path.size());
  return key;
}

std::vector<prefix> prefixes_of(const std::vector<std::string>& paths) {
  std::vector<prefix> all;
  std::ranges::transform(paths, std::back_inserter(all), prefix_of);
  return all;
}

}  // namespace

PathPrefixes path_prefixes(std::string_view given, std::vector<std::string>& remarks) {
  if (given.empty() || given.size() > PREFIX_BYTES)
    throw BadUsage(fmt::format("--path: a prefix of {} bytes; give 1 to {}", given.size(), PREFIX_BYTES));
  std::vector<std::string> paths, names;
  std::string path(given);
  if (!path.starts_with('/') && path.find(':') >= path.find('/')) {  // "memfd:name" is in no directory
    std::error_code error;
    const fs::path here = fs::current_path(error);
    path = here.string() + '/' + path;
    remarks.push_back(fmt::format("--path {}: taken for {}", shown(given), shown(folded(path))));
  }
  path = folded(path);
  add(paths, path);
  if (!path.starts_with('/')) return {prefixes_of(paths), {}};
  struct stat st {};
  if (path.find_first_of("*?[") != path.npos && lstat(path.c_str(), &st) != 0)
    remarks.push_back(fmt::format("--path {}: a prefix, no pattern: * and the like stand for themselves", shown(given)));
  const std::size_t name = path.rfind('/') + 1;
  std::string directory = resolved(path.substr(0, name));
  for (const std::string& real : {directory.empty() ? directory : directory + path.substr(name), resolved(path)}) {
    const std::size_t before = paths.size();
    add(paths, real);
    if (paths.size() > before)
      remarks.push_back(fmt::format("--path {}: a symbolic link leads to {}, which is shown too", shown(given), shown(real)));
  }
  for (const std::string& real : paths) add_links(real, names);
  return {prefixes_of(paths), prefixes_of(names)};
}

void keep_common(const prefix& prefix, bool first, __u64& bytes, __u64& mask) {
  __u64 own = 0;
  std::memcpy(&own, prefix.bytes, sizeof own);
  const unsigned same = first ? std::min(prefix.bits, 64u) / 8 : std::countr_zero((own ^ bytes) | ~mask) / 8;
  mask = same == 8 ? ~0ull : (1ull << same * 8) - 1;
  bytes = own & mask;
}

}  // namespace needle
