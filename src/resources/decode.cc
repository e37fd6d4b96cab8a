#include "resources/decode.h"

#include <cmath>

#include "base/strings.h"

namespace outrigger::resources {
namespace {

constexpr std::size_t kProblemsShown = 10;

std::optional<bool> old_boolean(std::string_view text) {
  for (const std::string_view yes : {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"n", "N", "no", "No", "NO", "off", "Off", "OFF"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace

std::string Report::located(std::uint32_t line, std::string_view path,
                            std::string_view message) const {
  std::string out = file_ + ":" + std::to_string(line) + ": ";
  if (!path.empty()) out.append(path).append(": ");
  return out.append(message);
}

void Report::problem(std::uint32_t line, std::string_view path, std::string_view message) {
  if (problems_.size() == kProblemsShown) {
    ++more_;
    return;
  }
  problems_.push_back(located(line, path, message));
}

void Report::warning(std::uint32_t line, std::string_view path, std::string_view message) {
  if (warnings_.size() < kProblemsShown) warnings_.push_back(located(line, path, message));
}

Result<> Report::result() const {
  if (problems_.empty()) return {};
  std::string all = join(problems_, "\n");
  if (more_ > 0) all += "\nand " + std::to_string(more_) + " more";
  return fail(Code::invalid_argument, std::move(all));
}

bool Field::is_null() const {
  if (node_ == nullptr || node_->kind != yaml::Kind::scalar) return false;
  const auto value = yaml::resolve(*node_, report_->dialect());
  return value && value->type == yaml::Scalar::Type::null;
}

bool Field::is_map() const {
  if (!has_value()) return false;
  if (node_->kind == yaml::Kind::map) return true;
  wrong_type("a map");
  return false;
}

void Field::wrong_type(std::string_view wanted) const {
  std::string message = "expected ";
  message.append(wanted).append(", found ").append(yaml::describe(*node_, report_->dialect()));
  problem(message);
}

Field Field::operator[](std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  const yaml::Node* found = nullptr;
  if (node_ != nullptr && node_->kind == yaml::Kind::map) {
    found = node_->find(name);
    if (found == nullptr && report_->rules() == Rules::manifest) {
      for (const yaml::Member& member : node_->members) {
        if (equals_fold(member.key.text, name)) found = &member.value;
      }
    }
  }
  return {found, std::move(path), *report_};
}

std::optional<yaml::Scalar> Field::scalar(std::string_view wanted) const {
  if (node_ == nullptr) return std::nullopt;
  if (node_->kind != yaml::Kind::scalar) {
    wrong_type(wanted);
    return std::nullopt;
  }
  auto value = yaml::resolve(*node_, report_->dialect());
  if (!value) {
    problem(value.error().message());
    return std::nullopt;
  }
  if (value->type == yaml::Scalar::Type::null) return std::nullopt;
  return std::move(*value);
}

void Field::read(std::string& out) const {
  auto value = scalar("a string");
  if (!value) return;
  if (report_->rules() == Rules::configuration && node_->tag != "!!binary") {
    out = node_->text;
  } else {
    out = std::move(value->text);
  }
}

void Field::read(bool& out) const {
  const auto value = scalar("a boolean");
  if (!value) return;
  if (value->type == yaml::Scalar::Type::boolean) {
    out = value->boolean;
    return;
  }
  if (report_->rules() == Rules::configuration && value->type == yaml::Scalar::Type::string) {
    if (const auto old = old_boolean(value->text)) {
      out = *old;
      return;
    }
  }
  wrong_type("a boolean (true or false)");
}

std::optional<std::int64_t> Field::integer(std::int64_t least, std::int64_t most) const {
  const auto value = scalar("a whole number");
  if (!value) return std::nullopt;
  std::optional<std::int64_t> number;
  if (value->type == yaml::Scalar::Type::integer) {
    number = parse_int<std::int64_t>(value->text);
  } else if (value->type == yaml::Scalar::Type::floating) {
    // 2^53: the doubles below it hold every whole number.
    constexpr double kExact = 9007199254740992.0;
    if (std::trunc(value->floating) == value->floating && std::abs(value->floating) < kExact) {
      number = static_cast<std::int64_t>(value->floating);
    }
  } else {
    wrong_type("a whole number");
    return std::nullopt;
  }
  if (number && *number >= least && *number <= most) return number;
  problem("expected a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
          ", found " + node_->text);
  return std::nullopt;
}

void Field::read(std::vector<std::string>& out) const {
  if (is_null()) out.clear();
  if (!has_value()) return;
  std::vector<std::string> values;
  each([&](const Field& item) {
    // null in a list of strings is "" in a manifest and left out in a configuration file.
    if (item.is_null() && report_->rules() == Rules::configuration) return;
    item.read(values.emplace_back());
  });
  out = std::move(values);
}

void Field::read(std::map<std::string, std::string>& out) const {
  if (is_null()) out.clear();
  members([&](const std::string& name, const Field& value) { value.read(out[name]); });
}

bool Field::read_any(std::string& out) const {
  if (!has_value()) return false;
  if (node_->kind == yaml::Kind::scalar) {
    auto value = scalar("a value");
    if (!value) return false;
    if (value->type == yaml::Scalar::Type::string) {
      out = std::move(value->text);
      return true;
    }
  }
  auto json = yaml::to_json(*node_, report_->dialect());
  if (!json) {
    problem(json.error().message());
    return false;
  }
  out = std::move(*json);
  return true;
}

void Field::each(const std::function<void(const Field&)>& visit) const {
  if (!has_value()) return;
  if (node_->kind != yaml::Kind::sequence) {
    wrong_type("a list");
    return;
  }
  for (std::size_t i = 0; i < node_->items.size(); ++i) {
    visit(Field(&node_->items[i], path_ + "[" + std::to_string(i) + "]", *report_));
  }
}

void Field::members(const std::function<void(const std::string& name, const Field&)>& visit) const {
  if (!is_map()) return;
  for (const yaml::Member& member : node_->members) {
    const auto name = yaml::key_name(member.key, report_->dialect());
    if (!name) {
      problem(name.error().message());
      continue;
    }
    visit(*name, Field(&member.value, path_ + "." + *name, *report_));
  }
}

}  // namespace outrigger::resources
