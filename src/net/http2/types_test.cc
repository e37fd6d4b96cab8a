#include "net/http2/types.h"

namespace outrigger::net::http2 {
namespace {

TEST(Http2Reset, CodesAreThoseThatGrpcMakesOfThem) {
  EXPECT_EQ(code_of_reset(ErrorCode::no_error), Code::internal);
  EXPECT_EQ(code_of_reset(ErrorCode::internal_error), Code::internal);
  EXPECT_EQ(code_of_reset(ErrorCode::refused_stream), Code::unavailable);
  EXPECT_EQ(code_of_reset(ErrorCode::cancel), Code::cancelled);
  EXPECT_EQ(code_of_reset(ErrorCode::flow_control_error), Code::resource_exhausted);
  EXPECT_EQ(code_of_reset(ErrorCode::enhance_your_calm), Code::resource_exhausted);
  EXPECT_EQ(code_of_reset(ErrorCode::inadequate_security), Code::permission_denied);
  EXPECT_EQ(code_of_reset(static_cast<ErrorCode>(99)), Code::unknown);
}

}  // namespace
}  // namespace outrigger::net::http2
