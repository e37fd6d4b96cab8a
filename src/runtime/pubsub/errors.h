#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "components/metadata.h"

/// The errors of the publish API, as clients see them (facts/errors.tsv, category Pubsub).
namespace outrigger::pubsub {

/// Makes errors about one pub/sub component. The views must live as long as this object.
class PublishErrors {
 public:
  explicit PublishErrors(std::string_view pubsub_name) noexcept : name_(pubsub_name) {}

  using Properties = components::Properties;
  [[nodiscard]] Error not_found(const Properties& metadata) const;
  [[nodiscard]] Error name_empty(const Properties& metadata) const;
  [[nodiscard]] Error topic_empty(const Properties& metadata) const;
  [[nodiscard]] Error bad_metadata(const Properties& metadata, const Error& why) const;
  [[nodiscard]] Error no_envelope(std::string_view app_id, const Error& why) const;
  [[nodiscard]] Error bad_event(std::string_view topic, std::string_view app_id,
                                std::string_view why) const;
  [[nodiscard]] Error bad_entries(std::string_view topic, std::string_view app_id,
                                  std::string_view why) const;
  [[nodiscard]] Error unreadable_entries(std::string_view topic, std::string_view app_id,
                                         std::string_view why) const;
  [[nodiscard]] Error forbidden(std::string_view topic, std::string_view app_id) const;
  /// The component went away between the checks and the publication.
  [[nodiscard]] Error gone(std::string_view topic) const;
  [[nodiscard]] Error not_published(std::string_view topic, std::string_view why) const;

 private:
  std::string_view name_;
};

/// A state transaction whose outbox messages could not be sent.
[[nodiscard]] Error outbox_error(std::string_view app_id, const Error& why);

}  // namespace outrigger::pubsub
