#include "frontends/grpc/call_server.hpp"

#include "broker/log.hpp"

#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <utility>

namespace fulmar::grpc {

namespace {

constexpr std::size_t events_per_post_max = 512;
constexpr unsigned certificate_refresh_s = 1;
constexpr int keep_alive_answer_ms = 20'000;

enum class step : std::uint8_t { opened, read, written, finished, done, woken };

struct rpc;
struct tag
{
    rpc* call = nullptr;  // null: the alarm
    step what = step::woken;
};

// One call, from the request for it to its last operation.
struct rpc
{
    ::grpc::GenericServerContext context;
    ::grpc::GenericServerAsyncReaderWriter stream{&context};
    ::grpc::ByteBuffer in;
    tag opened{this, step::opened}, read{this, step::read}, written{this, step::written},
        finished{this, step::finished}, done{this, step::done};
    call_id id = 0;
    broker::shard_id shard = 0;
    std::uint32_t messages_left = 0;  // ordered and not read
    std::size_t bytes_left = 0;
    unsigned operations = 0;  // under way
    bool reading = false;
    bool writing = false;
    bool closing = false;  // the last operation was given or waits in `last`
    bool over = false;     // done has come
    std::optional<call_order> last;
};

std::unique_ptr<call_opening> opening_of(::grpc::GenericServerContext& context)
{
    auto out = std::make_unique<call_opening>();
    out->method = context.method();
    out->authority = context.host();
    auto const [first, last] = context.client_metadata().equal_range("authorization");
    if (first != last) {
        out->authorization.assign(first->second.data(), first->second.size());
        out->authorized_twice = std::next(first) != last;
    }
    auto const security = context.auth_context();
    out->secure = security && !security->FindPropertyValues("transport_security_type").empty() &&
                  security->FindPropertyValues("transport_security_type").front() != "insecure";
    if (out->secure && security->IsPeerAuthenticated())
        if (auto const names = security->FindPropertyValues("x509_common_name"); !names.empty())
            out->certificate_subject.assign(names.front().data(), names.front().size());
    return out;
}

std::string bytes_of(::grpc::ByteBuffer const& buffer)
{
    std::string out;
    ::grpc::Slice single;
    if (buffer.TrySingleSlice(&single).ok()) {
        out.assign(reinterpret_cast<char const*>(single.begin()), single.size());
        return out;
    }
    std::vector<::grpc::Slice> slices;
    (void)buffer.Dump(&slices);
    out.reserve(buffer.Length());
    for (auto const& slice : slices)
        out.append(reinterpret_cast<char const*>(slice.begin()), slice.size());
    return out;
}

// Takes the bytes without copying them.
::grpc::ByteBuffer buffer_of(std::string&& bytes)
{
    auto* const held = new std::string{std::move(bytes)};
    ::grpc::Slice const slice{held->data(), held->size(), [](void* owner) { delete static_cast<std::string*>(owner); },
                              held};
    return {&slice, 1};
}

int milliseconds_of(std::chrono::milliseconds time)
{
    return static_cast<int>(std::min<std::int64_t>(time.count(), std::numeric_limits<int>::max()));
}

std::shared_ptr<::grpc::ServerCredentials> credentials_of(call_server_tls const& tls)
{
    namespace secure = ::grpc::experimental;
    auto const files = std::make_shared<secure::FileWatcherCertificateProvider>(tls.key, tls.certificate, tls.client_ca,
                                                                                certificate_refresh_s);
    secure::TlsServerCredentialsOptions options{files};
    options.watch_identity_key_cert_pairs();
    if (!tls.client_ca.empty()) {
        options.watch_root_certs();
        options.set_cert_request_type(tls.client_certificate_required
                                          ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                          : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
    }
    return secure::TlsServerCredentials(options);
}

// gRPC's own lines would go to stderr, as many as peers can cause: failed handshakes, for one.
void log_line(gpr_log_func_args* line)
{
    static broker::rate_limited_log report{"gRPC reports a problem", 1};
    if (line->severity == GPR_LOG_SEVERITY_ERROR)
        report(broker::log_level::warning, {{"problem", std::string_view{line->message}}});
}

}  // namespace

struct call_server::impl
{
    impl(call_server_options with, std::size_t shards, delivery to)
        : options{with}, deliver{std::move(to)}, events(shards)
    {
    }

    // --- the thread ------------------------------------------------------------------------------
    void run();
    void on_step(tag const& happened, bool ok);
    void request_call();
    void on_opened(rpc& call, bool ok);
    void on_read(rpc& call, bool ok);
    void on_written(rpc& call);
    void perform_orders();
    void perform(call_order&& order);
    void read_more(rpc& call);
    void close(rpc& call, call_order&& last);
    void add_event(rpc const& call, call_event::kind what, std::string bytes = {});
    void deliver_events();
    void forget_if_over(rpc& call);
    void wake_thread()  // with the lock held
    {
        if (!std::exchange(woken, true))
            alarm.Set(queue.get(), gpr_inf_past(GPR_CLOCK_REALTIME), &wake);
    }

    // --- connections -----------------------------------------------------------------------------
    void find_origin(call_opening& opening, std::string_view peer);

    using acceptor = std::unique_ptr<::grpc::experimental::ExternalConnectionAcceptor>;

    call_server_options const options;
    delivery const deliver;
    acceptor plain;
    acceptor secure;
    ::grpc::AsyncGenericService service;
    std::unique_ptr<::grpc::ServerCompletionQueue> queue;
    std::unique_ptr<::grpc::Server> server;
    std::thread thread;

    std::unordered_map<call_id, std::unique_ptr<rpc>> calls;
    std::unique_ptr<rpc> next;  // asked for
    call_id last_id = 0;
    std::vector<std::vector<call_event>> events;  // by shard
    std::size_t events_waiting = 0;
    std::atomic<std::size_t> open{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<bool> stopping{false};
    bool shut = false;  // the queue takes no more operations; only the thread looks at it

    known_connections connections;
    std::mutex adopting_mutex;  // a stopped server closes no socket that it is given
    bool adopting = false;

    std::mutex inbox_mutex;  // shards against the thread, once per turn
    std::vector<std::vector<call_order>> inbox;
    bool woken = false;
    bool closed = false;
    ::grpc::Alarm alarm;
    tag wake{nullptr, step::woken};
};

// --- the thread ------------------------------------------------------------------------------------

// What was read goes to the shards when there is nothing more to read at once: the more there is, the larger the batches.
void call_server::impl::run()
{
    bool idle = false;
    while (true) {
        void* happened = nullptr;
        bool ok = false;
        auto const status = queue->AsyncNext(
            &happened, &ok, idle ? gpr_inf_future(GPR_CLOCK_REALTIME) : gpr_inf_past(GPR_CLOCK_REALTIME));
        if (status == ::grpc::CompletionQueue::SHUTDOWN)
            break;
        idle = status == ::grpc::CompletionQueue::TIMEOUT;
        if (!idle)
            on_step(*static_cast<tag const*>(happened), ok);
        if (idle || events_waiting >= events_per_post_max)
            deliver_events();
    }
    deliver_events();
}

void call_server::impl::on_step(tag const& happened, bool ok)
{
    if (happened.call == nullptr)
        return perform_orders();
    auto& call = *happened.call;
    if (happened.what != step::done)
        --call.operations;
    switch (happened.what) {
    case step::opened: return on_opened(call, ok);
    case step::read: on_read(call, ok); break;
    case step::written: on_written(call); break;
    case step::done:
        call.over = true;
        add_event(call, call_event::kind::ended);
        break;
    case step::finished:
    case step::woken: break;
    }
    forget_if_over(call);
}

void call_server::impl::request_call()
{
    if (shut || stopping.load(std::memory_order_relaxed))
        return;
    next = std::make_unique<rpc>();
    next->context.AsyncNotifyWhenDone(&next->done);
    ++next->operations;
    service.RequestCall(&next->context, &next->stream, queue.get(), queue.get(), &next->opened);
}

void call_server::impl::on_opened(rpc& call, bool ok)
{
    if (!ok) {  // the server stops: done never comes
        next.reset();
        return;
    }
    call.id = ++last_id;
    calls.emplace(call.id, std::move(next));
    open.store(calls.size(), std::memory_order_relaxed);
    request_call();
    if (calls.size() > options.calls_max) {
        refused.fetch_add(1, std::memory_order_relaxed);
        call_order order;
        order.code = status_code::resource_exhausted;
        order.text = "too many calls are open: grpc.calls_max";
        return close(call, std::move(order));
    }
    auto opening = opening_of(call.context);
    find_origin(*opening, call.context.peer());
    call.shard = opening->from.shard;
    add_event(call, call_event::kind::opened);
    events[call.shard].back().opening = std::move(opening);
}

void call_server::impl::on_read(rpc& call, bool ok)
{
    call.reading = false;
    if (!ok)
        return add_event(call, call_event::kind::no_more);
    auto bytes = bytes_of(call.in);
    call.in.Clear();
    call.bytes_left -= std::min(call.bytes_left, bytes.size());
    add_event(call, call_event::kind::message, std::move(bytes));
    read_more(call);
}

void call_server::impl::on_written(rpc& call)
{
    call.writing = false;
    if (call.last)
        return close(call, *std::exchange(call.last, std::nullopt));
    add_event(call, call_event::kind::written);
}

void call_server::impl::read_more(rpc& call)
{
    if (call.reading || call.messages_left == 0 || call.bytes_left == 0 || call.over || call.closing || shut)
        return;
    --call.messages_left;
    call.reading = true;
    ++call.operations;
    call.stream.Read(&call.in, &call.read);
}

void call_server::impl::perform_orders()
{
    std::vector<std::vector<call_order>> batches;
    bool ending = false;
    {
        std::lock_guard const lock{inbox_mutex};
        batches.swap(inbox);
        woken = false;
        ending = closed;
    }
    for (auto& batch : batches)
        for (auto& each : batch)
            perform(std::move(each));
    // Here and not where it is asked for: no operation may begin after it.
    if (ending && !std::exchange(shut, true))
        queue->Shutdown();
}

void call_server::impl::perform(call_order&& order)
{
    auto const found = calls.find(order.id);
    if (shut || found == calls.end() || found->second->over || found->second->closing)
        return;
    auto& call = *found->second;
    switch (order.what) {
    case call_order::kind::read:
        call.messages_left += order.messages;
        call.bytes_left += order.amount;
        return read_more(call);
    case call_order::kind::write:
        call.writing = true;
        ++call.operations;
        return call.stream.Write(buffer_of(std::move(order.bytes)), &call.written);
    case call_order::kind::reply:
    case call_order::kind::finish:
        call.closing = true;
        if (call.writing)
            call.last = std::move(order);
        else
            close(call, std::move(order));
        return;
    case call_order::kind::cancel: call.context.TryCancel(); return;
    }
}

void call_server::impl::close(rpc& call, call_order&& last)
{
    call.closing = true;
    if (call.over || shut)
        return;
    ++call.operations;
    if (last.what == call_order::kind::reply)
        return call.stream.WriteAndFinish(buffer_of(std::move(last.bytes)), {}, ::grpc::Status::OK, &call.finished);
    if (!last.resume.empty())
        call.context.AddTrailingMetadata("fulmar-resume", last.resume);
    call.stream.Finish({static_cast<::grpc::StatusCode>(last.code), last.text}, &call.finished);
}

void call_server::impl::add_event(rpc const& call, call_event::kind what, std::string bytes)
{
    events[call.shard].push_back({what, call.id, std::move(bytes), nullptr});
    ++events_waiting;
}

void call_server::impl::deliver_events()
{
    if (std::exchange(events_waiting, 0) == 0)
        return;
    for (std::size_t to = 0; to < events.size(); ++to)
        if (!events[to].empty())
            deliver(static_cast<broker::shard_id>(to), std::exchange(events[to], {}));
}

void call_server::impl::forget_if_over(rpc& call)
{
    if (!call.over || call.operations != 0)
        return;
    calls.erase(call.id);
    open.store(calls.size(), std::memory_order_relaxed);
}

// --- connections -----------------------------------------------------------------------------------

void call_server::impl::find_origin(call_opening& opening, std::string_view peer)
{
    if (auto known = connections.find(peer, opening.secure)) {
        opening.connection = known->id;
        opening.from = std::move(known->from);
    }
}

connection_id call_server::adopt(int socket, bool secure, connection_origin const& from)
{
    std::lock_guard const lock{impl_->adopting_mutex};
    auto& acceptor = secure ? impl_->secure : impl_->plain;
    auto const id = impl_->adopting && acceptor ? impl_->connections.add(socket, secure, from) : 0;
    if (id == 0) {
        ::close(socket);
        return 0;
    }
    ::grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters given;
    given.fd = socket;
    acceptor->HandleNewConnection(&given);
    return id;
}

void call_server::forget(connection_id which) { impl_->connections.remove(which); }

// --- from outside ----------------------------------------------------------------------------------

call_server::call_server(call_server_options options, std::size_t shards, delivery deliver)
    : impl_{std::make_unique<impl>(options, shards, std::move(deliver))}
{
}

call_server::~call_server() = default;

void call_server::start(std::optional<call_server_tls> const& tls)
{
    using from = ::grpc::ServerBuilder::experimental_type::ExternalConnectionType;
    auto const& options = impl_->options;
    gpr_set_log_function(log_line);
    ::grpc::ServerBuilder builder;
    builder.RegisterAsyncGenericService(&impl_->service);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.message_bytes_max));
    builder.SetMaxSendMessageSize(-1);
    builder.SetResourceQuota(::grpc::ResourceQuota{"fulmar"}.Resize(options.memory_bytes_max));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(options.calls_per_connection));
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(options.metadata_bytes_max));
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, milliseconds_of(options.handshake_timeout));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds_of(options.connection_idle));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds_of(options.keep_alive));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keep_alive_answer_ms);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
    impl_->plain =
        builder.experimental().AddExternalConnectionAcceptor(from::FROM_FD, ::grpc::InsecureServerCredentials());
    if (tls)
        impl_->secure = builder.experimental().AddExternalConnectionAcceptor(from::FROM_FD, credentials_of(*tls));
    impl_->queue = builder.AddCompletionQueue();
    impl_->server = builder.BuildAndStart();
    if (!impl_->server) {
        impl_->queue->Shutdown();
        impl_->run();
        throw std::runtime_error{"gRPC does not start"};
    }
    impl_->adopting = true;
    impl_->request_call();
    impl_->thread = std::thread{[this] { impl_->run(); }};
}

void call_server::order(std::vector<call_order>&& orders)
{
    std::lock_guard const lock{impl_->inbox_mutex};
    if (impl_->closed)
        return;
    impl_->inbox.push_back(std::move(orders));
    impl_->wake_thread();
}

void call_server::stop(std::chrono::milliseconds patience)
{
    if (!impl_->thread.joinable())
        return;
    impl_->stopping.store(true, std::memory_order_relaxed);
    {
        std::lock_guard const lock{impl_->adopting_mutex};
        impl_->adopting = false;
    }
    impl_->server->Shutdown(std::chrono::system_clock::now() + patience);
    {
        std::lock_guard const lock{impl_->inbox_mutex};
        impl_->closed = true;
        impl_->wake_thread();
    }
    impl_->thread.join();
}

std::size_t call_server::open_calls() const noexcept { return impl_->open.load(std::memory_order_relaxed); }

std::uint64_t call_server::refused_calls() const noexcept { return impl_->refused.load(std::memory_order_relaxed); }

}  // namespace fulmar::grpc
