// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which programs of an object to use: decided here, by trying.
//
// The names of the programs say what they are for: see hook_name.h. Of a WHAT's mechanisms the first in the order fentry, tp
// that loads and attaches is taken. Some WHATs are only for what the user asks for: see asked_for().
//
// What attaches may still never run: a function that the compiler has inlined where it is called, an
// LSM that is not switched on. So the tool does a deed of each kind itself, see Trial in tool.h, and
// refuses what has not run by then, if there may be another in its place.
#pragma once

#include "load/dispatcher.h"
#include "load/hook_name.h"
#include "load/kernel_btf.h"
#include "tool.h"

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace needle {

// In which order they are attached, and so run where several are at the same hook: what follows or remembers a process forgets
// it last, when the tool's own programs have seen it end.
std::vector<bpf_program*> in_attach_order(const bpf_object*);

class Hooks {
 public:
  // `tool`: borrowed. `only`: a mechanism to insist on where a WHAT has it; empty: none. `btf`: see --btf.
  // `alone`: false for tools beside which another one watches what all share: see attach_last().
  // `dispatcher`: that of several tools, which runs what it can; borrowed, null: each program is attached by itself.
  explicit Hooks(const Tool& tool, std::string only = {}, std::string btf = {}, bool alone = true,
                 Dispatcher* dispatcher = nullptr);
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  // Opens, sets up, loads and attaches the tool's object, again without what was refused until
  // it works. `setup` is called before each load, `loaded` after it and before attaching.
  // The links live as long as this. Throws Error with all reasons.
  std::unique_ptr<Object> take(const std::function<void(Object&)>& setup, const std::function<void(Object&)>& loaded);

  // Attaches what follows or remembers processes, which take() leaves: for all tools of the process, when those are attached, so
  // that they see a process end before it is forgotten. Throws Error.
  void attach_last(const Object&);

  void detach();  // no program runs afterwards

  bool takes(std::string_view prefix) const;                     // a program whose name begins so
  const std::set<std::string>& taken() const { return taken_; }  // programs
  // One line a program: taken, or why not. For -v.
  const std::string& report() const { return report_; }

 private:
  std::unique_ptr<Object> open(const std::function<void(Object&)>& setup) const;
  void choose(const Object&);
  bool refuse_unloadable(const std::function<void(Object&)>& setup);
  bool attach(Object&, Loader&);
  std::string types_path() const;
  bool asked_for(std::string_view what, const ::filter&) const;
  void for_each_program(const Object&, const std::function<void(bpf_program*, const HookName&)>&) const;
  bool try_out(Object&);
  bool is_refused(const std::string& program) const;
  void refuse(const std::string& program, const std::string& reason);

  const Tool& tool_;
  std::string only_, btf_;
  bool alone_;
  Dispatcher* dispatcher_;
  std::set<const bpf_program*> dispatched_;
  bool untyped_ = false;  // the kernel has no types: its tracepoints give their arguments as numbers
  std::optional<KernelBtf> kernel_;
  int types_ = -1;  // a file with those of the kernel's types that the tool needs
  std::vector<bpf_link*> links_;
  bool rest_refused_ = false;      // Object::rest
  std::set<std::string> taken_;    // programs
  std::set<std::string> refused_;  // units: WHAT__MECHANISM, with _opt_WORD; and alternatives: with _alt_N
  std::string refusals_, report_;
};

}  // namespace needle
