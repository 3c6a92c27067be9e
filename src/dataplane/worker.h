#pragma once

#include <array>
#include <memory>
#include <optional>

#include "base/device.h"
#include "base/packet.h"
#include "dataplane/counters.h"
#include "dataplane/event_queue.h"
#include "dataplane/pipeline.h"

namespace ipop::dataplane {

/// What one call of Worker::run_once() did.
struct WorkDone {
  std::size_t packets = 0;  ///< read from all devices; 0 = go and wait for them
  bool events = false;      ///< something was pushed: wake control
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
  /// Packets a batch: enough to share the cost of a system call, few enough to keep our own queue
  /// short. Only pages that packets touch become resident.
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kTunsMax = 64;

  /// All are borrowed and outlive the worker.
  struct Options {
    std::size_t index = 0;  ///< in the snapshot slot; the SenderId is one more
    SnapshotSlot* snapshots = nullptr;
    EventQueue* events = nullptr;
    DropCounters* drops = nullptr;
    Udp* udp = nullptr;
  };

  explicit Worker(const Options& options)
      : options_(options), packets_(std::make_unique_for_overwrite<Packet[]>(kBatch)) {
    check(options.index + 1 <= UINT8_MAX);
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

  /// One batch from each device. Does nothing before the first snapshot is published.
  WorkDone run_once(Instant now) {
    done_ = {};
    const Snapshot* snapshot = options_.snapshots->enter(options_.index);
    if (snapshot != nullptr) {
      run_inbound(*snapshot, now);
      for (std::size_t i = 0; i < tun_count_; ++i) run_outbound(*snapshot, now, tuns_[i]);
    }
    options_.snapshots->leave(options_.index);
    return done_;
  }

 private:
  struct AttachedTun {
    NetworkSlot network;
    Tun* tun = nullptr;
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

  void write(Tun* tun, Bytes packet) {
    if (tun == nullptr || !tun->write(packet)) drop(Drop::SendFailed);
  }

  void run_outbound(const Snapshot& snapshot, Instant now, const AttachedTun& from) {
    const auto sender = static_cast<SenderId>(options_.index + 1);
    const std::span<Packet> batch(packets_.get(), kBatch);
    const std::size_t n = from.tun->read(batch);
    std::size_t outgoing = 0;
    for (Packet& packet : batch.first(n)) {
      const OutboundVerdict verdict = outbound(snapshot, from.network, sender, now, packet);
      if (const auto* send = std::get_if<SendDatagram>(&verdict)) {
        outgoing_[outgoing++] = {packet.data(), send->to, static_cast<std::uint8_t>(send->ecn)};
        report_sent(*send);
      } else if (const auto* waits = std::get_if<NeedsSession>(&verdict)) {
        push({.kind = EventQueue::Kind::Unrouted, .peer = waits->peer}, packet.data());
      } else if (const auto* answer = std::get_if<AnswerToTun>(&verdict)) {
        drop(answer->counted);
        write(from.tun, packet.data());
      } else {
        drop(std::get_if<Dropped>(&verdict)->reason);
      }
    }
    send(outgoing);
    done_.packets += n;
  }

  void report_sent(const SendDatagram& sent) {
    if (sent.first_ip) push({.kind = EventQueue::Kind::IpSent, .session = sent.session});
    if (sent.rekey_limit) push({.kind = EventQueue::Kind::Limit, .session = sent.session});
  }

  void send(std::size_t n) {
    if (n == 0) return;
    drop(Drop::SendFailed, n - options_.udp->send(std::span(outgoing_).first(n)));
    while (const auto to = options_.udp->take_too_big()) {
      push({.kind = EventQueue::Kind::TooBig, .endpoint = *to});
    }
  }

  void run_inbound(const Snapshot& snapshot, Instant now) {
    const std::span<Packet> batch(packets_.get(), kBatch);
    const std::size_t n = options_.udp->receive(batch, meta_);
    reported_.reset();
    for (std::size_t i = 0; i < n; ++i) handle_received(snapshot, now, meta_[i], batch[i]);
    done_.packets += n;
  }

  void handle_received(const Snapshot& snapshot, Instant now, const ReceivedMeta& meta,
                       Packet& packet) {
    const auto ecn = static_cast<Ecn>(meta.ecn & 3U);
    const InboundVerdict verdict = inbound(snapshot, now, meta.from, ecn, packet);
    if (verdict.report) report_received(*verdict.report, meta.from);
    if (verdict.rekey_limit) {
      push({.kind = EventQueue::Kind::Limit, .session = *verdict.rekey_limit});
    }
    if (const auto* to_tun = std::get_if<WriteToTun>(&verdict.action)) {
      write(find_tun(to_tun->network), packet.data());
    } else if (const auto* frame = std::get_if<ControlFrame>(&verdict.action)) {
      push({.kind = EventQueue::Kind::Frame, .session = frame->session, .endpoint = meta.from},
           packet.data());
    } else if (std::holds_alternative<ToEngine>(verdict.action)) {
      push({.kind = EventQueue::Kind::Datagram, .endpoint = meta.from}, packet.data());
    } else {
      drop(std::get_if<Dropped>(&verdict.action)->reason);
    }
  }

  /// A peer that has moved sends many packets before control has seen the first: one report a run.
  void report_received(SessionIndex session, const Endpoint& from) {
    if (reported_ && reported_->session == session && reported_->from == from) return;
    reported_ = ReceivedEvent{session, from};
    push({.kind = EventQueue::Kind::Received, .session = session, .endpoint = from});
  }

  Options options_;
  std::array<AttachedTun, kTunsMax> tuns_{};
  std::size_t tun_count_ = 0;
  std::unique_ptr<Packet[]> packets_;
  std::array<ReceivedMeta, kBatch> meta_{};
  std::array<OutgoingDatagram, kBatch> outgoing_{};
  std::optional<ReceivedEvent> reported_;
  WorkDone done_;
};

}  // namespace ipop::dataplane
