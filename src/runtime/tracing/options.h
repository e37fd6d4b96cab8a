#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "resources/configuration.h"
#include "runtime/tracing/exporter.h"

namespace outrigger::runtime::tracing {

/// Where and how OTLP is spoken: the Configuration, over what OpenTelemetry's own environment
/// variables say, as upstream lays them over each other.
struct OtlpOptions {
  enum class Protocol : std::uint8_t { grpc, http };
  Protocol protocol = Protocol::grpc;
  std::string host;  ///< Without brackets.
  std::uint16_t port = 0;
  std::string path;  ///< Of HTTP: "/v1/traces".
  bool tls = true;
  bool gzip = false;                             ///< What is sent is compressed.
  std::string ca_pem, certificate_pem, key_pem;  ///< Each empty if not given.
  std::vector<std::pair<std::string, std::string>> headers;
  Duration timeout = std::chrono::seconds(10);  ///< Of one try, as OpenTelemetry's default is.
};

/// nullopt: no endpoint is configured. Errors in upstream's words: an unknown protocol, an endpoint
/// or header that cannot be, a certificate that cannot be read. Reads files.
[[nodiscard]] Result<std::optional<OtlpOptions>> otlp_options(const resources::Tracing& tracing,
                                                              const Environment& environment);

/// Limits of the queue between the requests and a receiver; OpenTelemetry's defaults, which
/// OTEL_BSP_* change.
struct BatchOptions {
  std::size_t queue_spans_max = 2048;
  /// Of encoded spans in the queue: they come from what clients send.
  std::size_t queue_bytes_max = 16U << 20;
  std::size_t batch_spans_max = 512;
  /// Receivers of gRPC take no more than 4 MB in one message unless they are told to.
  std::size_t batch_bytes_max = 3U << 20;
  /// How long spans wait for more of them.
  Duration delay = std::chrono::seconds(5);
  /// For one batch with all its tries.
  Duration export_timeout = std::chrono::seconds(30);
  /// Before the second try; doubled for each further one.
  Duration retry_delay = std::chrono::seconds(1);
};
[[nodiscard]] BatchOptions batch_options(const Environment& environment);

/// Ways that spans go, and the queues before them.
struct Exporters {
  std::vector<std::unique_ptr<Exporter>> all;
  BatchOptions batch;
};
/// What spec.tracing asks for, in upstream's order: stdout, Zipkin, OTLP. None: spans are not
/// exported. An error is fatal for the sidecar.
[[nodiscard]] Result<Exporters> make_exporters(const resources::Tracing& tracing,
                                               std::string_view app_id,
                                               const Environment& environment);

}  // namespace outrigger::runtime::tracing
