#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/id.h"
#include "control/schema.h"
#include "os/poller.h"
#include "os/timer.h"
#include "os/unique_fd.h"
#include "os/unix_socket.h"

namespace ipop::daemon {

/// Names one connection to the control socket; never reused while the daemon runs.
using ClientId = StrongId<struct ClientIdTag, std::uint64_t>;

/// The client of a request that has no answer yet is gone: what works for it may stop. Answering it
/// all the same is harmless.
struct Vanished {};

struct Incoming {
  ClientId client;
  std::variant<control::Request, Vanished> what;
};

/// The daemon's side of the control socket (control/codec.h has the lines). Never blocks, never
/// calls back; lives in the control thread. A connection carries one request:
///
///   receiving ──line──▶ working ──finish()──▶ sending ──▶ closed
///       └──── bad line: answered here ────────────┘
///
/// While no descriptor is left for another client, the listener is not looked at until a client
/// goes or a second has passed: it would be readable all the time.
///
/// Clients are local and have passed the socket's permissions, but may be slow or broken: each has
/// a bounded share of memory, and one that does not read is dropped.
class ControlServer {
 public:
  static constexpr std::size_t kClientsMax = 32;
  /// Unsent events, beyond which a client is dropped. The final answer may be longer: there is one
  /// for each client, and its size is the daemon's own doing.
  static constexpr std::size_t kBacklogBytesMax = std::size_t{1} << 20U;

  static Result<ControlServer> create(os::UnixListener listener);

  /// Readable when process() has something to do. To be watched by the caller's loop.
  int fd() const { return poller_.fd(); }
  /// Accepts, reads, writes as far as that goes without waiting. Every request is returned once,
  /// and is followed by at most one Vanished. What is malformed or too much is answered here.
  std::vector<Incoming> process();

  /// Both do nothing for a client that is gone or has its answer.
  void send(ClientId client, const control::Event& event);
  void finish(ClientId client, const std::expected<control::Reply, control::ControlError>& answer);

  std::size_t clients() const { return clients_.size(); }

 private:
  enum class Phase : std::uint8_t { Receiving, Working, Sending };
  struct Client {
    os::UniqueFd socket;
    Phase phase = Phase::Receiving;
    bool input_ended = false;  ///< the peer sends no more; it may still read
    std::string in;
    std::string out;
    std::size_t out_sent = 0;  ///< of `out`
  };
  using Clients = std::map<std::uint64_t, Client>;

  ControlServer(os::UnixListener listener, os::Poller poller, os::Timer pause)
      : listener_(std::move(listener)), poller_(std::move(poller)), pause_(std::move(pause)) {}

  void accept_all();
  void pause_listening();
  void resume_listening();
  void make_room();
  void handle(const os::Ready& ready, std::vector<Incoming>& out);
  void receive(Clients::iterator it, std::vector<Incoming>& out);
  void end_input(Clients::iterator it, std::vector<Incoming>& out);
  void consume_line(Clients::iterator it, std::vector<Incoming>& out);
  void answer(Clients::iterator it, const std::string& line);
  void flush(Clients::iterator it);
  void watch(const Clients::value_type& entry);
  void drop(Clients::iterator it, std::vector<Incoming>* out);

  os::UnixListener listener_;
  os::Poller poller_;
  os::Timer pause_;  ///< until the listener is looked at again
  bool listening_ = true;
  Clients clients_;
  std::uint64_t next_id_ = 1;
};

}  // namespace ipop::daemon
