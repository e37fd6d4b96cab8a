#include "control/sentry/commands.h"

#include <cstdio>

#include "base/text_file.h"
#include "control/sentry/rotation.h"

namespace outrigger::control::sentry {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{1} << 20;

/// True: it is to be done. False: it has been answered, and the exit code says how.
bool parse(Flags& flags, std::span<const std::string> arguments, int& exit_code) {
  const auto wish = flags.parse(arguments);
  if (wish && *wish == Flags::Wish::run && flags.positional().empty()) return true;
  std::fprintf(stderr, "%s", flags.usage().c_str());
  exit_code = 2;
  if (!wish) {
    std::fprintf(stderr, "%s\n", wish.error().message().c_str());
  } else if (*wish == Flags::Wish::help) {
    exit_code = 0;
  } else {
    std::fprintf(stderr, "unexpected word: %s\n", flags.positional().front().c_str());
  }
  return false;
}

int failed(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

/// Files of credentials that somebody brings along.
struct Brought {
  std::string root, issuer_certificate, issuer_key;
};

Result<std::optional<CaTexts>> read(const Brought& brought) {
  if (brought.root.empty() && brought.issuer_certificate.empty() && brought.issuer_key.empty()) {
    return std::optional<CaTexts>();
  }
  if (brought.root.empty() || brought.issuer_certificate.empty() || brought.issuer_key.empty()) {
    return fail(Code::invalid_argument,
                "--new-root, --new-issuer-certificate and --new-issuer-key go together");
  }
  CaTexts texts;
  OUT_TRY(texts.anchors, read_text_file(brought.root, kFileBytesMax));
  OUT_TRY(texts.issuer_chain, read_text_file(brought.issuer_certificate, kFileBytesMax));
  OUT_TRY(texts.issuer_key, read_text_file(brought.issuer_key, kFileBytesMax));
  return std::optional(std::move(texts));
}

struct RotateFlags {
  Paths paths;
  std::chrono::nanoseconds wait{0};
  bool hold = false;
  bool release = false;
  Brought brought;
};

void add(Flags& flags, RotateFlags& given) {
  add_path_flags(flags, given.paths);
  flags.add("wait", &given.wait,
            "how long the new root is handed out before its issuer signs; default: the lifetime of "
            "a certificate");
  flags.add("hold", &given.hold, "keep the old root until --release");
  flags.add("release", &given.release, "let the old root go that is held, when its time has come");
  flags.add("new-root", &given.brought.root, "`file` of the new root; default: one is made");
  flags.add("new-issuer-certificate", &given.brought.issuer_certificate,
            "`file` of the certificate of the new issuer");
  flags.add("new-issuer-key", &given.brought.issuer_key, "`file` of the key of the new issuer");
}

Result<> rotate(const Flags& flags, RotateFlags given) {
  resolve(given.paths);
  const auto storage = make_file_storage(given.paths);
  if (given.release) return release_rotation(*storage);
  Rotation wanted;
  if (flags.changed("wait")) {
    if (given.wait.count() < 0) return fail(Code::invalid_argument, "--wait is negative");
    wanted.wait = given.wait;
  }
  wanted.hold = given.hold;
  OUT_TRY(wanted.next, read(given.brought));
  return request_rotation(*storage, std::move(wanted), wall_now());
}

int print_status(Paths paths) {
  resolve(paths);
  const auto text = describe(*make_file_storage(std::move(paths)), wall_now());
  if (!text) return failed(text.error());
  std::printf("%s", text->c_str());
  return 0;
}

}  // namespace

int rotate(std::span<const std::string> arguments) {
  Flags flags("sentry rotate");
  RotateFlags given;
  add(flags, given);
  int exit_code = 0;
  if (!parse(flags, arguments, exit_code)) return exit_code;
  if (auto done = rotate(flags, given); !done) return failed(done.error());
  return print_status(given.paths);
}

int status(std::span<const std::string> arguments) {
  Flags flags("sentry status");
  Paths paths;
  add_path_flags(flags, paths);
  int exit_code = 0;
  if (!parse(flags, arguments, exit_code)) return exit_code;
  return print_status(std::move(paths));
}

}  // namespace outrigger::control::sentry
