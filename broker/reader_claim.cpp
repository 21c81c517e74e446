#include "broker/reader_claim.hpp"

#include "broker/shard.hpp"

#include <utility>

namespace fulmar::broker {

reader_claim::reader_claim(shard& here, reader_request wanted, std::function<void(result<reader_grant>)> done)
    : here_{here},
      app_{wanted.app},
      name_{wanted.name},
      home_{reader_sessions::home_of(here.node(), wanted.app, wanted.name)},
      address_{here.attach(*this)},
      done_{std::move(done)}
{
    here.send(home_, [wanted = std::move(wanted), by = address_](shard& home) {
        home.readers().open(wanted, by, [&home, by](result<reader_grant> const& outcome) {
            home.send(by.shard, [by, outcome](shard& there) {
                if (auto* const claim = static_cast<reader_claim*>(there.resolve(by)))
                    claim->answered(outcome);
            });
        });
    });
}

reader_claim::~reader_claim()
{
    here_.detach(address_);
    here_.send(home_, [app = app_, name = name_, by = address_](shard& home) { home.readers().close(app, name, by); });
}

void reader_claim::answered(result<reader_grant> const& outcome)
{
    if (auto const done = std::exchange(done_, {}))
        done(outcome);
}

void reader_claim::report(log_sequence place)
{
    here_.send(home_, [app = app_, name = name_, by = address_, place](shard& home) {
        home.readers().report(app, name, by, place);
    });
}

void reader_claim::on_end(std::function<void(reader_end)> lost)
{
    lost_ = std::move(lost);
    if (end_)
        ended(*end_);
}

void reader_claim::ended(reader_end why)
{
    end_ = why;
    if (auto const lost = std::exchange(lost_, {}))
        lost(why);
}

}  // namespace fulmar::broker
