#include "runtime/pubsub/under_policy.h"

#include <algorithm>
#include <set>

#include "runtime/api/render.h"

namespace outrigger::pubsub {
namespace {

namespace brokers = components::pubsub;
namespace rs = runtime::resiliency;

using Failures = std::vector<brokers::BulkFailure>;

Task<Result<Failures>> publish_bulk(OpenBroker& broker, brokers::BulkPublishRequest request) {
  brokers::BulkPublisher* const publisher = broker.broker().bulk_publisher();
  if (publisher != nullptr) {
    auto sent = co_await publisher->bulk_publish(std::move(request));
    co_return sent;
  }
  auto failures = co_await publish_each(broker.broker(), std::move(request));
  co_return failures;
}

/// Whose calls they are, and so which status an error stands for.
struct Caller {
  OpenBroker& broker;
  Face face;
  [[nodiscard]] rs::Outcome outcome(const Error& error) const {
    rs::Outcome outcome{.error = error};
    if (!broker.broker().traits().status_errors) return outcome;
    outcome.status = face == Face::http ? runtime::api::http_status_of(error.code())
                                        : static_cast<std::int32_t>(error.code());
    return outcome;
  }
};

Task<rs::Outcome> keep(Task<Result<>> publication, Caller caller, Result<>* result) {
  *result = co_await std::move(publication);
  co_return *result ? rs::Outcome() : caller.outcome(result->error());
}

void keep_failed(std::vector<brokers::BulkEntry>& entries, const Failures& failures) {
  std::set<std::string_view> failed;
  for (const auto& failure : failures) failed.insert(failure.entry_id);
  std::erase_if(entries, [&](const auto& entry) { return !failed.contains(entry.entry_id); });
}

/// One attempt after the other at publishing what is left of several entries.
class BulkAttempts {
 public:
  BulkAttempts(Caller caller, brokers::BulkPublishRequest request)
      : caller_(caller), left_(std::move(request)) {}

  Task<rs::Outcome> once() {
    answer_.reset();
    auto sent = co_await publish_bulk(caller_.broker, left_);
    rs::Outcome outcome;
    if (!sent) {
      outcome = caller_.outcome(sent.error());
    } else if (!sent->empty()) {
      outcome.error = sent->front().error;
      const std::size_t before = left_.entries.size();
      keep_failed(left_.entries, *sent);
      some_done_ = some_done_ || left_.entries.size() < before;
    }
    answer_ = std::move(sent);
    co_return outcome;
  }
  /// `word`: the policy's own.
  Result<Failures> result(std::optional<Error> word) {
    if (!word) OUT_ASSERT(answer_);
    const bool whole = !word && (*answer_ || !some_done_);
    if (whole) return *std::move(answer_);
    const Error error = word ? *std::move(word) : answer_->error();
    Failures failures;
    for (const auto& entry : left_.entries) failures.push_back({entry.entry_id, error});
    return failures;
  }

 private:
  const Caller caller_;
  brokers::BulkPublishRequest left_;
  bool some_done_ = false;
  std::optional<Result<Failures>> answer_;
};

rs::Outcome outcome_of(const Answer& answer) {
  rs::Outcome outcome;
  if (answer.outcome != Answer::Outcome::retry) return outcome;
  outcome.error = answer.error;
  outcome.status = answer.code;
  return outcome;
}

Task<rs::Outcome> keep(Task<Answer> delivery, Answer* answer) {
  *answer = co_await std::move(delivery);
  co_return outcome_of(*answer);
}

/// One attempt after the other at delivering what is left of several events.
class BulkDeliveries {
 public:
  BulkDeliveries(Postman& postman, BulkDelivery delivery)
      : postman_(postman), all_(std::move(delivery)), answers_(all_.items.size()) {
    for (std::size_t i = 0; i < all_.items.size(); ++i) left_.push_back(i);
  }

  Task<rs::Outcome> once() {
    BulkDelivery delivery{{}, all_.pubsub_name, all_.topic, all_.path, all_.metadata, all_.trace};
    for (const std::size_t index : left_) delivery.items.push_back(all_.items[index]);
    auto answers = co_await postman_.deliver_bulk(std::move(delivery));
    OUT_ASSERT(answers.size() == left_.size());
    std::vector<std::size_t> again;
    rs::Outcome worst;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto outcome = outcome_of(answers[i]);
      answers_[left_[i]] = std::move(answers[i]);
      if (!outcome.error) continue;
      again.push_back(left_[i]);
      worst = outcome;
    }
    left_ = std::move(again);
    co_return worst;
  }
  std::vector<Answer> result(const std::optional<Error>& word) {
    for (const std::size_t index : left_) {
      if (word) answers_[index] = Answer::retry(*word);
    }
    return std::move(answers_);
  }

 private:
  Postman& postman_;
  BulkDelivery all_;
  std::vector<std::size_t> left_;
  std::vector<Answer> answers_;
};

}  // namespace

Policy outbound_policy(const Policies* policies, const OpenBroker& broker) {
  return rs::component_policy(policies, broker.name(), rs::ComponentKind::pubsub,
                              rs::Direction::outbound);
}

Policy inbound_policy(const Policies* policies, std::string_view pubsub_name) {
  return rs::component_policy(policies, pubsub_name, rs::ComponentKind::pubsub,
                              rs::Direction::inbound);
}

Task<Result<>> publish_under(Policy policy, OpenBroker& broker, Face face,
                             brokers::PublishRequest request) {
  if (policy.empty()) {
    auto published = co_await broker.broker().publish(std::move(request));
    co_return published;
  }
  const Caller caller{broker, face};
  Result<> published;
  rs::Attempt attempt = [&] { return keep(broker.broker().publish(request), caller, &published); };
  auto word = co_await policy.run(std::move(attempt));
  if (word) co_return std::unexpected(*std::move(word));
  co_return published;
}

Task<Result<Failures>> publish_bulk_under(Policy policy, OpenBroker& broker, Face face,
                                          brokers::BulkPublishRequest request) {
  if (policy.empty()) {
    auto published = co_await publish_bulk(broker, std::move(request));
    co_return published;
  }
  BulkAttempts attempts(Caller{broker, face}, std::move(request));
  rs::Attempt attempt = [&attempts] { return attempts.once(); };
  auto word = co_await policy.run(std::move(attempt));
  co_return attempts.result(std::move(word));
}

Task<Answer> deliver_under(Policy policy, Delivery delivery, Deliver deliver) {
  if (policy.empty()) {
    auto direct = co_await deliver(std::move(delivery));
    co_return direct;
  }
  Answer answer;
  rs::Attempt attempt = [&] { return keep(deliver(delivery), &answer); };
  auto word = co_await policy.run(std::move(attempt));
  if (word) answer = Answer::retry(*std::move(word));
  co_return answer;
}

Task<std::vector<Answer>> deliver_bulk_under(Policy policy, Postman& postman,
                                             BulkDelivery delivery) {
  if (policy.empty()) {
    auto direct = co_await postman.deliver_bulk(std::move(delivery));
    co_return direct;
  }
  BulkDeliveries deliveries(postman, std::move(delivery));
  rs::Attempt attempt = [&deliveries] { return deliveries.once(); };
  auto word = co_await policy.run(std::move(attempt));
  co_return deliveries.result(word);
}

}  // namespace outrigger::pubsub
