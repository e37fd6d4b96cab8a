#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace outrigger::components::pluggable {

/// Which file a socket is now: programs that start anew make a new one. 0 if there is none.
std::uint64_t socket_identity(const std::string& path);

/// What the instances of one configured component have in common: the program is told its metadata
/// once, not once for each loop, and again only if it was started anew. Thread-safe.
class Session {
 public:
  enum class Turn : std::uint8_t {
    mine,    ///< The caller must initialise the program, and then call end().
    others,  ///< Somebody is doing so.
    nobodys  ///< It is done for this socket.
  };
  [[nodiscard]] Turn begin(std::uint64_t identity);
  /// The features that the program said it has; a failed initialisation has none.
  void end(std::uint64_t identity, const std::vector<std::string>* features);

  [[nodiscard]] std::vector<std::string> features() const;

 private:
  mutable std::mutex mutex_;
  bool busy_ = false;
  bool ready_ = false;
  std::uint64_t identity_ = 0;
  std::vector<std::string> features_;
};

}  // namespace outrigger::components::pluggable
