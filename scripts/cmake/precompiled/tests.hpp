// What every test includes: GoogleTest, and what the product's headers bring along.
#pragma once

#include "scripts/cmake/precompiled/product.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
