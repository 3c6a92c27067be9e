#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"

namespace ipop::os {

/// Asks the system's resolver for the address of a name, which takes as long as it takes, without
/// waiting for it.
class NameLookup {
 public:
  NameLookup(const std::string& host, std::uint16_t port);
  /// The question is dropped; where the resolver does not let go of it, its memory stays until it
  /// is answered.
  ~NameLookup();
  NameLookup(NameLookup&&) noexcept;
  NameLookup& operator=(NameLookup&&) = delete;

  bool is_done() const;
  /// In the resolver's order. Empty: the name has none, or cannot be looked up. Requires:
  /// is_done().
  std::vector<Endpoint> endpoints() const;

 private:
  struct Question;
  class Abandoned;
  std::unique_ptr<Question> question_;
};

}  // namespace ipop::os
