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

# A folder's static library: every *.cpp in it, except what EXCLUDE names.
function(fulmar_library name)
  cmake_parse_arguments(arg "" "" "EXCLUDE;PUBLIC;PRIVATE" ${ARGN})
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
endfunction()

# A GoogleTest program made of every *_test.cpp in the folder.
function(fulmar_test name)
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE fulmar_flags ${arg_LIBRARIES} GTest::gmock GTest::gtest_main)
  # What is tested is optimised; the tests themselves compile a third faster without.
  target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O0>)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS unit TIMEOUT 120)
endfunction()

# A libFuzzer program <name> from <name>.cpp; its corpus is the folder corpus/<name>.
function(fulmar_fuzzer name)
  add_executable(${name} ${name}.cpp)
  target_link_libraries(${name} PRIVATE fulmar_flags ${ARGN})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
