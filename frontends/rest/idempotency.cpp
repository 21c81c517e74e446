#include "frontends/rest/idempotency.hpp"

#include <openssl/evp.h>

#include <memory>

namespace fulmar::rest {

request_digest digest_of(net::http_request const& request)
{
    struct free_context
    {
        void operator()(EVP_MD_CTX* p) const noexcept { EVP_MD_CTX_free(p); }
    };
    request_digest out{};
    std::unique_ptr<EVP_MD_CTX, free_context> const context{EVP_MD_CTX_new()};
    EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
    auto const add = [&](std::string_view text) {
        auto const size = static_cast<std::uint64_t>(text.size());
        EVP_DigestUpdate(context.get(), &size, sizeof size);
        EVP_DigestUpdate(context.get(), text.data(), text.size());
    };
    add(request.method);
    add(request.path);
    add(request.query);
    add(request.header("Content-Type"));
    for (auto const& field : request.headers)
        if (field.name.size() > 7 && net::same_token(std::string_view{field.name}.substr(0, 7), "Fulmar-")) {
            add(field.name);
            add(field.value);
        }
    add(request.body);
    EVP_DigestFinal_ex(context.get(), out.data(), nullptr);
    return out;
}

idempotency_window::decision idempotency_window::begin(std::string const& key, request_digest const& request,
                                                       broker::wall_ms now)
{
    std::lock_guard const lock{mutex_};
    forget_old(now);
    auto const [place, fresh] = entries_.try_emplace(key);
    auto& known = place->second;
    if (fresh) {
        known.request = request;
        known.number = ++last_number_;
        by_age_.push_back({now + static_cast<broker::wall_ms>(length_.count()), key, known.number});
        return {};
    }
    if (known.request != request)
        return {verdict::other_use, {}};
    if (!known.answer)
        return {verdict::under_way, {}};
    return {verdict::repeated, known.answer};
}

void idempotency_window::finish(std::string const& key, net::http_response const& answer)
{
    std::lock_guard const lock{mutex_};
    auto const found = entries_.find(key);
    if (found == entries_.end())
        return;
    if (answer.status >= 500 || answer.status == 429)
        entries_.erase(found);
    else
        found->second.answer = answer;
}

void idempotency_window::forget_old(broker::wall_ms now)
{
    while (!by_age_.empty() && (by_age_.front().until <= now || by_age_.size() >= entries_max)) {
        auto const found = entries_.find(by_age_.front().key);
        if (found != entries_.end() && found->second.number == by_age_.front().number)
            entries_.erase(found);
        by_age_.pop_front();
    }
}

}  // namespace fulmar::rest
