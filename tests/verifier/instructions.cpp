// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether each program loads that has something to attach to, and how many instructions the verifier walks for it, compared with
// what tests/vm/matrix has recorded for this kernel.
#include "harness.h"
#include "load/hook_name.h"
#include "load/loader.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <sstream>

using namespace harness;

namespace {

using Counts = std::map<std::string, std::string>;  // "TOOL PROGRAM": a number, or "-": refused

// The column of the record: "6.12", or "6.12-aarch64".
std::string kernel() {
  utsname u{};
  uname(&u);
  const std::string release = u.release, machine = u.machine;
  return release.substr(0, release.find('.', release.find('.') + 1)) + (machine == "x86_64" ? "" : "-" + machine);
}

Counts recorded() {
  std::ifstream in(RECORD);
  REQUIRE(in);
  Counts counts;
  std::vector<std::string> heading;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    std::istringstream words(line);
    std::vector<std::string> row;
    for (std::string word; words >> word;) row.push_back(word);
    if (heading.empty()) heading = row;
    for (std::size_t i = 2; i < row.size() && row != heading; i++)
      if (heading[i] == kernel()) counts[row[0] + " " + row[1]] = row[i];
  }
  return counts;
}

using Bpf = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

const needle::KernelBtf& types() {
  static const needle::KernelBtf types;
  return types;
}

// With all constants on that options set, so that nothing is dead code. `direct`: whether memory is read directly.
Bpf open_object(const std::string& tool, bool direct) {
  Bpf object(bpf_object__open_file((OBJECTS "/" + tool + ".bpf.o").c_str(), nullptr), bpf_object__close);
  REQUIRE(object);
  bpf_map* const constants = bpf_object__find_map_by_name(object.get(), ".rodata");
  std::size_t size = 0;
  const auto* const initial = static_cast<const char*>(bpf_map__initial_value(constants, &size));
  std::string bytes(initial, size);
  const btf* const own = bpf_object__btf(object.get());
  const auto* const section = btf__type_by_id(own, static_cast<__u32>(btf__find_by_name_kind(own, ".rodata", BTF_KIND_DATASEC)));
  for (int i = 0; i < btf_vlen(section); i++) {
    const btf_var_secinfo& var = btf_var_secinfos(section)[i];
    const auto* const type = btf__type_by_id(own, var.type);
    if (btf_var(type)->linkage != BTF_VAR_GLOBAL_ALLOCATED) continue;  // not a table of the program's own
    const std::string name = btf__name_by_offset(own, type->name_off);
    const bool off = name == "untyped" || (name == "direct_reads" && !direct);  // the kernel decides these
    std::memset(&bytes[var.offset], off ? 0 : 0xff, var.size);
  }
  REQUIRE(bpf_map__set_initial_value(constants, bytes.data(), size) == 0);
  return object;
}

// Whether the kernel has what a program is to be attached to.
bool has_target(const needle::Section& s) {
  if (s.kind == "fentry" || s.kind == "fexit") return types().function(s.target) != 0;
  if (s.kind != "tp_btf" && s.kind != "raw_tp") return true;
  return std::ranges::any_of(needle::tracepoints_in(s.target),
                             [](const std::string& name) { return types().tracepoint(name) != 0; });
}

struct Program {
  std::string name;
  needle::Section section;
};

std::vector<Program> programs_of(const std::string& tool) {
  std::vector<Program> all;
  const Bpf object = open_object(tool, false);
  bpf_program* p = nullptr;
  bpf_object__for_each_program(p, object.get()) all.push_back({bpf_program__name(p), needle::section_of(p)});
  return all;
}

// The stack that a program takes in its longest chain of calls, in bytes, as old kernels count it: each function's rounded up
// to 32 (check_max_stack_depth() in kernel/bpf/verifier.c before 6.9). They refuse one that takes more than 512.
class Stack {
 public:
  explicit Stack(std::span<const bpf_insn> code) : code_(code) {
    functions_[0];
    for (std::size_t i = 0; i < code.size(); i++)
      if (calls(code[i])) functions_[target(i)];
    for (auto& [begin, f] : functions_) scan(begin, f);
  }
  unsigned deepest() const { return from(0); }

 private:
  struct Function {
    unsigned depth = 1;
    std::set<std::size_t> called;
  };
  static bool calls(const bpf_insn& i) { return i.code == (BPF_JMP | BPF_CALL) && i.src_reg == BPF_PSEUDO_CALL; }
  std::size_t target(std::size_t i) const { return i + 1 + static_cast<std::size_t>(static_cast<std::ptrdiff_t>(code_[i].imm)); }
  void scan(std::size_t begin, Function& f) {
    const auto next = functions_.upper_bound(begin);
    const std::size_t end = next == functions_.end() ? code_.size() : next->first;
    const auto use = [&f](int offset) { f.depth = std::max(f.depth, static_cast<unsigned>(-std::min(offset, 0))); };
    for (std::size_t i = begin; i < end; i++) {
      const bpf_insn& in = code_[i];
      const int kind = BPF_CLASS(in.code);
      if (calls(in)) f.called.insert(target(i));
      if ((kind == BPF_LDX && in.src_reg == BPF_REG_10) || ((kind == BPF_ST || kind == BPF_STX) && in.dst_reg == BPF_REG_10))
        use(in.off);
      // r1 = r10; r1 += -8
      if (in.code == (BPF_ALU64 | BPF_ADD | BPF_K) && i > begin && code_[i - 1].code == (BPF_ALU64 | BPF_MOV | BPF_X) &&
          code_[i - 1].src_reg == BPF_REG_10 && code_[i - 1].dst_reg == in.dst_reg)
        use(in.imm);
    }
  }
  unsigned from(std::size_t begin) const {
    const Function& f = functions_.at(begin);
    unsigned most = 0;
    for (const std::size_t called : f.called) most = std::max(most, from(called));
    return (f.depth + 31) / 32 * 32 + most;
  }

  std::span<const bpf_insn> code_;
  std::map<std::size_t, Function> functions_;  // by the index of their first instruction
};

struct Verified {
  int error = 0;
  unsigned long instructions = 0;
  unsigned stack = 0;
};

// Each alone: what the kernel refuses must not hide the others.
Verified verify(const std::string& tool, const std::string& program, bool direct) {
  const Bpf object = open_object(tool, direct);
  bpf_program* p = nullptr;
  bpf_object__for_each_program(p, object.get()) bpf_program__set_autoload(p, bpf_program__name(p) == program);
  p = bpf_object__find_program_by_name(object.get(), program.c_str());
  static char log[1 << 22];  // one that is too small makes the kernel refuse the program
  log[0] = '\0';
  bpf_program__set_log_level(p, 4);  // only the statistics: 5.10 tells the number nowhere else
  bpf_program__set_log_buf(p, log, sizeof log);
  const int error = bpf_object__load(object.get());
  const unsigned stack =
      Stack({bpf_program__insns(p), bpf_program__insn_cnt(p)}).deepest();  // with the functions it calls, by now
  if (error != 0) return {-error, 0, stack};
  bpf_prog_info info{};
  __u32 size = sizeof info;
  REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &size) == 0);
  unsigned long walked = info.verified_insns;
  if (walked == 0)
    if (const char* at = std::strstr(log, "processed ")) walked = std::stoul(at + std::strlen("processed "));
  return {0, walked, stack};
}

// Programs of which one was refused although there is something to attach it to. Of alternatives it suffices that one loads:
// which of them fits a kernel's tracepoint is found out by loading them.
class Refused {
 public:
  void add(const Program& p, int error) {
    const bool trampoline = p.section.kind == "fentry" || p.section.kind == "fexit";
    trampolines_ |= trampoline && error == 0;
    if (!has_target(p.section)) return;
    const needle::HookName name = needle::parse_hook_name(p.name);
    Unit& unit = name.alternative == 0 ? units_[p.name] : units_[name.unit];
    unit.trampolines |= trampoline;
    auto& alternative = unit.alternatives[name.alternative];
    alternative = std::max(alternative, error);
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [name, unit] : units_)
      if (std::ranges::none_of(unit.alternatives, [](const auto& a) { return a.second == 0; }) &&
          (trampolines_ || !unit.trampolines))
        names.insert(name);
    return names;
  }

 private:
  struct Unit {
    std::map<unsigned, int> alternatives;  // by number: an error, or 0
    bool trampolines = false;
  };
  std::map<std::string, Unit> units_;
  bool trampolines_ = false;  // whether the kernel has any
};

// libbpf says much about what is refused.
class Silent {
 public:
  Silent() {
    libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
  }

 private:
  needle::Loader loader_{types(), needle::Arguments::typed};
};

}  // namespace

TEST_CASE("no program grows unseen") {
  const Silent silent;
  const bool direct{needle::direct_reads(types())};
  const Counts before = recorded();
  const double allowed = std::string_view(CLANG_VERSION).starts_with("14.") ? 1.2 : 2;  // those are of Debian 12's
  std::ofstream record;
  if (const char* path = std::getenv("NEEDLE_INSTRUCTIONS")) record.open(path);
  record << kernel() << '\n';
  std::istringstream tools(TOOLS);
  for (std::string tool; tools >> tool;) {
    Refused refused;
    for (const Program& program : programs_of(tool)) {
      const auto [error, instructions, stack] = verify(tool, program.name, direct);
      const std::string name = tool + " " + program.name;
      record << name << ' ' << (error ? "-" : std::to_string(instructions)) << '\n';
      INFO(name << ": " << instructions << " instructions, " << std::strerror(error));
      CHECK(error != E2BIG);  // the limit of a million
      refused.add(program, error);
      INFO("stack: " << stack);
      CHECK(stack <= 512);
      if (!error) CHECK(instructions > 0);
      const auto known = before.find(name);
      if (known == before.end() || known->second == "-" || known->second == "?") continue;
      INFO("recorded: " << known->second);
      CHECK(error == 0);
      CHECK(static_cast<double>(instructions) <= allowed * std::stod(known->second) + 1000);  // little ones may double
    }
    INFO(tool);
    CHECK(refused.names() == std::set<std::string>{});
  }
}

TEST_CASE("all programs load as on kernels that read by helpers alone") {
  const Silent silent;
  if (!needle::direct_reads(types())) return;  // as the other case has shown
  std::istringstream tools(TOOLS);
  for (std::string tool; tools >> tool;) {
    Refused refused;
    for (const Program& program : programs_of(tool)) refused.add(program, verify(tool, program.name, false).error);
    INFO(tool);
    CHECK(refused.names() == std::set<std::string>{});
  }
}
