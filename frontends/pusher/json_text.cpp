#include "frontends/pusher/json_text.hpp"

#include <array>
#include <boost/json.hpp>

namespace fulmar::pusher {

namespace {

[[nodiscard]] bool blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Walks over text that is known to be valid, so that it only has to find where things end.
class json_walker
{
public:
    explicit json_walker(std::string_view text) noexcept : text_{text} {}

    [[nodiscard]] char peek() noexcept
    {
        while (at_ < text_.size() && blank(text_[at_]))
            ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    void skip() noexcept { ++at_; }

    [[nodiscard]] std::string_view value() noexcept
    {
        auto const first = peek();
        auto const begin = at_;
        if (first == '"')
            skip_string();
        else if (first == '{' || first == '[')
            skip_nested();
        else
            while (at_ < text_.size() && !blank(text_[at_]) && text_[at_] != ',' && text_[at_] != '}' &&
                   text_[at_] != ']')
                ++at_;
        return text_.substr(begin, at_ - begin);
    }

private:
    void skip_string() noexcept
    {
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
            if (text_[at_] == '\\')
                ++at_;
        ++at_;
        at_ = at_ < text_.size() ? at_ : text_.size();
    }

    void skip_nested() noexcept
    {
        std::size_t depth = 0;
        while (at_ < text_.size()) {
            auto const c = text_[at_];
            if (c == '"') {
                skip_string();
                continue;
            }
            ++at_;
            if (c == '{' || c == '[')
                ++depth;
            else if ((c == '}' || c == ']') && --depth == 0)
                return;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

bool valid_json(std::string_view text)
{
    std::array<unsigned char, 4096> space;
    boost::json::monotonic_resource memory{space.data(), space.size()};
    boost::json::parse_options options;
    options.max_depth = json_depth_max;
    boost::system::error_code error;
    (void)boost::json::parse(boost::json::string_view{text.data(), text.size()}, error, &memory, options);
    return !error;
}

std::string_view raw_member(std::string_view object, std::string_view name) noexcept
{
    json_walker walk{object};
    std::string_view found;
    if (walk.peek() != '{')
        return {};
    walk.skip();
    while (walk.peek() == '"') {
        auto const key = walk.value();
        if (walk.peek() != ':')
            return {};
        walk.skip();
        auto const text = walk.value();
        if (key.size() == name.size() + 2 && key.substr(1, name.size()) == name)
            found = text;
        if (walk.peek() != ',')
            break;
        walk.skip();
    }
    return found;
}

}  // namespace fulmar::pusher
