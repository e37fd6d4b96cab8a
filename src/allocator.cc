/// Settings of the memory allocator of release builds (cmake/Program.cmake links jemalloc; builds
/// with sanitizers have their own). docs/decisions/2026-11-22-allocator.md has the measurements.

/// Read by jemalloc before main(). Two arenas: more cost memory and there are seldom more than two
/// busy loops in a sidecar. Strings of up to 128 KiB, which are what bodies are carried in, come
/// from the thread's own cache. What is not used for five seconds is given back to the system.
extern "C" {
extern const char* const malloc_conf;
const char* const malloc_conf = "narenas:2,lg_tcache_max:17,dirty_decay_ms:5000";
}
