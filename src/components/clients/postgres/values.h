#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/time_format.h"

/// PostgreSQL's binary forms of values, in which parameters and columns travel.
namespace outrigger::components::postgres {

/// bigint.
[[nodiscard]] std::string from_integer(std::int64_t number);
/// xid, and other types of four bytes.
[[nodiscard]] std::string from_unsigned(std::uint32_t number);
[[nodiscard]] std::string from_bool(bool truth);
/// jsonb, from the text of a JSON value (which the server checks).
[[nodiscard]] std::string from_json(std::string_view text);
/// uuid, from 36 characters or 32 hexadecimal digits; empty if they are not one.
[[nodiscard]] std::string from_uuid(std::string_view text);
/// text[].
[[nodiscard]] std::string from_texts(std::span<const std::string> texts);

/// smallint, integer or bigint; 0 if the bytes are none of these.
[[nodiscard]] std::int64_t to_integer(std::string_view bytes) noexcept;
[[nodiscard]] std::uint32_t to_unsigned(std::string_view bytes) noexcept;
[[nodiscard]] bool to_bool(std::string_view bytes) noexcept;
/// The text of a jsonb value.
[[nodiscard]] std::string_view to_json(std::string_view bytes) noexcept;
/// 36 characters; empty if the bytes are no uuid.
[[nodiscard]] std::string to_uuid(std::string_view bytes);
/// timestamptz; times outside the range of WallTime become its ends.
[[nodiscard]] WallTime to_time(std::string_view bytes) noexcept;

}  // namespace outrigger::components::postgres
