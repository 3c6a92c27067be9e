#include "wire/frames.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/statement.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kPongHasDigest = 1;
constexpr std::uint8_t kProofAcceptedYours = 1;
constexpr std::uint8_t kProofBeginsAnew = 2;
constexpr std::uint8_t kReconKindRanges = 2;

/// Turns what a reader saw into the error of its frame.
std::unexpected<Error> malformed(const Reader& reader, std::string_view what) {
  return fail(reader.ok() ? Errc::BadValue : Errc::Truncated, what);
}

Result<Frame> parse_ping(Reader& reader) {
  Ping out;
  const auto reserved = reader.le<std::uint8_t>();
  out.sequence = reader.le<std::uint16_t>();
  out.epoch.value = reader.le<std::uint32_t>();
  out.digest = reader.fixed<Digest>();
  if (!reader.done() || reserved != 0) return malformed(reader, "ping frame");
  return out;
}

Result<Frame> parse_pong(Reader& reader) {
  Pong out;
  const auto flags = reader.le<std::uint8_t>();
  out.sequence = reader.le<std::uint16_t>();
  out.epoch.value = reader.le<std::uint32_t>();
  if ((flags & kPongHasDigest) != 0) out.digest = reader.fixed<Digest>();
  if (!reader.done() || (flags & ~kPongHasDigest) != 0) return malformed(reader, "pong frame");
  return out;
}

Result<Frame> parse_proof(Reader& reader) {
  Proof out;
  const auto flags = reader.le<std::uint8_t>();
  out.accepted_yours = (flags & kProofAcceptedYours) != 0;
  out.begins_anew = (flags & kProofBeginsAnew) != 0;
  out.grant = reader.fixed<StatementId>();
  out.skey = reader.fixed<StatementId>();
  const auto count = reader.le<std::uint16_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "proof frame");
  if ((flags & ~(kProofAcceptedYours | kProofBeginsAnew)) != 0)
    return fail(Errc::BadValue, "proof flags");
  if (count > kProofStatementsMax) return fail(Errc::BadValue, "proof statement count");
  out.statements.reserve(count);
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const Bytes statement = reader.take(reader.le<std::uint16_t>());
    if (reader.ok() && (statement.empty() || statement.size() > kStatementSizeMax)) {
      return fail(Errc::BadValue, "proof statement length");
    }
    out.statements.push_back(statement);
  }
  if (!reader.done()) return malformed(reader, "proof frame");
  return out;
}

Result<Frame> parse_secret(Reader& reader) {
  SecretFrame out;
  out.epoch.value = reader.le<std::uint32_t>();
  out.secret = reader.take(32);
  if (!reader.done()) return malformed(reader, "secret frame");
  return out;
}

Result<Frame> parse_statement_frame(Reader& reader) {
  StatementFrame out;
  out.statement = reader.take(reader.remaining());
  if (out.statement.empty()) return fail(Errc::Truncated, "statement frame");
  if (out.statement.size() > kStatementSizeMax) return fail(Errc::BadValue, "statement frame");
  return out;
}

Result<Frame> parse_recon_ranges(Reader& reader) {
  ReconRanges out;
  out.lower = reader.fixed<StatementId>();
  const auto count = reader.le<std::uint16_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "recon ranges");
  if (count == 0 || count > kReconRangesMax) return fail(Errc::BadValue, "recon range count");
  for (std::size_t i = 0; i < count; ++i) {
    ReconRanges::Range range;
    range.upper = reader.fixed<StatementId>();
    range.fingerprint = reader.fixed<Digest>();
    range.count = reader.le<std::uint32_t>();
    if (!reader.ok()) return fail(Errc::Truncated, "recon ranges");
    const bool ascends = i == 0 ? out.lower <= range.upper : out.ranges.back().upper < range.upper;
    if (!ascends) return fail(Errc::BadValue, "recon range bounds");
    out.ranges.push_back(range);
  }
  if (!reader.done()) return malformed(reader, "recon ranges");
  return out;
}

Result<Frame> parse_recon(Reader& reader) {
  Recon out;
  const auto kind = reader.le<std::uint8_t>();
  if (reader.ok() && kind == kReconKindRanges) return parse_recon_ranges(reader);
  out.lower = reader.fixed<StatementId>();
  out.upper = reader.fixed<StatementId>();
  const auto count = reader.le<std::uint16_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "recon frame");
  if (kind > 1) return fail(Errc::BadValue, "recon kind");
  if (count > kReconIdsMax) return fail(Errc::BadValue, "recon id count");
  out.kind = static_cast<Recon::Kind>(kind);
  const bool have = out.kind == Recon::Kind::Have;
  if (have ? out.lower > out.upper : !out.lower.is_zero() || !out.upper.is_zero()) {
    return fail(Errc::BadValue, "recon bounds");
  }
  out.ids.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = reader.fixed<StatementId>();
    if (!reader.ok()) return fail(Errc::Truncated, "recon ids");
    const bool ascends = out.ids.empty() || out.ids.back() < id;
    if (!ascends || (have && (id < out.lower || out.upper < id))) {
      return fail(Errc::BadValue, "recon ids");
    }
    out.ids.push_back(id);
  }
  if (!reader.done()) return malformed(reader, "recon frame");
  return out;
}

/// A candidate; the two ways to fail are told apart before its content is looked at.
Result<Endpoint> parse_candidate(Reader& reader) {
  if (reader.remaining() < kCandidateSize) return fail(Errc::Truncated, "candidate");
  const Endpoint out = read_candidate(reader);
  if (!reader.ok()) return fail(Errc::BadValue, "candidate");
  return out;
}

Result<Frame> parse_observed(Reader& reader) {
  const auto endpoint = parse_candidate(reader);
  if (!endpoint) return std::unexpected(endpoint.error());
  if (!reader.done()) return malformed(reader, "observed frame");
  return Observed{*endpoint};
}

Result<Frame> parse_ports(Reader& reader) {
  const auto newest = parse_candidate(reader);
  if (!newest) return std::unexpected(newest.error());
  Ports out{.newest = *newest};
  out.step = static_cast<std::int16_t>(reader.le<std::uint16_t>());
  out.lowest = reader.le<std::uint16_t>();
  out.highest = reader.le<std::uint16_t>();
  if (!reader.done()) return malformed(reader, "ports frame");
  if (out.lowest == 0 || out.lowest > out.highest) return fail(Errc::BadValue, "span of ports");
  return out;
}

Result<Frame> parse_streams(Reader& reader) {
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "streams frame");
  if (count > kStreamsMax) return fail(Errc::BadValue, "streams count");
  Streams out;
  for (std::size_t i = 0; i < count; ++i) {
    const auto endpoint = parse_candidate(reader);
    if (!endpoint) return std::unexpected(endpoint.error());
    out.endpoints.push_back(*endpoint);
  }
  if (!reader.done()) return malformed(reader, "streams frame");
  return out;
}

Result<Frame> parse_spread(Reader& reader) {
  const auto to = parse_candidate(reader);
  if (!to) return std::unexpected(to.error());
  const Spread out{.to = *to, .sockets = reader.le<std::uint16_t>()};
  if (!reader.done()) return malformed(reader, "spread frame");
  if (out.sockets == 0 || out.sockets > kSpreadMax) return fail(Errc::BadValue, "spread sockets");
  return out;
}

Result<Frame> parse_spreading(Reader& reader) {
  const Spreading out{.sockets = reader.le<std::uint16_t>()};
  if (!reader.done()) return malformed(reader, "spreading frame");
  if (out.sockets > kSpreadMax) return fail(Errc::BadValue, "spreading sockets");
  return out;
}

Result<PeerHint> parse_peer_hint(Reader& reader) {
  PeerHint out;
  out.node = reader.fixed<NodeId>();
  out.age_seconds = reader.le<std::uint32_t>();
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "peers frame");
  if (count > kPeerCandidatesMax) return fail(Errc::BadValue, "peers candidate count");
  for (std::size_t i = 0; i < count; ++i) {
    const auto endpoint = parse_candidate(reader);
    if (!endpoint) return std::unexpected(endpoint.error());
    out.candidates.push_back(*endpoint);
  }
  return out;
}

Result<Frame> parse_peers(Reader& reader) {
  Peers out;
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "peers frame");
  if (count > kPeersMax) return fail(Errc::BadValue, "peers count");
  for (std::size_t i = 0; i < count; ++i) {
    auto hint = parse_peer_hint(reader);
    if (!hint) return std::unexpected(hint.error());
    if (std::any_of(out.peers.begin(), out.peers.end(),
                    [&](const PeerHint& p) { return p.node == hint->node; })) {
      return fail(Errc::BadValue, "peers names a node twice");
    }
    out.peers.push_back(std::move(*hint));
  }
  if (!reader.done()) return malformed(reader, "peers frame");
  return out;
}

Result<Frame> parse_bye(Reader& reader) {
  const auto reason = reader.le<std::uint8_t>();
  if (!reader.done()) return malformed(reader, "bye frame");
  if (reason > static_cast<std::uint8_t>(ByeReason::Idle)) {
    return fail(Errc::BadValue, "bye reason");
  }
  return Bye{static_cast<ByeReason>(reason)};
}

template <class Token>
Result<Frame> parse_token(Reader& reader) {
  Token out;
  out.token = reader.fixed<std::array<std::byte, 8>>();
  if (!reader.done()) return malformed(reader, "path frame");
  return out;
}

Result<Frame> parse_mtu_probe(Bytes plaintext, Reader& reader) {
  if (plaintext.size() > kMtuProbeSizeMax) return fail(Errc::BadValue, "MTU probe length");
  MtuProbe out;
  out.token = reader.fixed<std::array<std::byte, 8>>();
  const Bytes padding = reader.take(reader.remaining());
  if (!reader.done()) return malformed(reader, "MTU probe");
  if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{0}; })) {
    return fail(Errc::BadValue, "MTU probe padding");
  }
  out.size = static_cast<std::uint16_t>(plaintext.size());
  return out;
}

Result<Frame> parse_part(Reader& reader) {
  Part out;
  out.index = reader.le<std::uint8_t>();
  out.count = reader.le<std::uint8_t>();
  const auto reserved = reader.le<std::uint8_t>();
  out.message = reader.le<std::uint32_t>();
  if (!reader.ok() || reader.remaining() == 0) return fail(Errc::Truncated, "part frame");
  out.payload = reader.take(reader.remaining());
  if (reserved != 0 || out.count < 2 || out.count > kPartsMax || out.index >= out.count) {
    return fail(Errc::BadValue, "part header");
  }
  const bool last = out.index + 1 == out.count;
  if (out.payload.size() > kPartPayloadMax || (!last && out.payload.size() < kPartPayloadMax)) {
    return fail(Errc::BadValue, "part length");
  }
  // Only a message that is too long for one frame is cut. This is also why a whole message is
  // never itself a PART: those are shorter.
  const std::size_t whole = (out.count - 1U) * kPartPayloadMax + out.payload.size();
  if (last && (whole <= kFrameSizeMax || whole > kMessageSizeMax)) {
    return fail(Errc::BadValue, "part length");
  }
  return out;
}

/// One alternative of a smaller variant as one of Frame.
template <class Some>
Result<Frame> widened(Result<Some> part) {
  if (!part) return std::unexpected(part.error());
  return std::visit([](auto&& f) -> Frame { return std::forward<decltype(f)>(f); },
                    std::move(*part));
}

/// Writes one alternative of Frame after its type byte.
class BodyWriter {
 public:
  explicit BodyWriter(ByteVector& out) : out_(&out), writer_(out) {}

  /// The ring's, the relays' and the diagnosis' frames are written beside their layouts.
  template <class Other>
    requires requires(const Other& f, ByteVector& o) { write_ring_frame(f, o); }
  void operator()(const Other& f) {
    write_ring_frame(f, *out_);
  }
  template <class Other>
    requires requires(const Other& f, ByteVector& o) { write_relay_frame(f, o); }
  void operator()(const Other& f) {
    write_relay_frame(f, *out_);
  }
  void operator()(const Diagnose& f) { write_diagnosis_frame(f, *out_); }
  void operator()(const Diagnosis& f) { write_diagnosis_frame(f, *out_); }

  void operator()(const Ping& f) {
    type(FrameType::Ping);
    writer_.zeros(1);
    writer_.le(f.sequence);
    writer_.le(f.epoch.value);
    writer_.bytes(f.digest.view());
  }
  void operator()(const Pong& f) {
    type(FrameType::Pong);
    writer_.le(f.digest ? kPongHasDigest : std::uint8_t{0});
    writer_.le(f.sequence);
    writer_.le(f.epoch.value);
    if (f.digest) writer_.bytes(f.digest->view());
  }
  void operator()(const Proof& f) {
    check(f.statements.size() <= kProofStatementsMax);
    type(FrameType::Proof);
    writer_.le(static_cast<std::uint8_t>((f.accepted_yours ? kProofAcceptedYours : 0) |
                                         (f.begins_anew ? kProofBeginsAnew : 0)));
    writer_.bytes(f.grant.view());
    writer_.bytes(f.skey.view());
    writer_.le(static_cast<std::uint16_t>(f.statements.size()));
    for (const Bytes statement : f.statements) {
      check(statement.size() <= kStatementSizeMax);
      writer_.le(static_cast<std::uint16_t>(statement.size()));
      writer_.bytes(statement);
    }
  }
  void operator()(const SecretFrame& f) {
    check(f.secret.size() == 32);
    type(FrameType::Secret);
    writer_.le(f.epoch.value);
    writer_.bytes(f.secret);
  }
  void operator()(const StatementFrame& f) {
    type(FrameType::Statement);
    writer_.bytes(f.statement);
  }
  void operator()(const Recon& f) {
    check(f.ids.size() <= kReconIdsMax);
    type(FrameType::Recon);
    writer_.le(static_cast<std::uint8_t>(f.kind));
    writer_.bytes(f.lower.view());
    writer_.bytes(f.upper.view());
    writer_.le(static_cast<std::uint16_t>(f.ids.size()));
    for (const StatementId& id : f.ids) writer_.bytes(id.view());
  }
  void operator()(const ReconRanges& f) {
    check(!f.ranges.empty() && f.ranges.size() <= kReconRangesMax);
    type(FrameType::Recon);
    writer_.le(kReconKindRanges);
    writer_.bytes(f.lower.view());
    writer_.le(static_cast<std::uint16_t>(f.ranges.size()));
    for (const ReconRanges::Range& range : f.ranges) {
      writer_.bytes(range.upper.view());
      writer_.bytes(range.fingerprint.view());
      writer_.le(range.count);
    }
  }
  void operator()(const Observed& f) {
    type(FrameType::Observed);
    write_candidate(f.endpoint, writer_);
  }
  void operator()(const Ports& f) {
    check(f.lowest != 0 && f.lowest <= f.highest);
    type(FrameType::Ports);
    write_candidate(f.newest, writer_);
    writer_.le(static_cast<std::uint16_t>(f.step));
    writer_.le(f.lowest);
    writer_.le(f.highest);
  }
  void operator()(const Streams& f) {
    check(f.endpoints.size() <= kStreamsMax);
    type(FrameType::Streams);
    writer_.le(static_cast<std::uint8_t>(f.endpoints.size()));
    for (const Endpoint& endpoint : f.endpoints) write_candidate(endpoint, writer_);
  }
  void operator()(const Spread& f) {
    check(f.sockets != 0 && f.sockets <= kSpreadMax);
    type(FrameType::Spread);
    write_candidate(f.to, writer_);
    writer_.le(f.sockets);
  }
  void operator()(const Spreading& f) {
    check(f.sockets <= kSpreadMax);
    type(FrameType::Spreading);
    writer_.le(f.sockets);
  }
  void operator()(const Peers& f) {
    check(f.peers.size() <= kPeersMax);
    type(FrameType::Peers);
    writer_.le(static_cast<std::uint8_t>(f.peers.size()));
    for (const PeerHint& hint : f.peers) {
      check(hint.candidates.size() <= kPeerCandidatesMax);
      writer_.bytes(hint.node.view());
      writer_.le(hint.age_seconds);
      writer_.le(static_cast<std::uint8_t>(hint.candidates.size()));
      for (const Endpoint& endpoint : hint.candidates) write_candidate(endpoint, writer_);
    }
  }
  void operator()(const Bye& f) {
    type(FrameType::Bye);
    writer_.le(static_cast<std::uint8_t>(f.reason));
  }
  void operator()(const PathChallenge& f) {
    type(FrameType::PathChallenge);
    writer_.bytes(f.token);
  }
  void operator()(const PathResponse& f) {
    type(FrameType::PathResponse);
    writer_.bytes(f.token);
  }
  void operator()(const MtuProbe& f) {
    check(f.size >= kMtuProbeSizeMin && f.size <= kMtuProbeSizeMax);
    type(FrameType::MtuProbe);
    writer_.bytes(f.token);
    writer_.zeros(f.size - kMtuProbeSizeMin);
  }
  void operator()(const MtuResponse& f) {
    type(FrameType::MtuResponse);
    writer_.bytes(f.token);
  }
  void operator()(const Part& f) {
    check(f.count >= 2 && f.count <= kPartsMax && f.payload.size() <= kPartPayloadMax);
    type(FrameType::Part);
    writer_.le(f.index);
    writer_.le(f.count);
    writer_.zeros(1);
    writer_.le(f.message);
    writer_.bytes(f.payload);
  }

 private:
  void type(FrameType t) { writer_.le(static_cast<std::uint8_t>(t)); }

  ByteVector* out_;
  Writer writer_;
};

}  // namespace

Result<Frame> parse_frame(Bytes plaintext) {
  Reader reader(plaintext);
  const auto type = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "empty frame");
  if (plaintext.size() > kMessageSizeMax) return fail(Errc::BadValue, "frame length");
  if (is_relay_frame(type)) return widened(parse_relay_frame(plaintext));
  if (is_diagnosis_frame(type)) return widened(parse_diagnosis_frame(plaintext));
  switch (static_cast<FrameType>(type)) {
    case FrameType::Ping:
      return parse_ping(reader);
    case FrameType::Pong:
      return parse_pong(reader);
    case FrameType::Proof:
      return parse_proof(reader);
    case FrameType::Secret:
      return parse_secret(reader);
    case FrameType::Statement:
      return parse_statement_frame(reader);
    case FrameType::Recon:
      return parse_recon(reader);
    case FrameType::Observed:
      return parse_observed(reader);
    case FrameType::Peers:
      return parse_peers(reader);
    case FrameType::Ports:
      return parse_ports(reader);
    case FrameType::Streams:
      return parse_streams(reader);
    case FrameType::Spread:
      return parse_spread(reader);
    case FrameType::Spreading:
      return parse_spreading(reader);
    case FrameType::Bye:
      return parse_bye(reader);
    case FrameType::PathChallenge:
      return parse_token<PathChallenge>(reader);
    case FrameType::PathResponse:
      return parse_token<PathResponse>(reader);
    case FrameType::Part:
      return parse_part(reader);
    case FrameType::MtuProbe:
      return parse_mtu_probe(plaintext, reader);
    case FrameType::MtuResponse:
      return parse_token<MtuResponse>(reader);
    case FrameType::Neighbours:
    case FrameType::LinkRequest:
    case FrameType::LinkAnswer:
    case FrameType::Unlink:
    case FrameType::Forward:
    case FrameType::ForwardAck:
    case FrameType::ForwardReply:
    case FrameType::Gone:
    case FrameType::ProbeRequest:
    case FrameType::ProbeResult:
    case FrameType::Merge:
      return widened(parse_ring_frame(static_cast<FrameType>(type), reader));
  }
  return fail(Errc::BadValue, "frame type");
}

void write_frame(const Frame& frame, ByteVector& out) { std::visit(BodyWriter(out), frame); }

}  // namespace ipop::wire
