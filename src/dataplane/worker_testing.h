#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "dataplane/two_nodes.h"
#include "dataplane/worker.h"

/// Devices that are two lists, and workers between them: for the tests of the worker.
namespace ipop::dataplane::test {

struct FakeTun {
  struct Readable {
    ByteVector bytes;
    Offload left{};
  };
  struct Written {
    ByteVector bytes;
    Offload offload;
    std::size_t parts = 0;
    std::size_t header_size = 0;
  };
  std::deque<Readable> to_read;
  std::vector<ByteVector> written;
  std::vector<Written> writes;
  TunOffloads takes{};
  bool refuses = false;
  std::size_t reads = 0;

  TunOffloads offloads() const { return takes; }
  std::size_t read(std::span<Packet> packets, std::span<Offload> left) {
    ++reads;
    std::size_t n = 0;
    for (; n < packets.size() && !to_read.empty(); ++n) {
      copy_bytes(packets[n].read_area(), to_read.front().bytes);
      packets[n].resize(to_read.front().bytes.size());
      left[n] = to_read.front().left;
      to_read.pop_front();
    }
    return n;
  }
  bool write(const OutgoingPacket& packet) {
    if (refuses) return false;
    ByteVector joined;
    for (const Bytes part : packet.parts) append(joined, part);
    written.push_back(joined);
    writes.push_back({joined, packet.offload, packet.parts.size(), packet.header_size});
    return true;
  }
};

struct FakeUdp {
  struct Datagram {
    ByteVector bytes;
    Endpoint peer;
    std::uint8_t ecn = 0;
    std::uint16_t segment_size = 0;
  };
  std::deque<Datagram> to_receive;
  std::vector<Datagram> sent;
  std::size_t accepts = SIZE_MAX;  ///< of one batch
  std::deque<Endpoint> too_big;
  std::vector<std::size_t> batches;

  std::size_t receive(std::span<Packet> packets, std::span<ReceivedMeta> meta) {
    std::size_t n = 0;
    for (; n < std::min(packets.size(), meta.size()) && !to_receive.empty(); ++n) {
      const Datagram& next = to_receive.front();
      copy_bytes(packets[n].read_area(), next.bytes);
      packets[n].resize(next.bytes.size());
      meta[n] = {next.peer, next.ecn, next.segment_size};
      to_receive.pop_front();
    }
    return n;
  }
  std::size_t send(std::span<const OutgoingDatagrams> batch) {
    batches.push_back(batch.size());
    const std::size_t n = std::min(batch.size(), accepts);
    for (const OutgoingDatagrams& d : batch.first(n)) {
      sent.push_back({to_vector(d.bytes), d.to, d.ecn, d.segment_size});
    }
    return n;
  }
  std::optional<Endpoint> take_too_big() {
    if (too_big.empty()) return std::nullopt;
    const Endpoint out = too_big.front();
    too_big.pop_front();
    return out;
  }
};

/// One side: its devices, and the worker between them.
struct Side {
  FakeTun tun;
  FakeUdp udp;
  SnapshotSlot snapshots{1};
  Handover handover{1};
  EventQueue events;
  StreamQueue streams;
  DropCounters drops;
  Worker<FakeTun, FakeUdp> worker{{.index = 0,
                                   .handover = &handover,
                                   .snapshots = &snapshots,
                                   .events = &events,
                                   .drops = &drops,
                                   .udp = &udp,
                                   .streams = &streams}};

  void publish(const Snapshot& snapshot) {
    snapshots.publish(std::make_unique<Snapshot>(snapshot), {});
  }
  template <class E>
  std::vector<E> take() {
    std::vector<E> out;
    while (auto event = events.pop()) {
      if (auto* wanted = std::get_if<E>(&*event)) out.push_back(std::move(*wanted));
    }
    return out;
  }
  std::uint64_t dropped_in_all() const {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < kDropCount; ++i) n += drops.read(static_cast<Drop>(i));
    return n;
  }
};

class WorkerTest : public testing::Test {
 protected:
  void SetUp() override {
    EXPECT_TRUE(alice_.worker.attach(kNetwork, &alice_.tun));
    EXPECT_TRUE(bob_.worker.attach(kNetwork, &bob_.tun));
    alice_.publish(nodes_.alice.snapshot);
    bob_.publish(nodes_.bob.snapshot);
  }

  ByteVector packet(std::size_t size, bool is_v6 = false) const {
    return ip_packet(nodes_.alice_to_bob(is_v6), ByteVector(size, std::byte{0x42}));
  }
  /// Moves what alice sent to bob.
  void carry() {
    for (auto& datagram : alice_.udp.sent) {
      bob_.udp.to_receive.push_back(
          {datagram.bytes, nodes_.alice.endpoint, datagram.ecn, datagram.segment_size});
    }
    alice_.udp.sent.clear();
  }

  TwoNodes nodes_;
  Side alice_;
  Side bob_;
};

}  // namespace ipop::dataplane::test
