#include <algorithm>
#include <utility>

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/frames.h"
#include "wire/statement.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

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

void write_frame(const Frame& frame, ByteVector& out) { std::visit(BodyWriter(out), frame); }

}  // namespace ipop::wire
