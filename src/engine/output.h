#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/error.h"
#include "base/time.h"
#include "dataplane/snapshot.h"
#include "engine/diagnosis.h"
#include "engine/spare_sockets.h"
#include "nat/igd_question.h"
#include "wire/frames.h"

/// What the engine asks of its driver (daemon or simulator), in the order in which it must happen.
namespace ipop::engine {

/// Names one storing; 0 = none.
using Ticket = std::uint64_t;

/// A network's files. Everything but Peers is needed to be the same member again.
enum class FileKind : std::uint8_t {
  Identity = 1,    ///< own keys; losing it is losing the membership
  Secrets = 2,     ///< the network's secrets by epoch
  Statements = 3,  ///< the statement set
  Peers = 4,       ///< last known addresses; may be lost
  Clock = 5,       ///< reserved handshake timestamps
  Devices = 6,     ///< keys of hosted stock devices; losing it strands them
};

/// Send one datagram: by UDP, or on the TLS connection with that other end, if it is up.
struct Transmit {
  Way to;  ///< a leg
  ByteVector datagram;
};
/// A data packet that came routed through members: to the worker that owns its lane, as if it had
/// come from a socket.
struct TakeIn {
  Way from;
  ByteVector datagram;
};
/// A TLS connection to a member's TCP port is wanted; handle_stream() says when it is up, and when
/// it is down, or did not come up.
struct OpenStream {
  Endpoint to;
};
/// It is wanted no more.
struct CloseStream {
  Endpoint to;
};
/// Replace a network's file durably before any later output; then handle_stored() is due.
struct Store {
  Ticket ticket;
  std::string network;
  FileKind kind;
  ByteVector bytes;
};
/// The network is gone from this machine: delete its files.
struct Forget {
  std::string network;
};
/// The workers' new view.
struct Publish {
  std::unique_ptr<const dataplane::Snapshot> snapshot;
  dataplane::Garbage garbage;
};
/// An interface with these addresses is wanted; handle_interface() says what came of it.
struct InterfaceUp {
  NetworkSlot slot;
  std::string network;
  std::string wanted_name;  ///< empty: the first free ipop<n>
  std::optional<Ipv4> v4;
  std::optional<Prefix4> pool;
  Ipv6 v6;  ///< in a /48
  std::uint16_t mtu = 0;
};
struct InterfaceDown {
  NetworkSlot slot;
};
/// What came of an InterfaceUp; again when something else became of it.
struct InterfaceMade {
  std::string name;     ///< empty: there is no interface
  std::string problem;  ///< empty: all is well
  std::string next;     ///< what to do about the problem
};
/// The kernel's path MTU to this address is wanted; handle_path_mtu() tells it.
struct QueryPathMtu {
  Endpoint to;
};
/// A question to a router by UPnP-IGD; handle_igd_answer() is due within a minute, or never.
struct AskRouter {
  nat::IgdQuestion question;
};

enum class Failure : std::uint8_t {
  NotAnInvite,
  DamagedInvite,
  ExpiredInvite,
  UsedInvite,
  RevokedInvite,
  NameTaken,
  NetworkExists,
  BadName,
  BadAddress,
  AddressTaken,
  PoolFull,
  SubnetClash,
  BadSubnet,
  AlreadyMember,
  RemovedMember,
  UnknownNetwork,
  AmbiguousNetwork,
  NoNetwork,
  UnknownMember,
  NotAllowed,
  AlreadyAdmin,
  NotAdmin,
  BadRequest,  ///< nothing that could be done, whatever the network is like
  TooDeep,     ///< the chain of invites is too long
  NoAnswer,
  TooMany,
  StateError,
  InterfaceError,
  Down,
  NewerVersion,
};
struct CommandError {
  Failure failure;
  std::string message;
  std::string next;  ///< what to do now
};

struct JoinCalling {
  Endpoint host;
};
struct JoinFound {
  std::string member;
  Endpoint host;
};
struct Joined {
  NetworkSlot network;
  std::string admitted_by;  ///< name of the member that answered
  std::optional<Way> path;  ///< a leg
};
struct PingResult {
  std::uint16_t sequence = 0;
  bool answered = false;
  Duration rtt{};
  std::optional<Way> path;         ///< a leg
  std::optional<std::string> via;  ///< name of the member that relayed it
};
/// An answer to a command that takes time; `last` ends it.
struct CommandUpdate {
  CommandId command;
  std::variant<JoinCalling, JoinFound, Joined, PingResult, Diagnosed, CommandError> update;
  bool last = false;
};

struct WaitUntil {
  Instant at;
};

using Output = std::variant<Transmit, TakeIn, OpenStream, CloseStream, Store, Forget, Publish,
                            InterfaceUp, InterfaceDown, QueryPathMtu, AskRouter, OpenSocket,
                            AdoptSocket, CloseSocket, CommandUpdate, WaitUntil>;

}  // namespace ipop::engine
