// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "net.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <map>

using namespace harness;

namespace {

constexpr int kCalls = 3000;

// Changes the port in an address between two.
auto flip_port(Address& a, int one, int other) {
  return [port = &reinterpret_cast<sockaddr_in*>(&a.storage)->sin_port, one, other](long turn) {
    __atomic_store_n(port, htons(static_cast<uint16_t>(turn % 2 ? one : other)), __ATOMIC_RELAXED);
  };
}

int peer_port(int fd) {
  Address a;
  a.size = sizeof a.storage;
  check(getpeername(fd, a.get(), &a.size), "getpeername");
  return a.port();
}

}  // namespace

TEST_CASE("a thread flips the port while the kernel copies the address: TCP") {
  const auto deed = [](Json& t) {
    own_network(true);
    const int l = server(ip_address("127.0.0.1", 0));
    Address to = local_of(l);
    const int open_port = to.port(), shut = closed_port().port();
    Meddler meddler(flip_port(to, open_port, shut));
    t["pairs"] = Json::array();
    for (int i = 0; i < kCalls; i++) {
      if (i % 10 == 0) meddler.wait();
      const int fd = new_socket(AF_INET, SOCK_STREAM);
      const Address any = ip_address("127.0.0.1", 0);
      check(bind(fd, any.get(), any.size), "bind");
      const int local = local_of(fd).port();
      // Whether it was refused says where it went.
      const bool refused = connect(fd, to.get(), to.size) != 0;
      t["pairs"].push_back({local, refused ? shut : peer_port(fd), refused ? ECONNREFUSED : 0});
      if (!refused) close(accept(l, nullptr, nullptr));
      const linger reset{1, 0};
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
      close(fd);
    }
  };
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace("connectsnoop", {"--hook", tier, "--buffer", "16M"}, deed, &truth);
    REQUIRE(events.size() == kCalls);
    int refused = 0;
    for (int i = 0; i < kCalls; i++) {
      const Json& said = truth["pairs"][static_cast<std::size_t>(i)];
      const Json& e = events[static_cast<std::size_t>(i)];
      REQUIRE(e["lport"] == said[0]);
      REQUIRE(e["rport"] == said[1]);
      REQUIRE(e["errno"] == said[2]);
      REQUIRE(e["src"] == "kernel");
      refused += said[2] != 0;
    }
    CHECK(refused > 0);  // else nothing was flipped
    CHECK(refused < kCalls);
  }
}

TEST_CASE("a thread flips the port while the kernel copies the address: UDP") {
  const auto deed = [](Json& t) {
    own_network(true);
    Address to = ip_address("127.0.0.1", 1001);
    Meddler meddler(flip_port(to, 1001, 1002));
    t["ports"] = Json::array();
    for (int i = 0; i < kCalls; i++) {
      if (i % 10 == 0) meddler.wait();
      const int fd = new_socket(AF_INET, SOCK_DGRAM);
      check(connect(fd, to.get(), to.size), "connect");
      t["ports"].push_back(peer_port(fd));
      close(fd);
    }
  };
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace("connectsnoop", {"--hook", tier, "--buffer", "16M"}, deed, &truth);
    REQUIRE(events.size() == kCalls);
    std::map<int, int> ports;
    for (int i = 0; i < kCalls; i++) {
      REQUIRE(events[static_cast<std::size_t>(i)]["rport"] == truth["ports"][static_cast<std::size_t>(i)]);
      ports[events[static_cast<std::size_t>(i)]["rport"].get<int>()]++;
    }
    CHECK(ports.size() == 2);
  }
}

// Each datagram of the deed has its line, in order, whose `key` is what its sender has noted in truth[`noted`].
static void each_tier_shows(
    const char* key, const char* noted, const std::function<void(Json&)>& deed,
    const std::function<void(const Json& shown)>& also = [](const Json&) {}) {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace("connectsnoop", {"--hook", tier, "--udp-all", "--buffer", "16M"}, deed, &truth);
    Json shown = Json::array();
    for (const Json& e : events) shown.push_back(e[key]);
    REQUIRE(shown == truth[noted]);
    also(shown);
  }
}

TEST_CASE("a thread flips the port of datagrams") {
  const auto deed = [](Json& t) {
    own_network(true);
    const int a = server(ip_address("127.0.0.1", 0), SOCK_DGRAM), b = server(ip_address("127.0.0.1", 0), SOCK_DGRAM);
    Address to = local_of(a);
    const int pa = to.port(), pb = local_of(b).port();
    Meddler meddler(flip_port(to, pa, pb));
    const int fd = new_socket(AF_INET, SOCK_DGRAM);
    t["ports"] = Json::array();
    for (int i = 0; i < kCalls; i++) {
      if (i % 10 == 0) meddler.wait();
      check(sendto(fd, "x", 1, 0, to.get(), to.size), "sendto");
      pollfd ways[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
      if (poll(ways, 2, 10'000) != 1) throw std::runtime_error("the datagram is nowhere");  // a busy kernel takes its time
      char byte;
      const bool at_a = ways[0].revents != 0;
      check(recv(at_a ? a : b, &byte, 1, MSG_DONTWAIT), "recv");
      t["ports"].push_back(at_a ? pa : pb);
    }
  };
  each_tier_shows("rport", "ports", deed);
}

TEST_CASE("a thread flips the port of datagrams to one that there is not") {
  const auto deed = [](Json& t) {
    own_network(true);
    const int s = server(ip_address("127.0.0.1", 0), SOCK_DGRAM);
    Address to = local_of(s);
    Meddler meddler(flip_port(to, to.port(), 0));
    const int fd = new_socket(AF_INET, SOCK_DGRAM);
    t["errors"] = Json::array();
    for (int i = 0; i < kCalls; i++) {
      if (i % 10 == 0) meddler.wait();
      t["errors"].push_back(sendto(fd, "x", 1, 0, to.get(), to.size) < 0 ? errno : 0);
    }
  };
  each_tier_shows("errno", "errors", deed, [](const Json& shown) {
    CHECK(std::count(shown.begin(), shown.end(), EINVAL) > 0);  // else nothing was flipped
  });
}

TEST_CASE("a datagram of UDP-Lite, which is not shown, hides none that fails") {
  const int lite = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (lite < 0) CANNOT_TEST("this kernel has no UDP-Lite");
  close(lite);
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier}, [](Json&) {
      const int other = new_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), fd = new_socket(AF_INET, SOCK_DGRAM);
      Address to = ip_address("127.0.0.1", 40001);
      for (int i = 0; i < 3; i++) {
        sendto(other, "x", 1, 0, to.get(), to.size);
        to = ip_address("127.0.0." + std::to_string(i + 2), 0);
        if (sendto(fd, "x", 1, 0, to.get(), to.size) >= 0) throw std::runtime_error("a failure expected");
        to = ip_address("127.0.0.1", 40001);
      }
    });
    INFO(Json(events).dump());
    REQUIRE(events.size() == 3);
    for (std::size_t i = 0; i < 3; i++) CHECK(events[i]["raddr"] == "127.0.0." + std::to_string(i + 2));
  }
}

TEST_CASE("io_uring: TCP that fails without a packet has its line, also if it asks for no completion") {
  constexpr __u8 kSkip = 1 << 6;  // IOSQE_CQE_SKIP_SUCCESS, since 5.17
  if (!have_io_uring()) CANNOT_TEST("this kernel has no io_uring");
  for (const std::string& tier : tiers("connectsnoop"))
    for (const __u8 flags : {__u8{0}, kSkip}) {
      INFO(tier << (flags ? ", no completion" : ""));
      Json truth;
      const auto events = trace(
          "connectsnoop", {"--hook", tier},
          [flags](Json& t) {
            const int l = server(ip_address("127.0.0.1", 0)), on = 1, one = new_socket(AF_INET, SOCK_STREAM),
                      other = new_socket(AF_INET, SOCK_STREAM);
            const Address to = local_of(l), any = ip_address("127.0.0.1", 0);
            check(bind(one, any.get(), any.size), "bind");
            const Address taken = local_of(one);
            check(connect(one, to.get(), to.size), "connect");
            for (const int fd : {one, other}) check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
            check(bind(other, taken.get(), taken.size), "bind");
            t["result"] = ring_connect(other, to, flags);
          },
          &truth);
      if (flags && truth["result"] == -EINVAL) CANNOT_TEST("this kernel always tells of completions");
      REQUIRE(truth["result"] == -EADDRNOTAVAIL);
      INFO(Json(events).dump());
      REQUIRE(events.size() == 2);
      CHECK(events[1]["via"] == "io_uring");
      CHECK(events[1]["errno"] == (flags && tier == "tp" ? Json() : Json(EADDRNOTAVAIL)));
    }
}

TEST_CASE("a failed connect of UDP names the address of the kernel's copy") {
  const auto deed = [](Json& t) {
    own_network(false);
    Address to = ip_address("192.0.2.1", 1);
    Meddler meddler(flip_port(to, 1001, 1002));
    for (int i = 0; i < 500; i++) {
      const int fd = new_socket(AF_INET, SOCK_DGRAM);
      if (connect(fd, to.get(), to.size) == 0) throw std::runtime_error("a failure expected");
      close(fd);
    }
    t = {};
  };
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    const auto events = trace("connectsnoop", {"--hook", tier, "-x"}, deed);
    REQUIRE(events.size() == 500);
    for (const Json& e : events) REQUIRE(e["src"] == "kernel");
  }
}

TEST_CASE("abstract names of hostile bytes stay one line, in text and in JSON") {
  const std::string name("\0a\x1b[2J\n\0b \xff\\", 12);
  Actor actor([&](Json&) {
    const int l = server(unix_address(name));
    const int fd = new_socket(AF_UNIX, SOCK_STREAM);
    check(connect(fd, unix_address(name).get(), unix_address(name).size), "connect");
    close(l);
  });
  Tracer text("connectsnoop", {"-p", actor.id()}), json("connectsnoop", {"-j", "-p", actor.id()});
  actor.act();
  text.stop(), json.stop();
  REQUIRE(text.lines().size() == 1);
  CHECK(text.lines()[0].find(R"( @a\x1b[2J\n\x00b\x20\xff\\ )") != std::string::npos);
  CHECK(text.out().find('\x1b') == std::string::npos);
  REQUIRE(json.events().size() == 1);
  CHECK(json.events()[0]["raddr_hex"] == "40611b5b324a0a006220ff5c");
}

TEST_CASE("a socket closed before its handshake ends, a process gone before it does") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    for (const bool gone : {false, true}) {
      INFO(gone);
      Json truth;
      const auto events = trace(
          "connectsnoop", {"--hook", tier},
          [gone](Json& t) {
            own_network(true);
            const int l = server(ip_address("127.0.0.1", 0), SOCK_STREAM, 0, 0);  // room for one
            const Address to = local_of(l);
            t = {{"rport", to.port()}, {"pid", getpid()}};
            const int first = new_socket(AF_INET, SOCK_STREAM);
            check(connect(first, to.get(), to.size), "connect");
            const int fd = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
            connect(fd, to.get(), to.size);
            if (!gone) close(fd);  // else the end of the process does
          },
          &truth);
      REQUIRE(events.size() == 2);
      CHECK(events[1]["error"] == "ECANCELED");
      CHECK(events[1]["rport"] == truth["rport"]);
      CHECK(events[1]["pid"] == truth["pid"]);
      CHECK(events[1]["comm"] == events[0]["comm"]);
    }
  }
}

TEST_CASE("the process is gone, its child holds the socket: the line names who began") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    Actor actor([](Json& t) {
      own_network(true);
      const int l = server(ip_address("127.0.0.1", 0), SOCK_STREAM, 0, 0);
      const Address to = local_of(l);
      const int first = new_socket(AF_INET, SOCK_STREAM);
      check(connect(first, to.get(), to.size), "connect");
      const int fd = new_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
      connect(fd, to.get(), to.size);
      t = {{"pid", getpid()}, {"rport", to.port()}};
      if (fork() == 0) {  // lets the handshake through, after its parent's end
        const pid_t parent = t["pid"];
        while (getppid() == parent) usleep(1000);
        accept(l, nullptr, nullptr);
        pollfd p{fd, POLLOUT, 0};
        poll(&p, 1, 20000);
        _exit(0);
      }
    });
    // With this process, which lives on: when all have ended that -p names, the tracer does.
    Tracer tracer("connectsnoop",
                  {"-j", "--hook", tier, "-p", actor.id() + "," + std::to_string(getpid()), "--count", "2", "-d", "30"});
    truth = actor.act();
    tracer.wait();
    const auto events = tracer.events();
    REQUIRE(events.size() == 2);
    CHECK(events[1]["pid"] == truth["pid"]);
    CHECK(events[1]["rport"] == truth["rport"]);
    CHECK(events[1]["errno"] == 0);
    CHECK(events[1]["ms"].get<double>() > 100);  // the SYN was sent once more
  }
}

TEST_CASE("from a thread: the line names the process and the thread") {
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Json truth;
    const auto events = trace(
        "connectsnoop", {"--hook", tier},
        [](Json& t) {
          const int l = server(ip_address("127.0.0.1", 0));
          std::thread([&] {
            pthread_setname_np(pthread_self(), "sneaky");
            const Address to = local_of(l);
            const int fd = new_socket(AF_INET, SOCK_STREAM);
            check(connect(fd, to.get(), to.size), "connect");
            t = {{"pid", getpid()}, {"tid", gettid()}, {"thread", "sneaky"}};
          }).join();
        },
        &truth);
    REQUIRE(events.size() == 1);
    for (const auto& [key, value] : truth.items()) CHECK(events[0][key] == value);
    CHECK(events[0]["comm"] != "sneaky");
  }
}

TEST_CASE("conservation: a flood of connects into a small buffer") {
  constexpr unsigned kWriters = 4;
  const unsigned each = many(4000);
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Actor actor([each](Json&) {
      own_network(true);
      const int port = closed_port().port();
      std::vector<std::thread> threads;
      for (unsigned w = 0; w < kWriters; w++)
        threads.emplace_back([port, each] {
          const Address to = ip_address("127.0.0.1", port);
          for (unsigned i = 0; i < each; i++) {
            const int fd = new_socket(AF_INET, SOCK_STREAM);
            if (connect(fd, to.get(), to.size) == 0) std::abort();
            close(fd);
          }
        });
      for (auto& t : threads) t.join();
    });
    Tracer tracer("connectsnoop", {"-j", "--hook", tier, "-p", actor.id(), "--buffer", "4K"});
    actor.act();
    tracer.stop();
    check_all_told(tracer, each * kWriters);
  }
}

namespace {

// Memory of one page that nobody can read until it is let go: whoever reads it, the kernel too, waits.
class HeldPage {
 public:
  HeldPage()
      : fd_(static_cast<int>(check(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd"))),
        page_(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    uffdio_api api{.api = UFFD_API, .features = 0, .ioctls = 0};
    check(ioctl(fd_, UFFDIO_API, &api), "UFFDIO_API");
    uffdio_register r{.range = {reinterpret_cast<__u64>(page_), kSize}, .mode = UFFDIO_REGISTER_MODE_MISSING, .ioctls = 0};
    check(ioctl(fd_, UFFDIO_REGISTER, &r), "UFFDIO_REGISTER");
  }
  void* get() const { return page_; }
  // Until as many wait for it.
  void await(unsigned readers) const {
    uffd_msg m;
    for (unsigned i = 0; i < readers; i++)
      if (read(fd_, &m, sizeof m) != sizeof m || m.event != UFFD_EVENT_PAGEFAULT) throw std::runtime_error("userfaultfd");
  }
  void let_go() const {
    uffdio_zeropage z{.range = {reinterpret_cast<__u64>(page_), kSize}, .mode = 0, .zeropage = 0};
    check(ioctl(fd_, UFFDIO_ZEROPAGE, &z), "UFFDIO_ZEROPAGE");
  }

 private:
  static constexpr std::size_t kSize = 4096;
  int fd_;
  void* page_;
};

// A datagram to a port of its own, which waits for `held`.
void send_held(int port, const void* held) {
  const int fd = new_socket(AF_INET, SOCK_DGRAM);
  const Address to = ip_address("127.0.0.1", port);
  if (sendto(fd, held, 1, 0, to.get(), to.size) != 1) std::abort();
  close(fd);
}

}  // namespace

TEST_CASE("a process that fills the table of datagrams under way hides those of no other, and its own are counted") {
  constexpr unsigned kThreads = 2200;  // a process may take 2048 places
  for (const std::string& tier : tiers("connectsnoop")) {
    INFO(tier);
    Actor actor([](Json&) {
      own_network(true);
      const rlimit files{kThreads + 100, kThreads + 100};
      check(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
      const HeldPage held;
      pthread_attr_t small;
      pthread_attr_init(&small);
      pthread_attr_setstacksize(&small, 64 << 10);
      struct Work {
        const void* held;
        int port;
      };
      std::vector<Work> work(kThreads);
      std::vector<pthread_t> threads(kThreads);
      for (unsigned i = 0; i < kThreads; i++) {
        work[i] = {held.get(), static_cast<int>(1000 + i)};
        const auto send = [](void* w) -> void* {
          send_held(static_cast<Work*>(w)->port, static_cast<Work*>(w)->held);
          return nullptr;
        };
        if (pthread_create(&threads[i], &small, send, &work[i]) != 0) throw std::runtime_error("pthread_create");
      }
      held.await(kThreads);
      const pid_t other = fork();
      if (other == 0) {
        const int fd = new_socket(AF_INET, SOCK_DGRAM);
        for (int i = 0; i < 5; i++) {
          const Address to = ip_address("127.0.0.9", 2000 + i);
          if (sendto(fd, "", 1, 0, to.get(), to.size) != 1) _exit(1);
        }
        _exit(0);
      }
      int status = 1;
      check(waitpid(other, &status, 0), "waitpid");
      held.let_go();
      for (const pthread_t t : threads) pthread_join(t, nullptr);
      if (status != 0) throw std::runtime_error("sendto");
    });
    Tracer tracer("connectsnoop", {"-j", "--hook", tier, "--tree", actor.id(), "--udp-all", "--buffer", "16M"});
    actor.act();
    tracer.stop();
    check_all_told(tracer, kThreads + 5);
    unsigned others = 0;
    for (const Json& e : tracer.events()) others += e["raddr"] == "127.0.0.9";
    CHECK(others == 5);
    CHECK(tracer.lost() > 0);
  }
}
