// What the program ends with; listed by `fulmar --help` and in docs/cli.md.
#pragma once

namespace fulmar {

enum class exit_code : int {
    success = 0,
    failure = 1,        // something that no other code describes
    usage = 2,          // the command line
    configuration = 3,  // a setting, or a file that a setting names
    listen = 4,         // an address or port cannot be used
    store = 5,          // the database cannot be opened, or is damaged
    unreachable = 6,    // a client command: no broker answers
    refused = 7,        // a client command: the broker does not accept the credentials, or they may not do this
};

}  // namespace fulmar
