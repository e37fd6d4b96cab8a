#pragma once

namespace outrigger::net {

/// Of a TCP socket, as Go sets it on all of its own: no delay of small writes, and probes every 15
/// seconds, so that a peer that vanished without a word is noticed.
void set_tcp_options(int fd) noexcept;

}  // namespace outrigger::net
