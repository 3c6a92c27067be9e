#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "wire/diagnosis.h"
#include "wire/ids.h"

/// `ipop doctor` as the engine sees it: what both ends found out about the paths between them.
namespace ipop::engine {

/// Names one command of the driver's, so that its answers find their way back.
using CommandId = std::uint64_t;

/// What came of the other end.
enum class FarEnd : std::uint8_t {
  Answered,
  Busy,       ///< it was asked too often
  TooOld,     ///< it lives, and does not know the question
  Silent,     ///< there is a session, and nothing comes by it now
  Unreached,  ///< there is no session
};

/// A way that packets take or could take, with what was measured just now.
struct WayFigures {
  std::optional<Endpoint> endpoint;  ///< of a direct one, or
  bool tls = false;                  ///< of one by TLS
  std::optional<std::string> via;    ///< name of the member that relays; may be empty
  int sent = 0;
  int answered = 0;
  std::optional<Duration> rtt;  ///< the shortest
};

struct Diagnosed {
  FarEnd far = FarEnd::Unreached;
  wire::Diagnosis::Findings here;
  std::optional<wire::Diagnosis::Findings> there;
  /// As the path is in the end: here.path, and of it
  std::optional<Endpoint> endpoint;
  std::optional<std::string> via;
  std::optional<Duration> rtt;  ///< smoothed
  std::optional<std::uint16_t> mtu;
  std::vector<WayFigures> ways;       ///< tested, but addresses that are in no use
  std::vector<Endpoint> told;         ///< our addresses, as the other end knows them
  std::optional<Duration> last_seen;  ///< since its last authenticated packet
  std::size_t others = 0;             ///< members but these two
  std::size_t others_online = 0;      ///< other members that there is a session with
};

/// One `ipop doctor` that is under way.
///
///   calling --session--> asking --answer, or none--> testing --both ends done--> over
///      │  ^-- the session ends --┘
///      └---- no session in time: over
struct Exam {
  enum class Stage : std::uint8_t { Calling, Asking, Testing, Over };
  struct Called {
    int sent = 0;
    std::optional<wire::TestOutcome> unsent;
  };

  CommandId command = 0;
  wire::NodeId node;
  std::uint32_t request = 0;
  Stage stage = Stage::Calling;
  FarEnd far = FarEnd::Unreached;
  Instant began{};
  Instant stage_began{};
  Instant next_at{};  ///< when to look at it again
  Instant ask_at{};
  int asked = 0;
  bool there_done = false;
  std::optional<wire::Diagnosis::Findings> there;
  std::map<Endpoint, Called> called;  ///< initiations, by address
};

}  // namespace ipop::engine
