#include "components/nameresolution/mdns_records.h"

#include <arpa/inet.h>

#include "base/strings.h"

namespace outrigger::components::nameresolution::mdns {
namespace {

constexpr std::string_view kDomain = ".local";
constexpr std::string_view kServiceTypes = "_services._dns-sd._udp.local";
// Upstream's lifetimes; its peers count their known answers by them.
constexpr std::uint32_t kTtlSeconds = 3200;
constexpr std::uint32_t kAddressTtlSeconds = 120;
// RFC 6762, section 6.7: plain DNS clients must not keep answers for long.
constexpr std::uint32_t kLegacyTtlSeconds = 10;
// A host's name is cut to this if it makes no DNS name, so that ":<pid>" still fits.
constexpr std::size_t kHostBytes = 48;

std::string_view trim_dots(std::string_view text) {
  while (text.starts_with('.')) text.remove_prefix(1);
  while (text.ends_with('.')) text.remove_suffix(1);
  return text;
}

/// Dots part labels, as they do for upstream; nothing else has a meaning.
std::string as_labels(std::string_view text) { return replace_all(trim_dots(text), "\\", "\\\\"); }

std::string service_name(std::string_view app_id) {
  return as_labels(app_id) + std::string(kDomain);
}

/// The text as the beginning of a name; if it cannot be that, something of it that can.
std::string fitting(std::string_view text, std::string_view rest, std::size_t bytes_max) {
  std::string name = as_labels(text);
  if (!name.empty() && dns::is_valid_name(name + std::string(rest))) return name;
  name = replace_all(text.substr(text.size() - std::min(text.size(), bytes_max)), ".", "-");
  name = dns::escape_label(name);
  return name.empty() ? "localhost" : name;
}

Result<std::variant<dns::A, dns::Aaaa>> parse_address(std::string_view text) {
  if (text == "localhost") text = "127.0.0.1";
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  const std::string address(text);
  dns::A a;
  if (::inet_pton(AF_INET, address.c_str(), a.address.data()) == 1) return a;
  dns::Aaaa aaaa;
  if (::inet_pton(AF_INET6, address.c_str(), aaaa.address.data()) == 1) return aaaa;
  return fail(Code::invalid_argument, "failed to parse given IP: " + address);
}

dns::Record pointer(std::string_view from, std::string_view to) {
  return {.name = std::string(from), .data = dns::Ptr{std::string(to)}, .ttl_seconds = kTtlSeconds};
}
dns::Record server(const Service& service) {
  return {.name = service.instance_name,
          .data = dns::Srv{.port = service.port, .target = service.host_name},
          .ttl_seconds = kTtlSeconds};
}
dns::Record text(const Service& service) {
  return {.name = service.instance_name,
          .data = dns::Txt{{service.app_id}},
          .ttl_seconds = kTtlSeconds};
}
dns::Record address(const Service& service) {
  dns::Record record{.name = service.host_name, .ttl_seconds = kAddressTtlSeconds};
  std::visit([&](const auto& content) { record.data = content; }, service.address);
  return record;
}

dns::Message response() { return {.response = true, .authoritative = true}; }

bool wants(const dns::Question& question, dns::Type type) {
  return question.type == type || question.type == dns::Type::any;
}

/// RFC 6762, section 7.1.
bool knows(const dns::Message& query, const dns::Record& record) {
  return std::ranges::any_of(query.answers, [&](const dns::Record& known) {
    return known.data == record.data && dns::same_name(known.name, record.name) &&
           known.ttl_seconds >= record.ttl_seconds / 2;
  });
}

/// Which of a service's records are asked for.
struct Wanted {
  bool pointer = false;
  bool server = false;
  bool text = false;
  bool address = false;
  bool type = false;
};

Wanted find_wanted(const Service& service, const dns::Message& query) {
  Wanted wanted;
  for (const auto& question : query.questions) {
    const bool internet = question.qclass == dns::kClassIn || question.qclass == dns::kClassAny;
    if (!internet) continue;
    if (dns::same_name(question.name, service.service_name)) {
      wanted.pointer = wanted.pointer || wants(question, dns::Type::ptr);
    } else if (dns::same_name(question.name, service.instance_name)) {
      wanted.server = wanted.server || wants(question, dns::Type::srv);
      wanted.text = wanted.text || wants(question, dns::Type::txt);
    } else if (dns::same_name(question.name, service.host_name)) {
      wanted.address = wanted.address || wants(question, address(service).type());
    } else if (dns::same_name(question.name, kServiceTypes)) {
      wanted.type = wanted.type || wants(question, dns::Type::ptr);
    }
  }
  return wanted;
}

void add_records(const Service& service, const Wanted& wanted, const dns::Message& query,
                 dns::Message& out) {
  const auto add = [&](dns::Record record) {
    const bool new_to_them = !knows(query, record);
    if (new_to_them) out.answers.push_back(std::move(record));
    return new_to_them;
  };
  const bool pointed = wanted.pointer && add(pointer(service.service_name, service.instance_name));
  const bool served = wanted.server && add(server(service));
  const bool texted = wanted.text && add(text(service));
  const bool addressed = wanted.address && add(address(service));
  if (wanted.type) add(pointer(kServiceTypes, service.service_name));
  // All that a browser needs is in the one message: upstream's asks no second time.
  if (pointed && !served) out.additionals.push_back(server(service));
  if (pointed && !texted) out.additionals.push_back(text(service));
  if ((pointed || served) && !addressed) out.additionals.push_back(address(service));
}

/// All about a service at once. The machine's name is not this service's alone, so what others say
/// of its addresses is not outdated by this.
dns::Message presence(const Service& service) {
  dns::Message message = response();
  message.answers = {server(service), text(service),
                     pointer(service.service_name, service.instance_name),
                     pointer(kServiceTypes, service.service_name), address(service)};
  message.answers[0].flush = true;
  message.answers[1].flush = true;
  return message;
}

/// What one message says about an instance, as far as it has been read.
struct Sighting {
  const dns::Srv* server = nullptr;
  const dns::Txt* text = nullptr;
  bool gone = false;
};

template <std::size_t count>
std::string address_text(const std::array<std::uint8_t, count>& bytes, std::uint16_t port) {
  char buffer[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes.data(), buffer, sizeof buffer);
  const std::string host = count == 4 ? std::string(buffer) : "[" + std::string(buffer) + "]";
  return host + ":" + std::to_string(port);
}

/// The first addresses of a host.
struct Host {
  const dns::A* ipv4 = nullptr;
  const dns::Aaaa* ipv6 = nullptr;
};

/// What a message says, by names in lower case.
struct Digest {
  std::map<std::string, Sighting> sightings;
  std::map<std::string, Host> hosts;
};

bool is_link_local(const dns::Aaaa& aaaa) {
  return aaaa.address[0] == 0xfe && (aaaa.address[1] & 0xc0) == 0x80;
}

void digest(const std::vector<dns::Record>& records, Digest& out) {
  for (const auto& record : records) {
    if (const auto* a = std::get_if<dns::A>(&record.data)) {
      Host& host = out.hosts[to_lower(record.name)];
      if (host.ipv4 == nullptr) host.ipv4 = a;
      continue;
    }
    if (const auto* aaaa = std::get_if<dns::Aaaa>(&record.data)) {
      Host& host = out.hosts[to_lower(record.name)];
      // Link-local addresses mean nothing without an interface, and no sidecar gives one.
      if (host.ipv6 == nullptr && !is_link_local(*aaaa)) host.ipv6 = aaaa;
      continue;
    }
    const auto* ptr = std::get_if<dns::Ptr>(&record.data);
    const auto* srv = std::get_if<dns::Srv>(&record.data);
    const auto* txt = std::get_if<dns::Txt>(&record.data);
    if (ptr == nullptr && srv == nullptr && txt == nullptr) continue;
    const std::string& name = ptr != nullptr ? ptr->target : record.name;
    Sighting& sighting = out.sightings[to_lower(name)];
    if (srv != nullptr) sighting.server = srv;
    if (txt != nullptr) sighting.text = txt;
    if (record.ttl_seconds == 0) sighting.gone = true;
  }
}

void set_addresses(const Host& host, std::uint16_t port, Found& found) {
  constexpr dns::Aaaa kLoopback{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  if (host.ipv4 != nullptr) {
    found.ipv4 = address_text(host.ipv4->address, port);
    found.loopback = host.ipv4->address[0] == 127;
  }
  if (host.ipv6 != nullptr) {
    found.ipv6 = address_text(host.ipv6->address, port);
    found.loopback = found.loopback || *host.ipv6 == kLoopback;
  }
}

}  // namespace

Result<Service> make_service(ServiceOptions options) {
  if (options.port <= 0 || options.port > 0xffff) {
    return fail(Code::invalid_argument, "port is missing or invalid");
  }
  Service service;
  OUT_TRY(service.address, parse_address(options.address));
  service.port = static_cast<std::uint16_t>(options.port);
  service.service_name = service_name(options.app_id);
  service.host_name = fitting(options.host, kDomain, kHostBytes) + std::string(kDomain);
  const std::string below = "." + service.service_name;
  service.instance_name = fitting(options.instance, below, kHostBytes) + below;
  service.app_id = std::move(options.app_id);
  return service;
}

bool can_be_found(std::string_view app_id) {
  // The longest instance that fitting() makes must have room before it.
  return !trim_dots(app_id).empty() && app_id.size() <= 190 &&
         dns::is_valid_name(service_name(app_id));
}

dns::Message browse_query(const std::vector<std::string>& app_ids) {
  dns::Message query;
  for (const auto& app_id : app_ids) {
    query.questions.push_back({.name = service_name(app_id), .type = dns::Type::ptr});
  }
  return query;
}

dns::Message announcement(const Service& service) { return presence(service); }

dns::Message goodbye(const Service& service) {
  dns::Message message = presence(service);
  // The machine and perhaps other instances of the app stay.
  message.answers.erase(message.answers.begin() + 3);
  for (auto& record : message.answers) {
    if (record.type() != dns::Type::a && record.type() != dns::Type::aaaa) record.ttl_seconds = 0;
  }
  return message;
}

std::optional<Answer> answer(const Service& service, const dns::Message& query, Asker asker) {
  // A query with authorities asks whether a name is free: an instance's name has a process id.
  if (query.response || !query.authorities.empty()) return std::nullopt;
  const auto wants_unicast = [](const dns::Question& question) { return question.unicast; };
  Answer answer{.message = response(),
                .unicast = std::ranges::all_of(query.questions, wants_unicast)};
  add_records(service, find_wanted(service, query), query, answer.message);
  if (answer.message.answers.empty()) return std::nullopt;
  if (asker == Asker::legacy) {
    answer.unicast = true;
    answer.message.id = query.id;
    answer.message.questions = query.questions;
    for (auto* section : {&answer.message.answers, &answer.message.additionals}) {
      for (auto& record : *section) {
        record.ttl_seconds = std::min(record.ttl_seconds, kLegacyTtlSeconds);
      }
    }
  }
  return answer;
}

std::vector<Found> find_services(const dns::Message& response) {
  Digest said;
  for (const auto* section : {&response.answers, &response.authorities, &response.additionals}) {
    digest(*section, said);
  }
  std::vector<Found> all;
  for (const auto& [name, sighting] : said.sightings) {
    if (sighting.server == nullptr || sighting.server->port == 0) continue;
    if (sighting.text == nullptr || sighting.text->strings.empty()) continue;
    Found found{.app_id = sighting.text->strings[0], .gone = sighting.gone};
    if (!dns::is_below(name, service_name(found.app_id))) continue;
    const auto host = said.hosts.find(to_lower(sighting.server->target));
    if (host == said.hosts.end()) continue;
    set_addresses(host->second, sighting.server->port, found);
    if (!found.ipv4.empty() || !found.ipv6.empty()) all.push_back(std::move(found));
  }
  return all;
}

}  // namespace outrigger::components::nameresolution::mdns
