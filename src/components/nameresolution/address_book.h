#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "components/nameresolution/resolver.h"

namespace outrigger::components::nameresolution {

/// How the runtime asks a resolver, upstream's way: all addresses of a MultiResolver are kept for
/// 20 s and one is picked at random; other resolvers are asked each time (they keep what they know
/// themselves), up to 6 times 100 ms apart as long as the answer is empty. One per loop.
class AddressBook {
 public:
  explicit AddressBook(Resolver& resolver) : resolver_(resolver) {}

  /// The answer if it can be given without waiting; nullopt: ask find().
  std::optional<std::string> find_now(const ResolveRequest& request);
  Task<Result<std::string>> find(ResolveRequest request);
  /// Tells that no connection could be made to the address.
  void failed(const ResolveRequest& request, std::string_view address);

 private:
  struct Kept {
    std::vector<std::string> addresses;  // At least one.
    TimePoint until;
  };
  Task<Result<std::string>> find_many(MultiResolver* multi, ResolveRequest request);

  Resolver& resolver_;
  std::map<std::string, Kept, std::less<>> kept_;
};

}  // namespace outrigger::components::nameresolution
