#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"

struct ssl_ctx_st;
struct ssl_st;

/// TLS 1.3 by OpenSSL's libssl, as a wrapping that gets through where UDP does not. Nobody is
/// authenticated by it: who is there is proven by the sealed sessions inside.
namespace ipop::os {

/// What the connections of one kind share.
class TlsContext {
 public:
  /// With a key and a certificate of its own, made now and kept nowhere. It names nobody.
  static Result<TlsContext> server();
  /// Takes any certificate.
  static Result<TlsContext> client();

 private:
  friend class TlsSession;
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

/// One connection on a socket that does not block, which it borrows. One thread.
///
/// A call reads a bounded amount of what the other end sends, whatever that is. None raises
/// SIGPIPE.
class TlsSession {
 public:
  /// Handshake messages behind the handshake (KeyUpdate, NewSessionTicket; RFC 8446, 4.6), which
  /// cost us work and carry nothing. Our own ends send none.
  static constexpr std::size_t kLateMessagesMax = 16;

  enum class Step : std::uint8_t {
    Done,
    WantRead,   ///< again when the socket is readable
    WantWrite,  ///< again when it is writable
    Ended,      ///< by the other end, or by an error
  };
  struct Moved {
    Step step = Step::Ended;
    std::size_t bytes = 0;  ///< with Done: at least one
  };

  static Result<TlsSession> accept(const TlsContext& context, int fd);
  static Result<TlsSession> connect(const TlsContext& context, int fd);

  Step handshake();
  /// At most one record, which may be none of data: WantRead, although more may wait. Ended also by
  /// too many messages that are none of data. WantWrite: an answer to one of those finds no room.
  /// Requires: room is not empty, and handshake() is Done.
  Moved read(MutableBytes room);
  /// Some of the first of these bytes; after WantRead or WantWrite the same ones come first again.
  Moved write(Bytes bytes);
  /// Tells the other end, if the socket takes it.
  void shut_down();

 private:
  struct Free {
    void operator()(ssl_st* session) const;
  };
  TlsSession(ssl_st* session, std::unique_ptr<std::size_t> messages)
      : messages_(std::move(messages)), session_(session) {}
  static Result<TlsSession> open(const TlsContext& context, int fd);
  Step step_of(int result) const;

  std::unique_ptr<std::size_t> messages_;  ///< of the handshake's kind; session_ counts here
  std::unique_ptr<ssl_st, Free> session_;
};

}  // namespace ipop::os
