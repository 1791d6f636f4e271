// The containers of an executor that others may join: by id, as long as their first process runs.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/guarded.h"
#include "sandbox/oci/spec.h"

namespace bk::exec {

// One that runs, or is being made.
class JoinableContainer {
 public:
  JoinableContainer(std::string bundle, oci::Spec spec) : bundle_(std::move(bundle)), spec_(std::move(spec)) {}
  const std::string& bundle() const { return bundle_; }
  const oci::Spec& spec() const { return spec_; }
  CancelToken over() const { return over_.token(); }

  // A process that joins, as long as it lives. Null: the container is over.
  class Visit {
   public:
    static std::unique_ptr<Visit> Begin(std::shared_ptr<JoinableContainer> container);
    ~Visit();
    JoinableContainer& container() { return *container_; }

   private:
    explicit Visit(std::shared_ptr<JoinableContainer> container) : container_(std::move(container)) {}
    std::shared_ptr<JoinableContainer> container_;
  };
  // Ends what joined and waits for it; nobody joins any more.
  void Close();

  std::atomic<bool> seen_running = false;

 private:
  struct State {
    bool closed = false;
    int visits = 0;
  };
  const std::string bundle_;
  const oci::Spec spec_;
  CancelSource over_;
  Guarded<State> state_;
};

class Containers {
 public:
  // Known under `id` as long as this lives; the end closes it.
  class Entry {
   public:
    Entry(Containers& of, std::string id, std::shared_ptr<JoinableContainer> container);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Containers& of_;
    const std::string id_;
  };
  std::shared_ptr<JoinableContainer> Find(const std::string& id);

 private:
  Guarded<std::map<std::string, std::shared_ptr<JoinableContainer>>> by_id_;
};

}  // namespace bk::exec
