#include "storage/rocks_store.hpp"

#include "broker/log.hpp"
#include "storage/recovery.hpp"

namespace fulmar::storage {

using namespace broker;

rocks_store::rocks_store(store_settings const& settings, broker::clock const& clock, database_hooks const& hooks)
    : settings_{settings},
      flush_at_close_{hooks.flush_at_close},
      clock_{clock},
      database_{settings_, hooks},
      cache_{settings_.message_cache_bytes},
      retention_{settings_},
      committer_{recovered_parts()},
      reader_{parts(), losses_, committer_, settings_.readers},
      maintenance_{parts(), hooks, losses_, committer_}
{
    statistics_.low_water = database_.low_water().load();
}

rocks_store::~rocks_store() { close(); }

store_parts rocks_store::parts() { return {settings_, clock_, database_, cursors_, cache_, retention_, statistics_}; }

store_parts rocks_store::recovered_parts()
{
    recover_bookkeeping(parts(), losses_);
    return parts();
}

// Trimming may begin only when it is known who still reads.
void rocks_store::recover(recovery_sink const& sink)
{
    recover_rows(parts(), sink);
    recovered_ = true;
    maintenance_.start();
}

void rocks_store::attach(shard_id shard, store_listener& listener) { committer_.attach(shard, listener); }
void rocks_store::wants_log(shard_id shard, bool wanted) { committer_.wants_log(shard, wanted); }
void rocks_store::submit(shard_id shard, std::vector<store_op> ops) { committer_.submit(shard, std::move(ops)); }
void rocks_store::read(shard_id shard, queue_read request) { reader_.read(shard, std::move(request)); }

void rocks_store::maintain()
{
    if (recovered_ && !closed_)
        maintenance_.run_once();
}

void rocks_store::close()
{
    if (closed_)
        return;
    closed_ = true;
    maintenance_.close();
    reader_.close();
    committer_.close();
    if (!flush_at_close_ || committer_.state() != store_state::healthy)
        return;
    // Files instead of a write-ahead log to replay: the next start is quicker. Nothing depends on it.
    if (auto const status = database_.db().Flush({}, database_.all()); !status.ok())
        log_warning("the store was not flushed when it was closed; the next start replays it",
                    {{"reason", status.ToString()}});
}

std::unique_ptr<rocks_store> open_store(store_settings const& settings, broker::clock const& clock,
                                        database_hooks const& hooks)
{
    return std::make_unique<rocks_store>(settings, clock, hooks);
}

std::unique_ptr<durable_store> open_store(store_settings const& settings, broker::clock const& clock)
{
    return std::make_unique<rocks_store>(settings, clock, database_hooks{});
}

}  // namespace fulmar::storage
