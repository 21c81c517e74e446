// Certificates made on the spot, written as PEM files into a folder that disappears with the object.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

namespace fulmar::net::test {

struct free_openssl
{
    void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
    void operator()(X509* p) const noexcept { X509_free(p); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, free_openssl>;
using certificate_ptr = std::unique_ptr<X509, free_openssl>;

struct credential
{
    key_ptr key{EVP_EC_gen("P-256")};
    certificate_ptr certificate{X509_new()};
    std::string certificate_file;
    std::string key_file;
};

class certificate_folder
{
public:
    certificate_folder()
    {
        auto name = (std::filesystem::temp_directory_path() / "fulmar-tls-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
    }
    ~certificate_folder() { std::filesystem::remove_all(path_); }
    certificate_folder(certificate_folder const&) = delete;
    certificate_folder& operator=(certificate_folder const&) = delete;

    [[nodiscard]] std::string path(std::string const& file) const { return path_ + "/" + file; }

    // A certificate for `common_name`, signed by `issuer`, or by itself as an authority.
    credential make(std::string const& file, std::string const& common_name, credential const* issuer = nullptr)
    {
        credential out;
        auto* const x = out.certificate.get();
        X509_set_version(x, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(x), -3600);
        X509_gmtime_adj(X509_getm_notAfter(x), 3600);
        X509_set_pubkey(x, out.key.get());
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<unsigned char const*>(common_name.data()),
                                   static_cast<int>(common_name.size()), -1, 0);
        X509_set_issuer_name(x, X509_get_subject_name(issuer == nullptr ? x : issuer->certificate.get()));
        if (issuer == nullptr) {
            std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> const authority{
                X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"), &X509_EXTENSION_free};
            X509_add_ext(x, authority.get(), -1);
        }
        X509_sign(x, issuer == nullptr ? out.key.get() : issuer->key.get(), EVP_sha256());
        out.certificate_file = path(file + ".pem");
        out.key_file = path(file + ".key");
        write(out);
        return out;
    }

    static void write(credential const& c)
    {
        std::unique_ptr<std::FILE, int (*)(std::FILE*)> const certificate{std::fopen(c.certificate_file.c_str(), "w"),
                                                                          &std::fclose};
        PEM_write_X509(certificate.get(), c.certificate.get());
        std::unique_ptr<std::FILE, int (*)(std::FILE*)> const key{std::fopen(c.key_file.c_str(), "w"), &std::fclose};
        PEM_write_PrivateKey(key.get(), c.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    }

private:
    std::string path_;
    long serial_ = 0;
};

}  // namespace fulmar::net::test
