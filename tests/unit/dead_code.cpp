// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "load/dead_code.h"

#include "harness.h"

#include <cstdint>
#include <cstring>

using needle::Constants;
using needle::remove_dead_code;

namespace {

using Code = std::vector<bpf_insn>;

constexpr int kConstants = 7, kOther = 8;  // descriptors of maps

bpf_insn insn(int code, int dst, int src, int off, int imm) {
  return {.code = static_cast<__u8>(code),
          .dst_reg = static_cast<__u8>(dst & 15),
          .src_reg = static_cast<__u8>(src & 15),
          .off = static_cast<__s16>(off),
          .imm = imm};
}
Code wide(int dst, int src, int low, int high) {
  return {insn(BPF_LD | BPF_IMM | BPF_DW, dst, src, 0, low), insn(0, 0, 0, 0, high)};
}
bpf_insn set(int dst, int imm) { return insn(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm); }
bpf_insn copy(int dst, int src) { return insn(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0); }
bpf_insn load(int size, int dst, int src, int off) { return insn(BPF_LDX | BPF_MEM | size, dst, src, off, 0); }
bpf_insn jump(int op, int dst, int imm, int off) { return insn(BPF_JMP | op | BPF_K, dst, 0, off, imm); }
bpf_insn always(int off) { return insn(BPF_JMP | BPF_JA, 0, 0, off, 0); }
bpf_insn call(int distance) { return insn(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, distance); }
bpf_insn helper() { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns); }
bpf_insn end() { return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }
Code constant(int dst, int size, int off) {  // loads one
  Code code = wide(dst, BPF_PSEUDO_MAP_VALUE, kConstants, 4);
  code.push_back(load(size, dst, dst, off - 4));
  return code;
}

Code join(std::initializer_list<Code> parts) {
  Code code;
  for (const Code& part : parts) code.insert(code.end(), part.begin(), part.end());
  return code;
}

// 4 bytes of nothing, then a byte 0, a byte 200, two bytes 0x1234, 4 bytes -2
constexpr std::uint8_t kBytes[] = {9, 9, 9, 9, 0, 200, 0x34, 0x12, 0xfe, 0xff, 0xff, 0xff};

Code without(Code code, std::vector<bpf_func_info>* functions = nullptr) {
  std::vector<bpf_func_info> none;
  remove_dead_code(code, functions ? *functions : none, Constants{kConstants, std::as_bytes(std::span(kBytes))});
  return code;
}

bool same(const Code& a, const Code& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
}

}  // namespace

TEST_CASE("dead code: what a constant switches off is removed, what it switches on stays") {
  const auto branch = [](int off, int size) {
    return join({constant(1, size, off), {jump(BPF_JEQ, 1, 0, 1), set(0, 1), end()}});
  };
  CHECK(same(without(branch(4, BPF_B)), {always(0), end()}));
  CHECK(same(without(branch(5, BPF_B)), {set(0, 1), end()}));
  CHECK(same(without(branch(12, BPF_W)), branch(12, BPF_W)));  // behind the end
  CHECK(same(without(branch(9, BPF_W)), branch(9, BPF_W)));
}

TEST_CASE("dead code: comparisons as the kernel makes them") {
  struct Case {
    int size, off, op, imm;
    bool taken;
  };
  for (const Case& c : {Case{BPF_B, 5, BPF_JEQ, 200, true},
                        {BPF_B, 5, BPF_JNE, 200, false},
                        {BPF_B, 5, BPF_JGT, 199, true},
                        {BPF_B, 5, BPF_JGT, 200, false},
                        {BPF_B, 5, BPF_JGE, 200, true},
                        {BPF_B, 5, BPF_JLT, 200, false},
                        {BPF_B, 5, BPF_JLE, 200, true},
                        {BPF_B, 5, BPF_JSET, 8, true},
                        {BPF_B, 5, BPF_JSET, 7, false},
                        {BPF_H, 6, BPF_JEQ, 0x1234, true},
                        {BPF_W, 8, BPF_JEQ, -2, false},
                        {BPF_W, 8, BPF_JSGT, 0, true},
                        {BPF_B, 5, BPF_JGT, -1, false},
                        {BPF_B, 5, BPF_JSGT, -1, true}}) {
    INFO("size " << c.size << " at " << c.off << " op " << c.op << " " << c.imm);
    const Code code = without(join({constant(1, c.size, c.off), {jump(c.op, 1, c.imm, 1), set(0, 1), end()}}));
    CHECK(code.size() == 2);
    CHECK(code[0].code == (c.taken ? BPF_JMP | BPF_JA : BPF_ALU64 | BPF_MOV | BPF_K));
  }
  // In 32 bits -2 is -2.
  const auto narrow = [](int op, int imm) {
    return without(join({constant(1, BPF_W, 8), {insn(BPF_JMP32 | op | BPF_K, 1, 0, 1, imm), set(0, 1), end()}}))[0].code;
  };
  CHECK(narrow(BPF_JEQ, -2) == (BPF_JMP | BPF_JA));
  CHECK(narrow(BPF_JSLT, 0) == (BPF_JMP | BPF_JA));
  CHECK(narrow(BPF_JGT, 5) == (BPF_JMP | BPF_JA));
}

TEST_CASE("dead code: what is calculated from constants is known") {
  const auto taken = [](Code middle, int imm) {
    const Code code = without(join({constant(1, BPF_B, 5), middle, {jump(BPF_JEQ, 1, imm, 1), set(0, 1), end()}}));
    return code[code.size() - 2].code == (BPF_JMP | BPF_JA);
  };
  const auto with = [](int op, int imm) { return Code{insn(BPF_ALU64 | op | BPF_K, 1, 0, 0, imm)}; };
  CHECK(taken(with(BPF_ADD, 1), 201));
  CHECK(taken(with(BPF_SUB, 1), 199));
  CHECK(taken(with(BPF_AND, 15), 8));
  CHECK(taken(with(BPF_OR, 1), 201));
  CHECK(taken(with(BPF_XOR, 8), 192));
  CHECK(taken(with(BPF_LSH, 1), 400));
  CHECK(taken(with(BPF_RSH, 3), 25));
  CHECK(taken({copy(6, 1), helper(), copy(1, 6)}, 200));
  CHECK(taken({insn(BPF_ALU64 | BPF_LSH | BPF_K, 1, 0, 0, 56), insn(BPF_ALU | BPF_MOV | BPF_X, 1, 1, 0, 0)}, 0));
  CHECK(taken(
      join({wide(2, 0, 100, 1), {insn(BPF_ALU64 | BPF_RSH | BPF_K, 2, 0, 0, 32), insn(BPF_ALU64 | BPF_ADD | BPF_X, 1, 2, 0, 0)}}),
      201));
}

TEST_CASE("dead code: what may have changed is not known any more") {
  const auto kept = [](Code middle) {
    const Code code = without(join({constant(1, BPF_B, 4), middle, {jump(BPF_JEQ, 1, 0, 1), set(0, 1), end()}}));
    return code.size() > 3 && code[code.size() - 3].code == (BPF_JMP | BPF_JEQ | BPF_K);
  };
  CHECK(kept({helper(), copy(1, 0)}));
  CHECK(kept({helper()}));  // which may change registers 0 to 5
  CHECK(kept({load(BPF_B, 1, 10, -8)}));
  CHECK(kept({insn(BPF_ALU64 | BPF_MUL | BPF_K, 1, 0, 0, 0)}));
  CHECK(kept({insn(BPF_ALU64 | BPF_NEG, 1, 0, 0, 0)}));
  CHECK(kept({insn(BPF_ALU | BPF_END | BPF_TO_BE, 1, 0, 0, 16)}));
  CHECK(kept({insn(BPF_ALU64 | BPF_MOV | BPF_X, 1, 1, 8, 0)}));  // extends the sign of a byte
  CHECK(kept({insn(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 1, -8, BPF_ADD | BPF_FETCH)}));
  CHECK(kept(wide(1, BPF_PSEUDO_MAP_VALUE, kOther, 0)));
  CHECK(kept(join({wide(1, BPF_PSEUDO_MAP_VALUE, kOther, 4), {load(BPF_B, 1, 1, 0)}})));
  CHECK(kept(wide(1, BPF_PSEUDO_MAP_VALUE, kConstants, 0)));  // a pointer
  CHECK(kept({jump(BPF_JEQ, 6, 5, 1), set(1, 1)}));           // one way or the other
  // A loop, in which it grows.
  CHECK(kept({insn(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1), jump(BPF_JNE, 6, 5, -2)}));
}

TEST_CASE("dead code: jumps, calls and functions lead to the same place") {
  // A function that nothing calls any more, between two that are called; and a jump backwards over what is gone.
  const Code off = join({constant(1, BPF_B, 4), {jump(BPF_JEQ, 1, 0, 1), call(3)}});
  const Code code =
      join({{load(BPF_DW, 6, 10, -8)}, off, {call(4), jump(BPF_JNE, 6, 5, -7), end()}, {set(0, 1), end()}, {set(0, 2), end()}});
  std::vector<bpf_func_info> functions = {{0, 11}, {9, 12}, {11, 13}};
  const Code left = without(code, &functions);
  CHECK(same(left, {load(BPF_DW, 6, 10, -8), insn(BPF_ALU | BPF_MOV | BPF_K, 1, 0, 0, 0), always(0), call(2),
                    jump(BPF_JNE, 6, 5, -4), end(), set(0, 2), end()}));
  REQUIRE(functions.size() == 2);
  CHECK(functions[0].insn_off == 0);
  CHECK(functions[1].insn_off == 6);
  CHECK(functions[1].type_id == 13);
}

TEST_CASE("dead code: constants become numbers, and what nobody reads is not calculated") {
  const auto used = [](int size, int off) { return without(join({constant(1, size, off), {copy(0, 1), end()}})); };
  const auto narrow = [](int number) { return insn(BPF_ALU | BPF_MOV | BPF_K, 1, 0, 0, number); };
  CHECK(same(used(BPF_B, 5), {narrow(200), copy(0, 1), end()}));
  CHECK(same(used(BPF_W, 8), {narrow(-2), copy(0, 1), end()}));  // 0xfffffffe
  CHECK(same(used(BPF_DW, 4), join({constant(1, BPF_DW, 4), {copy(0, 1), end()}})));

  CHECK(same(
      without({set(3, 1), copy(4, 3), insn(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 1), load(BPF_DW, 5, 10, -8), set(0, 0), end()}),
      {set(0, 0), end()}));
  CHECK(same(without(join({wide(1, BPF_PSEUDO_MAP_FD, kOther, 0), {set(0, 0), end()}})), {set(0, 0), end()}));
  // What is read on one way only, in a loop, by a call, or by a store, is.
  for (const Code& code :
       {Code{set(3, 1), set(0, 0), jump(BPF_JEQ, 10, 0, 1), copy(0, 3), end()},
        Code{set(3, 1), insn(BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, 1), jump(BPF_JNE, 3, 9, -2), set(0, 0), end()},
        Code{set(1, 1), set(2, 2), helper(), end()},
        Code{set(0, 0), set(3, 1), insn(BPF_STX | BPF_MEM | BPF_DW, 10, 3, -8, 0), end()},
        Code{set(0, 0), set(3, 1), insn(BPF_STX | BPF_ATOMIC | BPF_DW, 10, 3, -8, BPF_ADD), end()},
        Code{set(0, 0), copy(3, 10), insn(BPF_ST | BPF_MEM | BPF_DW, 3, 0, -8, 7), end()},
        Code{set(0, 0), load(BPF_DW, 3, 1, 0), end()}})  // which the verifier may refuse
    CHECK(same(without(code), code));
}

TEST_CASE("dead code: functions that are handed to helpers are left alone") {
  const Code code = join(
      {wide(2, BPF_PSEUDO_FUNC, 0, 4), constant(1, BPF_B, 4), {jump(BPF_JEQ, 1, 0, 1), set(0, 1), end()}, {set(0, 2), end()}});
  CHECK(same(without(code), code));
}
