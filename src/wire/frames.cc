#include "wire/frames.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/statement.h"

namespace ipop::wire {
namespace {

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

}  // namespace ipop::wire
