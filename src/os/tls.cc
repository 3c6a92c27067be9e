#include "os/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <string>

namespace ipop::os {
namespace {

constexpr long kDay = 24 * 60 * 60;
constexpr long kCertificateDays = 3650;
/// Those of OpenSSL's own choice include finite-field groups of 8192 bits, of which a stranger who
/// computes nothing himself makes us compute one exponentiation after the other (CVE-2002-20001).
constexpr const char* kGroups = "X25519:P-256";

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using BioMethod = std::unique_ptr<BIO_METHOD, Freed<BIO_meth_free>>;

std::unexpected<Error> tls_failed(std::string_view what) {
  ERR_clear_error();
  return fail(Errc::Unsupported, what);
}

/// False: this libssl cannot do it.
bool set_up(SSL_CTX* context) {
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set1_groups_list(context, kGroups) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1) {
    return false;
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // nobody resumes
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Else one SSL_read() goes on as long as messages come that are none of data.
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  return true;
}

/// OpenSSL's message callback.
void count_message(int is_sent, int, int type, const void*, std::size_t, SSL*, void* count) {
  if (is_sent == 0 && type == SSL3_RT_HANDSHAKE) ++*static_cast<std::size_t*>(count);
}

int send_quietly(BIO* bio, const char* bytes, int size) {
  const auto n = ::send(static_cast<int>(BIO_get_fd(bio, nullptr)), bytes,
                        static_cast<std::size_t>(size), MSG_NOSIGNAL);
  BIO_clear_retry_flags(bio);
  if (n < 0 && BIO_sock_should_retry(-1) != 0) BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

/// OpenSSL's own socket BIO, which raises SIGPIPE where the other end is gone; this one does not.
const BIO_METHOD* quiet_socket() {
  static const BioMethod kMethod = [] {
    const BIO_METHOD* plain = BIO_s_socket();
    BioMethod out(BIO_meth_new(BIO_TYPE_SOCKET, "socket without signals"));
    const bool made = out && BIO_meth_set_write(out.get(), send_quietly) == 1 &&
                      BIO_meth_set_read(out.get(), BIO_meth_get_read(plain)) == 1 &&
                      BIO_meth_set_ctrl(out.get(), BIO_meth_get_ctrl(plain)) == 1 &&
                      BIO_meth_set_create(out.get(), BIO_meth_get_create(plain)) == 1 &&
                      BIO_meth_set_destroy(out.get(), BIO_meth_get_destroy(plain)) == 1;
    return made ? std::move(out) : nullptr;
  }();
  return kMethod.get();
}

/// Signed by itself; a random name, since some clients want one.
Certificate make_certificate(EVP_PKEY* key) {
  Certificate out(X509_new());
  if (!out) return nullptr;
  std::array<std::byte, 8> random{};
  if (RAND_bytes(as_uchar(MutableBytes(random)), static_cast<int>(random.size())) != 1) {
    return nullptr;
  }
  const std::string name = to_hex(random);
  ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(out.get()), kDay * kCertificateDays);
  X509_NAME* subject = X509_get_subject_name(out.get());
  const bool made =
      X509_set_version(out.get(), X509_VERSION_3) == 1 &&
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, as_uchar(as_bytes(name)),
                                 static_cast<int>(name.size()), -1, 0) == 1 &&
      X509_set_issuer_name(out.get(), subject) == 1 && X509_set_pubkey(out.get(), key) == 1 &&
      X509_sign(out.get(), key, EVP_sha256()) != 0;
  return made ? std::move(out) : nullptr;
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void TlsSession::Free::operator()(ssl_st* session) const { SSL_free(session); }

Result<TlsContext> TlsContext::server() {
  TlsContext out(SSL_CTX_new(TLS_server_method()));
  const Key key(EVP_EC_gen("P-256"));
  if (!set_up(out.context_.get()) || !key) return tls_failed("TLS key");
  const Certificate certificate = make_certificate(key.get());
  if (!certificate || SSL_CTX_use_certificate(out.context_.get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(out.context_.get(), key.get()) != 1) {
    return tls_failed("TLS certificate");
  }
  return out;
}

Result<TlsContext> TlsContext::client() {
  TlsContext out(SSL_CTX_new(TLS_client_method()));
  if (!set_up(out.context_.get())) return tls_failed("TLS");
  SSL_CTX_set_verify(out.context_.get(), SSL_VERIFY_NONE, nullptr);
  return out;
}

Result<TlsSession> TlsSession::open(const TlsContext& context, int fd) {
  TlsSession out(SSL_new(context.context_.get()), std::make_unique<std::size_t>(0));
  BIO* socket = quiet_socket() == nullptr ? nullptr : BIO_new(quiet_socket());
  if (!out.session_ || socket == nullptr) {
    BIO_free(socket);
    return tls_failed("TLS session");
  }
  BIO_set_fd(socket, fd, BIO_NOCLOSE);
  SSL_set_bio(out.session_.get(), socket, socket);
  SSL_set_msg_callback(out.session_.get(), count_message);
  SSL_set_msg_callback_arg(out.session_.get(), out.messages_.get());
  return out;
}

Result<TlsSession> TlsSession::accept(const TlsContext& context, int fd) {
  auto out = open(context, fd);
  if (out) SSL_set_accept_state(out->session_.get());
  return out;
}

Result<TlsSession> TlsSession::connect(const TlsContext& context, int fd) {
  auto out = open(context, fd);
  if (out) SSL_set_connect_state(out->session_.get());
  return out;
}

TlsSession::Step TlsSession::step_of(int result) const {
  if (result > 0) return Step::Done;
  switch (SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Step::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Step::WantWrite;
    default:
      return Step::Ended;
  }
}

TlsSession::Step TlsSession::handshake() {
  ERR_clear_error();
  const Step step = step_of(SSL_do_handshake(session_.get()));
  if (step == Step::Done) *messages_ = 0;  // from here on they are late ones
  return step;
}

TlsSession::Moved TlsSession::read(MutableBytes room) {
  ERR_clear_error();
  std::size_t n = 0;
  const int result = SSL_read_ex(session_.get(), room.data(), room.size(), &n);
  if (*messages_ > kLateMessagesMax) return {Step::Ended, 0};
  return {step_of(result), n};
}

TlsSession::Moved TlsSession::write(Bytes bytes) {
  ERR_clear_error();
  std::size_t n = 0;
  const int result = SSL_write_ex(session_.get(), bytes.data(), bytes.size(), &n);
  return {step_of(result), n};
}

void TlsSession::shut_down() {
  ERR_clear_error();
  if (SSL_is_init_finished(session_.get()) != 0) SSL_shutdown(session_.get());
}

}  // namespace ipop::os
