// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is made of a record's context: cgroups become containers, ancestors a lineage.
#include "who/container_filter.h"
#include "who/context.h"
#include "harness.h"
#include "print/output.h"
#include "tool.h"

#include <cstring>
#include <random>
#include <sstream>

using namespace needle;
using harness::Json;

namespace {

// A record as the programs make it: an event without fields of its own, its context, strings.
struct Made {
  std::string bytes = std::string(sizeof(event_header) + sizeof(context), '\0');

  event_header& header() { return *reinterpret_cast<event_header*>(bytes.data()); }
  context& who() { return *reinterpret_cast<context*>(bytes.data() + sizeof(event_header)); }
  Made() { header().context = sizeof(event_header); }

  ev_str add(std::string_view s, __u32 mark = 0) {
    const ev_str str{static_cast<__u16>(bytes.size()), static_cast<__u16>(s.size()), mark};
    bytes += s;
    return str;
  }
  ev_str add(const std::vector<std::pair<unsigned, std::string>>& ancestors, __u32 mark = 0) {
    std::string all;
    for (const auto& [pid, comm] : ancestors) {
      ancestor a{};
      a.pid = pid;
      comm.copy(a.comm.s, sizeof a.comm.s);
      all.append(reinterpret_cast<const char*>(&a), sizeof a);
    }
    return add(all, mark);
  }
  Record record(const Container* container = nullptr) const {
    return {.bytes = std::as_bytes(std::span(bytes)), .container = container};
  }
};

const Column& column_named(std::string_view name) {
  for (const Column& c : context_columns)
    if (c.name == name) return c;
  FAIL("no column " << name);
  throw;
}

std::string text(const Made& m, std::string_view name, const Container* c = nullptr) {
  Buffer out;
  column_named(name).text(out, m.record(c), Blanks::escaped);
  return out;
}

Json json(const Made& m, std::string_view name, const Container* c = nullptr) {
  Buffer out = "{";
  column_named(name).json(out, "key", m.record(c));
  return Json::parse(out + "}");
}

// The record that tells of a cgroup, of which `missing` names are not told.
std::string told(ev_cgroups ids, const std::string& unified, const std::string& v1, unsigned missing = 0, Delegated owner = {}) {
  std::string bytes(sizeof(cgroups_record), '\0');
  cgroups_record r{};
  r.h.kind = KIND_CGROUPS;
  r.cgroups = ids;
  const auto add = [&](cgroup_names& names, const std::string& path) {
    std::string words;
    std::istringstream in(path);
    for (std::string name; std::getline(in, name, '/');)
      if (!name.empty()) words += name + '\0';
    names = {{static_cast<__u16>(bytes.size()), static_cast<__u16>(words.size()), missing},
             ev_uid{owner.uid},
             static_cast<__u32>(owner.level)};
    bytes += words;
  };
  add(r.unified, unified);
  add(r.v1, v1);
  std::memcpy(bytes.data(), &r, sizeof r);
  return bytes;
}

void learn(Cgroups& cgroups, ev_cgroups ids, const std::string& unified, const std::string& v1 = {}, unsigned missing = 0,
           Delegated owner = {}) {
  const std::string bytes = told(ids, unified, v1, missing, owner);
  cgroups.learn({std::as_bytes(std::span(bytes))});
}

std::string id_of(Cgroups& cgroups, ev_cgroups ids) {
  const Container* c = cgroups.container(ids);
  return !c ? "none" : c == &unknown_container() ? "unknown" : c == &buried_container() ? "buried" : c->id;
}

const std::string kId(64, 'a'), kOther(64, 'b');

}  // namespace

TEST_CASE("cgroups: the container of a path, of v1 before v2") {
  Cgroups cgroups;
  CHECK(id_of(cgroups, {1, 0}) == "unknown");
  learn(cgroups, {1, 0}, "/");
  learn(cgroups, {2, 0}, "/system.slice/ssh.service");
  learn(cgroups, {3, 0}, "/system.slice/docker-" + kId + ".scope");
  learn(cgroups, {1, 3}, "/", "/docker/" + kOther);
  learn(cgroups, {3, 3}, "/system.slice/docker-" + kId + ".scope", "/docker/" + kOther);
  learn(cgroups, {3, 4}, "/system.slice/docker-" + kId + ".scope", "/user.slice");
  CHECK(id_of(cgroups, {1, 0}) == "none");
  CHECK(id_of(cgroups, {2, 0}) == "none");
  CHECK(id_of(cgroups, {3, 0}) == kId);
  CHECK(id_of(cgroups, {1, 3}) == kOther);
  CHECK(id_of(cgroups, {3, 3}) == kOther);
  CHECK(id_of(cgroups, {3, 4}) == kId);
  CHECK(id_of(cgroups, {4, 0}) == "unknown");
}

TEST_CASE("cgroups: what is too deep to be told is not known, but for what lies above") {
  Cgroups cgroups;
  learn(cgroups, {1, 0}, "/a/b/c", {}, 7);
  learn(cgroups, {2, 0}, "/docker/" + kId + "/b/c", {}, 7);
  learn(cgroups, {3, 1}, "/a", "/docker/" + kId, 7);
  learn(cgroups, {4, 1}, "/a", "", 7);
  CHECK(id_of(cgroups, {1, 0}) == "buried");
  CHECK(id_of(cgroups, {2, 0}) == kId);
  CHECK(id_of(cgroups, {3, 1}) == kId);
  CHECK(id_of(cgroups, {4, 1}) == "buried");
  CHECK(text(Made(), "container", &buried_container()) == "?");
}

TEST_CASE("cgroups: names that a user may have given are claims, and so are those in a container") {
  Cgroups cgroups;
  const std::string docker = "/docker-" + kId + ".scope", inner = "/docker/" + kOther;
  learn(cgroups, {1, 0}, docker + inner);
  learn(cgroups, {2, 0}, "/x" + docker, {}, 0, {1000, 1});
  learn(cgroups, {3, 0}, "/x" + docker, {}, 0, {1000, 2});
  learn(cgroups, {4, 0}, "/user.slice/user-1000.slice/user@1000.service" + docker);
  learn(cgroups, {5, 0}, "/user.slice/user-0.slice/session-1.scope" + docker);
  learn(cgroups, {6, 0}, "/lxc/web");
  learn(cgroups, {7, 7}, "/lxc/web", inner);
  const auto told_of = [&](__u64 n, __u64 v1 = 0) {
    const Container* c = cgroups.container({n, v1});
    REQUIRE(c);
    std::string all = c->id + (c->claimed ? " claimed" : "");
    for (const std::string& id : cgroups.claims({n, v1})) all += " " + id;
    return all;
  };
  CHECK(told_of(1) == kId + " " + kId + " " + kOther);
  CHECK(told_of(2) == kId + " claimed " + kId);
  CHECK(told_of(3) == kId + " " + kId);  // it is the user's, but another has named it
  CHECK(told_of(4) == kId + " claimed " + kId);
  CHECK(told_of(5) == kId + " " + kId);
  CHECK(told_of(6) == "web claimed web");
  CHECK(told_of(7, 7) == kOther + " " + kOther + " web");
}

TEST_CASE("filters by container: what is not known, or claimed, can only be wanted") {
  using Verdict = ContainerFilter::Verdict;
  Container known;
  known.id = kId, known.name = "web", known.described = true;
  Container nameless;
  nameless.id = kOther;
  Container claimed = nameless;
  claimed.claimed = true;
  const std::vector<std::string> none, inner{kId, "victim", kOther};
  const ContainerFilter any, host{{}, {}, true}, web{{"web"}, {}, false}, not_web{{}, {"web", kOther, "victim"}, false},
      other{{kOther.substr(0, 12)}, {}, false};
  for (const ContainerFilter* f : {&any, &host, &web, &not_web, &other})
    for (const Container* c : std::initializer_list<const Container*>{&claimed, &buried_container()})
      CHECK(f->of(c, none) == Verdict::wanted);
  CHECK(host.of(nullptr, none) == Verdict::wanted);
  CHECK(web.of(nullptr, none) == Verdict::unwanted);
  CHECK(host.of(&known, inner) == Verdict::unwanted);
  CHECK(host.of(&nameless, none) == Verdict::unwanted);
  CHECK(web.of(&known, inner) == Verdict::wanted);
  CHECK(web.of(&nameless, none) == Verdict::not_yet);
  CHECK(not_web.of(&known, inner) == Verdict::unwanted);
  CHECK(not_web.of(&nameless, none) == Verdict::unwanted);  // by its id
  Container db = known;
  db.name = "db";
  CHECK(not_web.of(&db, inner) == Verdict::wanted);  // whatever it has inside
  CHECK(web.of(&db, none) == Verdict::unwanted);
  CHECK(other.of(&db, none) == Verdict::unwanted);
  CHECK(other.of(&db, inner) == Verdict::wanted);
}

TEST_CASE("cgroups: however many there are, those in use are remembered") {
  Cgroups cgroups;
  learn(cgroups, {1, 0}, "/docker/" + kId);
  learn(cgroups, {2, 0}, "/docker/" + kOther);
  for (__u64 i = 3; i < 100'000; i++) {
    learn(cgroups, {i, 0}, "/a");
    if (i % 4096 == 0) CHECK(id_of(cgroups, {1, 0}) == kId);  // what the kernel remembers
  }
  CHECK(id_of(cgroups, {1, 0}) == kId);
  CHECK(id_of(cgroups, {2, 0}) == "unknown");
}

TEST_CASE("cgroups: records that are cut or lie are harmless") {
  Cgroups cgroups;
  const std::string whole = told({7, 0}, "/docker/" + kId, "");
  for (std::size_t n = 0; n < whole.size(); n++) {
    const std::string bytes = whole.substr(0, n);
    cgroups.learn({std::as_bytes(std::span(bytes))});
  }
  CHECK(id_of(cgroups, {7, 0}) == "none");
}

TEST_CASE("container columns: none, unknown, short in text, whole in JSON, hostile names") {
  const Made m;
  Container c;
  c.id = kId;
  c.runtime = "docker";
  c.name = "a \x1b[31m\n\xff";
  CHECK(text(m, "container") == "-");
  CHECK(json(m, "container") == Json{{"key", nullptr}});
  CHECK(text(m, "container", &unknown_container()) == "?");
  CHECK(json(m, "container", &unknown_container()) == Json{{"key", nullptr}});
  CHECK(text(m, "container", &c) == kId.substr(0, 12));
  CHECK(json(m, "container", &c) == Json{{"key", kId}});
  CHECK(text(m, "runtime", &c) == "docker");
  CHECK(text(m, "container_name", &c) == "a\\x20\\x1b[31m\\n\\xff");
  CHECK(json(m, "container_name", &c)["key_hex"] == "61201b5b33316d0aff");
  CHECK(text(m, "pod", &c) == "?");  // nothing has told of it
  CHECK(json(m, "pod", &c) == Json{{"key", nullptr}});
  c.described = true;
  CHECK(text(m, "pod", &c) == "-");
  CHECK(json(m, "pod", &c) == Json{{"key", nullptr}});
}

TEST_CASE("lineage: from the first ancestor to the process, and no name can forge it") {
  Made m;
  m.header().pid = ev_pid{9};
  m.header().comm = {"c > d"};
  CHECK(text(m, "lineage") == "c\\x20\\x3e\\x20d");
  CHECK(json(m, "lineage") == Json{{"key", {{{"pid", 9}, {"comm", "c > d"}}}}});
  const ev_str ancestors = m.add({{5, "b\xff"}, {1, "init"}});
  m.who().lineage.s = ancestors;
  CHECK(text(m, "lineage") == "init>b\\xff>c\\x20\\x3e\\x20d");
  CHECK(json(m, "lineage") == Json{{"key",
                                    {{{"pid", 1}, {"comm", "init"}},
                                     {{"pid", 5}, {"comm", "b\xef\xbf\xbd"}, {"comm_hex", "62ff"}},
                                     {{"pid", 9}, {"comm", "c > d"}}}}});
  m.who().lineage.s.mark = EV_STR_DEEP;
  CHECK(text(m, "lineage") == "\\...>init>b\\xff>c\\x20\\x3e\\x20d");
  CHECK(json(m, "lineage")["key_cut"] == true);
  m.who().lineage.s = {0, 0, 64};  // there was no room
  CHECK(text(m, "lineage") == "?");
  CHECK(json(m, "lineage") == Json{{"key", nullptr}});
}

TEST_CASE("terminals, paths that were removed, users") {
  Made m;
  CHECK(text(m, "tty") == "-");
  CHECK(json(m, "tty") == Json{{"key", nullptr}});
  m.who().tty.name = m.add("pts17");
  CHECK(text(m, "tty") == "pts/17");
  m.who().tty.name = m.add("ttyS0");
  CHECK(json(m, "tty") == Json{{"key", "ttyS0"}});
  m.who().exe = m.add("/bin/a b", EV_STR_DELETED);
  CHECK(text(m, "exe") == "\\deleted:/bin/a\\x20b");
  CHECK(json(m, "exe") == Json{{"key", "/bin/a b"}, {"key_deleted", true}});
  m.header().uid = ev_uid{0};
  CHECK(text(m, "user") == "root");
  m.header().uid = ev_uid{3'999'999'999u};
  CHECK(text(m, "user") == "-");
  CHECK(json(m, "user") == Json{{"key", nullptr}});
}

TEST_CASE("a context that is not there, or not where the record says, is not known") {
  Made m;
  m.who().nspid = ev_pid{7};
  CHECK(text(m, "nspid") == "7");
  for (unsigned at = 0; at <= 0xFFFF; at++) {
    m.header().context = static_cast<__u16>(at);
    const bool fits = at >= sizeof(event_header) && at % 8 == 0 && at + sizeof(context) <= m.bytes.size();
    if ((m.record().who() != nullptr) != fits) FAIL("at " << at);
  }
  m.header().context = 0;
  for (const char* name :
       {"nspid", "session", "login_uid", "audit_session", "lineage", "exe", "pexe", "cwd", "tty", "args", "preload", "sha256"}) {
    CHECK(text(m, name) == "?");
    CHECK(json(m, name)["key"].is_null());
  }
  for (const Column& c : context_columns) {
    const std::string word = text(m, c.name);
    CHECK(!word.empty());
    CHECK(word.find(' ') == std::string::npos);
  }
}

TEST_CASE("JSON: what was printed of a context is used again only where nothing differs") {
  Columns all;
  for (const Column& c : context_columns) all.push_back(&c);
  const auto print = [](Output& output, const Record& r) {
    Buffer out;
    output.event(out, r);
    return out;
  };
  const auto old = make_json(all);
  std::mt19937 rng(3);
  const auto one_of = [&rng](unsigned n) { return static_cast<unsigned>(rng() % n); };
  const std::string words[] = {"", "a", "b\n", "bb"};
  Container container;
  for (int i = 0; i < 20000; i++) {
    Made m;
    const std::size_t at = sizeof(event_header) + 8 * one_of(4);  // behind what the event has
    m.bytes.resize(at + sizeof(context));
    context who{};
    who.strings = static_cast<__u32>(m.bytes.size());
    for (ev_str* s : {&who.exe, &who.pexe, &who.cwd, &who.tty.name}) *s = m.add(words[one_of(4)], one_of(2));
    who.args.s = m.add(words[one_of(4)]);
    who.lineage.s = m.add({{one_of(2) + 1, words[one_of(4)]}});
    who.len = static_cast<__u32>(m.bytes.size()) - who.strings - (one_of(8) == 0);  // some lie
    who.nspid = ev_pid{one_of(2)};
    std::memcpy(&m.bytes[at], &who, sizeof who);
    m.header().context = static_cast<__u16>(at);
    m.header().pid = ev_pid{one_of(2)};
    m.header().start = ev_start{one_of(2) * 1'000'000'000ull};
    words[one_of(4)].copy(m.header().comm.s, 15);
    container.id = words[one_of(4)];
    Record r = m.record(one_of(2) ? &container : nullptr);
    r.sha256 = words[one_of(4)];
    REQUIRE(print(*old, r) == print(*make_json(all), r));
  }
}
