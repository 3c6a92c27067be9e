#include "dataplane/drop.h"

#include "base/check.h"

namespace ipop::dataplane {

std::string_view drop_name(Drop drop) {
  switch (drop) {
    case Drop::BadHeader:
      return "bad_header";
    case Drop::UnknownSession:
      return "unknown_session";
    case Drop::Replayed:
      return "replayed";
    case Drop::BadTag:
      return "bad_tag";
    case Drop::KeyExpired:
      return "key_expired";
    case Drop::NotProven:
      return "not_proven";
    case Drop::BadPayload:
      return "bad_payload";
    case Drop::SpoofedSource:
      return "spoofed_source";
    case Drop::BadInnerDestination:
      return "bad_inner_destination";
    case Drop::EcnNotCapable:
      return "ecn_not_capable";
    case Drop::BadInner:
      return "bad_inner";
    case Drop::NoRoute:
      return "no_route";
    case Drop::ForeignSource:
      return "foreign_source";
    case Drop::TooBig:
      return "too_big";
    case Drop::Congested:
      return "congested";
    case Drop::UnknownLabel:
      return "unknown_label";
    case Drop::NestedRelay:
      return "nested_relay";
    case Drop::RelayNoLeg:
      return "relay_no_leg";
    case Drop::RelayOverLimit:
      return "relay_over_limit";
    case Drop::QueueFull:
      return "queue_full";
    case Drop::SendFailed:
      return "send_failed";
    case Drop::Count_:
      break;
  }
  check(false);
  return {};
}

}  // namespace ipop::dataplane
