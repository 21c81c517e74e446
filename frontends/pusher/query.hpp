// The query string of an API request, taken apart.
//
// Spec:     application/x-www-form-urlencoded (WHATWG URL §5.1).
// Threads:  plain values.
// Limits:   query_parameters_max parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fulmar::pusher {

inline constexpr std::size_t query_parameters_max = 256;

struct query_parameter
{
    std::string name;  // in lower case
    std::string value;
};

class query
{
public:
    // `decode`: percent escapes and '+' are taken back. Some clients sign, and send, what they never escaped: they are
    // read without. nullopt: too many parameters, or an escape that is none.
    [[nodiscard]] static std::optional<query> parse(std::string_view text, bool decode);

    // The first of that name; null if there is none.
    [[nodiscard]] std::string const* find(std::string_view name) const noexcept;
    [[nodiscard]] std::string_view value(std::string_view name) const noexcept;
    // All values of "name", "name[]" and "name[0]", "name[1]"..., in the order in which they were sent.
    [[nodiscard]] std::vector<std::string_view> list(std::string_view name) const;

    // "k1=v1&k2=v2" sorted by name, without auth_signature. `join_lists`: "name[]" becomes "name" with its values joined
    // by commas, as some libraries sign them.
    [[nodiscard]] std::string canonical(bool join_lists) const;
    [[nodiscard]] bool has_lists() const noexcept;

private:
    std::vector<query_parameter> parameters_;
};

}  // namespace fulmar::pusher
