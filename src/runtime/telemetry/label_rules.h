#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics/metrics.h"
#include "base/result.h"

namespace outrigger::telemetry {

/// One label of one rule of a Configuration's spec.metrics.rules.
struct LabelRule {
  /// With or without "dapr_"; "/" counts as "_".
  std::string metric;
  std::string label;
  /// Replacement, in which $1 and ${name} stand for groups as in Go, and what it replaces wherever
  /// it is found. Applied one after another.
  std::map<std::string, std::string> regex;
};

/// What the rules make of label values; empty if there are none. Of two rules for the same label
/// the later counts. Code::invalid_argument if an expression is none. Safe on any thread.
Result<LabelRewrite> make_label_rewrite(const std::vector<LabelRule>& rules);

}  // namespace outrigger::telemetry
