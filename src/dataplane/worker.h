#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "base/device.h"
#include "base/packet.h"
#include "dataplane/coalescer.h"
#include "dataplane/counters.h"
#include "dataplane/event_queue.h"
#include "dataplane/handover.h"
#include "dataplane/pipeline.h"
#include "dataplane/send_queue.h"
#include "dataplane/stream_queue.h"
#include "wire/handshake.h"

namespace ipop::dataplane {

/// What one call of Worker::run_once() did.
struct WorkDone {
  std::size_t packets = 0;   ///< read from all devices
  bool waiting = false;      ///< some of them still wait in our own queue: do not sleep
  bool events = false;       ///< something was pushed: wake control
  bool streamed = false;     ///< something is for a TLS connection: wake who has these
  std::uint32_t handed = 0;  ///< bit n: worker n was handed something: wake it

  bool is_idle() const { return packets == 0 && !waiting; }
};

/// One thread's packet path, both directions, run to completion: read a batch, classify, seal or
/// open in place, send, on one snapshot. No lock, no allocation, no log, no clock. The buffers are
/// allocated once, with headroom. The devices (base/device.h says what they offer) are template
/// parameters, so that a test passes two structs.
///
/// Every function is for the worker's own thread.
template <class Tun, class Udp>
class Worker {
 public:
  /// Packets a batch: enough to share the cost of a system call, few enough that neither direction
  /// waits long for the other: of those to peers as many of 1400 bytes as fill one send. A datagram
  /// from UDP may have 64 KiB, all of which stays resident.
  static constexpr std::size_t kTunBatch = 44;
  static constexpr std::size_t kTunBatchBytes = 128 * 1024;
  static constexpr std::size_t kUdpBatch = 4;
  static constexpr std::size_t kTunsMax = 64;

  /// All are borrowed and outlive the worker.
  struct Options {
    std::size_t index = 0;  ///< in the snapshot slot; the SenderId and the lane are one more
    Handover* handover = nullptr;
    SnapshotSlot* snapshots = nullptr;
    EventQueue* events = nullptr;
    DropCounters* drops = nullptr;
    Udp* udp = nullptr;
    StreamQueue* streams = nullptr;  ///< null: there are no TLS connections
    std::uint64_t flow_seed = 0;     ///< of its SendQueue
  };

  explicit Worker(const Options& options)
      : options_(options),
        packets_(std::make_unique_for_overwrite<Packet[]>(kUdpBatch)),
        queue_(options.flow_seed),
        run_(std::make_unique_for_overwrite<Packet>()),
        forwarded_(std::make_unique_for_overwrite<Packet[]>(kTunBatch)) {
    check(options.handover->workers() <= kWorkersMax &&
          options.index < options.handover->workers());
  }

  /// Serves one more network's interface; false when kTunsMax are served already, or the network
  /// is. Between batches.
  bool attach(NetworkSlot network, Tun* tun) {
    if (tun_count_ == kTunsMax || find_tun(network) != nullptr) return false;
    tuns_[tun_count_++] = {network, tun};
    return true;
  }
  /// Serves it no more; unknown networks are ignored. Between batches.
  void detach(NetworkSlot network) {
    for (std::size_t i = 0; i < tun_count_; ++i) {
      if (tuns_[i].network == network) {
        tuns_[i] = tuns_[--tun_count_];
        return;
      }
    }
  }

  /// Reads what the interfaces have, as far as the send queue takes it, and one batch from the
  /// socket; sends one batch in each direction.
  WorkDone run_once(Instant now) {
    done_ = {};
    const Snapshot& snapshot = *options_.snapshots->enter(options_.index);
    run_inbound(snapshot, now);
    run_handed_over(snapshot, now);
    run_outbound(snapshot, now);
    options_.snapshots->leave(options_.index);
    return done_;
  }

  /// A datagram that came to control by another way than a socket: as if it had come from there.
  /// Requires: its lane is ours, or it is no data. Between batches.
  WorkDone take(Instant now, const Way& from, MutableBytes datagram) {
    done_ = {};
    const Snapshot& snapshot = *options_.snapshots->enter(options_.index);
    handle_received(snapshot, now, {from, 0}, datagram);
    flush_run();
    flush_outgoing();
    options_.snapshots->leave(options_.index);
    return done_;
  }

 private:
  struct AttachedTun {
    NetworkSlot network;
    Tun* tun = nullptr;
  };

  /// How a datagram came here.
  struct Arrival {
    Way from;
    std::uint8_t ecn = 0;  ///< of the outer header
  };

  Tun* find_tun(NetworkSlot network) {
    for (std::size_t i = 0; i < tun_count_; ++i) {
      if (tuns_[i].network == network) return tuns_[i].tun;
    }
    return nullptr;
  }

  void drop(Drop reason, std::uint64_t n = 1) {
    if (n != 0) options_.drops->add(reason, n);
  }

  void push(const EventQueue::Notice& notice, Bytes bytes = {}) {
    if (options_.events->push(notice, bytes)) {
      done_.events = true;
    } else {
      drop(bytes.size() > EventQueue::kSlotBytes ? Drop::TooBig : Drop::QueueFull);
    }
  }

  void write(Tun* tun, const OutgoingPacket& packet) {
    if (tun == nullptr || !tun->write(packet)) drop(Drop::SendFailed);
  }

  // --- from TUN towards peers ---

  void run_outbound(const Snapshot& snapshot, Instant now) {
    read_tuns(now);
    std::size_t bytes = 0;
    for (std::size_t n = 0; n < kTunBatch && bytes < kTunBatchBytes; ++n) {
      SendQueue::Waiting* next = queue_.take(now);
      if (next == nullptr) break;
      bytes += next->packet.size();
      const bool was_large = handle_read(snapshot, now, *next);
      if (outgoing_count_ != 0) continue;  // which borrows what was taken
      queue_.release();
      if (was_large) read_tuns(now);  // what came meanwhile may go before the next
    }
    flush_outgoing();
    queue_.release();
    drop(Drop::Congested, queue_.take_lost());
    done_.waiting = !queue_.is_empty();
  }

  /// All that there is room for. Each network is the first to be read when another one took the
  /// last of the room.
  void read_tuns(Instant now) {
    for (std::size_t i = 0; i < tun_count_; ++i) {
      const AttachedTun& from = tuns_[(first_tun_ + i) % tun_count_];
      for (Offload left;;) {
        if (queue_.is_full()) {
          first_tun_ = (first_tun_ + i + 1) % tun_count_;
          return;
        }
        if (from.tun->read(std::span(&queue_.room(), 1), std::span(&left, 1)) == 0) break;
        queue_.push(now, from.network, left);
        ++done_.packets;
      }
    }
  }

  /// True: it stood for many, which are sent.
  bool handle_read(const Snapshot& snapshot, Instant now, SendQueue::Waiting& read) {
    Packet& packet = read.packet;
    const OutboundVerdict verdict =
        outbound(snapshot, read.network, sender(), now, read.left, packet);
    if (const auto* send = std::get_if<SendDatagram>(&verdict)) {
      transmit(send->to, {.bytes = packet.data(), .ecn = static_cast<std::uint8_t>(send->ecn)});
      report_sent(send->reports);
    } else if (const auto* many = std::get_if<SendSegments>(&verdict)) {
      if (read.lose_first) drop(Drop::Congested);
      send_segments(*many, read.lose_first ? 1 : 0);
      report_sent(many->reports);
      return true;
    } else if (const auto* waits = std::get_if<NeedsSession>(&verdict)) {
      hand_to_control(*waits, packet);
    } else if (const auto* answer = std::get_if<AnswerToTun>(&verdict)) {
      drop(answer->counted);
      const Bytes part = packet.data();
      write(find_tun(read.network), {.parts = std::span(&part, 1)});
    } else {
      drop(std::get_if<Dropped>(&verdict)->reason);
    }
    return false;
  }

  void report_sent(const SendReports& sent) {
    if (sent.first_ip) push({.kind = EventQueue::Kind::IpSent, .session = sent.session});
    if (sent.rekey_limit) push({.kind = EventQueue::Kind::Limit, .session = sent.session});
  }

  /// At once, while what was sealed is in the processor's cache: one send is large already.
  void send_segments(const SendSegments& many, std::size_t first) {
    flush_outgoing();
    for (std::size_t next = first; next < many.segments.count();) {
      const SealedRun run = seal_segments(many, sender(), next, *run_);
      if (run.segments == 0) {
        drop(Drop::KeyExpired, many.segments.count() - next);
        return;
      }
      next += run.segments;
      transmit(many.to, {.bytes = run_->data(),
                         .ecn = static_cast<std::uint8_t>(many.ecn),
                         .segment_size = run.datagram_size});
      flush_outgoing();
    }
  }

  /// By UDP with the next flush_outgoing(), until which the bytes are borrowed; to a TLS connection
  /// at once, as a copy.
  void transmit(const Way& to, OutgoingDatagrams datagrams) {
    if (to.is_stream()) return push_streamed(to.endpoint(), datagrams);
    datagrams.to = to.endpoint();
    datagrams.socket = to.socket();
    outgoing_[outgoing_count_++] = datagrams;
  }

  void push_streamed(const Endpoint& to, const OutgoingDatagrams& run) {
    const std::size_t step = run.segment_size == 0 ? run.bytes.size() : run.segment_size;
    for (Bytes rest = run.bytes; !rest.empty();) {
      const Bytes datagram = rest.first(std::min(step, rest.size()));
      rest = rest.subspan(datagram.size());
      if (options_.streams != nullptr && options_.streams->push(to, datagram)) {
        done_.streamed = true;
      } else {
        drop(Drop::SendFailed);
      }
    }
  }

  void flush_outgoing() {
    const std::size_t n = std::exchange(outgoing_count_, 0);
    if (n == 0) return;
    drop(Drop::SendFailed, n - options_.udp->send(std::span(outgoing_).first(n)));
    while (const auto to = options_.udp->take_too_big()) {
      push({.kind = EventQueue::Kind::TooBig, .way = *to});
    }
  }

  void hand_to_control(const NeedsSession& waits, Packet& packet) {
    const EventQueue::Notice notice{.kind = EventQueue::Kind::Unrouted, .peer = waits.peer};
    if (!waits.segments) return push(notice, packet.data());
    for (std::size_t i = 0; i < waits.segments->count(); ++i) {
      const MutableBytes segment = run_->read_area().first(waits.segments->size(i));
      waits.segments->write(i, segment);
      const auto inner = parse_inner(segment);
      check(inner.has_value());
      if (complete_checksum(segment, *inner)) push(notice, segment);
    }
  }

  // --- from UDP towards the interfaces ---

  void run_inbound(const Snapshot& snapshot, Instant now) {
    const std::span<Packet> batch(packets_.get(), kUdpBatch);
    const std::size_t n = options_.udp->receive(batch, meta_);
    reported_.reset();
    for (std::size_t i = 0; i < n; ++i) {
      MutableBytes rest = batch[i].data();
      const std::size_t stride = meta_[i].segment_size == 0 ? rest.size() : meta_[i].segment_size;
      do {
        const MutableBytes datagram = rest.first(std::min(stride, rest.size()));
        rest = rest.subspan(datagram.size());
        const std::size_t owner = owner_of(datagram);
        if (owner == options_.index) {
          handle_received(snapshot, now, arrival_of(meta_[i]), datagram);
        } else {
          hand_over(owner, arrival_of(meta_[i]), datagram);
        }
      } while (!rest.empty());
    }
    flush_run();
    flush_outgoing();
    done_.packets += n;
  }

  static Arrival arrival_of(const ReceivedMeta& meta) {
    return {Way(meta.from, meta.socket), meta.ecn};
  }

  std::size_t owner_of(Bytes datagram) const {
    return owner_of_datagram(datagram, options_.handover->workers()).value_or(options_.index);
  }

  void hand_over(std::size_t owner, const Arrival& arrival, Bytes datagram) {
    if (options_.handover->between(options_.index, owner)
            .push(arrival.from, arrival.ecn, datagram)) {
      done_.handed |= 1U << owner;
    } else {
      drop(Drop::QueueFull);
    }
  }

  void run_handed_over(const Snapshot& snapshot, Instant now) {
    for (std::size_t from = 0; from < options_.handover->workers(); ++from) {
      HandoverQueue& queue = options_.handover->between(from, options_.index);
      for (std::size_t i = 0; i < HandoverQueue::kSlots; ++i) {
        const auto handed = queue.front();
        if (!handed) break;
        handle_received(snapshot, now, {handed->from, handed->ecn}, handed->datagram);
        flush_run();                                 // what it joined borrows from the slot
        if (outgoing_count_ != 0) flush_outgoing();  // as does what passes through
        queue.pop();
        ++done_.packets;
      }
    }
    flush_outgoing();
  }

  void handle_received(const Snapshot& snapshot, Instant now, const Arrival& arrival,
                       MutableBytes datagram) {
    const auto ecn = static_cast<Ecn>(arrival.ecn & 3U);
    const MutableBytes whole = datagram;
    const InboundVerdict verdict = inbound(snapshot, now, arrival.from, ecn, datagram);
    if (verdict.report) report_received(*verdict.report, arrival.from);
    if (verdict.rekey_limit) {
      push({.kind = EventQueue::Kind::Limit, .session = *verdict.rekey_limit});
    }
    if (const auto* to_tun = std::get_if<WriteToTun>(&verdict.action)) {
      join_run(to_tun->network, {datagram, to_tun->inner, to_tun->checksum_partial});
    } else if (const auto* onward = std::get_if<ForwardIp>(&verdict.action)) {
      pass_on(snapshot, now, *onward, datagram);
    } else if (const auto* next = std::get_if<RelayOn>(&verdict.action)) {
      pass_relayed(snapshot, *next, arrival.ecn, whole);
    } else if (const auto* relayed = std::get_if<Relayed>(&verdict.action)) {
      take_relayed(snapshot, now, {relayed->from, arrival.ecn}, datagram);
    } else if (const auto* frame = std::get_if<ControlFrame>(&verdict.action)) {
      push({.kind = EventQueue::Kind::Frame, .session = frame->session, .way = arrival.from},
           datagram);
    } else if (std::holds_alternative<ToEngine>(verdict.action)) {
      push({.kind = EventQueue::Kind::Datagram, .way = arrival.from}, datagram);
    } else {
      drop(std::get_if<Dropped>(&verdict.action)->reason);
    }
  }

  /// What a device hosted here sends or gets. A copy, since the way on may need more room around
  /// the packet than the datagram had, with others close behind.
  void pass_on(const Snapshot& snapshot, Instant now, const ForwardIp& onward, Bytes ip) {
    Packet& packet = forwarded_[outgoing_count_];
    copy_bytes(packet.read_area(), ip);
    packet.resize(ip.size());
    const OutboundVerdict verdict = forward(snapshot, onward, sender(), now, packet);
    if (const auto* send = std::get_if<SendDatagram>(&verdict)) {
      transmit(send->to, {.bytes = packet.data(), .ecn = static_cast<std::uint8_t>(send->ecn)});
      report_sent(send->reports);
      if (outgoing_count_ == kTunBatch) flush_outgoing();
    } else if (const auto* waits = std::get_if<NeedsSession>(&verdict)) {
      hand_to_control(*waits, packet);
    } else if (const auto* dropped = std::get_if<Dropped>(&verdict)) {
      drop(dropped->reason);
    }
  }

  /// What came through a relay is as if it had come from the socket: on a lane of its own.
  void take_relayed(const Snapshot& snapshot, Instant now, const Arrival& arrival,
                    MutableBytes datagram) {
    const std::size_t owner = owner_of(datagram);
    if (owner == options_.index) {
      handle_received(snapshot, now, arrival, datagram);  // which is not relayed again
    } else {
      hand_over(owner, arrival, datagram);
    }
  }

  /// A datagram of others', in its place: what arrived as one run leaves as one.
  void pass_relayed(const Snapshot& snapshot, const RelayOn& next, std::uint8_t ecn,
                    MutableBytes datagram) {
    const auto to = relay(snapshot, next, sender(), datagram);
    if (!to) return drop(Drop::KeyExpired);
    const std::uint8_t mark = ecn & 3U;
    if (outgoing_count_ != 0 && to->is_direct() &&
        append_to_run(outgoing_[outgoing_count_ - 1], to->endpoint(), mark, datagram)) {
      return;
    }
    transmit(*to, {.bytes = datagram, .ecn = mark});
    if (outgoing_count_ == kTunBatch) flush_outgoing();
  }

  /// Lengthens the run by a datagram that lies right behind it, where one send can take both.
  static bool append_to_run(OutgoingDatagrams& run, const Way& to, std::uint8_t ecn,
                            Bytes datagram) {
    const std::size_t step = run.segment_size == 0 ? run.bytes.size() : run.segment_size;
    const std::size_t joined = run.bytes.size() + datagram.size();
    const bool fits = run.bytes.data() + run.bytes.size() == datagram.data() &&
                      Way(run.to, run.socket) == to && run.ecn == ecn &&
                      run.bytes.size() % step == 0 && datagram.size() <= step &&
                      run.bytes.size() / step < kRunSegmentsMax && joined <= kRunBytesMax;
    if (!fits) return false;
    run.bytes = Bytes(run.bytes.data(), joined);
    run.segment_size = static_cast<std::uint16_t>(step);
    return true;
  }

  /// A peer that has moved sends many packets before control has seen the first: one report a run.
  void report_received(SessionIndex session, const Way& from) {
    if (reported_ && reported_->session == session && reported_->from == from) return;
    reported_ = ReceivedEvent{session, from};
    push({.kind = EventQueue::Kind::Received, .session = session, .way = from});
  }

  void join_run(NetworkSlot network, const ReceivedPacket& packet) {
    if (run_network_ == network && coalescer_.append(packet)) return;
    flush_run();
    Tun* tun = find_tun(network);
    if (tun == nullptr) return drop(Drop::SendFailed);
    run_network_ = network;
    coalescer_.start(packet, tun->offloads());
  }

  void flush_run() {
    if (!coalescer_.empty()) write(find_tun(run_network_), coalescer_.finish());
  }

  SenderId sender() const { return static_cast<SenderId>(options_.index + 1); }

  Options options_;
  std::array<AttachedTun, kTunsMax> tuns_{};
  std::size_t tun_count_ = 0;
  std::size_t first_tun_ = 0;  ///< to be read next, modulo their number
  std::unique_ptr<Packet[]> packets_;
  SendQueue queue_;
  std::unique_ptr<Packet> run_;          ///< segments, sealed or on their way to control
  std::unique_ptr<Packet[]> forwarded_;  ///< of outgoing_, where packets pass through
  std::array<ReceivedMeta, kUdpBatch> meta_{};
  std::array<OutgoingDatagrams, kTunBatch> outgoing_{};
  std::size_t outgoing_count_ = 0;
  Coalescer coalescer_;
  NetworkSlot run_network_;
  std::optional<ReceivedEvent> reported_;
  WorkDone done_;
};

}  // namespace ipop::dataplane
