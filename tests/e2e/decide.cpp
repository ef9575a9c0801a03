// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Decisions before a record is claimed: the same as with one, and right while the ring buffer is full and every record is taken.
#include "harness.h"
#include "load/hooks.h"
#include "run/sock_options.h"
#include "run/tracer.h"
#include "verdict.h"

#include "decide.skel.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

using namespace harness;
using needle::Object;

namespace {

struct no_event {
  event_header h;
};
constexpr needle::Column kColumns[] = {needle::column<&no_event::h, &event_header::pid>("pid", "")};
constexpr needle::Tool kTool = needle::make_tool<decide_bpf, no_event>("decide", "nothing", "", "", kColumns, {});
using Bpf = needle::Skeleton<decide_bpf>;

enum { kNot, kWanted, kUnknown };
constexpr int kMarked = O_NOCTTY | O_CLOEXEC;  // what the program looks for

void opens(Json& t) {
  Json paths = Json::array();  // null: in no directory that can be named
  const auto one = [&](int at, const std::string& name, const Json& path, int flags = O_RDONLY) {
    check(openat(at, name.c_str(), flags | kMarked, 0600), name.c_str());
    paths.push_back(path);
  };
  const auto path = [&](const std::string& p, int flags = O_RDONLY) { one(AT_FDCWD, p, p, flags); };
  check(unshare(CLONE_NEWNS), "unshare");
  check(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
  check(mount("needle", "/mnt", "tmpfs", 0, nullptr), "mount");
  for (const char* p : {"/", "/mnt", "/mnt/a", "/mnt/a/b", "/mnt/a/bc", "/mnt/a/bc/d", "/mnt/abcdefgh", "/mnt/abcdefgh/x",
                        "/mnt/abcdefghi", "/mnt/a/mnt", "/etc"}) {
    mkdir(p, 0755);
    path(p);
  }
  path("/dev/null");
  for (const std::string& p : {std::string(255, 'n'), std::string("\xff"), std::string("z z")})
    path("/mnt/" + p, O_WRONLY | O_CREAT);
  std::string deep = "/mnt";
  for (int i = 1; i <= 100; i++) {
    check(mkdir((deep += "/1").c_str(), 0755), "mkdir");
    if (i == 31 || i == 32 || i == 33 || i == 100) path(deep);
  }
  check(mount("needle", "/mnt/a/bc/d", "tmpfs", 0, nullptr), "mount");  // a mount on a mount
  path("/mnt/a/bc/d/in", O_WRONLY | O_CREAT);
  check(mkdir("/mnt/gone", 0755), "mkdir");
  check(mount("needle", "/mnt/gone", "tmpfs", 0, nullptr), "mount");
  const int gone = static_cast<int>(check(open("/mnt/gone", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open"));
  check(umount2("/mnt/gone", MNT_DETACH), "umount");
  one(gone, "f", nullptr, O_WRONLY | O_CREAT);
  const auto again = [&](long fd) { one(AT_FDCWD, "/proc/self/fd/" + std::to_string(check(fd, "fd")), nullptr); };
  int ends[2];
  check(pipe(ends), "pipe");
  again(ends[0]);
  again(memfd_create("mnt", 0));
  again(open("/proc/self/ns/net", O_RDONLY));
  t["paths"] = paths;
}

struct Verdicts {
  Json paths;
  std::vector<verdict> all;
};

// Takes every scratch record of every CPU.
void take_records(bpf_map* scratch) {
  std::vector<std::byte> record(bpf_map__value_size(scratch));
  for (__u32 slot = 0; slot < bpf_map__max_entries(scratch); slot++) {
    const __u32 busy = 1;
    check(bpf_map_lookup_elem(bpf_map__fd(scratch), &slot, record.data()), "look up");
    std::memcpy(record.data(), &busy, sizeof busy);
    check(bpf_map_update_elem(bpf_map__fd(scratch), &slot, record.data(), BPF_ANY), "update");
  }
}

Verdicts decided(needle::Tracer& tracer, bool full) {
  decide_bpf& bpf = Bpf::of(tracer.object());
  Actor actor(opens);
  if (full) take_records(bpf.maps.scratch);
  bpf.bss->cases = 0;
  bpf.bss->fill = full;
  bpf.bss->actor = static_cast<__u32>(actor.pid());
  Verdicts v;
  v.paths = actor.act()["paths"];
  v.all.assign(bpf.bss->verdicts, bpf.bss->verdicts + bpf.bss->cases);
  return v;
}

}  // namespace

TEST_CASE("decide: as with a record in hand, and right while the ring buffer is full and all records are taken") {
  std::string long_one = "/mnt";  // more components than a group has
  for (int i = 0; i < 60; i++) long_one += "/1";
  std::vector<std::string> many(60, "/mnt/none");  // several groups
  for (std::size_t i = 0; i < many.size(); i++) many[i] += std::to_string(i);
  many.push_back("/mnt/a/b");
  many.push_back("/mnt/1/1/");
  const std::vector<std::vector<std::string>> filters{
      {"/"},     {"/mnt", "!/mnt/a/bc", "!/mnt/1"}, {"/mnt/a/b", "/mnt/abcdefgh/", "/mnt/1/1/1/2"}, {"memfd:mn", "/mnt/a/"}, many,
      {long_one}};
  for (const std::vector<std::string>& filter : filters) {
    INFO(filter.back());
    needle::Options options;
    options.buffer = 4096;
    std::vector<std::string> remarks;
    for (const std::string& prefix : filter)
      options.own.push_back(prefix[0] == '!' ? Bpf::exclude_path().parse(prefix.substr(1), remarks)
                                             : Bpf::path_prefix().parse(prefix, remarks));
    options.own.push_back(needle::socket_options<Bpf>[1].parse("192.0.2.0/24", remarks));
    needle::Tracer tracer(kTool, options, [](void*, std::size_t) { return 0; });
    const Verdicts with = decided(tracer, false), without = decided(tracer, true);
    CHECK(with.paths == without.paths);
    REQUIRE(with.all.size() == with.paths.size());
    REQUIRE(without.all.size() == with.paths.size());
    for (std::size_t i = 0; i < with.paths.size(); i++) {
      const auto &a = with.all[i], &b = without.all[i];
      INFO(i << " " << with.paths[i]);
      REQUIRE(a.looked >= 0);  // there was a record
      CHECK(b.looked == -1);   // there was none
      CHECK(b.kept == 0);
      CHECK(a.decided == b.decided);
      for (const auto* v : {&a, &b}) {
        CHECK(v->dest[0] == 1);
        CHECK(v->dest[1] == 0);
      }
      if (a.decided != kUnknown) CHECK(a.decided == a.looked);
      if (with.paths[i].is_null()) continue;
      const std::string path = with.paths[i];
      const auto begins = [&](const std::string& p) { return path.starts_with(p); };
      const auto left_out = [&](const std::string& p) { return p[0] == '!' && path.starts_with(p.substr(1)); };
      const bool wanted = std::ranges::any_of(filter, begins) && std::ranges::none_of(filter, left_out);
      CHECK(b.decided == (wanted && filter.back() == long_one ? kUnknown : wanted ? kWanted : kNot));
    }
    tracer.detach();
  }
}
