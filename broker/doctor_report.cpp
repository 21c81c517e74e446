#include "broker/doctor.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace fulmar::broker {

namespace {

std::string_view name_of(finding_status s)
{
    switch (s) {
    case finding_status::ok: return "ok";
    case finding_status::warning: return "warning";
    case finding_status::problem: return "problem";
    case finding_status::unknown: return "unknown";
    }
    return "unknown";
}

std::string json_quoted(std::string_view text)
{
    std::string out{"\""};
    for (auto const c : text) {
        if (c == '"' || c == '\\')
            out += {'\\', c};
        else if (static_cast<unsigned char>(c) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            out += code;
        } else {
            out += c;
        }
    }
    return out + "\"";
}

}  // namespace

std::string doctor_table(std::vector<finding> const& findings)
{
    std::size_t width = 0;
    for (auto const& f : findings)
        width = std::max(width, f.check.size());
    std::string out;
    for (auto const& f : findings) {
        auto line = std::string{name_of(f.status)};
        line.resize(9, ' ');
        line += f.check;
        line.resize(9 + width + 2, ' ');
        out += line + f.found + "\n";
        if (!f.remedy.empty())
            out += std::string(9 + width + 2, ' ') + "set: " + f.remedy + "\n";
    }
    auto const count = [&](finding_status s) {
        return std::count_if(findings.begin(), findings.end(), [s](auto const& f) { return f.status == s; });
    };
    return out + "\n" + std::to_string(count(finding_status::problem)) + " problems, " +
           std::to_string(count(finding_status::warning)) + " warnings\n";
}

std::string doctor_json(std::vector<finding> const& findings)
{
    std::string out{R"({"fit":)"};
    out += fit_to_run(findings) ? "true" : "false";
    out += R"(,"checks":[)";
    for (auto const& f : findings) {
        out += out.ends_with('[') ? "" : ",";
        out += R"({"check":)" + json_quoted(f.check) + R"(,"status":)" + json_quoted(name_of(f.status)) +
               R"(,"found":)" + json_quoted(f.found) + R"(,"remedy":)" + json_quoted(f.remedy) + "}";
    }
    return out + "]}\n";
}

}  // namespace fulmar::broker
