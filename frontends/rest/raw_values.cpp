#include "frontends/rest/raw_values.hpp"

#include <algorithm>

namespace fulmar::rest {

namespace {

constexpr std::string_view blanks = " \t\r\n";
constexpr std::string_view ends_of_a_word = " \t\r\n,:]}";

class scanner
{
public:
    explicit scanner(std::string_view text) noexcept : text_(text) {}

    [[nodiscard]] std::size_t position() const noexcept { return at_; }
    void skip_blanks() noexcept { to(text_.find_first_not_of(blanks, at_)); }
    [[nodiscard]] char next() noexcept
    {
        skip_blanks();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    void step() noexcept { to(at_ + 1); }

    void skip_value() noexcept
    {
        std::size_t depth = 0;
        do {
            switch (next()) {
            case '"': skip_string(); break;
            case '{':
            case '[':
                ++depth;
                step();
                break;
            case '}':
            case ']':
                depth -= depth > 0 ? 1 : 0;
                step();
                break;
            case ',':
            case ':': step(); break;
            default: to(text_.find_first_of(ends_of_a_word, at_));
            }
        } while (depth > 0 && at_ < text_.size());
    }

private:
    void to(std::size_t position) noexcept { at_ = std::min(position, text_.size()); }

    void skip_string() noexcept
    {
        auto at = at_ + 1;
        while (at < text_.size() && text_[at] != '"')
            at += text_[at] == '\\' ? 2 : 1;
        to(at + 1);
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string_view> raw_values(std::string_view text)
{
    std::vector<std::string_view> values;
    scanner in{text};
    auto const named = in.next() == '{';
    in.step();
    while (in.position() < text.size() && in.next() != '}' && in.next() != ']') {
        if (named) {
            in.skip_value();
            if (in.next() == ':')
                in.step();
        }
        in.skip_blanks();
        auto const begin = in.position();
        in.skip_value();
        values.push_back(text.substr(begin, in.position() - begin));
        if (in.next() == ',')
            in.step();
    }
    return values;
}

}  // namespace fulmar::rest
