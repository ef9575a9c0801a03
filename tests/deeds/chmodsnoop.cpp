// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "deeds.h"

#include <fcntl.h>
#include <sys/stat.h>

using namespace harness;

extern const Deed chmodsnoop_deed = {
    .tool = "chmodsnoop",
    .once = [](const std::string& path) { chmod(path.c_str(), 0600); },
    .script = [](const std::string& path) { return "chmod 600 " + path; },
    .is_of_script = [](const Json& line, const std::string& path) { return line["path"] == path; },
    .perl = [](const std::string& path) { return "chmod 0600, '" + path + "'"; },
    .table =
        [](const TempDir& dir) {
          const std::string file = dir / "file", absent = dir / "absent", user = std::to_string(kTableUser);
          return Table{.heading = "PID COMM UID OLD NEW ERR PATH",
                       .deeds =
                           [=] {
                             const int fd = static_cast<int>(check(open(file.c_str(), O_RDWR), "open"));
                             check(fchmod(fd, 04751), "fchmod");
                             chmod(absent.c_str(), 0620);
                           },
                       .rows = {{user, "0644", "4751", "-", file}, {user, "?", "0620", "ENOENT", absent}}};
        },
};
