#include "overlay/address_book.h"

#include <gtest/gtest.h>

#include "wire/handshake.h"

namespace ipop::overlay {
namespace {

wire::NodeId node(unsigned n) {
  wire::NodeId id;
  id.bytes[0] = std::byte(n);
  return id;
}
Endpoint at(unsigned n) { return {Ipv4{0xc6120000U + n}, 4000}; }

std::vector<Endpoint> known(const AddressBook& book, const wire::NodeId& id) {
  const auto all = book.of(id);
  return {all.begin(), all.end()};
}

TEST(AddressBook, TheNewestComesFirstAndTheOldestGoes) {
  AddressBook book;
  book.keep_only({node(1)});
  EXPECT_TRUE(book.note(node(1), {at(1), at(2)}));
  EXPECT_TRUE(book.note(node(1), {at(3)}));
  EXPECT_EQ(known(book, node(1)), (std::vector<Endpoint>{at(3), at(1), at(2)}));
  EXPECT_FALSE(book.note(node(1), {at(2)}));
  EXPECT_EQ(known(book, node(1)), (std::vector<Endpoint>{at(2), at(3), at(1)}));
  for (unsigned n = 10; n < 30; ++n) book.note(node(1), {at(n)});
  EXPECT_EQ(book.of(node(1)).size(), wire::kCandidatesMax);
  EXPECT_EQ(book.of(node(1)).front(), at(29));
}

TEST(AddressBook, KeepsMembersOnly) {
  AddressBook book;
  EXPECT_FALSE(book.note(node(1), {at(1)}));
  book.keep_only({node(1), node(2)});
  book.note(node(1), {at(1)});
  book.note(node(2), {at(2)});
  book.keep_only({node(2), node(3)});
  EXPECT_TRUE(book.of(node(1)).empty());
  EXPECT_EQ(known(book, node(2)), std::vector<Endpoint>{at(2)});
  ASSERT_EQ(book.all().size(), 1U);
  EXPECT_EQ(book.all()[0].node, node(2));
}

TEST(AddressBook, ReplacesWhatWasKnown) {
  AddressBook book;
  book.keep_only({node(1)});
  EXPECT_TRUE(book.note(node(1), {at(1), at(2)}));
  EXPECT_TRUE(book.replace(node(1), {at(3)}));
  EXPECT_FALSE(book.replace(node(1), {at(3)}));
  EXPECT_EQ(book.of(node(1)).size(), 1U);
  EXPECT_TRUE(book.replace(node(1), {}));
  EXPECT_TRUE(book.of(node(1)).empty());
  EXPECT_FALSE(book.replace(node(2), {at(1)}));
}

}  // namespace
}  // namespace ipop::overlay
