#include "os/state_file.h"

#include <gtest/gtest.h>

#include <string>

#include "os/crash_disk.h"
#include "os/crc32c.h"

namespace ipop::os {
namespace {

constexpr FileKind kKind = FileKind::Identity;
const std::filesystem::path kName = "/state/keys";
const std::filesystem::path kOld = "/state/keys.old";

ByteVector bytes_of(std::string_view text) { return to_vector(as_bytes(text)); }
std::string text_of(const Result<LoadedFile>& file) {
  return file ? std::string(as_text(file->payload)) : "error: " + std::string(file.error().what);
}
ByteVector good(std::string_view text) { return encode_state_file(kKind, as_bytes(text)); }

/// An undamaged file of another version.
ByteVector with_version(std::string_view text, std::uint16_t version) {
  ByteVector file = good(text);
  file[5] = std::byte(version & 255U);
  file[6] = std::byte(version >> 8U);
  const std::uint32_t crc = crc32c(Bytes(file).first(file.size() - 4));
  for (std::size_t i = 0; i < 4; ++i) file[file.size() - 4 + i] = std::byte(crc >> (8 * i));
  return file;
}

TEST(StateEnvelope, LayoutIsFixed) {
  EXPECT_EQ(to_hex(encode_state_file(FileKind::Statements, as_bytes("abc"))),
            "49504f50"
            "03"
            "0100"
            "03000000"
            "616263"
            "ddbe26db");
}

TEST(StateEnvelope, RoundTrips) {
  SeededRng rng(1);
  for (const std::size_t size : {0U, 1U, 255U, 65536U}) {
    ByteVector payload(size);
    rng.fill(payload);
    const ByteVector file = encode_state_file(kKind, payload);
    const auto parsed = parse_state_file(file, kKind);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(equal_bytes(parsed->payload, payload));
    EXPECT_EQ(parsed->version, kStateFileVersion);
  }
}

TEST(StateEnvelope, RefusesEveryTruncationExtensionAndBitFlip) {
  const ByteVector file = good("a payload of some bytes");
  for (std::size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(parse_state_file(Bytes(file).first(n), kKind)) << n;
  }
  ByteVector longer = file;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_state_file(longer, kKind));
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    ByteVector flipped = file;
    flipped[bit / 8] ^= std::byte(1U << (bit % 8));
    EXPECT_FALSE(parse_state_file(flipped, kKind)) << bit;
  }
  EXPECT_FALSE(parse_state_file(file, FileKind::Daemon));
}

TEST(StateFile, WritesAndReads) {
  CrashDisk disk;
  EXPECT_EQ(read_state_file(disk, kName, kKind).error().code, Errc::NotFound);
  for (const char* payload : {"one", "two", "", "four"}) {
    ASSERT_TRUE(write_state_file(disk, kName, kKind, as_bytes(payload)));
    const auto read = read_state_file(disk, kName, kKind);
    EXPECT_EQ(text_of(read), payload);
    EXPECT_EQ(read->damaged, "");
  }
  EXPECT_EQ(disk.read(kOld, SIZE_MAX), good(""));  // the generation before
}

TEST(StateFile, BothCopiesAreEqual) {
  CrashDisk disk;
  for (const char* payload : {"one", "two"}) {
    ASSERT_TRUE(write_state_file(disk, kName, kKind, as_bytes(payload), {.both_copies = true}));
    EXPECT_EQ(disk.read(kName, SIZE_MAX), good(payload));
    EXPECT_EQ(disk.read(kOld, SIZE_MAX), good(payload));
  }
}

TEST(StateFile, SurvivesEveryDamageOfOneCopyAndSaysSo) {
  const ByteVector file = good("newest");
  std::vector<ByteVector> damaged;
  for (std::size_t n = 0; n < file.size(); ++n) {
    damaged.push_back(to_vector(Bytes(file).first(n)));
  }
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    damaged.push_back(file);
    damaged.back()[bit / 8] ^= std::byte(1U << (bit % 8));
  }
  damaged.push_back(encode_state_file(FileKind::Peers, as_bytes("newest")));
  damaged.push_back(ByteVector(100, std::byte{0}));
  for (const ByteVector& bad : damaged) {
    CrashDisk disk;
    disk.put(kName, bad);
    disk.put(kOld, good("previous"));
    const auto read = read_state_file(disk, kName, kKind);
    ASSERT_EQ(text_of(read), "previous");
    ASSERT_NE(read->damaged.find("/state/keys "), std::string::npos) << read->damaged;
    ASSERT_NE(read->damaged.find(kOld), std::string::npos) << read->damaged;

    // The next write must not make the damaged one the previous one.
    ASSERT_TRUE(write_state_file(disk, kName, kKind, as_bytes("next")));
    EXPECT_EQ(text_of(read_state_file(disk, kName, kKind)), "next");
    EXPECT_EQ(disk.read(kOld, SIZE_MAX), good("previous"));

    // A damaged NAME.old does not matter while NAME is good.
    disk.put(kName, good("newest"));
    disk.put(kOld, bad);
    EXPECT_EQ(text_of(read_state_file(disk, kName, kKind)), "newest");
    EXPECT_EQ(read_state_file(disk, kName, kKind)->damaged, "");

    disk.put(kName, bad);
    const auto lost = read_state_file(disk, kName, kKind);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Errc::BadValue);
    EXPECT_NE(lost.error().what.find("/state/keys "), std::string_view::npos);
    EXPECT_NE(lost.error().what.find("/state/keys.old "), std::string_view::npos);
  }
}

TEST(StateFile, AMissingNewestIsDamageToo) {
  CrashDisk disk;
  disk.put(kOld, good("previous"));
  const auto read = read_state_file(disk, kName, kKind);
  EXPECT_EQ(text_of(read), "previous");
  EXPECT_EQ(read->damaged, "/state/keys is missing; its previous version /state/keys.old was used");
}

TEST(StateFile, ANewerVersionIsNeitherReadNorReplaced) {
  CrashDisk disk;
  disk.put(kName, with_version("future", kStateFileVersion + 1));
  disk.put(kOld, good("previous"));
  const auto read = read_state_file(disk, kName, kKind);
  ASSERT_FALSE(read) << "going back to the old one would lose what the newer ipop wrote";
  EXPECT_EQ(read.error().code, Errc::Unsupported);
  EXPECT_NE(read.error().what.find("/state/keys was written by a newer ipop"),
            std::string_view::npos);
  EXPECT_EQ(write_state_file(disk, kName, kKind, as_bytes("x")).error().code, Errc::Unsupported);
  EXPECT_EQ(disk.read(kName, SIZE_MAX), with_version("future", kStateFileVersion + 1));

  disk.put(kName, bytes_of("damaged"));
  disk.put(kOld, with_version("future", 65535));
  EXPECT_EQ(read_state_file(disk, kName, kKind).error().code, Errc::Unsupported);
}

/// What is on the disk before a write, and what a reader must then find, if anything.
struct Before {
  const char* name;
  void (*prepare)(CrashDisk&);
  const char* readable;  // null: nothing
};
const Before kBefore[] = {
    {"nothing", [](CrashDisk&) {}, nullptr},
    {"first", [](CrashDisk& d) { d.put(kName, good("present")); }, "present"},
    {"both",
     [](CrashDisk& d) {
       d.put(kName, good("present"));
       d.put(kOld, good("before"));
     },
     "present"},
    {"damaged",
     [](CrashDisk& d) {
       d.put(kName, bytes_of("IPOPxx"));
       d.put(kOld, good("present"));
     },
     "present"},
    {"missing", [](CrashDisk& d) { d.put(kOld, good("present")); }, "present"},
    {"one inode, as an interrupted write leaves it",
     [](CrashDisk& d) {
       d.put(kName, good("present"));
       d.put_link(kName, kOld);
     },
     "present"},
    {"leftover",
     [](CrashDisk& d) {
       d.put(kName, good("present"));
       d.put("/state/keys.tmp", bytes_of("half"));
     },
     "present"},
};

/// Checks what a restart finds: old or new, and that the next write works.
void expect_recovers(CrashDisk& disk, const Before& before, bool must_be_new, bool both_copies) {
  const auto read = read_state_file(disk, kName, kKind);
  const std::string text = text_of(read);
  if (text != "new") {
    ASSERT_FALSE(must_be_new) << text;
    if (before.readable != nullptr) {
      ASSERT_EQ(text, before.readable);
    } else {
      ASSERT_EQ(read.error().code, Errc::NotFound) << text;
    }
  }
  ASSERT_TRUE(write_state_file(disk, kName, kKind, as_bytes("next"), {both_copies}));
  ASSERT_EQ(text_of(read_state_file(disk, kName, kKind)), "next");
}

class StateFileCrash : public testing::TestWithParam<bool> {};

TEST_P(StateFileCrash, StoppedAfterAnyStep) {
  const WriteOptions options{.both_copies = GetParam()};
  for (const Before& before : kBefore) {
    for (std::size_t stop = 0;; ++stop) {
      CrashDisk disk;
      before.prepare(disk);
      disk.stop_after(stop);
      const bool written =
          write_state_file(disk, kName, kKind, as_bytes("new"), options).has_value();
      ASSERT_EQ(written, !disk.stopped());
      disk.restart();
      SCOPED_TRACE(testing::Message() << before.name << ", stopped after " << stop);
      ASSERT_NO_FATAL_FAILURE(expect_recovers(disk, before, written, options.both_copies));
      if (written) {
        EXPECT_GE(stop, 5U);  // the loop went through create, write, sync, rename, sync_folder
        break;
      }
    }
  }
}

TEST_P(StateFileCrash, PowerLostAfterAnyStep) {
  const WriteOptions options{.both_copies = GetParam()};
  SeededRng rng(2);
  for (const Before& before : kBefore) {
    bool finished = false;
    for (std::size_t stop = 0; !finished; ++stop) {
      for (int round = 0; round < 200; ++round) {
        CrashDisk disk;
        before.prepare(disk);
        disk.stop_after(stop);
        finished = write_state_file(disk, kName, kKind, as_bytes("new"), options).has_value();
        disk.lose_power(rng);
        SCOPED_TRACE(testing::Message() << before.name << ", power lost after " << stop);
        ASSERT_NO_FATAL_FAILURE(expect_recovers(disk, before, finished, options.both_copies));
      }
    }
  }
}

TEST_P(StateFileCrash, CrashesInARow) {
  const WriteOptions options{.both_copies = GetParam()};
  SeededRng rng(3);
  for (int run = 0; run < 200; ++run) {
    CrashDisk disk;
    int acknowledged = -1;
    int attempted = -1;
    for (int i = 0; i < 30; ++i) {
      disk.stop_after(rng.below(14));
      attempted = i;
      if (write_state_file(disk, kName, kKind, as_bytes(std::to_string(i)), options)) {
        acknowledged = i;
      }
      if (rng.below(2) == 0) {
        disk.lose_power(rng);
      } else {
        disk.restart();
      }
      const auto read = read_state_file(disk, kName, kKind);
      if (acknowledged < 0 && !read) {
        ASSERT_EQ(read.error().code, Errc::NotFound);
        continue;
      }
      ASSERT_TRUE(read) << read.error().what;
      const int found = std::stoi(text_of(read));
      ASSERT_GE(found, acknowledged);
      ASSERT_LE(found, attempted);
      acknowledged = found;  // what a restart has seen must not be lost either
      ASSERT_TRUE(disk.sync_folder("/state") || disk.stopped());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Copies, StateFileCrash, testing::Bool(), [](const auto& param) {
  return param.param ? std::string("Both") : std::string("Previous");
});

}  // namespace
}  // namespace ipop::os
