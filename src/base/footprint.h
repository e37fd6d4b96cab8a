#pragma once

namespace outrigger {

/// Lets go of the memory that only the start has needed: the pages of code that ran once, which the
/// kernel maps again from the file where they are wanted (some 0.1 ms for what a sidecar runs
/// then), and what the allocator holds back. Call it when a program is ready; from any thread.
/// A debugger's breakpoints that were set before are lost.
void trim_footprint() noexcept;

}  // namespace outrigger
