// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace harness;

namespace {

constexpr uid_t kUser = 4242;

// What /proc says that a thread may do.
Json creds() {
  Json c;
  std::ifstream status("/proc/thread-self/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream in(line);
    std::string key, word;
    in >> key;
    Json words = Json::array();
    while (in >> word) words.push_back(word);
    for (const char* of : {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:"})
      if (key.starts_with(of)) c[key] = words;
  }
  char ns[64] = {};
  check(static_cast<int>(readlink("/proc/thread-self/ns/user", ns, sizeof ns - 1)), "readlink");
  c["userns"] = std::stoul(std::string(ns).substr(6));
  c["securebits"] = prctl(PR_GET_SECUREBITS);
  return c;
}

Json moved(const char* what, long from, long to) { return {{"what", what}, {"old", from}, {"new", to}}; }

constexpr const char* kCapNames[] = {"chown",
                                     "dac_override",
                                     "dac_read_search",
                                     "fowner",
                                     "fsetid",
                                     "kill",
                                     "setgid",
                                     "setuid",
                                     "setpcap",
                                     "linux_immutable",
                                     "net_bind_service",
                                     "net_broadcast",
                                     "net_admin",
                                     "net_raw",
                                     "ipc_lock",
                                     "ipc_owner",
                                     "sys_module",
                                     "sys_rawio",
                                     "sys_chroot",
                                     "sys_ptrace",
                                     "sys_pacct",
                                     "sys_admin",
                                     "sys_boot",
                                     "sys_nice",
                                     "sys_resource",
                                     "sys_time",
                                     "sys_tty_config",
                                     "mknod",
                                     "lease",
                                     "audit_write",
                                     "audit_control",
                                     "setfcap",
                                     "mac_override",
                                     "mac_admin",
                                     "syslog",
                                     "wake_alarm",
                                     "block_suspend",
                                     "audit_read",
                                     "perfmon",
                                     "bpf",
                                     "checkpoint_restore"};

Json cap_names(unsigned long caps) {
  Json names = Json::array();
  for (unsigned i = 0; i < std::size(kCapNames); i++)
    if (caps >> i & 1) names.push_back(std::string("cap_") + kCapNames[i]);
  return names;
}

// What the tool is to say of a change between the two.
Json change(const Json& before, const Json& after) {
  Json all = Json::array();
  const auto number = [](const Json& c, const char* key, std::size_t i, int base = 10) {
    return std::stoul(c[key].at(i).get<std::string>(), nullptr, base);
  };
  const char* names[2][4] = {{"uid", "euid", "suid", "fsuid"}, {"gid", "egid", "sgid", "fsgid"}};
  for (const std::size_t i : {0, 2, 1, 3})  // as the kernel has them
    for (int g = 0; g < 2; g++) {
      const char* key = g ? "Gid:" : "Uid:";
      if (number(before, key, i) != number(after, key, i))
        all.push_back(moved(names[g][i], static_cast<long>(number(before, key, i)), static_cast<long>(number(after, key, i))));
    }
  const auto groups = [](const Json& c) {
    std::vector<long> gids;
    for (const Json& g : c["Groups:"]) gids.push_back(std::stol(g.get<std::string>()));
    return gids;
  };
  const auto beyond = [](const std::vector<long>& a, const std::vector<long>& b) {
    Json more = Json::array();
    for (const long g : a)
      if (std::ranges::find(b, g) == b.end()) more.push_back(g);
    return more;
  };
  const auto old_groups = groups(before), new_groups = groups(after);
  if (old_groups != new_groups)
    all.push_back({{"what", "groups"},
                   {"old", old_groups.size()},
                   {"new", new_groups.size()},
                   {"gained_groups", beyond(new_groups, old_groups)},
                   {"lost_groups", beyond(old_groups, new_groups)}});
  const std::pair<const char*, const char*> sets[] = {{"inheritable", "CapInh:"},
                                                      {"permitted", "CapPrm:"},
                                                      {"effective", "CapEff:"},
                                                      {"bounding", "CapBnd:"},
                                                      {"ambient", "CapAmb:"}};
  for (const auto& [name, key] : sets) {
    const unsigned long b = number(before, key, 0, 16), a = number(after, key, 0, 16);
    if (a != b) all.push_back({{"what", name}, {"gained", cap_names(a & ~b)}, {"lost", cap_names(b & ~a)}});
  }
  if (before["securebits"] != after["securebits"])
    all.push_back({{"what", "securebits"}, {"old", before["securebits"]}, {"new", after["securebits"]}});
  if (before["NoNewPrivs:"] != after["NoNewPrivs:"]) all.push_back(moved("no_new_privs", 0, 1));
  if (before["userns"] != after["userns"])
    all.push_back({{"what", "userns"}, {"old", before["userns"]}, {"new", after["userns"]}});
  return all;
}

void become_user() {
  check(prctl(PR_SET_NAME, "a\tuser"), "PR_SET_NAME");
  const gid_t group = 5151;
  check(setgroups(1, &group), "setgroups");
  check(setresgid(kUser, kUser, kUser), "setresgid");
  check(setresuid(kUser, kUser, kUser), "setresuid");
}

struct CapData {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  CapData() { check(static_cast<int>(syscall(SYS_capget, &head, data)), "capget"); }
  long set() { return syscall(SYS_capset, &head, data); }
};

long call(long nr, long a = 0, long b = 0, long c = 0) { return syscall(nr, a, b, c); }

// Deeds of root, or of a user, each the last of a process; -1 with errno if it is refused.
struct Variant {
  const char* via;
  std::function<long()> deed;
  bool user = false;
  Json refused = {};  // what it asks for; null: it is done
};

std::vector<Variant> variants() {
  using Move = std::vector<Json>;
  const auto allow_all = [] {
    static sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    static sock_fprog program = {1, &allow};
    return &program;
  };
  std::vector<Variant> all{
      {"setuid", [] { return call(SYS_setuid, 4321); }},
      {"setgid", [] { return call(SYS_setgid, 4321); }},
      {"setreuid", [] { return call(SYS_setreuid, 4321, 4322); }},
      {"setregid", [] { return call(SYS_setregid, 4321, 4322); }},
      {"setresuid", [] { return call(SYS_setresuid, -1, 4322, 4323); }},
      {"setresgid", [] { return call(SYS_setresgid, 4321, -1, 4323); }},
      {"setfsuid", [] { return call(SYS_setfsuid, 4321) < 0; }},
      {"setfsgid", [] { return call(SYS_setfsgid, 4321) < 0; }},
      {"setgroups",
       [] {
         const gid_t groups[] = {1, 77, 4294967294};
         return static_cast<long>(setgroups(3, groups));
       }},
      {"capset",
       [] {
         CapData c;
         c.data[0].effective &= ~(1u << CAP_NET_RAW), c.data[0].inheritable |= 1u << CAP_CHOWN;
         c.data[1].permitted &= ~(1u << (CAP_BPF & 31)), c.data[1].effective &= c.data[1].permitted;
         return c.set();
       }},
      {"prctl", [] { return long{prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)}; }},
      {"prctl", [] { return long{prctl(PR_SET_SECUREBITS, SECBIT_NOROOT)}; }},
      {"prctl", [] { return long{prctl(PR_SET_KEEPCAPS, 1)}; }},
      {"prctl", [] { return long{prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)}; }, true},
      {"setresuid", [] { return call(SYS_setresuid, -1, 0, -1); }, true, Move{moved("euid", kUser, 0)}},
      {"setuid", [] { return call(SYS_setuid, 7); }, true, Move{moved("uid", kUser, 7)}},
      {"setregid", [] { return call(SYS_setregid, 0, 5); }, true, Move{moved("gid", kUser, 0), moved("egid", kUser, 5)}},
      {"setgroups", [] { return call(SYS_setgroups, 3, 0); }, true,
       Move{{{"what", "groups"}, {"old", 1}, {"new", 3}, {"gained_groups", Json::array()}, {"lost_groups", {5151}}}}},
      {"prctl", [] { return long{prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0)}; }, true,
       Move{{{"what", "ambient"}, {"gained", {"cap_net_admin"}}, {"lost", Json::array()}}}},
      {"capset",
       [] {
         CapData c;
         c.data[0].permitted = c.data[0].effective = 1u << CAP_SYS_ADMIN;
         return c.set();
       },
       true,
       Move{{{"what", "permitted"}, {"gained", {"cap_sys_admin"}}, {"lost", Json::array()}},
            {{"what", "effective"}, {"gained", {"cap_sys_admin"}}, {"lost", Json::array()}}}},
      // Done by one thread for all: the others' change has no call of theirs.
      {"seccomp",
       [allow_all] {
         std::atomic<long> done = -1;
         std::thread([&] {
           prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
           done = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, allow_all());
         }).join();
         return done.load();
       },
       true},
  };
  if (have_int80()) {
    all.push_back({"compat:setresuid", [] { return int80(208, 4321, -1, 4323); }});
    all.push_back({"compat:setuid16", [] { return int80(23, 4321); }});
    all.push_back({"compat:setregid16", [] { return int80(71, 0xffff, 4321); }});
    all.push_back({"compat:setreuid16",
                   [] {
                     const long ret = int80(70, 0xffff, 0);
                     errno = static_cast<int>(-ret);
                     return ret;
                   },
                   true, Move{moved("euid", kUser, 0)}});
  }
  return all;
}

Args command(Args args) {
  args.insert(args.begin(), tool_path("credsnoop"));
  return args;
}

// Many deeds, each in a process of its own, under one tracer of all changes.
std::vector<Traced> each(const std::string& tier, const std::vector<std::function<void(Json&)>>& deeds) {
  std::vector<std::unique_ptr<Actor>> actors;
  std::vector<Traced> traced(deeds.size());
  std::vector<pid_t> pids;
  std::string ids;
  for (const auto& deed : deeds) ids += (ids.empty() ? "" : ",") + actors.emplace_back(std::make_unique<Actor>(deed))->id();
  Tracer tracer(command({"-j", "--hook", tier, "-p", ids}));
  for (const auto& actor : actors) pids.push_back(actor->pid());
  for (std::size_t i = 0; i < deeds.size(); i++) traced[i].truth = actors[i]->act();
  tracer.stop();
  CHECK(tracer.lost() == 0);
  for (const Json& e : tracer.events())
    for (std::size_t i = 0; i < deeds.size(); i++)
      if (e["pid"] == pids[i]) traced[i].events.push_back(e);
  return traced;
}

// A program that ends at once, with rights of its own.
std::string program(const TempDir& dir, const char* name, mode_t mode) {
  std::string path = dir / name;
  std::filesystem::copy_file(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "helper_argv", path);
  check(chown(path.c_str(), 0, 0), "chown");
  check(chmod(path.c_str(), mode), "chmod");
  return path;
}

}  // namespace

TEST_CASE("each call that changes credentials, and each that is refused: what /proc says before and after") {
  const auto all = variants();
  for (const std::string& tier : tiers("credsnoop")) {
    std::vector<std::function<void(Json&)>> deeds;
    for (const Variant& v : all)
      deeds.emplace_back([&](Json& truth) {
        if (v.user) become_user();
        truth["before"] = creds();
        errno = 0;
        const long ret = v.deed();
        truth["errno"] = ret < 0 ? errno : 0;
        truth["after"] = creds();
      });
    const auto traced = each(tier, deeds);
    for (std::size_t i = 0; i < all.size(); i++) {
      const Variant& v = all[i];
      INFO(tier << ": " << v.via << ' ' << i << ' ' << traced[i].truth.dump());
      REQUIRE(!traced[i].events.empty());
      Json e;
      for (const Json& line : traced[i].events)
        if (line["tid"] == line["pid"]) e = line;  // the last of its first thread
      INFO(e.dump());
      CHECK(e["event"] == "cred");
      CHECK(e["via"] == v.via);
      CHECK(e["src"] == (v.refused.is_null() ? "kernel" : "user"));
      CHECK(e["errno"] == traced[i].truth["errno"]);
      CHECK((e["errno"] == 0) == v.refused.is_null());
      CHECK(e["change"] == (v.refused.is_null() ? change(traced[i].truth["before"], traced[i].truth["after"]) : v.refused));
      CHECK(e["file"].is_null());
      if (v.user) {
        CHECK(e["uid"] == kUser);
        CHECK(e["comm"] == "a\tuser");
      }
    }
  }
}

TEST_CASE("what changes nothing has no line: the same ids, questions, refused ones of other kinds") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    const auto events = each(tier, {[](Json&) {
                               const gid_t none[1] = {};
                               check(setgroups(0, none), "setgroups");
                               check(setgroups(0, none), "setgroups");
                               setresuid(0, 0, 0), setresgid(-1, 0, -1), setuid(0);
                               prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 3, 0, 0);
                               prctl(PR_SET_NAME, "other");
                               prctl(-1), syscall(SYS_unshare, -1), syscall(SYS_keyctl, 1, 0);
                               if (const pid_t pid = fork(); pid == 0) _exit(0);
                               else waitpid(pid, nullptr, 0);
                             }})[0]
                            .events;
    CHECK(events.size() <= 1);  // if root has groups
  }
}

TEST_CASE("programs with rights of their own: setuid, setgid, file capabilities, and --escalation has only these") {
  const TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const std::string suid = program(dir, "as root", 04755), sgid = program(dir, "as group", 02755),
                    caps = program(dir, "capable", 0755);
  const struct {
    std::uint32_t magic = 0x02000001, permitted = 1u << CAP_NET_RAW, inheritable = 0, more[2] = {};
  } file_caps;  // linux/capability.h: VFS_CAP_REVISION_2, effective
  check(setxattr(caps.c_str(), "security.capability", &file_caps, sizeof file_caps, 0), "setxattr");
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    Actor actor([&](Json&) {
      become_user();
      for (const std::string& path : {suid, sgid, caps}) {
        const pid_t pid = fork();
        if (pid == 0) {
          execl(path.c_str(), "x", nullptr);
          _exit(1);
        }
        waitpid(pid, nullptr, 0);
      }
    });
    Tracer tracer(command({"-j", "--hook", tier, "--escalation", "--tree", actor.id()}));
    actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 3);
    for (const Json& e : events) {
      CHECK(e["via"] == "execve");
      CHECK(e["gain"] == true);
      CHECK(e["uid"] == kUser);
      CHECK(e["errno"] == 0);
    }
    CHECK(events[0]["file"] == suid);
    CHECK(events[0]["comm"] == "as root");
    CHECK(events[0]["euid"] == 0);
    CHECK(events[0]["change"][0] == moved("suid", kUser, 0));
    CHECK(events[0]["change"][1] == moved("euid", kUser, 0));
    CHECK(events[0]["change"][2] == moved("fsuid", kUser, 0));
    CHECK(events[0]["change"].size() == 5);
    CHECK(events[1]["file"] == sgid);
    CHECK(events[1]["change"] == Json{moved("sgid", kUser, 0), moved("egid", kUser, 0), moved("fsgid", kUser, 0)});
    CHECK(events[2]["file"] == caps);
    const Json gained{"cap_net_raw"}, none = Json::array();
    CHECK(events[2]["change"] == Json{{{"what", "permitted"}, {"gained", gained}, {"lost", none}},
                                      {{"what", "effective"}, {"gained", gained}, {"lost", none}}});
  }
}

TEST_CASE("user namespaces: unshare, clone into a new one, setns, no gain, since the rights are for the new one only") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    Json truth;
    Actor actor([&](Json& t) {
      become_user();
      check(prctl(PR_SET_NAME, "spaces"), "PR_SET_NAME");
      prctl(PR_SET_DUMPABLE, 1);
      t["old"] = creds()["userns"];
      const long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
      check(static_cast<int>(pid), "clone");
      if (pid == 0) _exit(0);
      t["child"] = pid;
      waitpid(static_cast<pid_t>(pid), nullptr, 0);
      check(unshare(CLONE_NEWUSER), "unshare");
      t["new"] = creds()["userns"];
    });
    Tracer tracer(command({"-j", "--hook", tier, "-n", "spaces"}));
    const pid_t pid = actor.pid();
    truth = actor.act();
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 2);
    CHECK(events[0]["pid"] == truth["child"]);
    CHECK(events[0]["via"] == "clone");
    CHECK(events[1]["pid"] == pid);
    CHECK(events[1]["via"] == "unshare");
    for (const Json& e : events) {
      CHECK(e["gain"] == false);
      CHECK(e["uid"] == kUser);
      CHECK(e["change"].back()["what"] == "userns");
      CHECK(e["change"].back()["old"] == truth["old"]);
    }
    CHECK(events[1]["change"].back()["new"] == truth["new"]);
    CHECK(events[0]["change"].back()["new"] != truth["new"]);
  }
}

// Nobody here can write to the kernel's memory: so what the tool knows of a process is changed instead.
TEST_CASE("a change that no call explains is marked, and printed by --escalation whatever it is") {
  for (const std::string& tier : tiers("credsnoop")) {
    INFO(tier);
    constexpr unsigned kOdd = 771'000'123;
    int go[2], ready[2];
    check(pipe(go), "pipe"), check(pipe(ready), "pipe");
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_NAME, "a victim");
      char c = 0;
      if (syscall(SYS_setresuid, kOdd, kOdd, kOdd) != 0) _exit(1);
      if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1) _exit(1);
      for (;;) {
        if (write(ready[1], &c, 1) != 1 || read(go[0], &c, 1) != 1) _exit(1);
        if (c == 'q') _exit(0);
      }
    }
    char c = 'x';
    REQUIRE(read(ready[0], &c, 1) == 1);
    Tracer tracer(command({"-j", "--hook", tier, "--escalation", "-n", "a victim"}));
    REQUIRE(write(go[1], "x", 1) == 1);  // it becomes known
    REQUIRE(read(ready[0], &c, 1) == 1);
    unsigned changed = 0;
    for (const auto& f : std::filesystem::directory_iterator("/proc/" + std::to_string(tracer.pid()) + "/fdinfo")) {
      std::ifstream in(f.path());
      std::string key;
      unsigned id = 0;
      while (in >> key)
        if (key == "map_id:") in >> id;
      if (id == 0) continue;
      bpf_attr attr{};
      const auto bpf = [&](int cmd) { return static_cast<int>(syscall(SYS_bpf, cmd, &attr, sizeof attr)); };
      attr.map_id = id;
      const int fd = bpf(BPF_MAP_GET_FD_BY_ID);
      bpf_map_info info{};
      attr = {};
      attr.info.bpf_fd = static_cast<__u32>(fd), attr.info.info_len = sizeof info;
      attr.info.info = reinterpret_cast<__u64>(&info);
      if (bpf(BPF_OBJ_GET_INFO_BY_FD) == 0 && std::string_view(info.name) == "known") {
        std::vector<__u32> value(info.value_size / 4);
        __u64 at = 0;
        for (bool first = true;; first = false) {
          attr = {};
          attr.map_fd = static_cast<__u32>(fd), attr.key = first ? 0 : reinterpret_cast<__u64>(&at);
          __u64 next = 0;
          attr.next_key = reinterpret_cast<__u64>(&next);
          if (bpf(BPF_MAP_GET_NEXT_KEY) != 0) break;
          at = next;
          attr = {};
          attr.map_fd = static_cast<__u32>(fd), attr.key = reinterpret_cast<__u64>(&at);
          attr.value = reinterpret_cast<__u64>(value.data());
          if (bpf(BPF_MAP_LOOKUP_ELEM) != 0 || value[0] != kOdd) continue;
          value[4] = kOdd + 1;  // the effective one
          attr.flags = BPF_EXIST;
          if (bpf(BPF_MAP_UPDATE_ELEM) == 0) changed++;
        }
      }
      close(fd);
    }
    CHECK(changed == 1);
    // Another's change makes the tool look it up again.
    Actor other([](Json&) { check(static_cast<int>(syscall(SYS_setresuid, -1, kUser, -1)), "setresuid"); });
    other.act();
    REQUIRE(write(go[1], "q", 1) == 1);
    waitpid(pid, nullptr, 0);
    for (const int fd : {go[0], go[1], ready[0], ready[1]}) close(fd);
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == 1);
    CHECK(events[0]["pid"] == pid);
    CHECK(events[0]["via"] == "none");
    CHECK(events[0]["gain"] == false);
    CHECK(events[0]["change"] == Json{moved("euid", kOdd + 1, kOdd)});
  }
}

TEST_CASE("the table says what changed in the same way at once, -x has only what was refused") {
  Actor actor([](Json&) {
    check(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT), "PR_CAPBSET_DROP");
    check(setresgid(5, 5, 5), "setresgid");
    check(setresuid(kUser, 0, kUser), "setresuid");
    check(setresuid(kUser, kUser, kUser), "setresuid");
    setresuid(-1, 0, -1);
  });
  Tracer all(command({"--no-heading", "-o", "via,err,change", "-p", actor.id()})),
      failed(command({"--no-heading", "-x", "-o", "via,err,change", "-p", actor.id()}));
  actor.act();
  all.stop(), failed.stop();
  const auto lines = all.lines();
  INFO(all.out());
  REQUIRE(lines.size() == 5);
  const auto ends = [&](std::size_t i, const std::string& with) {
    std::string words = lines[i];
    words.erase(std::unique(words.begin(), words.end(), [](char a, char b) { return a == ' ' && b == ' '; }), words.end());
    INFO(words);
    CHECK(words.find(with) != std::string::npos);
  };
  ends(0, " bounding -cap_sys_boot");
  ends(1, " gid,egid,sgid 0>5");
  ends(2, " uid,suid 0>4242");
  ends(3, " euid 0>4242; permitted,effective -all");
  ends(4, "EPERM euid 4242>0");
  CHECK(failed.lines() == std::vector{lines[4]});
}
