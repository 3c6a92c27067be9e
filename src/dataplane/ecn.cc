#include "dataplane/ecn.h"

namespace ipop::dataplane {

std::optional<Ecn> merge_ecn(Ecn inner, Ecn outer) {
  if (inner == Ecn::NotEct) return outer == Ecn::Ce ? std::nullopt : std::optional(Ecn::NotEct);
  if (inner == Ecn::Ce || outer == Ecn::Ce) return Ecn::Ce;
  // ECT(1) outside ECT(0) is a mild congestion mark in some schemes and is passed on (section 4.2).
  return outer == Ecn::Ect1 ? Ecn::Ect1 : inner;
}

}  // namespace ipop::dataplane
