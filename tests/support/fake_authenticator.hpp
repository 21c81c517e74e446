// An authenticator that lets everybody in, except for what a test tells it.
//
// Enhanced authentication: the method "steps" wants the data "one" then "two", and knows the user "stepper".
//
// Threads:  the shards of one test, all polled by one thread.
#pragma once

#include "broker/authenticator.hpp"
#include "broker/topic.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

namespace fulmar::test {

// Permits what no filter in its lists matches.
class fake_permissions final : public broker::permissions
{
public:
    std::vector<std::string> no_publish, no_subscribe, no_receive;

    [[nodiscard]] bool may_publish(std::string_view topic) const override { return !matched(no_publish, topic); }
    [[nodiscard]] bool may_subscribe(std::string_view filter) const override
    {
        return std::find(no_subscribe.begin(), no_subscribe.end(), filter) == no_subscribe.end();
    }
    [[nodiscard]] bool may_receive(std::string_view topic) const override { return !matched(no_receive, topic); }
    [[nodiscard]] bool receives_everything() const noexcept override { return no_receive.empty(); }

private:
    static bool matched(std::vector<std::string> const& filters, std::string_view topic)
    {
        return std::any_of(filters.begin(), filters.end(), [&](auto const& f) { return broker::matches(f, topic); });
    }
};

class fake_authenticator final : public broker::authenticator
{
public:
    std::map<std::string, std::string> passwords;  // not empty: these users only
    fake_permissions rules;                        // of everybody, copied when asked
    bool revoked = false;                          // nobody is known any more
    bool held = false;                             // answers wait for answer_all
    broker::error_code unavailable;                // set: every question fails with it

    void authenticate(broker::credentials const& who, boost::asio::io_context&, broker::authenticated done) override
    {
        auto answer = decide(who);
        if (held)
            waiting_.emplace_back(std::move(done), std::move(answer));
        else
            done(std::move(answer));
    }

    void answer_all()
    {
        for (auto& [done, answer] : std::exchange(waiting_, {}))
            done(std::move(answer));
    }

    [[nodiscard]] std::unique_ptr<broker::enhanced_exchange> begin(std::string_view method, std::string_view) override
    {
        if (method != "steps")
            return nullptr;
        return std::make_unique<steps>(identity_of("stepper"));
    }

    [[nodiscard]] std::shared_ptr<broker::permissions const> current_permissions(std::string_view,
                                                                                 std::string_view) override
    {
        return revoked ? nullptr : std::make_shared<fake_permissions const>(rules);
    }

private:
    class steps final : public broker::enhanced_exchange
    {
    public:
        explicit steps(broker::identity who) : who_{std::move(who)} {}
        [[nodiscard]] step next(std::string_view client_data) override
        {
            if (client_data == "one")
                return {{}, "challenge", std::nullopt};
            if (client_data == "two")
                return {{}, "welcome", who_};
            if (client_data == "other user")
                return {{}, "welcome", broker::identity{broker::default_app, "somebody else", who_.allowed}};
            return {broker::errc::bad_credentials, {}, std::nullopt};
        }

    private:
        broker::identity who_;
    };

    [[nodiscard]] broker::identity identity_of(std::string user) const
    {
        return {broker::default_app, std::move(user), std::make_shared<fake_permissions const>(rules)};
    }

    [[nodiscard]] broker::result<broker::identity> decide(broker::credentials const& who) const
    {
        if (unavailable)
            return unavailable;
        auto const user = std::string{who.user.value_or("")};
        if (passwords.empty())
            return identity_of(user);
        auto const found = passwords.find(user);
        if (found == passwords.end() || who.password != found->second)
            return broker::error_code{broker::errc::bad_credentials};
        return identity_of(user);
    }

    std::deque<std::pair<broker::authenticated, broker::result<broker::identity>>> waiting_;
};

}  // namespace fulmar::test
