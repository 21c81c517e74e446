// What an administrator may look at: filters with subscribers, and sessions.
#include "broker/router_state.hpp"
#include "broker/session.hpp"
#include "broker/session_table_state.hpp"

#include <algorithm>

namespace fulmar::broker {

std::size_t router::subscribers(app_id app, std::string_view topic)
{
    bool hit = false;
    auto const& plan = impl_->plans.find(impl_->interests, app, topic, impl_->generation, hit);
    return plan.receiver_count;
}

std::vector<router::listed_filter> router::list_filters(app_id app, std::string_view prefix, std::string_view after,
                                                        std::size_t limit, std::size_t budget) const
{
    std::vector<listed_filter> out;
    auto const before = [](listed_filter const& a, listed_filter const& b) { return a.filter < b.filter; };
    impl_->interests.for_each(budget, [&](filter_interest const& entry) {
        if (entry.app != app || entry.locals.empty() || !entry.filter.starts_with(prefix) || entry.filter <= after)
            return;
        if (limit == 0 || (out.size() == limit && entry.filter >= out.front().filter))
            return;
        if (out.size() == limit) {  // a heap: the last of those kept is in front
            std::pop_heap(out.begin(), out.end(), before);
            out.pop_back();
        }
        out.push_back({entry.filter, entry.locals.size()});
        std::push_heap(out.begin(), out.end(), before);
    });
    std::sort_heap(out.begin(), out.end(), before);
    return out;
}

void session_table::for_each(std::function<bool(app_id, session const&)> const& visit) const
{
    impl_->sessions.for_each([&visit](session const& s) { return visit(s.app(), s); });
}

session const* session_table::find(app_id app, std::string_view client_id) const
{
    return impl_->sessions.find(make_key(app, client_id));
}

}  // namespace fulmar::broker
