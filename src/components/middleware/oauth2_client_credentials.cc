#include <mutex>

#include "base/log.h"
#include "base/scope.h"
#include "base/strings.h"
#include "components/middleware/middleware.h"
#include "components/middleware/oauth2_token.h"
#include "components/middleware/path_filter.h"
#include "net/uri.h"

namespace outrigger::components::middleware {
namespace {

using namespace std::chrono_literals;

const Logger log("dapr.contrib");

// Of a token without an end: so long it is used.
constexpr Duration kEndless = 1h;
// A new one is asked for so long before the end, or a tenth of its life if that is shorter.
constexpr Duration kAhead = 30s;

struct Options {
  std::string client_id, client_secret, scopes, token_url, header_name, endpoint_params;
  std::string path_filter;
  int style = 0;
};
constexpr Field<Options> kFields[] = {
    {{.name = "clientID"}, &Options::client_id},
    {{.name = "clientSecret", .sensitive = true}, &Options::client_secret},
    {{.name = "scopes"}, &Options::scopes},
    {{.name = "tokenURL"}, &Options::token_url},
    {{.name = "headerName"}, &Options::header_name},
    {{.name = "endpointParamsQuery", .sensitive = true}, &Options::endpoint_params},
    {{.name = "authStyle"}, &Options::style},
    {{.name = "pathFilter"}, &Options::path_filter},
};

/// Everything that is wrong, in one text.
Result<PathFilter> check(const Options& options) {
  std::string wrong;
  const auto needs = [&](const std::string& value, const char* name) {
    if (value.empty()) wrong += "Parameter '" + std::string(name) + "' needs to be set. ";
  };
  needs(options.header_name, "headerName");
  needs(options.client_id, "clientID");
  needs(options.client_secret, "clientSecret");
  needs(options.scopes, "scopes");
  needs(options.token_url, "tokenURL");
  auto filter = PathFilter::parse(options.path_filter);
  if (!filter) {
    wrong += "Parameter 'pathFilter' is not a valid regex: " + filter.error().message() + ". ";
  }
  if (options.style < 0 || options.style > 2) {
    wrong += "Parameter 'authStyle' can only have the values 0,1,2. Received: '" +
             std::to_string(options.style) + "'. ";
  }
  if (wrong.empty()) return filter;
  return fail(Code::invalid_argument, "metadata errors: " + wrong);
}

/// What the header says, and how long that is good.
struct Granted {
  std::string header;
  TimePoint renew;  ///< From here on a new one is asked for...
  TimePoint end;    ///< ...and from here on this one is worth nothing.
};

/// The token of one configured component. One loop asks for it, for all of them.
class Source {
 public:
  Source(Loop& home, oauth2::Provider provider, Result<oauth2::Form> form)
      : home_(home), client_(std::move(provider)), form_(std::move(form)) {}
  [[nodiscard]] Loop& home() const noexcept { return home_; }

  /// The token that is there, or, with all who ask meanwhile, the next. On the loop home().
  Task<Result<Granted>> get() {
    while (true) {
      const TimePoint now = std::chrono::steady_clock::now();
      if (granted_ && granted_->renew > now) co_return *granted_;
      if (!asking_) break;
      const std::uint64_t seen = answers_;
      OUT_CO_CHECK(co_await answered_.wait());
      // One that was cancelled gave no answer: then this one asks.
      if (answers_ != seen) co_return *last_;
    }
    asking_ = true;
    auto granted = co_await ask();
    asking_ = false;
    const bool cancelled = !granted && granted.error().code() == Code::cancelled;
    if (!cancelled) {
      ++answers_;
      last_ = granted;
    }
    answered_.notify_all();
    co_return granted;
  }

 private:
  Task<Result<Granted>> ask() {
    if (!form_) co_return std::unexpected(form_.error());
    log.info("Cached token not found, attempting to retrieve a new one");
    auto token = co_await client_.retrieve(*form_);
    const TimePoint now = std::chrono::steady_clock::now();
    if (!token) {
      // The old one is good for a while yet.
      const bool usable = granted_ && granted_->end > now;
      if (!usable) co_return std::unexpected(std::move(token).error());
      log.warn("Error renewing the token, the present one stays: ", token.error());
      co_return *granted_;
    }
    const Duration life = std::max<Duration>(token->lifetime.value_or(kEndlessSeconds), 0s);
    Granted made{.header = token->header(), .renew = now + life, .end = now + life};
    made.renew -= std::min<Duration>(kAhead, life / 10);
    granted_ = made;
    co_return made;
  }
  static constexpr std::chrono::seconds kEndlessSeconds =
      std::chrono::duration_cast<std::chrono::seconds>(kEndless);

  Loop& home_;
  oauth2::TokenClient client_;
  const Result<oauth2::Form> form_;
  std::optional<Granted> granted_;
  bool asking_ = false;
  std::uint64_t answers_ = 0;
  std::optional<Result<Granted>> last_;
  Signal answered_;
};

/// Shows a token of the program's own to whoever stands behind it.
class ClientCredentials final : public Middleware {
 public:
  ClientCredentials(std::string header_name, PathFilter filter, std::shared_ptr<Source> source)
      : header_name_(std::move(header_name)),
        filter_(std::move(filter)),
        source_(std::move(source)) {}

  Task<net::Response> handle(net::Request request, Next next) override {
    if (filter_.applies(request.target)) {
      if (!granted_ || granted_->renew <= std::chrono::steady_clock::now()) {
        std::move_only_function<Task<Result<Granted>>()> ask = [this] { return source_->get(); };
        auto granted = co_await call_on<Granted>(source_->home(), std::move(ask));
        if (!granted) {
          log.error("Error acquiring token: ", granted.error());
          co_return refusal(500, "Internal Server Error");
        }
        granted_ = *std::move(granted);
      }
      request.headers.set(header_name_, granted_->header);
    }
    auto response = co_await next(std::move(request));
    co_return response;
  }

 private:
  const std::string header_name_;
  const PathFilter filter_;
  const std::shared_ptr<Source> source_;
  std::optional<Granted> granted_;
};

/// What is sent to the token endpoint.
Result<oauth2::Form> form_of(const Options& options) {
  oauth2::Form form{{"grant_type", {"client_credentials"}},
                    {"scope", {replace_all(options.scopes, ",", " ")}}};
  oauth2::Form more;
  std::string_view rest = options.endpoint_params;
  while (const auto parameter = net::next_query_param(rest)) {
    more[parameter->key].push_back(parameter->value);
  }
  for (auto& [name, values] : more) {
    if (name == "scope") {
      return fail(Code::invalid_argument, "oauth2: cannot overwrite parameter \"scope\"");
    }
    form[name] = std::move(values);
  }
  return form;
}

}  // namespace

Result<std::unique_ptr<Middleware>> make_oauth2_client_credentials(const Metadata& metadata,
                                                                   ComponentContext& context) {
  OUT_TRY(const auto options, parse_fields(metadata, kFields));
  OUT_TRY(auto filter, check(options));
  std::move_only_function<Result<std::shared_ptr<Source>>()> make = [&] {
    oauth2::Provider provider{.token_url = options.token_url,
                              .client_id = options.client_id,
                              .client_secret = options.client_secret,
                              .style = static_cast<oauth2::AuthStyle>(options.style)};
    return std::make_shared<Source>(context.loop, std::move(provider), form_of(options));
  };
  OUT_TRY(auto source, context.shared<Source>(std::move(make)));
  return std::make_unique<ClientCredentials>(options.header_name, std::move(filter),
                                             std::move(source));
}
std::vector<FieldInfo> oauth2_client_credentials_fields() { return describe(kFields); }

}  // namespace outrigger::components::middleware
