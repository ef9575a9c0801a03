// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "runtimes.h"

#include "json.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <sstream>
#include <vector>

namespace needle {
namespace {

using std::string_view;

// Where the runtimes keep their state: the system's, or those of one user.
struct Places {
  std::vector<Place> containerd, docker, storage, lxc, lxd, runc;
};

Places of_system() {
  return {{{"/run/containerd", ""},
           {"/run/docker/containerd/daemon", ""},  // dockerd's own
           {"/run/snap.docker/containerd/daemon", ""},
           {"/run/k3s/containerd", ""},
           {"/run/k0s/containerd", ""},
           {"/var/snap/microk8s/common/run/containerd", ""}},
          {{"/var/lib/docker", ""}, {"/var/snap/docker/common/var-lib-docker", ""}},
          {{"/run/containers/storage", ""}, {"/var/lib/containers/storage", ""}},
          {{"/var/lib/lxc", ""}},
          {{"/var/snap/lxd/common/lxd/logs", ""}, {"/var/log/lxd", ""}, {"/var/log/incus", ""}},
          {{"/run/runc", ""}}};
}

Places of_user(const std::string& uid, const std::string& home) {
  const std::string run = "/run/user/" + uid;
  return {{{run, "docker/containerd/daemon", true}, {run, "containerd", true}},
          {{home, ".local/share/docker", true}},
          {{run, "containers", true}, {home, ".local/share/containers/storage", true}},
          {{home, ".local/share/lxc", true}},
          {},
          {{run, "runc", true}}};
}

// /user.slice/user-UID.slice/...: the user's own cgroups.
string_view user_of(string_view path) {
  constexpr string_view kBegin = "/user.slice/user-", kEnd = ".slice/";
  if (!path.starts_with(kBegin)) return {};
  path.remove_prefix(kBegin.size());
  const string_view uid = path.substr(0, path.find_first_not_of("0123456789"));
  return path.substr(uid.size()).starts_with(kEnd) ? uid : string_view{};
}

// No NSS: it may ask a daemon.
std::string home_of(const Disk& disk, string_view uid) {
  std::istringstream passwd(disk.read({"/etc", ""}, "passwd"));
  for (std::string line; std::getline(passwd, line);) {
    std::vector<std::string> fields;
    std::istringstream in(line);
    for (std::string field; std::getline(in, field, ':');) fields.push_back(field);
    if (fields.size() > 5 && fields[2] == uid) return fields[5];
  }
  return {};
}

bool is(const JsonPath& path, std::initializer_list<string_view> keys) { return std::equal(path.begin(), path.end(), keys.begin(), keys.end()); }

// A name longer than any runtime gives is none.
void set(std::string& field, const std::string& value) {
  if (value.size() <= 1024) field = value;
}

// One look at the disk for one container.
class Look {
 public:
  Look(const Disk& disk, Places places, bool users) : disk_(disk), places_(std::move(places)), users_(users) {
    for (const Place& place : places_.containerd)
      for (const char* tasks : {"io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux"})
        for (std::string& ns : disk_.directories(place, tasks)) tasks_.push_back({place, tasks + ("/" + ns + "/"), std::move(ns)});
  }

  // By what the path says.
  bool by_id(Container& c, const CgroupName& name) const {
    if (c.runtime == "containerd") return containerd(c);
    if (c.runtime == "docker") return docker(c);
    if (c.runtime == "cri-o") return crio(c);
    if (c.runtime == "podman") return podman(c);
    if (c.runtime == "lxc") return lxc(c);
    if (c.runtime == "runc") return runc(c, name.path);
    return c.runtime.empty() && (containerd(c) || docker(c));
  }

  // By what the state says, where the path alone says nothing: runc and ctr name a cgroup as they
  // were told to name the container.
  bool by_cgroup(Container& c, string_view path) const {
    for (; !path.empty(); path = path.substr(0, path.rfind('/'))) {
      c.id = path.substr(path.rfind('/') + 1);
      if (c.id.empty() || c.id == "." || c.id == "..") continue;
      if (runc(c, path) || ctr(c, path)) return true;
    }
    c = {};
    return false;
  }

 private:
  struct Tasks {  // a namespace of containerd's
    Place place;
    std::string path, ns;
  };
  struct Bundle {
    std::string ns, config;
  };

  // containerd's directory of the container, in whatever namespace of its.
  std::optional<Bundle> bundle(const std::string& id) const {
    for (const Tasks& t : tasks_)
      if (std::string config = disk_.read(t.place, t.path + id + "/config.json"); !config.empty()) return Bundle{t.ns, std::move(config)};
    return {};
  }

  bool containerd(Container& c) const {
    const auto found = bundle(c.id);
    if (!found) return false;
    if (found->ns == "moby") return docker(c, found->config);
    Container next = c;
    next.runtime = "containerd";
    const bool kubernetes = found->ns == "k8s.io";
    const bool whole = for_each_json_string(found->config, [&](const JsonPath& path, const std::string& value) {
      if (path.size() != 2 || path[0] != "annotations") return;
      if (!kubernetes) {
        if (path[1] == "nerdctl/name") set(next.name, value);
        return;
      }
      if (path[1] == "io.kubernetes.cri.container-name") set(next.name, value);
      if (path[1] == "io.kubernetes.cri.image-name") set(next.image, value);
      if (path[1] == "io.kubernetes.cri.sandbox-name") set(next.pod, value);
      if (path[1] == "io.kubernetes.cri.sandbox-namespace") set(next.ns, value);
      if (path[1] == "io.kubernetes.cri.sandbox-uid") set(next.pod_uid, value);
    });
    if (whole) c = std::move(next);
    return whole;
  }

  bool ctr(Container& c, string_view cgroup) const {
    const auto found = bundle(c.id);
    bool same = false;
    const bool whole = found && for_each_json_string(found->config, [&](const JsonPath& path, const std::string& value) {
      if (is(path, {"linux", "cgroupsPath"})) same = value == cgroup;
    });
    if (!whole || !same) return false;
    c.name = c.id;
    return containerd(c);
  }

  // `config`: the OCI configuration that dockerd gave to containerd, if it was met.
  bool docker(Container& c, std::string config = {}) const {
    std::vector<Place> roots = places_.docker;
    if (!users_) {
      if (config.empty())
        if (auto found = bundle(c.id); found && found->ns == "moby") config = std::move(found->config);
      // It mounts files of the container's directory, wherever that is.
      for_each_json_string(config, [&](const JsonPath& path, const std::string& value) {
        const std::string file = "/containers/" + c.id + "/hostname";
        if (path.size() == 3 && path[0] == "mounts" && path[2] == "source" && value.ends_with(file))
          roots.insert(roots.begin(), {value.substr(0, value.size() - file.size()), ""});
      });
      for_each_json_string(disk_.read({"/etc/docker", ""}, "daemon.json"), [&](const JsonPath& path, const std::string& value) {
        if (is(path, {"data-root"}) || is(path, {"graph"})) roots.push_back({value, ""});
      });
    }
    for (const Place& root : roots) {
      const std::string text = disk_.read(root, "containers/" + c.id + "/config.v2.json");
      Container next = c;
      next.runtime = "docker";
      std::string name, kubernetes_name;
      const bool whole = for_each_json_string(text, [&](const JsonPath& path, const std::string& value) {
        if (is(path, {"Name"})) set(name, value.starts_with('/') ? value.substr(1) : value);
        if (is(path, {"Config", "Image"})) set(next.image, value);
        // Anyone's image can have labels; in a pod's cgroup, the kubelet has set these.
        if (next.pod_uid.empty() || path.size() != 3 || path[0] != "Config" || path[1] != "Labels") return;
        if (path[2] == "io.kubernetes.container.name") set(kubernetes_name, value);
        if (path[2] == "io.kubernetes.pod.name") set(next.pod, value);
        if (path[2] == "io.kubernetes.pod.namespace") set(next.ns, value);
      });
      if (!whole) continue;
      next.name = kubernetes_name.empty() ? name : kubernetes_name;
      c = std::move(next);
      return true;
    }
    return false;
  }

  bool crio(Container& c) const {
    for (const Place& place : places_.storage)
      for (const char* driver : kDrivers) {
        Container next = c;
        const bool whole = for_each_json_string(disk_.read(place, driver + ("-containers/" + c.id) + "/userdata/config.json"),
                                                [&](const JsonPath& path, const std::string& value) {
          if (path.size() != 2 || path[0] != "annotations") return;
          if (path[1] == "io.kubernetes.container.name") set(next.name, value);
          if (path[1] == "io.kubernetes.cri-o.ImageName") set(next.image, value);
          if (path[1] == "io.kubernetes.pod.name") set(next.pod, value);
          if (path[1] == "io.kubernetes.pod.namespace") set(next.ns, value);
          if (path[1] == "io.kubernetes.pod.uid") set(next.pod_uid, value);
        });
        if (!whole) continue;
        c = std::move(next);
        return true;
      }
    return false;
  }

  bool podman(Container& c) const {
    for (const Place& place : places_.storage)
      for (const char* driver : kDrivers)
        for (const char* file : {"-containers/containers.json", "-containers/volatile-containers.json"}) {  // with --rm
          Container next;
          bool found = false;
          std::string element;
          const bool whole = for_each_json_string(disk_.read(place, std::string(driver) + file), [&](const JsonPath& path, const std::string& value) {
            if (found && path[0] != element) return;  // what comes after is others'
            if (path[0] != element) next = c, element = path[0];
            if (path.size() == 2 && path[1] == "id") found = value == c.id;
            if (path.size() == 3 && path[1] == "names" && path[2] == "0") set(next.name, value);
            if (path.size() == 2 && path[1] == "metadata")
              for_each_json_string(value, [&](const JsonPath& key, const std::string& image) {
                if (is(key, {"image-name"})) set(next.image, image);
              });
          });
          if (!whole || !found) continue;
          c = std::move(next);
          return true;
        }
    return false;
  }

  bool lxc(Container& c) const {
    for (const Place& place : places_.lxc)
      if (disk_.has(place, c.id + "/config")) {
        c.name = c.id;
        return true;
      }
    for (const Place& place : places_.lxd)
      if (disk_.has(place, c.id + "/lxc.conf")) {  // PROJECT_NAME, or NAME, in which there is no _
        c.name = c.id.substr(c.id.rfind('_') + 1);
        return true;
      }
    return false;
  }

  bool runc(Container& c, string_view cgroup) const {
    for (const Place& place : places_.runc) {
      bool same = false;
      const bool whole = for_each_json_string(disk_.read(place, c.id + "/state.json"), [&](const JsonPath& path, const std::string& value) {
        if (path.size() != 2 || path[0] != "cgroup_paths" || !value.ends_with(cgroup)) return;
        // Below /sys/fs/cgroup, or a hierarchy's directory there.
        string_view mount = value;
        mount.remove_suffix(cgroup.size());
        constexpr string_view kCgroups = "/sys/fs/cgroup";
        if (!mount.starts_with(kCgroups)) return;
        mount.remove_prefix(kCgroups.size());
        same |= mount.empty() || mount.rfind('/') == 0;
      });
      if (!whole || !same) continue;
      c.runtime = "runc";
      c.name = c.id;
      return true;
    }
    return false;
  }

  static constexpr const char* kDrivers[] = {"overlay", "vfs", "btrfs", "zfs"};
  const Disk& disk_;
  Places places_;
  std::vector<Tasks> tasks_;
  bool users_;
};

}  // namespace

bool Runtimes::describe(Container& c, const CgroupName& name, string_view path) const {
  const string_view user = user_of(path);
  const bool users = !user.empty() && user != "0";
  const Look look(disk_, users ? of_user(std::string(user), home_of(disk_, user)) : of_system(), users);
  if (name.id.empty()) return look.by_cgroup(c, path);
  // Inside a container, cgroups have whatever names it gives them.
  const string_view above = name.path.substr(0, name.path.rfind('/'));
  Container outer;
  return parse_cgroup(above).id.empty() && !look.by_cgroup(outer, above) && look.by_id(c, name);
}

}  // namespace needle
