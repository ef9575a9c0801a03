// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "credsnoop.h"
#include "tools.h"

#include "credsnoop.skel.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <thread>
#include <vector>

using namespace needle;
using Bpf = Skeleton<credsnoop_bpf>;

namespace needle {
namespace {

constexpr std::string_view kIds[] = {"uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid"};
constexpr int kUids[] = {CRED_UID, CRED_EUID, CRED_SUID, CRED_FSUID}, kGids[] = {CRED_GID, CRED_EGID, CRED_SGID, CRED_FSGID};
constexpr std::string_view kCapSets[] = {"inheritable", "permitted", "effective", "bounding", "ambient"};
constexpr Flag kSecureBits[] = {
    {1, "noroot"},     {2, "noroot_locked"},     {4, "no_setuid_fixup"},       {8, "setuid_fixup_locked"},
    {16, "keep_caps"}, {32, "keep_caps_locked"}, {64, "no_cap_ambient_raise"}, {128, "no_cap_ambient_raise_locked"}};

// All that there is a name for.
const std::uint64_t kAllCaps = (std::uint64_t{1} << (CAP_LAST_CAP + 1)) - 1;

std::string cap_name(unsigned bit) {
  Buffer name;
  put_caps(name, std::uint64_t{1} << bit);
  return bit <= CAP_LAST_CAP ? "cap_" + std::string(name) : std::string(name);
}

// As capabilities(7) names them in small letters; of most of them: which are not there.
std::string caps_text(std::uint64_t caps) {
  const bool most = std::popcount(caps & kAllCaps) > CAP_LAST_CAP / 2;
  if (most) caps = kAllCaps & ~caps;
  std::string text = !most ? "" : caps == 0 ? "all" : "all but ";
  for (bool first = true; caps != 0; caps &= caps - 1) {
    if (!first) text.push_back(',');
    first = false;
    text += cap_name(static_cast<unsigned>(std::countr_zero(caps)));
  }
  return text;
}

// The groups of `a` that are not in `b`: as far as both are known.
std::vector<__u32> beyond(const creds& a, const creds& b) {
  const auto end = [](const creds& c) { return c.groups + std::min<__u32>(c.group_count, CRED_GROUPS); };
  std::vector<__u32> more;
  std::copy_if(a.groups, end(a), std::back_inserter(more),
               [&](__u32 g) { return g != EV_NONE && std::find(b.groups, end(b), g) == end(b); });
  return more;
}

}  // namespace

// "uid,euid 1000>0; permitted,effective +cap_net_admin". In JSON an array of objects, each of which says what changed, and how.
template <> struct Format<cred_change> {
  static constexpr int width = 24;
  static constexpr int least = 12;
  static constexpr Align align = Align::left;

  // What changed in the same way is told at once.
  static void text(Buffer& out, const cred_change& c, Blanks blanks) {
    const creds &b = c.before, &a = c.after;
    std::vector<std::pair<std::string, std::string>> parts;  // how; of what
    const auto part = [&](std::string_view what, std::string how) {
      const auto same = std::ranges::find(parts, how, &std::pair<std::string, std::string>::first);
      if (same == parts.end()) parts.emplace_back(std::move(how), what);
      else (same->second += ',') += what;
    };
    const auto ids = [&](const int(&which)[4]) {
      const auto moved = [&](int i) { return std::to_string(b.w.ids[i]) + '>' + std::to_string(a.w.ids[i]); };
      for (const int i : which)  // the kernel lets the fs id follow the effective one: then it says nothing
        if (b.w.ids[i] != a.w.ids[i] && !(i == which[3] && moved(i) == moved(which[1]))) part(kIds[i], moved(i));
    };
    ids(kUids), ids(kGids);
    for (const std::pair<bool, char>& side : {std::pair{true, '+'}, {false, '-'}})
      for (const __u32 g : side.first ? beyond(a, b) : beyond(b, a)) part("groups", side.second + std::to_string(g));
    if (groups_moved(c) && beyond(a, b).empty() && beyond(b, a).empty())
      part("groups", std::to_string(b.group_count) + '>' + std::to_string(a.group_count));
    for (const int i : {CRED_PERMITTED, CRED_EFFECTIVE, CRED_INHERITABLE, CRED_BOUNDING, CRED_AMBIENT}) {
      const __u64 gained = a.w.caps[i] & ~b.w.caps[i], lost = b.w.caps[i] & ~a.w.caps[i];
      if (gained) part(kCapSets[i], '+' + caps_text(gained));
      if (lost) part(kCapSets[i], a.w.caps[i] == 0 && std::popcount(lost) > 1 ? "-all" : '-' + caps_text(lost));
    }
    if (b.w.securebits != a.w.securebits) part("securebits", bits_text(b.w.securebits) + '>' + bits_text(a.w.securebits));
    if (b.w.no_new_privs != a.w.no_new_privs)
      part("no_new_privs", std::to_string(b.w.no_new_privs) + '>' + std::to_string(a.w.no_new_privs));
    if (b.user_ns != a.user_ns) part("userns", std::to_string(b.user_ns) + '>' + ns_text(a.user_ns));
    std::string all;
    for (const auto& [how, what] : parts) ((((all += all.empty() ? "" : "; ") += what) += ' ') += how);
    put_text(out, parts.empty() ? "nothing" : all, blanks);  // a call that was refused may ask for what there is
  }

  static void json(Buffer& out, std::string_view key, const cred_change& c) {
    const creds &b = c.before, &a = c.after;
    put_key(out, key);
    out.push_back('[');
    bool first = true;
    const auto begin = [&](std::string_view what) {
      if (!first) out.push_back(',');
      first = false;
      ((out += "{\"what\":\"") += what) += '"';
    };
    const auto moved = [&](std::string_view what, std::uint64_t old, std::uint64_t now) {
      if (old == now) return;
      begin(what);
      out += ",\"old\":", put_decimal(out, old), out += ",\"new\":", put_decimal(out, now), out += '}';
    };
    const auto list = [&](std::string_view name, const auto& values, auto put) {
      ((out += ",\"") += name) += "\":[";
      for (bool one = true; const auto& v : values) {
        if (!one) out.push_back(',');
        one = false;
        put(v);
      }
      out.push_back(']');
    };
    for (int i = 0; i < CRED_IDS; i++) moved(kIds[i], b.w.ids[i], a.w.ids[i]);
    if (groups_moved(c)) {
      begin("groups");
      out += ",\"old\":", put_decimal(out, std::uint64_t{b.group_count});
      out += ",\"new\":", put_decimal(out, std::uint64_t{a.group_count});
      const auto put = [&](__u32 g) { put_decimal(out, std::uint64_t{g}); };
      list("gained_groups", beyond(a, b), put), list("lost_groups", beyond(b, a), put);
      out += '}';
    }
    for (int i = 0; i < CRED_CAPS; i++) {
      if (a.w.caps[i] == b.w.caps[i]) continue;
      begin(kCapSets[i]);
      const auto names = [](std::uint64_t caps) {
        std::vector<std::string> all;
        for (unsigned bit = 0; bit < 64; bit++)
          if (caps >> bit & 1) all.push_back(cap_name(bit));
        return all;
      };
      const auto put = [&](const std::string& n) { ((out += '"') += n) += '"'; };
      list("gained", names(a.w.caps[i] & ~b.w.caps[i]), put), list("lost", names(b.w.caps[i] & ~a.w.caps[i]), put);
      out += '}';
    }
    moved("securebits", b.w.securebits, a.w.securebits);
    moved("no_new_privs", b.w.no_new_privs, a.w.no_new_privs);
    if (a.user_ns != EV_UNKNOWN) moved("userns", b.user_ns, a.user_ns);
    out.push_back(']');
  }

 private:
  static bool groups_moved(const cred_change& c) {
    return c.before.group_count != c.after.group_count || !std::equal(c.before.groups, std::end(c.before.groups), c.after.groups);
  }
  static std::string ns_text(__u32 ns) { return ns == EV_UNKNOWN ? "?" : std::to_string(ns); }
  static std::string bits_text(__u32 bits) {
    Buffer text;
    put_flags(text, bits, kSecureBits);
    return bits == 0 ? "0" : text;
  }
};

}  // namespace needle

static constexpr auto columns =
    shown_last(header_columns<cred_event>, "via") + context_columns +
    std::array{
        hidden(column<&cred_event::file>("file", "the program that was executed, if that changed it")),
        hidden(column<&cred_event::gain>("gain", "whether it may do more than before")),
        column<&cred_event::err>("err", "error; - if there was none"),
        column<&cred_event::change>("change", "what changed, or was to change in a call that failed"),
    };

static constexpr Phrase what[] = {{"", named("via", columns)}, {": ", named("change", columns)}};

static constexpr Option options[] = {
    Bpf::flag<&Bpf::Constants::only_gains>("--escalation", "only what lets a thread do more, and what nothing explains"),
};

// A thread that changes nothing, by a call that is commit_creds()'s all the same, and ends.
static void set_same(Object&) {
  std::thread([] { syscall(SYS_setuid, getuid()); }).join();
}
static constexpr Trial trials[] = {{"commit", set_same}};

constexpr Tool needle::credsnoop = make_tool<credsnoop_bpf, cred_event>(
    "credsnoop", "cred", "Trace users, groups and capabilities of processes as they change.",
    "credsnoop\tall changes, and what was refused\n"
    "credsnoop --escalation -T\twho becomes root, or gains capabilities?\n"
        "credsnoop -x -u www-data\twhat this user was refused\n",
    columns, {what, false}, options, trials);
