// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "harness.h"

#include "deeds.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <system_error>

namespace harness {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int fds[2];
    check(pipe2(fds, O_CLOEXEC), "pipe2");
    read = fds[0], write = fds[1];
  }
};

void append_all(int fd, std::string& to) {
  char buffer[1 << 16];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) != 0;) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    to.append(buffer, static_cast<std::size_t>(n));
  }
  close(fd);
}

int exit_status(pid_t pid) {
  int s = 0;
  while (waitpid(pid, &s, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
}

pid_t spawn(const Args& argv, int in, int out, int err) {
  const pid_t pid = fork();
  if (pid != 0) return static_cast<pid_t>(check(pid, "fork"));
  if (in >= 0) dup2(in, 0);
  dup2(out, 1);
  dup2(err, 2);
  for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) signal(s, SIG_DFL);
  std::vector<char*> words;
  for (const std::string& a : argv) words.push_back(const_cast<char*>(a.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

}  // namespace

long check(long value, const char* what) {
  if (value < 0) throw std::system_error(errno, std::generic_category(), what);
  return value;
}

std::string tool_path(const std::string& tool) {
  if (const char* dir = std::getenv("NEEDLE_BIN")) return std::string(dir) + "/" + tool;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "bin" / tool;
}

Result run(const Args& argv, const std::string& input) {
  Result r;
  Pipe in, out, err;
  const pid_t pid = spawn(argv, in.read, out.write, err.write);
  close(in.read), close(out.write), close(err.write);
  std::thread reader([&] { append_all(err.read, r.err); });
  for (std::size_t at = 0; at < input.size();) {
    const ssize_t n = write(in.write, input.data() + at, input.size() - at);
    if (n <= 0) break;
    at += static_cast<std::size_t>(n);
  }
  close(in.write);
  append_all(out.read, r.out);
  reader.join();
  r.status = exit_status(pid);
  drop_disturbed(r.err), drop_disturbed(r.out);
  take_whole(r.err, r.whole), take_whole(r.out, r.whole);
  return r;
}

Args command_of(const std::string& tool, Args args) {
  const Args options = tool == "needle" ? Args{} : deed_of(tool).options;
  args.insert(args.begin(), options.begin(), options.end());
  args.insert(args.begin(), tool_path(tool));
  return args;
}

std::string shell_command_of(const std::string& tool) {
  std::string command;
  for (const std::string& word : command_of(tool, {})) command += "'" + word + "' ";
  return command;
}

Result run_tool(const std::string& tool, const Args& args) { return run(command_of(tool, args)); }

Tracer::Tracer(const std::string& tool, Args args) : Tracer(command_of(tool, std::move(args))) {}

Tracer::Tracer(const Args& command) {
  Pipe out, err;
  pid_ = spawn(command, -1, out.write, err.write);
  close(out.write), close(err.write);
  out_reader_ = std::thread([this, fd = out.read] { append_all(fd, out_); });
  char c;
  while (err_.find(": tracing") == err_.npos) {
    if (read(err.read, &c, 1) <= 0) {
      close(err.read);
      wait();
      FAIL(command[0] << " did not start to trace: " << err_);
    }
    err_.push_back(c);
  }
  err_reader_ = std::thread([this, fd = err.read] { append_all(fd, err_); });
}

Tracer::~Tracer() {
  if (pid_ > 0) stop(SIGKILL);
}

void Tracer::stop(int signal) {
  if (pid_ > 0) kill(pid_, signal);
  wait();
}

void Tracer::wait() {
  if (pid_ <= 0) return;
  status_ = exit_status(pid_);
  pid_ = -1;
  if (out_reader_.joinable()) out_reader_.join();
  if (err_reader_.joinable()) err_reader_.join();
  disturbed_ = drop_disturbed(err_);
  drop_disturbed(out_);
  take_whole(err_, whole_), take_whole(out_, whole_);
  UNSCOPED_INFO("the kernel skipped " << disturbed_.skipped << " runs, others came or went " << disturbed_.replaced << " times");
}

// Line by line, and only those: std::regex takes stack for each character.
Disturbed drop_disturbed(std::string& text) {
  static const std::regex skipped(R"((?:the kernel |"event":")skipped(?: |"[^\n]*"skipped":)([0-9]+))"),
      replaced(R"((?:same functions |"event":"replaced"[^\n]*"replaced":)([0-9]+))");
  Disturbed sum;
  std::string rest;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!in.eof()) line += '\n';
    std::smatch m;
    const auto begins = [&line](const char* message, const char* event) {
      return line.find(message) != line.npos || line.starts_with(std::string("{\"event\":\"") + event + '"');
    };
    if (begins(": the kernel skipped ", "skipped") && std::regex_search(line, m, skipped)) sum.skipped += std::stoull(m[1]);
    else if (begins(": other tracers came or went ", "replaced") && std::regex_search(line, m, replaced))
      sum.replaced += std::stoull(m[1]);
    else rest += line;
  }
  text = rest;
  return sum;
}

void take_whole(std::string& text, Whole& whole) {
  std::string rest;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!in.eof()) line += '\n';
    if (line.starts_with("{\"event\":\"start\",")) whole.start = Json::parse(line);
    else if (line.starts_with("{\"event\":\"end\",")) whole.end = Json::parse(line);
    else if (line.ends_with(" shown, 0 lost\n") || line.find(" shown, 0 lost: ") != line.npos) whole.sum = line;
    else rest += line;
  }
  text = rest;
}

std::vector<std::string> Tracer::lines() const {
  std::vector<std::string> all;
  std::istringstream in(out_);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  if (!all.empty() && all.front().find("PID") != std::string::npos) all.erase(all.begin());
  return all;
}

std::vector<Json> Tracer::events() const {
  std::vector<Json> all;
  std::istringstream in(out_);
  for (std::string line; std::getline(in, line);) {
    Json j = Json::parse(line, nullptr, false);
    if (j.is_discarded()) FAIL("not JSON: " << line);
    if (!j.contains("lost")) all.push_back(std::move(j));
  }
  return all;
}

unsigned long long Tracer::lost() const {
  unsigned long long sum = 0;
  std::istringstream in(out_);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("{\"event\":\"lost\",")) sum += Json::parse(line)["lost"].get<unsigned long long>();
  return sum;
}

void check_all_told(const Tracer& tracer, unsigned long long done) {
  const unsigned long long told = tracer.events().size() + tracer.lost();
  CHECK(told <= done);
  CHECK(told + tracer.disturbed().skipped >= done);
}

Actor::Actor(std::function<void(Json&)> deed) {
  Pipe go, truth;
  pid_ = static_cast<pid_t>(check(fork(), "fork"));
  if (pid_ == 0) {
    Json said = Json::object();
    try {
      char c;
      close(go.write);
      if (read(go.read, &c, 1) != 1) _exit(0);
      deed(said);
    } catch (const std::exception& e) {
      said["exception"] = e.what();
    }
    const std::string text = said.dump(-1, ' ', false, Json::error_handler_t::replace);
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = write(truth.write, text.data() + at, text.size() - at);
      if (n <= 0) _exit(1);
      at += static_cast<std::size_t>(n);
    }
    _exit(0);
  }
  close(go.read), close(truth.write);
  go_ = go.write, truth_ = truth.read;
}

Actor::~Actor() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    exit_status(pid_);
    close(go_), close(truth_);
  }
}

void Actor::start() { check(write(go_, "g", 1), "write"); }

Json Actor::finish() {
  std::string text;
  append_all(truth_, text);
  const int status = exit_status(pid_);
  close(go_);
  pid_ = -1;
  if (status != 0) FAIL("the actor ended with status " << status);
  Json truth = Json::parse(text);
  if (truth.contains("exception")) FAIL("the actor failed: " << truth["exception"].get<std::string>());
  return truth;
}

Json Actor::act() {
  start();
  return finish();
}

std::vector<std::string> tiers(const std::string& tool) {
  static std::map<std::string, std::vector<std::string>> known;
  const char* told = std::getenv("NEEDLE_TIERS");  // "TOOL:TIER TOOL:TIER..."
  if (!known.contains(tool))
    for (const char* tier : {"fentry", "tp"}) {
      const bool works = told ? (std::string(told) + " ").find(" " + tool + ":" + tier + " ") != std::string::npos
                              : run_tool(tool, {"--hook", tier, "-d", "0.001"}).status == 0;
      if (works) known[tool].emplace_back(tier);
    }
  if (known[tool].empty()) FAIL(tool << " works in no tier here: " << run_tool(tool, {"-d", "0.001"}).err);
  return known[tool];
}

std::vector<Json> trace(const std::string& tool, const Args& args, std::function<void(Json&)> deed, Json* truth) {
  Actor actor(std::move(deed));
  Args all{"-j", "-p", actor.id()};
  all.insert(all.end(), args.begin(), args.end());
  Tracer tracer(tool, all);
  return trace(tracer, actor, truth);
}

std::vector<Json> trace(Tracer& tracer, Actor& actor, Json* truth) {
  const Json said = actor.act();
  tracer.stop();
  CHECK(tracer.status() == 0);
  CHECK(tracer.lost() == 0);
  if (truth) *truth = said;
  return tracer.events();
}

std::vector<Traced> trace_each(const std::string& tool, const Args& args, const std::vector<std::function<void(Json&)>>& deeds,
                               const std::function<void(pid_t)>& before_each) {
  std::vector<std::unique_ptr<Actor>> actors;
  std::string ids;
  for (const auto& deed : deeds) ids += (ids.empty() ? "" : ",") + actors.emplace_back(std::make_unique<Actor>(deed))->id();
  Args all{"-j", "-p", ids};
  all.insert(all.end(), args.begin(), args.end());
  Tracer tracer(tool, all);
  std::map<pid_t, std::size_t> index;
  std::vector<Traced> traced;
  for (const auto& actor : actors) {
    before_each(actor->pid());
    index[actor->pid()] = traced.size();
    traced.push_back({actor->act(), {}});
  }
  tracer.stop();
  CHECK(tracer.status() == 0);
  CHECK(tracer.lost() == 0);
  for (Json& e : tracer.events()) traced[index.at(e["pid"].get<pid_t>())].events.push_back(std::move(e));
  return traced;
}

unsigned many(unsigned times) { return std::getenv("VMRUN") ? times / 10 : times; }

namespace {

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

unsigned long long inode_of(const std::string& path) {
  struct stat st {};
  check(stat(path.c_str(), &st), path.c_str());
  return st.st_ino;
}

// The directory of the process's cgroup in the unified hierarchy.
std::string cgroup_of(const std::string& proc) {
  std::ifstream mounts("/proc/self/mounts"), groups(proc + "/cgroup");
  std::string line, mount;
  while (mount.empty() && std::getline(mounts, line)) {
    std::istringstream in(line);
    std::string what, where, type;
    if (in >> what >> where >> type && type == "cgroup2") mount = where;
  }
  while (std::getline(groups, line))
    if (line.starts_with("0::")) return mount + line.substr(3);
  return mount;
}

}  // namespace

Json who(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  Json j{{"pid", pid},
         {"kthread", false},
         {"mnt_ns", inode_of(proc + "/ns/mnt")},
         {"pid_ns", inode_of(proc + "/ns/pid")},
         {"cgroup", inode_of(cgroup_of(proc))}};
  std::istringstream status(slurp(proc + "/status"));
  for (std::string line; std::getline(status, line);) {
    std::istringstream in(line);
    std::string key;
    long long a = 0, b = 0;
    in >> key >> a >> b;
    if (key == "PPid:") j["ppid"] = a;
    if (key == "Uid:") j["uid"] = a, j["euid"] = b;
    if (key == "Gid:") j["gid"] = a;
  }
  std::string comm = slurp(proc + "/comm");
  comm.pop_back();
  j["comm"] = j["thread"] = comm;
  return j;
}

long long time_of(const Json& rfc3339) {
  const std::string s = rfc3339.get<std::string>();
  std::tm tm{};
  const char* rest = strptime(s.c_str(), "%Y-%m-%dT%H:%M:%S.", &tm);
  REQUIRE(rest);
  REQUIRE(std::string(rest).size() == 10);  // nine digits and Z
  REQUIRE(s.back() == 'Z');
  return static_cast<long long>(timegm(&tm)) * 1'000'000'000 + std::stoll(rest);
}

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  std::string name = std::string(base ? base : "/tmp") + "/needle-XXXXXX";
  if (!mkdtemp(name.data())) throw std::system_error(errno, std::generic_category(), "mkdtemp");
  path_ = std::filesystem::canonical(name);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::file(const std::string& name, const std::string& content, mode_t mode) const {
  const std::string path = path_ + "/" + name;
  const int fd = static_cast<int>(check(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode), path.c_str()));
  check(write(fd, content.data(), content.size()), "write");
  check(fchmod(fd, mode), "fchmod");
  close(fd);
  return path;
}

std::string unescape(std::string_view s) {
  if (s == "-") return {};
  std::string out;
  for (std::size_t i = 0; i < s.size(); i++) {
    if (s[i] != '\\') {
      out.push_back(s[i]);
      continue;
    }
    switch (s.at(++i)) {
      case 'n': out.push_back('\n'); break;
      case 't': out.push_back('\t'); break;
      case 'r': out.push_back('\r'); break;
      case '\\': out.push_back('\\'); break;
      case 'x':
        out.push_back(static_cast<char>(std::stoi(std::string(s.substr(i + 1, 2)), nullptr, 16)));
        i += 2;
        break;
      default: throw std::runtime_error("not an escape: " + std::string(s));
    }
  }
  return out;
}

#ifdef __x86_64__
bool have_int80() {
  static const bool works = [] {
    const pid_t pid = fork();
    if (pid == 0) _exit(int80(20) == getpid() ? 0 : 1);  // getpid
    return exit_status(pid) == 0;
  }();
  return works;
}
long int80(long nr, long a, long b, long c, long d, long e) {
  long ret;
  asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory", "r8", "r9", "r10", "r11");
  return static_cast<int>(ret);
}
#else
bool have_int80() { return false; }
long int80(long, long, long, long, long, long) { return -ENOSYS; }
#endif

char* low(const void* bytes, std::size_t size) {
#ifdef MAP_32BIT
  constexpr int kLow = MAP_32BIT;
#else
  constexpr int kLow = 0;
#endif
  void* p = mmap(nullptr, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | kLow, -1, 0);
  if (p == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  std::memcpy(p, bytes, size);
  static_cast<char*>(p)[size] = '\0';  // resident, even if there are no bytes
  return static_cast<char*>(p);
}
char* low(const std::string& s) { return low(s.data(), s.size()); }

}  // namespace harness
