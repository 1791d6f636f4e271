// One lock a name, taken by one thread at a time; the wait can be cancelled. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/guarded.h"
#include "base/semaphore.h"

namespace bk {

class KeyedLock {
 public:
  class Held {
   public:
    Held() = default;
    Held(Held&&) = default;
    Held& operator=(Held&&) = default;

   private:
    friend class KeyedLock;
    std::shared_ptr<Semaphore> semaphore_;  // outlives the permit
    Permit permit_;
  };

  absl::StatusOr<Held> Acquire(const CancelToken& cancel, const std::string& name) {
    Held held;
    held.semaphore_ = locks_.With([&](auto& locks) {
      std::erase_if(locks, [](const auto& entry) { return entry.second.expired(); });
      auto semaphore = locks[name].lock();
      if (semaphore == nullptr) locks[name] = semaphore = std::make_shared<Semaphore>(1);
      return semaphore;
    });
    BK_ASSIGN(held.permit_, held.semaphore_->Acquire(cancel));
    return held;
  }

 private:
  Guarded<std::map<std::string, std::weak_ptr<Semaphore>>> locks_;
};

}  // namespace bk
