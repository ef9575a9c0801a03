// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/path_option.h"

#include "error.h"
#include "print/text.h"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
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

// Symbolic links to `real`, or to a directory above it, where systems have such: /bin for /usr/bin. `whole`: it is no prefix.
void add_links(const std::string& real, std::vector<std::string>& names, bool whole) {
  for (const char* parent : {"/", "/usr/", "/var/"}) {
    std::error_code error;
    for (fs::directory_iterator at(parent, error), end; !error && at != end; at.increment(error)) {
      std::error_code ignored;
      if (!at->is_symlink(ignored)) continue;
      std::string target = fs::canonical(at->path(), ignored);
      if (ignored || target == "/") continue;
      if (real == target || real.starts_with(target + '/')) add(names, at->path().string() + real.substr(target.size()));
      else if (!whole && target.starts_with(real)) add(names, at->path());
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

// `path`, and where links lead: see PathPrefixes. `taken`: as what, for those who read the remarks.
PathPrefixes with_links(std::string_view option, std::string_view given, const std::string& path,
                        std::vector<std::string>& remarks, std::string_view taken) {
  std::vector<std::string> paths, names;
  add(paths, path);
  if (!path.starts_with('/')) return {prefixes_of(paths), {}};
  const std::size_t name = path.rfind('/') + 1;
  std::string directory = resolved(path.substr(0, name));
  for (const std::string& real : {directory.empty() ? directory : directory + path.substr(name), resolved(path)}) {
    const std::size_t before = paths.size();
    add(paths, real);
    if (paths.size() > before)
      remarks.push_back(
          fmt::format("{} {}: a symbolic link leads to {}, which is {} too", option, shown(given), shown(real), taken));
  }
  for (const std::string& real : paths) add_links(real, names, option == "--file");
  return {prefixes_of(paths), prefixes_of(names)};
}

// Made absolute, and folded.
std::string absolute(std::string_view option, std::string_view given, std::vector<std::string>& remarks) {
  std::string path(given);
  if (!path.starts_with('/') && path.find(':') >= path.find('/')) {  // "memfd:name" is in no directory
    std::error_code error;
    const fs::path here = fs::current_path(error);
    path = here.string() + '/' + path;
    remarks.push_back(fmt::format("{} {}: taken for {}", option, shown(given), shown(folded(path))));
  }
  return folded(path);
}

}  // namespace

PathPrefixes path_prefixes(std::string_view option, std::string_view given, std::vector<std::string>& remarks) {
  if (given.empty() || given.size() > PREFIX_BYTES)
    throw BadUsage(fmt::format("{}: a prefix of {} bytes; give 1 to {}", option, given.size(), PREFIX_BYTES));
  const std::string path = absolute(option, given, remarks);
  struct stat st {};
  if (path.starts_with('/') && path.find_first_of("*?[") != path.npos && lstat(path.c_str(), &st) != 0)
    remarks.push_back(fmt::format("{} {}: a prefix, no pattern: * and the like stand for themselves", option, shown(given)));
  return with_links(option, given, path, remarks, option == "--path" ? "shown" : "left out");
}

NamedFile file_named(std::string_view given, std::vector<std::string>& remarks) {
  if (given.empty() || given.size() >= PATH_MAX || given.find(':') < given.find('/'))
    throw BadUsage(fmt::format("--file: '{}' is no path; give one, as in --file /etc/shadow", shown(given)));
  NamedFile file{absolute("--file", given, remarks), {}};
  if (file.path.size() > 1 && file.path.ends_with('/')) file.path.pop_back();
  if (file.path.size() <= PREFIX_BYTES) file.names = with_links("--file", given, file.path, remarks, "compared");
  return file;
}

void keep_common(const prefix& prefix, bool first, __u64& bytes, __u64& mask) {
  __u64 own = 0;
  std::memcpy(&own, prefix.bytes, sizeof own);
  const unsigned same = first ? std::min(prefix.bits, 64u) / 8 : std::countr_zero((own ^ bytes) | ~mask) / 8;
  mask = same == 8 ? ~0ull : (1ull << same * 8) - 1;
  bytes = own & mask;
}

bool put_into(path_group& group, const prefix& prefix, bool left_out) {
  std::string_view rest(prefix.bytes, prefix.bits / 8);
  if (!rest.starts_with('/')) return true;  // no path begins so
  std::vector<std::string_view> components;
  while (!rest.empty()) {
    rest.remove_prefix(1);
    components.push_back(rest.substr(0, rest.find('/')));
    rest.remove_prefix(components.back().size());
  }
  const bool cut = components.size() > LABELS;
  if (cut) {
    components.resize(LABELS);
    components.back() = {};
  }
  const auto used = static_cast<std::size_t>(std::bit_width(group.last));
  if (used + components.size() > LABELS) return false;
  for (std::size_t i = 0; i < components.size(); i++) {
    const std::string_view c = components[i];
    const __u64 bit = 1ull << (used + i);
    path_label& label = group.labels[used + i];
    label.len = static_cast<__u32>(c.size());
    std::memcpy(label.words, c.data(), c.size());
    const bool first = i == 0, last = i + 1 == components.size();
    if (first) group.first |= bit;
    if (first && left_out) group.left_out |= bit;
    if (first && cut) group.cut |= bit;
    if (last) group.last |= bit;
    if (last && c.empty()) group.empty |= bit;
    for (std::size_t byte = 0; byte < std::size(group.begins); byte++)
      if (last && c.empty() ? true : !c.empty() && static_cast<unsigned char>(c[0]) == byte) group.begins[byte] |= bit;
  }
  return true;
}

}  // namespace needle
