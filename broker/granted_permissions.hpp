// Permissions that are lists of filters: those of a token, or everything for whoever holds an app's secret.
//
// Like those of an access file: wildcards do not reach topics that begin with "$", "private-", "presence-" or
// "#server-to-user-", only a filter that begins with that very name does. Nobody may publish to a topic that begins
// with "$".
//
// Spec:     MQTT 5.0 §4.7.
// Owner:    shared by the sessions and connections of an identity.
// Threads:  immutable, any thread.
// Limits:   granted_filters_max filters of each kind.
// Cost:     a verdict is linear in the number of filters.
#pragma once

#include "broker/authenticator.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace fulmar::broker {

inline constexpr std::size_t granted_filters_max = 1'000;

class granted_permissions : public permissions
{
public:
    granted_permissions(std::vector<std::string> publish, std::vector<std::string> subscribe)
        : publish_{std::move(publish)}, subscribe_{std::move(subscribe)}
    {
    }

    [[nodiscard]] bool may_publish(std::string_view topic) const override;
    [[nodiscard]] bool may_subscribe(std::string_view filter) const override;
    [[nodiscard]] bool may_receive(std::string_view topic) const override;
    [[nodiscard]] bool receives_everything() const noexcept override { return false; }

private:
    std::vector<std::string> publish_;
    std::vector<std::string> subscribe_;
};

// Everything within an app but publishing to topics that begin with "$".
[[nodiscard]] std::shared_ptr<permissions const> all_permissions();

}  // namespace fulmar::broker
