#include "frontends/net/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace fulmar::net {
namespace {

constexpr std::size_t record_bytes = 16 * 1024;

std::string latest_problem()
{
    std::array<char, 256> text{};
    auto const code = ERR_get_error();
    if (code == 0) {
        return "unknown reason";
    }
    ERR_error_string_n(code, text.data(), text.size());
    ERR_clear_error();
    return text.data();
}

broker::error_code unusable() { return boost::system::errc::make_error_code(boost::system::errc::invalid_argument); }

void set_modes(SSL_CTX& context)
{
    SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    SSL_CTX_set_mode(&context,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                      SSL_OP_IGNORE_UNEXPECTED_EOF);
    static constexpr unsigned char context_name[] = "fulmar";
    SSL_CTX_set_session_id_context(&context, context_name, sizeof context_name - 1);
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);  // tickets resume without memory here
}

}  // namespace

tls_session::~tls_session() { SSL_free(session_); }

io_status tls_session::status_of(int result) noexcept
{
    switch (SSL_get_error(session_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return io_status::would_block;
    case SSL_ERROR_ZERO_RETURN: return io_status::ended;
    default: break;
    }
    error_ = ERR_peek_error();
    ERR_clear_error();
    return io_status::failed;
}

io_status tls_session::handshake()
{
    ERR_clear_error();
    auto const result = SSL_do_handshake(session_);
    return result == 1 ? io_status::done : status_of(result);
}

io_result tls_session::read(std::span<char> into)
{
    std::size_t total = 0;
    while (total < into.size()) {
        ERR_clear_error();
        std::size_t received = 0;
        auto const result = SSL_read_ex(session_, into.data() + total, into.size() - total, &received);
        if (result != 1) {
            // What ended the reading is still so when it is asked again.
            return total > 0 ? io_result{io_status::done, total} : io_result{status_of(result), 0};
        }
        total += received;
    }
    return {io_status::done, total};
}

io_status tls_session::write_all(std::span<char const>& bytes)
{
    while (!bytes.empty()) {  // more than once only if the peer asked for small records
        ERR_clear_error();
        std::size_t written = 0;
        if (auto const result = SSL_write_ex(session_, bytes.data(), bytes.size(), &written); result != 1) {
            auto const status = status_of(result);
            return status == io_status::ended ? io_status::failed : status;
        }
        bytes = bytes.subspan(written);
    }
    return io_status::done;
}

io_result tls_session::write(std::span<iovec const> pieces)
{
    if (!unsent_.empty()) {
        std::span<char const> rest{unsent_};
        auto const status = write_all(rest);
        if (status != io_status::done) {
            unsent_.erase(unsent_.begin(), unsent_.end() - static_cast<std::ptrdiff_t>(rest.size()));
            return {status, 0};
        }
        unsent_ = std::vector<char>{};  // ={} would keep its memory
    }
    std::array<char, record_bytes> record;
    std::size_t accepted = 0;
    std::size_t piece = 0;
    std::size_t offset = 0;
    while (piece < pieces.size()) {
        std::size_t size = 0;
        while (piece < pieces.size() && size < record.size()) {
            auto const part = std::min(pieces[piece].iov_len - offset, record.size() - size);
            std::memcpy(record.data() + size, static_cast<char const*>(pieces[piece].iov_base) + offset, part);
            size += part;
            offset += part;
            if (offset == pieces[piece].iov_len) {
                ++piece;
                offset = 0;
            }
        }
        std::span<char const> rest{record.data(), size};
        auto const status = write_all(rest);
        if (status == io_status::failed) {
            return {status, accepted};
        }
        accepted += size;
        if (status == io_status::would_block) {
            unsent_.assign(rest.begin(), rest.end());
            return {status, accepted};
        }
    }
    return {io_status::done, accepted};
}

void tls_session::shut_down() noexcept
{
    if (unsent_.empty() && SSL_is_init_finished(session_) == 1) {
        ERR_clear_error();
        SSL_shutdown(session_);
        ERR_clear_error();
    }
}

std::string tls_session::certificate_subject() const
{
    if (SSL_get_verify_result(session_) != X509_V_OK) {
        return {};
    }
    std::unique_ptr<X509, decltype(&X509_free)> const certificate{SSL_get1_peer_certificate(session_), &X509_free};
    if (certificate == nullptr) {
        return {};
    }
    auto* const subject = X509_get_subject_name(certificate.get());
    auto const index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) {
        return {};
    }
    unsigned char* text = nullptr;
    auto const size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (size < 0) {
        return {};
    }
    std::string name{reinterpret_cast<char const*>(text), static_cast<std::size_t>(size)};
    OPENSSL_free(text);
    // A name with a NUL inside could be read as another, shorter name.
    return name.find('\0') == std::string::npos ? name : std::string{};
}

std::string tls_session::why() const
{
    if (error_ == 0) {
        return "the peer ended the connection";
    }
    std::array<char, 256> text{};
    ERR_error_string_n(error_, text.data(), text.size());
    return text.data();
}

bool tls_session::wants_room() const noexcept { return SSL_want_write(session_) == 1; }

std::string tls_session::distrust() const
{
    auto const verdict = SSL_get_verify_result(session_);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        return "it is for another host name";
    }
    return verdict == X509_V_OK ? std::string{} : X509_verify_cert_error_string(verdict);
}

void tls_context::free_context::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

tls_context::context_ptr tls_context::build(tls_files const& files, std::string& problem)
{
    ERR_clear_error();
    context_ptr context{SSL_CTX_new(TLS_server_method())};
    auto const fails = [&](std::string const& what) {
        problem = what + ": " + latest_problem();
        return context_ptr{};
    };
    if (context == nullptr) {
        return fails("cannot create a TLS context");
    }
    set_modes(*context);
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
        return fails("cannot use the certificate file '" + files.certificate + "'");
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        return fails("cannot use the key file '" + files.key + "'");
    }
    if (SSL_CTX_check_private_key(context.get()) != 1) {
        return fails("the key in '" + files.key + "' does not belong to the certificate in '" + files.certificate +
                     "'");
    }
    if (files.clients == client_certificates::none) {
        return context;
    }
    if (SSL_CTX_load_verify_locations(context.get(), files.client_ca.c_str(), nullptr) != 1) {
        return fails("cannot use the client CA file '" + files.client_ca + "'");
    }
    if (auto* const names = SSL_load_client_CA_file(files.client_ca.c_str()); names != nullptr) {
        SSL_CTX_set_client_CA_list(context.get(), names);
    }
    auto const mode = files.clients == client_certificates::required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                                     : SSL_VERIFY_PEER;
    SSL_CTX_set_verify(context.get(), mode, nullptr);
    return context;
}

broker::error_code tls_context::load(tls_files files, std::string& problem)
{
    auto context = build(files, problem);
    if (context == nullptr) {
        return unusable();
    }
    std::lock_guard const lock{mutex_};
    current_ = std::move(context);
    files_ = std::move(files);
    return {};
}

broker::error_code tls_context::reload(std::string& problem)
{
    tls_files files;
    {
        std::lock_guard const lock{mutex_};
        files = files_;
    }
    return load(std::move(files), problem);
}

std::unique_ptr<tls_session> tls_context::accept(int fd)
{
    SSL* session = nullptr;
    {
        std::lock_guard const lock{mutex_};
        session = current_ == nullptr ? nullptr : SSL_new(current_.get());  // holds its own reference to the context
    }
    if (session == nullptr || SSL_set_fd(session, fd) != 1) {
        SSL_free(session);
        ERR_clear_error();
        return nullptr;
    }
    SSL_set_accept_state(session);
    return std::unique_ptr<tls_session>{new tls_session{session}};
}

}  // namespace fulmar::net
