# Warnings, sanitizers and the three kinds of target that the folders declare.

add_library(fulmar_flags INTERFACE)
target_compile_options(fulmar_flags INTERFACE -Wall -Wextra -Werror -Wno-missing-field-initializers -Woverloaded-virtual)
target_compile_definitions(fulmar_flags INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  SPDLOG_COMPILED_LIB FULMAR_VERSION="${PROJECT_VERSION}")
target_include_directories(fulmar_flags INTERFACE ${CMAKE_SOURCE_DIR})

if(FULMAR_SANITIZE STREQUAL "address")
  # Without the vptr check: it opens a pipe, and tests run out of descriptors on purpose.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined -fno-sanitize=vptr)
elseif(FULMAR_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer)
  add_link_options(-fsanitize=thread)
elseif(NOT FULMAR_SANITIZE STREQUAL "")
  message(FATAL_ERROR "FULMAR_SANITIZE is '${FULMAR_SANITIZE}': use nothing, 'address' or 'thread'")
endif()
if(FULMAR_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Precompiled headers: one of each kind for a whole tree, used again by every target of that kind. ccache must be told that it may
# trust them (the launcher in CMakePresets.json), and Clang to leave the time out of them.
option(FULMAR_PRECOMPILE "Precompile headers for the product too, not only for the tests" OFF)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
endif()
file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cpp "")
function(fulmar_precompile target kind)  # product, standalone or tests
  if(NOT kind STREQUAL "tests" AND NOT FULMAR_PRECOMPILE)
    return()
  endif()
  set(owner fulmar_precompiled_${kind})
  if(NOT TARGET ${owner})
    add_library(${owner} OBJECT EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/precompiled.cpp)
    target_link_libraries(${owner} PRIVATE fulmar_flags Boost::headers Threads::Threads)
    if(kind STREQUAL "tests")
      target_link_libraries(${owner} PRIVATE GTest::gmock)
      target_compile_options(${owner} PRIVATE ${fulmar_test_options})
    endif()
    target_precompile_headers(${owner} PRIVATE ${CMAKE_SOURCE_DIR}/scripts/cmake/precompiled/${kind}.hpp)
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# Sources that run once, at start, and are expensive to optimise (CLI11, toml++). In a sanitizer tree they are not; in the
# others they must be: the linker may take their copy of a template for the whole program.
function(fulmar_cold)
  if(FULMAR_SANITIZE)
    set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS -O0 SKIP_PRECOMPILE_HEADERS ON)
  endif()
endfunction()

# What is tested is optimised; the tests themselves compile a third faster without.
set(fulmar_test_options -O0)

# A folder's static library: every *.cpp in it, except what EXCLUDE names. STANDALONE: it is linked without Boost.
function(fulmar_library name)
  cmake_parse_arguments(arg "STANDALONE" "" "EXCLUDE;PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  foreach(excluded ${arg_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
  endforeach()
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC fulmar_flags ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  if(arg_STANDALONE)
    fulmar_precompile(${name} standalone)
  else()
    fulmar_precompile(${name} product)
  endif()
endfunction()

# A GoogleTest program made of every *_test.cpp in the folder. STANDALONE: as above.
function(fulmar_test name)
  cmake_parse_arguments(arg "STANDALONE" "" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE fulmar_flags ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  target_compile_options(${name} PRIVATE ${fulmar_test_options})
  if(NOT arg_STANDALONE)
    fulmar_precompile(${name} tests)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# A libFuzzer program <name> from <name>.cpp; its corpus is the folder corpus/<name>.
function(fulmar_fuzzer name)
  add_executable(${name} ${name}.cpp)
  target_link_libraries(${name} PRIVATE fulmar_flags ${ARGN})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  fulmar_precompile(${name} product)
endfunction()
