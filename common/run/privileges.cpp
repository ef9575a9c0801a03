// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/privileges.h"

#include "error.h"
#include "error.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iterator>

namespace needle {
namespace {

#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

std::uint64_t effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  syscall(SYS_capget, &header, data);
  return data[0].effective | std::uint64_t{data[1].effective} << 32;
}

}  // namespace

void check_privileges(std::string_view tool) {
  const std::uint64_t caps = effective_capabilities();
  const auto has = [caps](int cap) { return (caps >> cap & 1) != 0; };
  if (!has(CAP_SYS_ADMIN) && !(has(CAP_BPF) && has(CAP_PERFMON))) {
    throw Error(fmt::format("needs the capabilities {}; run it as root (sudo {}), or give it them with setcap",
                            has(CAP_BPF)       ? "CAP_PERFMON"
                            : has(CAP_PERFMON) ? "CAP_BPF"
                                               : "CAP_BPF and CAP_PERFMON",
                            tool));
  }
  std::ifstream file("/sys/kernel/security/lockdown");
  const std::string lockdown{std::istreambuf_iterator<char>(file), {}};
  if (lockdown.find("[confidentiality]") != lockdown.npos)
    throw Error(
        "the kernel is locked down to 'confidentiality', which forbids BPF to read its memory; boot with lockdown=integrity");
}

void drop_privileges(std::uint64_t but) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  const std::uint64_t kept = effective_capabilities() & but;
  data[0].effective = data[0].permitted = static_cast<__u32>(kept);
  data[1].effective = data[1].permitted = static_cast<__u32>(kept >> 32);
  syscall(SYS_capset, &header, data);
}

}  // namespace needle
