#include "dataplane/ecn.h"

#include <gtest/gtest.h>

namespace ipop::dataplane {
namespace {

// RFC 6040 section 4.2, figure 4, transcribed.
TEST(MergeEcn, Table) {
  using enum Ecn;
  const struct {
    Ecn inner;
    Ecn outer;
    std::optional<Ecn> want;
  } cases[] = {
      {NotEct, NotEct, NotEct}, {NotEct, Ect0, NotEct},
      {NotEct, Ect1, NotEct},   {NotEct, Ce, std::nullopt},
      {Ect0, NotEct, Ect0},     {Ect0, Ect0, Ect0},
      {Ect0, Ect1, Ect1},       {Ect0, Ce, Ce},
      {Ect1, NotEct, Ect1},     {Ect1, Ect0, Ect1},
      {Ect1, Ect1, Ect1},       {Ect1, Ce, Ce},
      {Ce, NotEct, Ce},         {Ce, Ect0, Ce},
      {Ce, Ect1, Ce},           {Ce, Ce, Ce},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(merge_ecn(c.inner, c.outer), c.want)
        << static_cast<int>(c.inner) << " in " << static_cast<int>(c.outer);
  }
}

}  // namespace
}  // namespace ipop::dataplane
