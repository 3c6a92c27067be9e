#include "daemon/packet_threads.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "os/test_support.h"

namespace ipop::daemon {
namespace {

/// Two packet threads whose sockets have ports of their own, so that a test says which gets what.
class TwoThreads : public testing::Test {
 protected:
  void SetUp() override {
    std::vector<os::UdpSocket> sockets;
    for (std::uint16_t& port : ports_) {
      auto socket = os::UdpSocket::open(0);
      ASSERT_TRUE(socket) << socket.error().what;
      port = socket->port();
      sockets.push_back(*std::move(socket));
    }
    auto threads = PacketThreads::start(std::move(sockets));
    ASSERT_TRUE(threads);
    threads_ = *std::move(threads);
    auto sender = os::UdpSocket::open(0);
    ASSERT_TRUE(sender);
    sender_.emplace(*std::move(sender));
  }

  /// `count` datagrams that are for the engine.
  void send(std::size_t thread, std::string_view text, std::size_t count = 1) {
    const Endpoint to{*Ipv4::parse("127.0.0.1"), ports_.at(thread)};
    for (std::size_t i = 0; i < count; ++i) {
      const OutgoingDatagrams one{as_bytes(text), to};
      ASSERT_EQ(sender_->send(std::span(&one, 1)), 1U);
    }
  }
  static std::size_t count_of(const std::vector<dataplane::Event>& events, std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(events, [&](const auto& event) {
      const auto* datagram = std::get_if<dataplane::DatagramEvent>(&event);
      return datagram != nullptr && equal_bytes(datagram->datagram, as_bytes(text));
    }));
  }
  /// Returns when the threads have dropped so many.
  void wait_for_drops(std::uint64_t count, dataplane::Drop drop) const {
    const auto reason = static_cast<std::size_t>(drop);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (threads_->drops()[reason] < count && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    ASSERT_GE(threads_->drops()[reason], count);
  }

  const os::TestNamespace ns_;
  std::array<std::uint16_t, 2> ports_{};
  std::unique_ptr<PacketThreads> threads_;
  std::optional<os::UdpSocket> sender_;
};

// A computer without a network gets datagrams too: not to read them is to be woken for ever.
TEST_F(TwoThreads, ReadBeforeTheFirstSnapshot) {
  send(0, "early");
  ASSERT_TRUE(os::wait_readable(threads_->fd()));
  EXPECT_EQ(count_of(threads_->take_events(), "early"), 1U);
  EXPECT_FALSE(os::is_readable(threads_->fd()));
}

TEST_F(TwoThreads, AFloodAtOneHidesNeitherTimersNorTheOther) {
  send(1, "other");
  ASSERT_TRUE(os::wait_readable(threads_->fd()));
  // More than the queue takes of them, so that the last drop tells that it is full.
  constexpr std::size_t kFlood = dataplane::EventQueue::kSlots;
  const std::size_t level = dataplane::EventQueue::level_of(dataplane::EventQueue::Kind::Datagram);
  send(0, "flood", kFlood);
  wait_for_drops(kFlood - level, dataplane::Drop::QueueFull);

  const auto first = threads_->take_events();
  EXPECT_EQ(first.size(), PacketThreads::kEventsMax);
  EXPECT_EQ(count_of(first, "other"), 1U);
  EXPECT_TRUE(os::is_readable(threads_->fd())) << "the rest is not slept over";
  std::size_t taken = first.size();
  while (os::is_readable(threads_->fd())) taken += threads_->take_events().size();
  EXPECT_EQ(taken, level + 1);
}

// They read more than they serve in one go, and nothing tells them of what they have read already.
TEST_F(TwoThreads, DoNotSleepOverWhatWaitsInTheirOwnQueue) {
  auto queues = os::Tun::open_queues("", {.queues = 2});
  ASSERT_TRUE(queues) << queues.error().what;
  const std::string name = queues->front().name();
  ASSERT_EQ(std::system(("ip link set " + name + " up && ip address add 10.83.0.1/24 dev " + name)
                            .c_str()),  // NOLINT(cert-env33-c)
            0);
  // All are there before the thread is.
  constexpr std::size_t kBurst = 90;
  const OutgoingDatagrams one{as_bytes("nobody's"), {*Ipv4::parse("10.83.0.2"), 9}};
  for (std::size_t i = 0; i < kBurst; ++i) ASSERT_EQ(sender_->send(std::span(&one, 1)), 1U);
  threads_->attach(NetworkSlot{1}, *std::move(queues));
  wait_for_drops(kBurst, dataplane::Drop::NoRoute);
  threads_->detach(NetworkSlot{1});
}

// The kernel says for ever that such a queue is readable: a thread that keeps it never sleeps.
TEST_F(TwoThreads, LetGoOfAnInterfaceThatSomebodyDeletes) {
  auto queues = os::Tun::open_queues("", {.queues = 2});
  ASSERT_TRUE(queues) << queues.error().what;
  const std::array<int, 2> fds{(*queues)[0].fd(), (*queues)[1].fd()};
  const std::string name = queues->front().name();
  threads_->attach(NetworkSlot{1}, *std::move(queues));
  ASSERT_EQ(std::system(("ip link delete " + name).c_str()), 0);  // NOLINT(cert-env33-c)
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (const int fd : fds) {
    while (::fcntl(fd, F_GETFD) != -1 && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  }
  threads_->detach(NetworkSlot{1});
}

}  // namespace
}  // namespace ipop::daemon
