// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace harness;

TEST_CASE("openat: every field") {
  TempDir dir;
  const std::string path = dir.file("a file", "x", 0640);
  for (const std::string& tier : tiers("opensnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace("opensnoop", {"--hook", tier}, [&](Json& t) {
      const int fd = static_cast<int>(check(openat(AT_FDCWD, path.c_str(), O_RDWR | O_APPEND), "openat"));
      struct stat st{};
      fstat(fd, &st);
      t = {{"fd", fd}, {"inode", std::to_string(st.st_ino)}, {"tid", gettid()}, {"pid", getpid()}, {"ppid", getppid()}};
    }, &truth);
    REQUIRE(events.size() == 1);
    const Json& e = events[0];
    for (const auto& [key, value] : truth.items()) CHECK(e[key] == value);
    CHECK(e["path"] == path);
    CHECK(e["requested"] == path);
    CHECK(e["flags"] == "O_RDWR|O_APPEND");
    CHECK(e["errno"] == 0);
    CHECK(e["error"].is_null());
    CHECK(e["via"] == "openat");
    CHECK(e["src"] == (tier == "tp" ? "fd" : "kernel"));
    CHECK(e["type"] == "file");
    CHECK(e["perm"] == "0640");
    CHECK(e["created"] == false);
    CHECK(e["deleted"] == false);
    CHECK(e["mode"].is_null());
  }
}
