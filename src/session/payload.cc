#include "session/payload.h"

namespace ipop::session {

ByteVector initiation_payload(const Profile& profile, const LocalSide& local,
                              const wire::Tai64n& timestamp) {
  if (!profile.carries_membership) return to_vector(timestamp.view());
  ByteVector out;
  wire::write_initiation_payload({.timestamp = timestamp,
                                  .suites = local.suites,
                                  .skey_epoch = local.skey_epoch,
                                  .grant = local.grant,
                                  .candidates = local.candidates},
                                 out);
  return out;
}

Result<wire::InitiationPayload> read_initiation_payload(const Profile& profile, Bytes payload) {
  if (profile.carries_membership) return wire::parse_initiation_payload(payload);
  const auto timestamp = wire::Tai64n::from(payload);
  if (!timestamp) return fail(Errc::Truncated, "initiation payload");
  wire::InitiationPayload out;
  out.timestamp = *timestamp;
  return out;
}

ByteVector response_payload(const Profile& profile, const LocalSide& local, crypto::Suite suite) {
  ByteVector out;
  if (!profile.carries_membership) return out;
  wire::write_response_payload({.suite = static_cast<std::uint8_t>(suite),
                                .skey_epoch = local.skey_epoch,
                                .grant = local.grant},
                               out);
  return out;
}

Result<wire::ResponsePayload> read_response_payload(const Profile& profile, Bytes payload) {
  if (profile.carries_membership) return wire::parse_response_payload(payload);
  if (!payload.empty()) return fail(Errc::BadValue, "response payload");
  return wire::ResponsePayload{};
}

TransportKeys split_for(const Profile& profile, const Transcript& transcript, crypto::Suite suite,
                        bool initiator) {
  if (!profile.carries_membership) return transcript.split({}, initiator);
  ByteVector input = to_vector(transcript.hash().view());
  input.push_back(static_cast<std::byte>(suite));
  return transcript.split(input, initiator);
}

}  // namespace ipop::session
