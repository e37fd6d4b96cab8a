// Read before the generated files of a unity build. They share the names of two tables that are
// private to each; here each file gets its own.
#pragma once

#include <google/protobuf/generated_message_reflection.h>

#define OUT_PROTO_JOIN2(a, b) a##b
#define OUT_PROTO_JOIN(a, b) OUT_PROTO_JOIN2(a, b)
#define schemas OUT_PROTO_JOIN(schemas_, OUT_PROTO_FILE)
#define file_default_instances OUT_PROTO_JOIN(file_default_instances_, OUT_PROTO_FILE)
