#include "broker/granted_permissions.hpp"

#include "broker/access.hpp"
#include "broker/topic.hpp"

#include <algorithm>

namespace fulmar::broker {

namespace {

[[nodiscard]] bool reserved_name(std::string_view topic) noexcept
{
    return topic.starts_with('$') || guarded_name(topic);
}

template <class Fits>
[[nodiscard]] bool granted(std::vector<std::string> const& filters, std::string_view name, Fits fits)
{
    auto const reserved = reserved_name(name);
    return std::any_of(filters.begin(), filters.end(), [&](std::string const& filter) {
        return (!reserved || reserved_name(filter)) && fits(filter, name);
    });
}

class all_of_an_app final : public permissions
{
public:
    [[nodiscard]] bool may_publish(std::string_view topic) const override { return !topic.starts_with('$'); }
    [[nodiscard]] bool may_subscribe(std::string_view filter) const override
    {
        auto const shared = parse_shared(filter);
        return !shared || !shared->filter.empty();
    }
    [[nodiscard]] bool may_receive(std::string_view) const override { return true; }
    [[nodiscard]] bool receives_everything() const noexcept override { return true; }
};

}  // namespace

bool granted_permissions::may_publish(std::string_view topic) const
{
    return !topic.starts_with('$') && granted(publish_, topic, matches);
}

bool granted_permissions::may_subscribe(std::string_view filter) const
{
    auto const shared = parse_shared(filter);
    auto const inner = shared ? shared->filter : filter;
    return !inner.empty() && granted(subscribe_, inner, covers);
}

bool granted_permissions::may_receive(std::string_view topic) const { return granted(subscribe_, topic, matches); }

std::shared_ptr<permissions const> all_permissions()
{
    static auto const everything = std::make_shared<all_of_an_app const>();
    return everything;
}

}  // namespace fulmar::broker
