#include "frontends/grpc/status.hpp"

#include <gtest/gtest.h>

namespace fulmar::grpc {
namespace {

using broker::errc;

TEST(grpc_status, every_error_of_the_broker_has_the_code_that_the_table_in_the_documentation_says)
{
    EXPECT_EQ(code_of({}), status_code::ok);
    EXPECT_EQ(code_of(make_error_code(errc::bad_credentials)), status_code::unauthenticated);
    EXPECT_EQ(code_of(make_error_code(errc::not_authorized)), status_code::permission_denied);
    EXPECT_EQ(code_of(make_error_code(errc::topic_name_invalid)), status_code::invalid_argument);
    EXPECT_EQ(code_of(make_error_code(errc::topic_filter_invalid)), status_code::invalid_argument);
    EXPECT_EQ(code_of(make_error_code(errc::message_too_large)), status_code::resource_exhausted);
    EXPECT_EQ(code_of(make_error_code(errc::quota_exceeded)), status_code::resource_exhausted);
    EXPECT_EQ(code_of(make_error_code(errc::store_full)), status_code::resource_exhausted);
    EXPECT_EQ(code_of(make_error_code(errc::store_failed)), status_code::unavailable);
    EXPECT_EQ(code_of(make_error_code(errc::shutting_down)), status_code::unavailable);
    EXPECT_EQ(code_of(make_error_code(errc::authentication_unavailable)), status_code::unavailable);
}

}  // namespace
}  // namespace fulmar::grpc
