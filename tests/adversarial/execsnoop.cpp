// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "exec.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

using namespace harness;

namespace {

constexpr std::size_t kArgsMax = 32768;  // bytes of arguments that a line holds

std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

std::string unhex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

// The arguments of a line as the bytes that the program found, as far as they go.
std::string bytes_of_args(const Json& e) {
  if (e.contains("args_hex")) return unhex(e["args_hex"]);
  std::string all;
  for (const auto& word : e["args"]) all += word.get<std::string>() + '\0';
  if (e.contains("args_missing")) all.pop_back();
  return all;
}

void check_ran(const Json& e, const Executed& run, const std::string& exe) {
  CHECK(run.status == 0);
  CHECK(e["exe"] == exe);
  CHECK(e["errno"] == 0);
  CHECK(e["src"] == "kernel");
  CHECK(e["pid"] == run.pid);
  CHECK(bytes_of_args(e) == run.argv);
}

// One column of the only line that the deed makes.
std::string cell(const std::string& tier, const std::string& column, std::function<void()> deed) {
  const Executed run = executed(Args{"--hook", tier, "--no-heading", "-o", column}, std::move(deed));
  if (run.lines.size() != 1) FAIL(run.lines.size() << " lines");
  return run.lines[0];
}

int open_program(const std::string& path, int flags = O_CLOEXEC) {
  return static_cast<int>(check(open(path.c_str(), O_RDONLY | flags), "open"));
}

int memory_program(const char* name, const std::string& path) {
  const int fd = static_cast<int>(check(memfd_create(name, MFD_CLOEXEC), "memfd_create"));
  const std::string program = content(path);
  check(write(fd, program.data(), program.size()), "write");
  return fd;
}

void exec_fd_path(int fd) {
  Words argv({"p"});
  execv(("/proc/self/fd/" + std::to_string(fd)).c_str(), argv.data());
}

pid_t vfork_exec(const std::string& path, Words& argv) {
  const pid_t pid = vfork();
  if (pid == 0) {
    execv(path.c_str(), argv.data());
    _exit(1);
  }
  waitpid(pid, nullptr, 0);
  return pid;
}

}  // namespace

TEST_CASE("400 arguments, and thousands") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    for (const int n : {400, 5000}) {
      INFO(tier << " " << n);
      const Executed run = executed(tier, [&] {
        std::vector<std::string> words;
        for (int i = 0; i < n; i++) words.push_back(std::to_string(i));
        execv(path.c_str(), Words(words).data());
      });
      check_ran(run.only(), run, path);
      CHECK(run.only()["argc"] == n);
      CHECK(run.only()["args"].size() == static_cast<std::size_t>(n));
      CHECK_FALSE(run.only().contains("args_missing"));
    }
  }
}

TEST_CASE("an argument of 100 KB is cut, and counted") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  const auto deed = [&] {
    std::string big(100'000, 'x');
    for (std::size_t i = 0; i < big.size(); i++) big[i] = static_cast<char>('a' + i % 26);
    Words argv({"p", "before", big, "after"});
    execv(path.c_str(), argv.data());
  };
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, deed);
    const Json& e = run.only();
    REQUIRE(run.argv.size() == 2 + 7 + 100'001 + 6);
    const std::string seen = bytes_of_args(e);
    CHECK(seen.size() == kArgsMax);
    CHECK(run.argv.starts_with(seen));
    CHECK(e["args_missing"] == run.argv.size() - seen.size());
    CHECK(e["argc"] == 4);
    CHECK(e["args"].size() == 3);
    CHECK(e["exe"] == path);
    CHECK(cell(tier, "args", deed).ends_with("\\...+" + std::to_string(run.argv.size() - kArgsMax)));
  }
}

TEST_CASE("arguments cut between two, and those that fit to the byte") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] {
      Words argv({std::string(kArgsMax - 1, 'x')});
      execv(path.c_str(), argv.data());
    });
    check_ran(run.only(), run, path);
    CHECK_FALSE(run.only().contains("args_missing"));
    run = executed(tier, [&] {
      Words argv({std::string(kArgsMax - 1, 'x'), "yz"});
      execv(path.c_str(), argv.data());
    });
    CHECK(run.only()["args"] == Json({std::string(kArgsMax - 1, 'x'), ""}));
    CHECK(run.only()["args_missing"] == 3);
    CHECK(run.only()["argc"] == 2);
  }
}

TEST_CASE("hostile bytes in arguments: one line that a shell reads back") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  const std::vector<std::string> words{"",
                                       "a\nforged line",
                                       "\033[2J\033]0;title\007",
                                       "\xff\xfe\xc0\xaf",
                                       "\u202Egnp.exe",
                                       "\u200B\u00AD\u00A0",
                                       "it's",
                                       "$(id) `id` \"q\" \\ \\n",
                                       "tab\there",
                                       " ",
                                       "",
                                       "* ? [a] {b,c} ~ # ! & ; |",
                                       "\x7f\x01",
                                       "\\...+5",
                                       "\u00e9\u4e2d",
                                       ""};
  const auto deed = [&] { execv(path.c_str(), Words(words).data()); };
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, deed);
    check_ran(run.only(), run, path);
    const std::string line = cell(tier, "args", deed);
    for (const char c : line) CHECK((static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));
    for (const char* hidden : {"\u202E", "\u200B", "\u00AD", "\u00A0", "\xff"}) CHECK(line.find(hidden) == line.npos);
    const Result shell = harness::run({"bash", "-c", "printf '%s\\0' " + line});
    CHECK(shell.out == run.argv);
  }
}

TEST_CASE("no argument at all, and a lie as the first") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] { execve(path.c_str(), Words({}).data(), Words({"ENV=1"}).data()); });
    check_ran(run.only(), run, path);  // newer kernels give the program an empty one
    CHECK(run.only()["argc"] == run.args().size());
    run = executed(tier, [&] { execv(path.c_str(), Words({"/usr/sbin/sshd", "-D"}).data()); });
    check_ran(run.only(), run, path);
    CHECK(run.only()["args"][0] == "/usr/sbin/sshd");
  }
}

TEST_CASE("a program that is only in memory") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const auto by_fd = [&] { fexecve(memory_program("a name", path), Words({"p"}).data(), environ); };
    Executed run = executed(tier, by_fd);
    check_ran(run.only(), run, "memfd:a name");
    CHECK(run.only()["memory"] == true);
    CHECK(run.only()["deleted"] == false);
    CHECK(run.only()["via"] == "execveat");
    CHECK_FALSE(run.only().contains("exe_detached"));
    CHECK(cell(tier, "exe,pid", by_fd).starts_with("memfd:a\\x20name "));

    run = executed(tier, [&] { exec_fd_path(memory_program("a name", path)); });
    check_ran(run.only(), run, "memfd:a name");
    CHECK(run.only()["memory"] == true);
    CHECK(run.only()["via"] == "execve");
    CHECK(run.only()["requested"].get<std::string>().starts_with("/proc/self/fd/"));
  }
}

TEST_CASE("a program that was deleted, and one that is named so") {
  TempDir dir;
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const std::string path = dir / "program", named = dir / "program (deleted)";
    const auto deleted = [](const std::string& p) {
      return [p] {
        const int fd = open_program(p);
        check(unlink(p.c_str()), "unlink");
        exec_fd_path(fd);
      };
    };
    argv_program(path);
    Executed run = executed(tier, deleted(path));
    check_ran(run.only(), run, path);
    CHECK(run.only()["deleted"] == true);
    argv_program(path);
    CHECK(cell(tier, "exe,pid", deleted(path)).starts_with(path + "\\x20(deleted) "));
    argv_program(path);
    CHECK(cell(tier, "pid,exe", deleted(path)).ends_with(" " + path + " (deleted)"));

    argv_program(named);
    const auto plainly = [&] { execv(named.c_str(), Words({"p"}).data()); };
    run = executed(tier, plainly);
    check_ran(run.only(), run, named);
    CHECK(run.only()["deleted"] == false);
    CHECK(cell(tier, "exe,pid", plainly).starts_with(path + "\\x20\\x28deleted) "));
    CHECK(cell(tier, "pid,exe", plainly).ends_with(" " + path + " \\x28deleted)"));
    CHECK(cell(tier, "exe,pid", deleted(named)).starts_with(path + "\\x20\\x28deleted)\\x20(deleted) "));
  }
}

TEST_CASE("a program that was renamed, through a link, in a chroot") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  check(symlink("program", (dir / "link").c_str()), "symlink");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, [&] {
      const int fd = open_program(path);
      check(rename(path.c_str(), (dir / "renamed").c_str()), "rename");
      exec_fd_path(fd);
    });
    check(rename((dir / "renamed").c_str(), path.c_str()), "rename");
    check_ran(run.only(), run, dir / "renamed");
    CHECK(run.only()["deleted"] == false);

    run = executed(tier, [&] { execv((dir / "link").c_str(), Words({"p"}).data()); });
    check_ran(run.only(), run, path);
    CHECK(run.only()["requested"] == dir / "link");
    CHECK(run.only()["script"].is_null());

    const auto jailed = [&](const char* name) {
      return [&dir, name] {
        check(chroot(dir.path().c_str()), "chroot");
        check(chdir("/"), "chdir");
        execv(name, Words({"p"}).data());
      };
    };
    run = executed(tier, jailed("/program"));
    check_ran(run.only(), run, path);
    CHECK(run.only()["requested"] == "/program");
    CHECK(run.only()["cwd"] == dir.path());
    run = executed(tier, jailed("/none"));
    CHECK(run.only()["error"] == "ENOENT");
    CHECK(run.only()["exe"] == dir / "none");
  }
}

TEST_CASE("a process that calls itself like a thread of the kernel") {
  TempDir dir;
  const std::string path = argv_program(dir / "kthreadd");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      prctl(PR_SET_NAME, "kworker/0:1H");
      execv(path.c_str(), Words({"[kthreadd]"}).data());
    });
    check_ran(run.only(), run, path);
    CHECK(run.only()["kthread"] == false);
    CHECK(run.only()["comm"] == "kthreadd");
    CHECK(run.only()["old_comm"] == "kworker/0:1H");
  }
}

TEST_CASE("renames and changed credentials before an exec are not confused with it") {
  constexpr unsigned kNobody = 65534;
  TempDir dir;
  check(chmod(dir.path().c_str(), 0755), "chmod");
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      prctl(PR_SET_NAME, "first");
      check(setresgid(kNobody, kNobody, kNobody), "setresgid");
      check(setresuid(kNobody, kNobody, kNobody), "setresuid");
      prctl(PR_SET_NAME, "second");
      execv(path.c_str(), Words({"p"}).data());
    });
    check_ran(run.only(), run, path);
    for (const char* key : {"old_uid", "old_euid", "old_gid", "old_egid", "uid", "euid"}) CHECK(run.only()[key] == kNobody);
    CHECK(run.only()["old_caps"].is_null());
    CHECK(run.only()["old_comm"] == "second");
  }
}

TEST_CASE("a thread that changes the arguments while the kernel copies them") {
  constexpr int kTimes = 300;
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    std::map<int, std::string> truth;
    Tracer tracer("execsnoop", {"-j", "--hook", tier, "--path", path});
    for (int i = 0; i < kTimes; i++) {
      int p[2];
      check(pipe2(p, O_CLOEXEC), "pipe2");
      const pid_t pid = static_cast<pid_t>(check(fork(), "fork"));
      if (pid == 0) {
        dup2(p[1], 9);
        fcntl(9, F_SETFD, 0);
        Words argv({"p", std::string(20'000, 'A'), "B"});
        char* const word = argv.data()[1];
        std::atomic<bool> started = false;
        std::thread([&] {
          for (std::size_t at = 0;; at = (at + 7) % 20'000) {
            word[at] ^= 'A' ^ 'B';
            started = true;
          }
        }).detach();
        while (!started) {
        }
        execv(path.c_str(), argv.data());
        _exit(1);
      }
      close(p[1]);
      char buffer[1 << 15];
      for (ssize_t n; (n = read(p[0], buffer, sizeof buffer)) > 0;) truth[pid].append(buffer, static_cast<std::size_t>(n));
      close(p[0]);
      int status = 0;
      waitpid(pid, &status, 0);
      REQUIRE(status == 0);
    }
    tracer.stop();
    const auto events = tracer.events();
    CHECK(tracer.lost() == 0);
    REQUIRE(events.size() == kTimes);
    int wrong = 0;
    for (const Json& e : events) wrong += bytes_of_args(e) != truth[e["pid"]];
    CHECK(wrong == 0);
  }
}

TEST_CASE("threads that exec at the same time: one wins, and no call that is made again has failed") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    for (int i = 0; i < 20; i++) {
      INFO(tier);
      // The kernel copies one's arguments for long, while the other overtakes it.
      const Executed run = executed(tier, [&] {
        std::atomic<int> waiting = 2;
        for (const std::size_t words : {1, 15})
          std::thread([&waiting, &path, words] {
            Words argv(std::vector(words, std::string(words == 1 ? 1 : 100'000, 'x')));
            for (waiting--; waiting > 0;) {
            }
            execv(path.c_str(), argv.data());
          }).detach();
        pause();
      });
      CHECK(run.status == 0);
      int successes = 0;
      for (const Json& e : run.events) {
        INFO(e.dump());
        CHECK(e["errno"] < 512);        // ERESTARTSYS and others that no program gets
        if (e["errno"] != 0) continue;  // killed on its way
        successes++;
        CHECK(run.argv.starts_with(bytes_of_args(e)));
        CHECK(e["argc"] == run.args().size());
      }
      CHECK(successes == 1);
    }
  }
}

TEST_CASE("arguments in pages that are not there when the call enters") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto cold = [&](const std::string& name) {
    return [&dir, page, name] {
      // The name, the pointers and each argument in a page of its own of a file that is mapped afresh.
      constexpr int kWords = 5;
      const std::size_t size = (2 + kWords) * page;
      const int fd = static_cast<int>(check(open((dir / "pages").c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "open"));
      check(ftruncate(fd, static_cast<off_t>(size)), "ftruncate");
      char* const at = static_cast<char*>(mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0));
      check(pwrite(fd, name.c_str(), name.size() + 1, 0), "pwrite");
      for (std::size_t i = 0; i < kWords; i++) {
        const std::string word = "word " + std::to_string(i);
        const char* const where = at + (2 + i) * page;
        check(pwrite(fd, word.c_str(), word.size() + 1, static_cast<off_t>((2 + i) * page)), "pwrite");
        check(pwrite(fd, &where, sizeof where, static_cast<off_t>(page + i * sizeof where)), "pwrite");
      }
      fsync(fd);
      madvise(at, size, MADV_DONTNEED);
      posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
      execv(at, reinterpret_cast<char**>(at + page));
    };
  };
  const Json words({"word 0", "word 1", "word 2", "word 3", "word 4"});
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Executed run = executed(tier, cold(path));
    check_ran(run.only(), run, path);
    CHECK(run.only()["args"] == words);

    // A failed exec may leave arguments untouched: then they are marked as missing.
    run = executed(tier, cold("/nonexistent"));
    const Json& e = run.only();
    INFO(e.dump());
    CHECK(e["exe"] == "/nonexistent");
    CHECK(e["error"] == "ENOENT");
    if (e.contains("args_missing")) {
      CHECK(e["args_missing"].get<int>() > 0);
      CHECK((e["argc"].is_null() || e["argc"] == words.size()));
      CHECK(e["args"].size() <= words.size());
    } else {
      CHECK(e["args"] == words);
    }
  }
}

TEST_CASE("a failed exec of too many arguments") {
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    std::vector<std::string> words;
    for (int i = 0; i < 4000; i++) words.push_back("argument " + std::to_string(i));
    const std::string all = std::accumulate(words.begin(), words.end(), std::string(),
                                            [](std::string s, const std::string& w) { return std::move(s) + w + '\0'; });
    Executed run = executed(tier, [&] { execv("/nonexistent", Words(words).data()); });
    const std::string seen = bytes_of_args(run.only());
    CHECK(run.only()["argc"] == words.size());
    CHECK(seen.size() == kArgsMax);
    CHECK(all.starts_with(seen));
    CHECK(run.only()["args_missing"] == all.size() - seen.size());

    words.assign(5000, "x");  // more than are counted
    run = executed(tier, [&] { execv("/nonexistent", Words(words).data()); });
    CHECK(run.only()["argc"].is_null());
    CHECK(run.only()["args_missing"].get<int>() > 0);
  }
}

TEST_CASE("a socket as standard input") {
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      int s[2];
      check(socketpair(AF_UNIX, SOCK_STREAM, 0, s), "socketpair");
      check(dup2(s[0], 0), "dup2");
      execv(path.c_str(), Words({"p"}).data());
    });
    check_ran(run.only(), run, path);
    CHECK(run.only()["stdin"] == "socket");
  }
}

TEST_CASE("an exec that dies on its way") {
  TempDir dir;
  // A segment in the kernel's half of the address space: found out when the caller is gone.
  struct {
    Elf64_Ehdr header{};
    Elf64_Phdr segment{};
  } elf;
  const std::string running = content("/proc/self/exe");
  std::memcpy(&elf.header, running.data(), sizeof elf.header);
  elf.header.e_type = ET_EXEC;
  elf.header.e_phoff = sizeof elf.header;
  elf.header.e_phnum = 1;
  elf.segment = {.p_type = PT_LOAD,
                 .p_flags = PF_R | PF_X,
                 .p_offset = 0,
                 .p_vaddr = 0xffff800000000000,
                 .p_paddr = 0,
                 .p_filesz = sizeof elf,
                 .p_memsz = sizeof elf,
                 .p_align = 4096};
  const std::string path = dir.file("broken", {reinterpret_cast<const char*>(&elf), sizeof elf}, 0755);
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    const Executed run = executed(tier, [&] {
      prctl(PR_SET_NAME, "caller");
      execv("/proc/self/cwd/nowhere", Words({"p"}).data());
      check(chdir(dir.path().c_str()), "chdir");
      execv("broken", Words({"p", "1"}).data());
    });
    CHECK(run.status == 128 + SIGSEGV);
    REQUIRE(run.events.size() == 2);
    CHECK(run.events[0]["error"] == "ENOENT");
    const Json& e = run.events[1];
    INFO(e.dump());
    CHECK(e["errno"].get<int>() > 0);
    CHECK(e["exe"] == path);
    CHECK(e["src"] == "kernel");
    CHECK(e["via"] == "execve");
    CHECK(e["comm"] == "broken");
    CHECK(e["old_comm"] == "caller");
    CHECK(e["argc"].is_null());  // the caller's are gone
    CHECK(e["args"].empty());
    CHECK(e["args_missing"].get<int>() > 0);
  }
}

TEST_CASE("after vfork, and gone before its line is printed") {
  constexpr int kTimes = 100;
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    std::vector<pid_t> pids;
    Tracer tracer("execsnoop", {"-j", "--hook", tier, "--path", path});
    Words argv({"p", "x"});
    for (int i = 0; i < kTimes; i++) pids.push_back(vfork_exec(path, argv));
    tracer.stop();
    const auto events = tracer.events();
    REQUIRE(events.size() == kTimes);
    for (int i = 0; i < kTimes; i++) {
      const Json& e = events[static_cast<std::size_t>(i)];
      CHECK(e["pid"] == pids[static_cast<std::size_t>(i)]);
      CHECK(e["ppid"] == getpid());
      CHECK(e["exe"] == path);
      CHECK(e["args"] == Json({"p", "x"}));
      CHECK(e["errno"] == 0);
    }
  }
}

TEST_CASE("conservation: what is shown and what is lost is all there was") {
  const unsigned times = many(2000);
  TempDir dir;
  const std::string path = argv_program(dir / "program");
  for (const std::string& tier : tiers("execsnoop")) {
    INFO(tier);
    Tracer tracer("execsnoop", {"-j", "--hook", tier, "--path", dir.path() + "/", "--buffer", "4K"});
    Words argv({"p", std::string(1500, 'x')});
    const std::string none = dir / "none";
    for (unsigned i = 0; i < times; i++) vfork_exec(i % 4 ? none : path, argv);
    tracer.stop();
    INFO(tracer.err());
    check_all_told(tracer, times);
  }
}
