#pragma once

#include <memory>
#include <string>

#include "runtime/tracing/exporter.h"
#include "runtime/tracing/options.h"
#include "runtime/tracing/resource.h"

namespace outrigger::runtime::tracing {

/// One line of the log for each span, in upstream's form; the parent's id is written before its
/// own.
[[nodiscard]] std::unique_ptr<Exporter> make_stdout();
/// Zipkin's API v2, JSON over HTTP. The error, in upstream's words: the URL has no scheme or host.
[[nodiscard]] Result<std::unique_ptr<Exporter>> make_zipkin(const std::string& url,
                                                            Resource resource);
/// An error says what of the TLS material does not parse.
[[nodiscard]] Result<std::unique_ptr<Exporter>> make_otlp_http(OtlpOptions options,
                                                               Resource resource);
[[nodiscard]] Result<std::unique_ptr<Exporter>> make_otlp_grpc(OtlpOptions options,
                                                               Resource resource);

}  // namespace outrigger::runtime::tracing
