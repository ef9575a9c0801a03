// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "who/runtimes.h"

#include "who/json.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <optional>
#include <set>
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

Places of_user(unsigned uid, const std::string& home) {
  const std::string run = "/run/user/" + std::to_string(uid);
  return {{{run, "docker/containerd/daemon", true}, {run, "containerd", true}},
          {{home, ".local/share/docker", true}},
          {{run, "containers", true}, {home, ".local/share/containers/storage", true}},
          {{home, ".local/share/lxc", true}},
          {},
          {{run, "runc", true}}};
}

// /user.slice/user-UID.slice/...: the user's own cgroups. 0: it is none, or root's.
unsigned user_of(string_view path) {
  constexpr string_view kBegin = "/user.slice/user-", kEnd = ".slice/";
  if (!path.starts_with(kBegin)) return 0;
  path.remove_prefix(kBegin.size());
  unsigned uid = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), uid);
  path.remove_prefix(static_cast<std::size_t>(end - path.data()));
  return error == std::errc{} && path.starts_with(kEnd) ? uid : 0;
}

bool is(const JsonPath& path, std::initializer_list<string_view> keys) {
  return std::equal(path.begin(), path.end(), keys.begin(), keys.end());
}

// A name longer than any runtime gives is none.
void set(std::string& field, const std::string& value) {
  if (value.size() <= 1024) field = value;
}

// What can be read of /etc/passwd. No NSS: it may ask a daemon.
std::unordered_map<unsigned, std::string> homes_in(const std::string& passwd) {
  std::unordered_map<unsigned, std::string> homes;
  std::istringstream lines(passwd);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> fields;
    std::istringstream in(line);
    for (std::string field; std::getline(in, field, ':');) fields.push_back(field);
    unsigned uid = 0;
    if (fields.size() > 5 && std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), uid).ec == std::errc{})
      homes.emplace(uid, fields[5]);  // of two lines the first
  }
  return homes;
}

// The value of one of these options: `--option value`, `--option=value`. Empty: it is not there.
std::string option_in(const std::vector<std::string>& words, std::initializer_list<string_view> names) {
  for (std::size_t i = 0; i < words.size(); i++)
    for (const string_view name : names) {
      if (words[i] == name && i + 1 < words.size()) return words[i + 1];
      if (words[i].starts_with(name) && words[i].substr(name.size()).starts_with('=')) return words[i].substr(name.size() + 1);
    }
  return {};
}

// By a configuration of dockerd.
std::string data_root_in(const std::string& config) {
  std::string root;
  for_each_json_string(config, [&](const JsonPath& path, const std::string& value) {
    if (is(path, {"data-root"}) || is(path, {"graph"})) root = value;
  });
  return root;
}

// By /proc/PID/cgroup, whose lines are such as "4:memory:/docker/ID": the outermost ones.
std::set<std::string> containers_in(const std::string& cgroups) {
  std::set<std::string> ids;
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);)
    if (const auto path = line.find(":/"); path != line.npos)
      if (const CgroupName name = parse_cgroup(string_view(line).substr(path + 1)); !name.id.empty()) ids.emplace(name.id);
  return ids;
}

// ROOT/containers/ID/...: the root, whose container's ever it is.
std::string docker_root_in(string_view file) {
  constexpr string_view kContainers = "/containers/";
  constexpr std::size_t kId = 64;
  for (auto at = file.rfind(kContainers); at != file.npos && at > 0; at = file.rfind(kContainers, at - 1)) {
    const string_view id = file.substr(at + kContainers.size());
    if (id.find('/') == kId && id.find_first_not_of("0123456789abcdef") == kId) return std::string(file.substr(0, at));
  }
  return {};
}

}  // namespace

// Looks at the disk for the containers of one path, in the places of one owner.
class Look {
 public:
  Look(Runtimes& runtimes, unsigned owner)
      : runtimes_(runtimes),
        disk_(runtimes.disk_),
        owner_(owner),
        places_(owner ? of_user(owner, runtimes.home_of(owner)) : of_system()) {}

  // Of what was read last: if something was found, what told it.
  const Source& source() const { return source_; }

  // By what the path says.
  bool by_id(Container& c, const CgroupName& name) {
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
  bool by_cgroup(Container& c, string_view path) {
    c = {};
    c.id = path.substr(path.rfind('/') + 1);
    return !c.id.empty() && c.id != "." && c.id != ".." && (runc(c, path) || ctr(c, path));
  }

 private:
  struct Tasks {  // a namespace of containerd's
    Place place;
    std::string path, ns;
  };
  struct Bundle {
    std::string ns, config;
  };

  std::string read(const Place& place, const std::string& path) {
    source_ = {place, path, {}};
    return disk_.read(place, path, &source_.id);
  }

  const std::vector<Tasks>& tasks() {
    if (!std::exchange(listed_, true))
      for (const Place& place : places_.containerd)
        for (const char* tasks : {"io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux"})
          for (std::string& ns : disk_.directories(place, tasks))
            tasks_.push_back({place, tasks + ("/" + ns + "/"), std::move(ns)});
    return tasks_;
  }

  // containerd's directory of the container, in whatever namespace of its.
  std::optional<Bundle> bundle(const std::string& id) {
    for (const Tasks& t : tasks())
      if (std::string config = read(t.place, t.path + id + "/config.json"); !config.empty())
        return Bundle{t.ns, std::move(config)};
    return {};
  }

  bool containerd(Container& c) {
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

  bool ctr(Container& c, string_view cgroup) {
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
  bool docker(Container& c, std::string config = {}) {
    std::vector<Place> roots = places_.docker;
    if (!owner_) {
      if (config.empty())
        if (auto found = bundle(c.id); found && found->ns == "moby") config = std::move(found->config);
      // It mounts files of the container's directory, wherever that is, or of that whose network it shares.
      std::map<std::string, std::pair<std::string, std::string>> mounts;
      for_each_json_string(config, [&](const JsonPath& path, const std::string& value) {
        if (path.size() != 3 || path[0] != "mounts") return;
        if (path[2] == "destination") mounts[path[1]].first = value;
        if (path[2] == "source") mounts[path[1]].second = value;
      });
      for (const auto& [number, mount] : mounts)  // other mounts are what the container's user wants
        for (const char* destination : {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/dev/shm"})
          if (mount.first == destination)
            if (std::string root = docker_root_in(mount.second); !root.empty())
              roots.insert(roots.begin(), {std::move(root), ""});
      const std::string root = data_root_in(disk_.read({"/etc/docker", ""}, "daemon.json"));
      if (!root.empty()) roots.push_back({root, ""});
      if (docker_in(c, roots)) return true;
      roots = runtimes_.docker_roots();
    }
    return docker_in(c, roots);
  }

  bool docker_in(Container& c, const std::vector<Place>& roots) {
    for (const Place& root : roots) {
      const std::string text = read(root, "containers/" + c.id + "/config.v2.json");
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

  bool crio(Container& c) {
    for (const Place& place : places_.storage)
      for (const char* driver : kDrivers) {
        Container next = c;
        const bool whole = for_each_json_string(read(place, driver + ("-containers/" + c.id) + "/userdata/config.json"),
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

  bool podman(Container& c) {
    for (const Place& place : places_.storage)
      for (const char* driver : kDrivers)
        for (const char* file : {"-containers/containers.json", "-containers/volatile-containers.json"}) {  // with --rm
          source_ = {place, std::string(driver) + file, {}};
          const Runtimes::Stored* found = runtimes_.stored(owner_, place, source_.path, c.id, source_.id);
          if (!found) continue;
          c.name = found->name;
          c.image.clear();
          for_each_json_string(found->metadata, [&](const JsonPath& key, const std::string& image) {
            if (is(key, {"image-name"})) set(c.image, image);
          });
          return true;
        }
    return false;
  }

  bool has(const Place& place, const std::string& path) {
    source_ = {place, path, disk_.identify(place, path)};
    return source_.id.inode != 0;
  }

  bool lxc(Container& c) {
    for (const Place& place : places_.lxc)
      if (has(place, c.id + "/config")) {
        c.name = c.id;
        return true;
      }
    for (const Place& place : places_.lxd)
      if (has(place, c.id + "/lxc.conf")) {  // PROJECT_NAME, or NAME, in which there is no _
        c.name = c.id.substr(c.id.rfind('_') + 1);
        return true;
      }
    return false;
  }

  bool runc(Container& c, string_view cgroup) {
    for (const Place& place : places_.runc) {
      bool same = false;
      const bool whole =
          for_each_json_string(read(place, c.id + "/state.json"), [&](const JsonPath& path, const std::string& value) {
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
  Runtimes& runtimes_;
  const Disk& disk_;
  unsigned owner_;
  Places places_;
  bool listed_ = false;
  std::vector<Tasks> tasks_;
  Source source_;
};

const std::string& Runtimes::home_of(unsigned uid) {
  static const std::string none;
  const Place etc{"/etc", ""};
  if (const FileId id = disk_.identify(etc, "passwd"); id != passwd_) {
    homes_ = homes_in(disk_.read(etc, "passwd"));
    passwd_ = id;
  }
  const auto found = homes_.find(uid);
  return found == homes_.end() ? none : found->second;
}

const Runtimes::Stored* Runtimes::stored(unsigned owner, const Place& place, const std::string& path, const std::string& id,
                                         FileId& file) {
  constexpr std::size_t kMost = 32, kMostOfOne = 4;  // a file takes a few MiB at most
  file = disk_.identify(place, path);
  if (file.inode == 0) return nullptr;
  const std::string key = place.base + '\n' + place.below + '\n' + path;
  const auto older = [](const auto& a, const auto& b) { return a.second.used < b.second.used; };
  auto known = storages_.find(key);
  if (known == storages_.end()) {
    const auto of_owner = [&](const auto& s) { return s.second.owner == owner; };
    if (std::ranges::count_if(storages_, of_owner) >= std::ptrdiff_t{kMostOfOne}) {
      auto oldest = storages_.end();
      for (auto i = storages_.begin(); i != storages_.end(); ++i)
        if (of_owner(*i) && (oldest == storages_.end() || older(*i, *oldest))) oldest = i;
      storages_.erase(oldest);
    } else if (storages_.size() >= kMost) {
      storages_.erase(std::min_element(storages_.begin(), storages_.end(), older));
    }
    known = storages_.emplace(key, Storage{owner, {}, {}, 0}).first;
  }
  Storage& s = known->second;
  s.used = ++uses_;
  if (file != s.id) {
    s.containers.clear();
    std::string element, of_element;
    Stored next;
    const auto keep = [&] {
      if (!of_element.empty()) s.containers.emplace(std::move(of_element), std::move(next));  // of two with an id the first
      of_element.clear();
      next = {};
    };
    const bool whole = for_each_json_string(disk_.read(place, path, &s.id), [&](const JsonPath& at, const std::string& value) {
      if (at[0] != element) keep(), element = at[0];
      if (at.size() == 2 && at[1] == "id") of_element = value;
      if (at.size() == 3 && at[1] == "names" && at[2] == "0")
        set(next.name, value);  // also after a rename; in the metadata is the old one
      if (at.size() == 2 && at[1] == "metadata") next.metadata = value;
    });
    keep();
    if (!whole) s.containers.clear();
    file = s.id;
  }
  const auto found = s.containers.find(id);
  return found == s.containers.end() ? nullptr : &found->second;
}

const std::vector<Place>& Runtimes::docker_roots() {
  constexpr auto kSeldom = std::chrono::seconds(10);
  constexpr std::size_t kProcesses = 1 << 16;
  const auto now = std::chrono::steady_clock::now();
  if (now - daemons_looked_ < kSeldom) return docker_roots_;
  daemons_looked_ = now;
  docker_roots_.clear();
  const Place proc{"/proc", ""};
  for (const std::string& pid : disk_.directories(proc, ".", kProcesses)) {
    if (pid[0] < '0' || pid[0] > '9' || disk_.read(proc, pid + "/comm") != "dockerd\n") continue;
    // Anyone may have that name: it must be root's, and in no container, where other files are, but for the one that this is in.
    if (disk_.read(proc, pid + "/status").find("\nUid:\t0\t0\t") == std::string::npos) continue;
    if (containers_in(disk_.read(proc, pid + "/cgroup")) != containers_in(disk_.read(proc, "self/cgroup"))) continue;
    std::vector<std::string> words;
    std::istringstream in(disk_.read(proc, pid + "/cmdline"));
    for (std::string word; std::getline(in, word, '\0');) words.push_back(word);
    if (const std::string root = option_in(words, {"--data-root", "--graph", "-g"}); !root.empty())
      docker_roots_.push_back({root, ""});
    if (const std::string file = option_in(words, {"--config-file"}); !file.empty()) {
      const auto slash = file.rfind('/');
      if (slash == file.npos) continue;
      const std::string root = data_root_in(disk_.read({file.substr(0, slash + 1), ""}, file.substr(slash + 1)));
      if (!root.empty()) docker_roots_.push_back({root, ""});
    }
  }
  std::erase_if(docker_roots_, [](const Place& root) { return !root.base.starts_with('/'); });
  return docker_roots_;
}

unsigned owner_of(string_view path, std::size_t level, const Delegated& d) {
  if (const unsigned user = user_of(path); user != 0) return user;
  return level > d.level ? d.uid : 0;
}

std::optional<Description> Runtimes::describe(string_view path, const std::vector<CgroupName>& names, const Delegated& d) {
  std::optional<Look> look;
  unsigned owner = 0;
  std::optional<Description> found;
  std::size_t level = 0;
  for_each_prefix(path, [&](string_view cgroup) {
    const unsigned next = owner_of(path, ++level, d);
    if (!look || next != owner) look.emplace(*this, owner = next);
    Container c;
    bool known = false;
    if (!names.empty() && cgroup == names.front().path) {
      // Those below it, in a container, have whatever names that gives them.
      c.id = names.front().id, c.runtime = names.front().runtime, c.pod_uid = names.front().pod_uid;
      std::replace(c.pod_uid.begin(), c.pod_uid.end(), '_', '-');
      known = look->by_id(c, names.front());
    }
    if (known || look->by_cgroup(c, cgroup)) found = {std::move(c), std::string(cgroup), look->source()};
    return found.has_value();
  });
  return found;
}

}  // namespace needle
