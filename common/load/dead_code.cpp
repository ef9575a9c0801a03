// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/dead_code.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

namespace needle {
namespace {

// What is known of a register: sparse conditional constant propagation, as compilers do it.
struct Value {
  enum Kind : std::uint8_t { any, number, constants } kind = any;  // `constants`: points to them, `bits` bytes behind their start
  std::uint64_t bits = 0;
  bool operator==(const Value&) const = default;
};
using Registers = std::array<Value, 11>;

bool is_wide(const bpf_insn& i) { return i.code == (BPF_LD | BPF_IMM | BPF_DW); }  // takes two
bool has_operation(const bpf_insn& i, int operation) { return BPF_CLASS(i.code) == BPF_JMP && BPF_OP(i.code) == operation; }
bool is_exit(const bpf_insn& i) { return has_operation(i, BPF_EXIT); }
bool is_call(const bpf_insn& i) { return has_operation(i, BPF_CALL); }
bool is_call_of_function(const bpf_insn& i) { return is_call(i) && i.src_reg == BPF_PSEUDO_CALL; }
bool is_jump(const bpf_insn& i) {
  return (BPF_CLASS(i.code) == BPF_JMP || BPF_CLASS(i.code) == BPF_JMP32) && !is_call(i) && !is_exit(i);
}
bool is_conditional(const bpf_insn& i) { return is_jump(i) && BPF_OP(i.code) != BPF_JA; }

// How far a jump or the call of a function leads, from behind it, is in one of two places.
bool is_far(const bpf_insn& i) { return is_call_of_function(i) || i.code == (BPF_JMP32 | BPF_JA); }
std::int64_t distance_of(const bpf_insn& i) { return is_far(i) ? i.imm : i.off; }
void set_distance(bpf_insn& i, std::int64_t distance) {
  if (is_far(i)) i.imm = static_cast<__s32>(distance);
  else i.off = static_cast<__s16>(distance);
}

Value calculated(const bpf_insn& i, const Value& left, const Value& right) {
  const bool wide = BPF_CLASS(i.code) == BPF_ALU64;
  const int op = BPF_OP(i.code);
  if (i.off != 0) return {};  // a move that extends the sign
  if (op == BPF_MOV)
    return wide ? right : right.kind == Value::number ? Value{Value::number, std::uint32_t(right.bits)} : Value{};
  if (op == BPF_ADD && wide && left.kind == Value::constants && right.kind == Value::number)
    return {Value::constants, left.bits + right.bits};
  if (left.kind != Value::number || right.kind != Value::number) return {};
  const auto [a, b] = wide ? std::pair{left.bits, right.bits}
                           : std::pair<std::uint64_t, std::uint64_t>{std::uint32_t(left.bits), std::uint32_t(right.bits)};
  const std::uint64_t shift = b & (wide ? 63 : 31);
  std::uint64_t result = 0;
  switch (op) {
    case BPF_ADD: result = a + b; break;
    case BPF_SUB: result = a - b; break;
    case BPF_AND: result = a & b; break;
    case BPF_OR: result = a | b; break;
    case BPF_XOR: result = a ^ b; break;
    case BPF_LSH: result = a << shift; break;
    case BPF_RSH: result = a >> shift; break;
    default: return {};
  }
  return {Value::number, wide ? result : std::uint32_t(result)};
}

Value loaded(const bpf_insn& i, const Value& from, const Constants& constants) {
  const std::size_t size = BPF_SIZE(i.code) == BPF_B ? 1 : BPF_SIZE(i.code) == BPF_H ? 2 : BPF_SIZE(i.code) == BPF_W ? 4 : 8;
  const std::uint64_t at = from.bits + static_cast<std::uint64_t>(i.off);
  if (from.kind != Value::constants || BPF_MODE(i.code) != BPF_MEM || at > constants.bytes.size() ||
      constants.bytes.size() - at < size)
    return {};
  Value value{Value::number, 0};
  std::memcpy(&value.bits, constants.bytes.data() + at, size);  // little endian, as all that we build for
  return value;
}

std::optional<bool> decided(const bpf_insn& i, const Value& left, const Value& right) {
  if (left.kind != Value::number || right.kind != Value::number) return {};
  const bool wide = BPF_CLASS(i.code) == BPF_JMP;
  const std::uint64_t a = wide ? left.bits : std::uint32_t(left.bits), b = wide ? right.bits : std::uint32_t(right.bits);
  const std::int64_t sa = wide ? std::int64_t(a) : std::int32_t(a), sb = wide ? std::int64_t(b) : std::int32_t(b);
  switch (BPF_OP(i.code)) {
    case BPF_JEQ: return a == b;
    case BPF_JNE: return a != b;
    case BPF_JGT: return a > b;
    case BPF_JGE: return a >= b;
    case BPF_JLT: return a < b;
    case BPF_JLE: return a <= b;
    case BPF_JSGT: return sa > sb;
    case BPF_JSGE: return sa >= sb;
    case BPF_JSLT: return sa < sb;
    case BPF_JSLE: return sa <= sb;
    case BPF_JSET: return (a & b) != 0;
    default: return {};
  }
}

// All that can be reached, with what is known of the registers there.
class Walk {
 public:
  Walk(const std::vector<bpf_insn>& code, const Constants& constants) : code_(code), constants_(constants), place_(code.size()) {
    reach(0, {});
    while (!open_.empty()) {
      const std::size_t at = open_.back();
      open_.pop_back();
      step(at);
    }
  }

  bool reaches(std::size_t at) const { return place_[at] != 0; }

  // Whether a conditional jump is taken, if that is known.
  std::optional<bool> jumps(std::size_t at) const {
    const bpf_insn& i = code_[at];
    return reaches(at) && is_conditional(i) ? decided(i, known(at)[i.dst_reg], operand(at)) : std::nullopt;
  }

  // The number that it loads, if that is known and is of 32 bits.
  std::optional<__u32> loads(std::size_t at) const {
    if (BPF_CLASS(code_[at].code) != BPF_LDX) return {};
    const Value value = loaded(code_[at], known(at)[code_[at].src_reg], constants_);
    return value.kind == Value::number && value.bits >> 32 == 0 ? std::optional{static_cast<__u32>(value.bits)} : std::nullopt;
  }

  // Whether it does nothing but write a register: of loads, those from constants and the stack are known not to fail.
  bool is_pure(std::size_t at) const {
    const bpf_insn& i = code_[at];
    const int kind = BPF_CLASS(i.code);
    return is_wide(i) || kind == BPF_ALU || kind == BPF_ALU64 ||
           (kind == BPF_LDX && (i.src_reg == BPF_REG_10 || known(at)[i.src_reg].kind == Value::constants));
  }

 private:
  const Registers& known(std::size_t at) const { return known_[place_[at] - 1]; }

  Value operand(std::size_t at) const {
    const bpf_insn& i = code_[at];
    return BPF_SRC(i.code) == BPF_X ? known(at)[i.src_reg]
                                    : Value{Value::number, static_cast<std::uint64_t>(std::int64_t{i.imm})};
  }

  // Merges what is known on the way to `at` into what was known on others.
  void reach(std::size_t at, const Registers& registers) {
    if (at >= code_.size()) return;  // the verifier will have its say
    bool changed = !reaches(at);
    if (changed) known_.push_back(registers), place_[at] = static_cast<std::uint32_t>(known_.size());
    Registers& known = known_[place_[at] - 1];
    for (std::size_t r = 0; r < known.size(); r++)
      if (known[r] != registers[r] && known[r].kind != Value::any) known[r] = {}, changed = true;
    if (changed) open_.push_back(at);
  }

  void step(std::size_t at) {
    const bpf_insn& i = code_[at];
    Registers r = known(at);
    switch (BPF_CLASS(i.code)) {
      case BPF_LD:
        if (!is_wide(i)) {
          r[0] = {};  // of a packet
        } else if (i.src_reg == 0 || (i.src_reg == BPF_PSEUDO_MAP_VALUE && i.imm == constants_.fd)) {
          const std::uint64_t high = std::uint32_t(code_[at + 1].imm);
          r[i.dst_reg] = i.src_reg == 0 ? Value{Value::number, high << 32 | std::uint32_t(i.imm)} : Value{Value::constants, high};
        } else {
          r[i.dst_reg] = {};
        }
        return reach(at + (is_wide(i) ? 2 : 1), r);
      case BPF_LDX: r[i.dst_reg] = loaded(i, r[i.src_reg], constants_); break;
      case BPF_STX:
        if (BPF_MODE(i.code) == BPF_ATOMIC) r[0] = r[i.src_reg] = {};  // some fetch what was there
        break;
      case BPF_ALU:
      case BPF_ALU64: r[i.dst_reg] = calculated(i, r[i.dst_reg], operand(at)); break;
      case BPF_JMP:
      case BPF_JMP32:
        if (is_exit(i)) return;
        if (is_call_of_function(i)) reach(at + 1 + distance_of(i), {});
        if (is_call(i)) std::fill_n(r.begin(), 6, Value{});
        if (is_jump(i)) {
          const std::optional<bool> taken = is_conditional(i) ? decided(i, r[i.dst_reg], operand(at)) : true;
          if (taken != false) reach(at + 1 + distance_of(i), r);
          if (taken == true) return;
        }
        break;
      default: break;
    }
    reach(at + 1, r);
  }

  const std::vector<bpf_insn>& code_;
  const Constants& constants_;
  std::vector<std::uint32_t> place_;  // of an instruction in known_, and one; 0: it is not reached
  std::vector<Registers> known_;      // before each that is
  std::vector<std::size_t> open_;
};

// A set of registers.
using Set = std::uint16_t;
Set bit(int r) { return static_cast<Set>(1u << r); }

Set read_by(const bpf_insn& i) {
  const Set source = BPF_SRC(i.code) == BPF_X ? bit(i.src_reg) : Set{};
  switch (BPF_CLASS(i.code)) {
    case BPF_LD: return is_wide(i) ? Set{} : Set{0x3f};
    case BPF_LDX: return bit(i.src_reg);
    case BPF_ST: return bit(i.dst_reg);
    case BPF_STX: return bit(i.dst_reg) | bit(i.src_reg) | bit(0);  // 0: of a compare and exchange
    case BPF_ALU:
    case BPF_ALU64: return source | (BPF_OP(i.code) == BPF_MOV ? Set{} : bit(i.dst_reg));
    default:
      if (is_exit(i)) return bit(0);
      if (is_call(i)) return 0x3e;  // as many as there are
      return is_conditional(i) ? source | bit(i.dst_reg) : Set{};
  }
}

Set written_by(const bpf_insn& i) {
  switch (BPF_CLASS(i.code)) {
    case BPF_LD: return is_wide(i) ? bit(i.dst_reg) : bit(0);
    case BPF_LDX:
    case BPF_ALU:
    case BPF_ALU64: return bit(i.dst_reg);
    default: return is_call(i) ? Set{0x3f} : Set{};
  }
}

// Also what only writes a register that nothing reads: it was for a jump that is decided. `pure`: does nothing else.
void remove_unused(const std::vector<bpf_insn>& code, const std::vector<bool>& pure, std::vector<bool>& gone) {
  std::vector<Set> needed(code.size() + 1);  // before each
  const auto after = [&](std::size_t at) -> Set {
    const bpf_insn& i = code[at];
    if (is_exit(i)) return 0;
    const Set there = is_jump(i) ? needed[at + 1 + distance_of(i)] : Set{};
    return is_jump(i) && !is_conditional(i) ? there : there | needed[at + (is_wide(i) ? 2 : 1)];
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t at = code.size(); at-- > 0;) {
      if (gone[at]) {  // on the way to the next, if anything
        needed[at] = needed[at + 1];
        continue;
      }
      if (at > 0 && !gone[at - 1] && is_wide(code[at - 1])) continue;
      const Set out = after(at), written = written_by(code[at]);
      const Set in = pure[at] && !(written & out) ? out : static_cast<Set>((out & ~written) | read_by(code[at]));
      changed |= in != needed[at];
      needed[at] = in;
    }
  }
  for (std::size_t at = 0; at < code.size(); at++) {
    const bool wide = is_wide(code[at]);
    if (!gone[at] && pure[at] && !(written_by(code[at]) & after(at))) {
      gone[at] = true;
      if (wide) gone[at + 1] = true;
    }
    at += wide;
  }
}

// Takes away what is gone. Of a jump to it, what comes after it is the target.
void close_ranks(std::vector<bpf_insn>& code, std::vector<bpf_func_info>& functions, const std::vector<bool>& gone) {
  std::vector<std::size_t> place(code.size() + 1), were;  // where each is now; where those that are left were
  for (std::size_t at = 0; at < code.size(); at++) {
    place[at] = were.size();
    if (!gone[at]) were.push_back(at);
  }
  place[code.size()] = were.size();
  for (std::size_t at = 0; at < were.size(); at++) {
    bpf_insn& i = code[at] = code[were[at]];
    if (is_wide(i)) {  // the second is no instruction
      at++;
      code[at] = code[were[at]];
    } else if (is_jump(i) || is_call_of_function(i)) {
      set_distance(i, static_cast<std::int64_t>(place[were[at] + 1 + distance_of(i)]) - static_cast<std::int64_t>(at) - 1);
    }
  }
  code.resize(were.size());
  for (bpf_func_info& f : functions) f.insn_off = static_cast<__u32>(place[f.insn_off]);
}

}  // namespace

void remove_dead_code(std::vector<bpf_insn>& code, std::vector<bpf_func_info>& functions, const Constants& constants) {
  // A function that is handed to a helper: nothing of ours.
  if (std::ranges::any_of(code, [](const bpf_insn& i) { return is_wide(i) && i.src_reg == BPF_PSEUDO_FUNC; })) return;
  const Walk walk(code, constants);
  std::vector<bpf_insn> result = code;
  std::vector<bool> pure(code.size()), gone(code.size());
  for (std::size_t at = 0; at < code.size(); at++) {
    const std::optional<bool> jumps = walk.jumps(at);
    gone[at] = !walk.reaches(at) || jumps == false;
    if (gone[at]) continue;
    bpf_insn& i = result[at];
    pure[at] = walk.is_pure(at);
    if (const std::optional<__u32> number = walk.loads(at))
      i = {.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = i.dst_reg, .src_reg = 0, .off = 0, .imm = static_cast<__s32>(*number)};
    if (jumps) i = {.code = BPF_JMP | BPF_JA, .dst_reg = 0, .src_reg = 0, .off = i.off, .imm = 0};
    if (is_wide(i)) at++;
  }
  std::erase_if(functions, [&](const bpf_func_info& f) { return !walk.reaches(f.insn_off); });
  remove_unused(result, pure, gone);
  close_ranks(result, functions, gone);
  code = std::move(result);
}

}  // namespace needle
