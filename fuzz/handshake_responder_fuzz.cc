#include "base/check.h"
#include "session/testing.h"

// Everything that arrives from strangers at a handshake machine, in three guises by the first byte:
// raw bytes; the same with a right mac1, as a member or a replay has it; and a message 1 that is
// authentic but for its payload, which the input chooses. The profile, too. Nothing unauthentic may
// change anything.

namespace {

using namespace ipop;                    // NOLINT(google-build-using-namespace)
using namespace ipop::session::testing;  // NOLINT(google-build-using-namespace)

ByteVector with_mac1(const session::Profile& profile, const session::LocalSide& responder,
                     Bytes head) {
  ByteVector out = to_vector(head);
  const auto key = session::mac1_key(profile, responder.epochs[0], responder.keys.public_key);
  append(out, session::mac1_of(key, head).view());
  append(out, wire::Mac{}.view());
  return out;
}

ByteVector authentic(const session::Profile& profile, TestEnd& initiator, TestEnd& responder,
                     Bytes payload) {
  SeededRng rng(7);
  session::NoiseInitiator noise({.construction = profile.construction}, responder.local().prologue,
                                responder.local().keys.public_key);
  const auto message =
      noise.write_message1(initiator.local().keys, crypto::X25519KeyPair::random(rng), payload);
  ByteVector head;
  wire::write_initiation_head(profile.shape, SessionIndex{1}, message->ephemeral,
                              message->sealed_static, message->sealed_payload, head);
  return with_mac1(profile, responder.local(), head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Bytes input = std::as_bytes(std::span(data, size));
  const auto guise = std::to_integer<unsigned>(input.front());
  input = input.subspan(1);
  const session::Profile& profile =
      guise / 3 % 2 == 0 ? session::kNativeProfile : session::kStockProfile;
  TestEnd peer({.seed = 1, .profile = &profile});
  TestEnd end({.seed = 2, .profile = &profile});
  peer.meet(end);
  end.meet(peer);
  end.connect(0ms);  // so that responses and cookies have something to be for
  end.take_outbox();
  const std::size_t indices = end.indices().size();
  const Instant deadline = end.deadline();

  ByteVector datagram;
  switch (guise % 3) {
    case 0:
      datagram = to_vector(input);
      break;
    case 1:
      datagram = with_mac1(profile, end.local(), input);
      break;
    default:
      datagram = authentic(profile, peer, end, input);
      break;
  }
  const bool accepted = end.receive(1ms, datagram);
  if (accepted) {
    check(guise % 3 == 2);
    const auto answer = end.take_outbox();
    check(answer.size() == 1 && answer[0].size() <= datagram.size());
    check(!end.receive(1s, datagram));
  } else {
    check(end.take_outbox().empty());
    check(end.indices().size() == indices);
    check(end.deadline() == deadline);
    check(end.pairs_made() == 0);
  }
  return 0;
}
