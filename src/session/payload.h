#pragma once

#include "session/local_side.h"
#include "session/noise.h"
#include "session/profile.h"

/// What the two messages of a handshake carry inside, and what the data keys cover, by profile
/// (Profile::carries_membership).
namespace ipop::session {

ByteVector initiation_payload(const Profile& profile, const LocalSide& local,
                              const wire::Tai64n& timestamp);
/// Errors: as wire::parse_initiation_payload(). Of a stock payload the suite is ChaCha20-Poly1305
/// and everything else but the timestamp empty.
Result<wire::InitiationPayload> read_initiation_payload(const Profile& profile, Bytes payload);

ByteVector response_payload(const Profile& profile, const LocalSide& local, crypto::Suite suite);
/// Errors: as wire::parse_response_payload().
Result<wire::ResponsePayload> read_response_payload(const Profile& profile, Bytes payload);

/// The data keys of a finished handshake. Natively the transcript and the suite's byte are mixed
/// in: a changed suite gives keys that open nothing. Stock has one suite and Noise's own Split().
TransportKeys split_for(const Profile& profile, const Transcript& transcript, crypto::Suite suite,
                        bool initiator);

}  // namespace ipop::session
