// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Any bytes as a state file of a container runtime, and as the path of a cgroup.
#include "fuzz.h"

#include "who/container.h"
#include "who/json.h"

#include <string>

using namespace needle;

std::vector<std::string> seeds() {
  const std::string id(64, 'a');
  return {R"({"ID":"x","Name":"/web","Config":{"Image":"img","Labels":{"io.kubernetes.pod.name":"p"}}})",
          R"([{"id":"x","names":["a","b"],"metadata":"{\"image-name\":\"i\"}"}])",
          "/system.slice/docker-" + id + ".scope",
          "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0123_4567.slice/cri-containerd-" + id + ".scope",
          "/user.slice/user-1000.slice/user@1000.service/libpod-" + id + ".scope/container",
          "/lxc.payload.web/init.scope",
          "/machine.slice/machine-web.scope/payload"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t read = 0;
  for_each_json_string(bytes, [&](const JsonPath& path, const std::string& value) { read += path.size() + value.size(); });

  const CgroupName name = parse_cgroup(bytes);
  const auto within = [&](std::string_view part) {
    return part.empty() || (part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + bytes.size());
  };
  expect(within(name.id) && within(name.pod_uid) && within(name.path), "a view of other memory", name.id);
  expect(name.id.empty() || name.path.find(name.id) != name.path.npos, "an id that is not in its path", name.id);
  return 0;
}
