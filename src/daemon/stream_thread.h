#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "daemon/caller_limits.h"
#include "daemon/packet_threads.h"
#include "os/name_lookup.h"
#include "os/stream_connection.h"
#include "os/wakeup.h"

namespace ipop::daemon {

/// The TLS connections, in a thread of their own: those that members make to us, and those that the
/// engine asks for. What comes in goes to the packet threads; what these send, and control, goes
/// out where it finds room. Named by the other end's address. For the control thread.
///
/// Whoever calls costs little: so many that have not been answered yet are held, of one origin and
/// in all (StreamConnection says for how long), and so many are taken in a second (CallerLimits). A
/// member that has been answered counts against an own limit. Where all places are taken, the
/// origin that has most of them gives up one.
class StreamThread {
 public:
  static constexpr std::size_t kStrangersMax = 64;
  static constexpr std::size_t kStrangersOfOneMax = 8;
  static constexpr std::size_t kGreetedMax = 256;
  /// An office behind one address.
  static constexpr std::size_t kGreetedOfOneMax = 64;
  /// Datagrams of one that was not answered; a member's first handshakes are half a dozen.
  static constexpr int kUnansweredMax = 16;

  struct Options {
    os::UniqueFd listener{};  ///< none: nobody is taken in
    std::optional<os::HttpProxy> proxy{};
  };
  /// `packets` is borrowed.
  static Result<std::unique_ptr<StreamThread>> start(Options options, PacketThreads& packets);
  struct Parts {
    os::Poller poller;
    os::Wakeup commands;
    os::Wakeup events;
    std::optional<os::TlsContext> server;
  };
  StreamThread(Options options, Parts parts, PacketThreads& packets);
  /// Ends all connections.
  ~StreamThread();

  void open(const Endpoint& to);
  void close(const Endpoint& to);
  void send(const Endpoint& to, ByteVector datagram);

  struct Up {
    Endpoint to;
  };
  /// It ended, or did not come up; `problem` says why, where that is the proxy's own fault.
  struct Down {
    Endpoint remote;
    std::string problem;
  };
  using Event = std::variant<Up, Down>;
  /// Readable when events wait.
  int fd() const { return events_ready_.fd(); }
  std::vector<Event> take_events();

 private:
  static constexpr std::size_t kCommandsMax = 256;
  struct OpenIt {
    Endpoint to;
  };
  struct CloseIt {
    Endpoint to;
  };
  struct SendIt {
    Endpoint to;
    ByteVector datagram;
  };
  using Command = std::variant<OpenIt, CloseIt, SendIt>;
  struct Line {
    std::uint64_t token;
    os::StreamConnection connection;
    os::Interest interest;
    bool is_dialled = false;
    bool is_told = false;  ///< that it is up
    int unanswered = 0;    ///< datagrams of a stranger's
  };

  void push(Command command, bool may_drop);
  void tell(Event event);
  // The thread's own:
  void run();
  std::optional<Duration> time_left(Instant now) const;
  void take_commands(Instant now);
  void take_from_workers(Instant now);
  void accept(Instant now);
  void dial(Instant now, const Endpoint& to);
  void look_up(Instant now);
  void connect(Instant now, const Endpoint& to, const Endpoint& via);
  void adopt(const Endpoint& remote, os::StreamConnection connection, bool is_dialled);
  void handle_ready(Instant now, const os::Ready& ready);
  void send_on(Instant now, const Endpoint& to, Bytes datagram);
  void settle(const Endpoint& remote);
  enum class Kind : std::uint8_t { Dialled, Stranger, Greeted };
  static Kind kind_of(const Line& line);
  /// How many each origin has.
  using Counts = std::map<IpAddress, std::size_t>;
  Counts count(Kind kind) const;
  void end_one(Kind kind, const Counts& counts);
  bool make_room_for_stranger(const IpAddress& from);
  void make_room_for_greeted(const IpAddress& from);

  PacketThreads* packets_;
  Options options_;
  os::Poller poller_;
  os::Wakeup commands_ready_;
  os::Wakeup events_ready_;
  std::optional<os::TlsContext> client_;  ///< made when it is needed, as most never need it
  std::optional<os::TlsContext> server_;
  std::map<Endpoint, Line> lines_;
  std::map<std::uint64_t, Endpoint> by_token_;
  std::uint64_t next_token_;
  std::optional<os::NameLookup> lookup_;   ///< of the proxy's name, until it is answered
  std::map<Endpoint, Instant> resolving_;  ///< who is to be dialled then, and until when
  std::size_t proxy_turn_ = 0;             ///< which of its addresses is next
  CallerLimits callers_;
  Instant accept_at_ = Instant::min();  ///< when callers are taken in again

  /// Commands are a few a second: a lock is the simplest right thing.
  std::mutex mutex_;
  std::vector<Command> commands_;
  std::vector<Event> events_;
  std::atomic<bool> stopping_{false};
  std::jthread thread_;
};

}  // namespace ipop::daemon
