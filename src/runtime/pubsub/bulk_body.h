#pragma once

#include <string_view>
#include <vector>

#include "runtime/pubsub/service.h"

namespace outrigger::pubsub {

/// One element of the body of a bulk publish request.
struct BulkBodyEntry {
  std::string entry_id;
  std::string_view event;  ///< Raw JSON, a view into the body.
  std::string content_type;
  std::optional<Properties> metadata;
};

/// Reads [{"entryId","event","contentType","metadata"}] as Go's decoder does: names in any case,
/// null and absence are the same, what follows the array is not looked at. Code::invalid_argument
/// with Go's words where clients may depend on them.
Result<std::vector<BulkBodyEntry>> read_bulk_body(std::string_view body);

/// The bytes that each entry's event stands for, by its content type: octet-stream is base64 text,
/// text is text, JSON and CloudEvents stay JSON. Code::invalid_argument if it is not that.
Result<std::vector<BulkPublish::Entry>> convert_events(std::vector<BulkBodyEntry> entries);

}  // namespace outrigger::pubsub
