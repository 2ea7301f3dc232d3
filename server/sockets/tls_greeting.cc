#include "server/sockets/tls_greeting.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <memory>

namespace videodiffcr {
namespace {

constexpr unsigned char kHttp2[] = {2, 'h', '2'};

}  // namespace

std::string TlsGreeting() {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (context == nullptr || SSL_CTX_set_alpn_protos(context.get(), kHttp2, sizeof(kHttp2)) != 0) return "";
  const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (tls == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    return "";
  }
  SSL_set_bio(tls.get(), in, out);  // which owns them from here on
  SSL_set_connect_state(tls.get());
  SSL_do_handshake(tls.get());  // writes its greeting, and then wants an answer
  char* bytes = nullptr;
  const long count = BIO_get_mem_data(out, &bytes);
  return count > 0 ? std::string(bytes, static_cast<size_t>(count)) : "";
}

}  // namespace videodiffcr
