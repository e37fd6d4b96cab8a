#include "net/http/metrics_page.h"

#include "base/metrics/metrics.h"

namespace outrigger::net::http {

Task<Response> MetricsPage::handle(Request request) {
  const std::string_view path =
      std::string_view(request.target).substr(0, request.target.find('?'));
  if (path != "/" && path != "/metrics") co_return page_not_found();
  Response response;
  response.headers.add("Content-Type", telemetry::kMetricsContentType);
  response.body = render_();
  co_return response;
}

Response page_not_found() {
  Response response;
  response.status = 404;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = "404 page not found\n";
  return response;
}

}  // namespace outrigger::net::http
