// A bad line: loses, delays and overtakes the packets that a rule hands to a netfilter queue. For
// kernels without the netem queueing discipline; where there is one, this works, too.
//
//   iptables -t mangle -A PREROUTING -i c1 -j NFQUEUE --queue-num 1
//   impair --queue 1 --loss 2 --delay 0.5 --late 2 --late-by 1
//
// Prints "ready" when the queue is bound, and what it did when SIGTERM or SIGINT ends it. Only the
// numbers of packets come to this process, their bytes stay in the kernel.
#include <libmnl/libmnl.h>
#include <poll.h>
#include <unistd.h>
// libc's address types before the kernel's.
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <queue>
#include <random>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

struct Options {
  uint16_t queue = 0;
  double loss_percent = 0;
  double delay_ms = 0;      // of every packet
  double late_percent = 0;  // so many are held back longer, and those behind overtake them
  double late_by_ms = 1;
  uint64_t seed = 1;
};

volatile sig_atomic_t ended = 0;

// Packets that wait at once; far more than a link of this laboratory has in flight.
constexpr uint32_t kWaitingMax = 200'000;
constexpr int kReceiveBufferBytes = 16 << 20;
constexpr size_t kMessageBytes = 1 << 16;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// One netfilter queue. Ends the program when the kernel refuses.
class PacketQueue {
 public:
  explicit PacketQueue(uint16_t number) : number_(number), socket_(open()) {
    nfqnl_msg_config_cmd bind{.command = NFQNL_CFG_CMD_BIND, ._pad = 0, .pf = 0};
    configure(NFQA_CFG_CMD, sizeof bind, &bind);
    const uint32_t waiting_max = htonl(kWaitingMax);
    configure(NFQA_CFG_QUEUE_MAXLEN, sizeof waiting_max, &waiting_max);
    // NFQA_CFG_F_GSO stays unset: then the kernel cuts super-packets first, and each packet of the
    // wire is lost or late on its own.
    nfqnl_msg_config_params numbers_only{.copy_range = 0, .copy_mode = NFQNL_COPY_META};
    configure(NFQA_CFG_PARAMS, sizeof numbers_only, &numbers_only);
  }
  ~PacketQueue() { mnl_socket_close(socket_); }
  PacketQueue(const PacketQueue&) = delete;
  PacketQueue& operator=(const PacketQueue&) = delete;

  int descriptor() const { return mnl_socket_get_fd(socket_); }

  // The numbers of the packets that came since; empty when there are none.
  std::vector<uint32_t> receive() {
    std::vector<uint32_t> ids;
    for (;;) {
      const ssize_t count =
          recv(descriptor(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
      if (count <= 0) return ids;
      mnl_cb_run(buffer_.data(), static_cast<size_t>(count), 0, 0, &collect, &ids);
    }
  }

  // NF_ACCEPT or NF_DROP.
  void decide(uint32_t id, uint32_t verdict) {
    nlmsghdr* message = begin(NFQNL_MSG_VERDICT, 0);
    const nfqnl_msg_verdict_hdr header{.verdict = htonl(verdict), .id = htonl(id)};
    mnl_attr_put(message, NFQA_VERDICT_HDR, sizeof header, &header);
    // ENOENT: the kernel gave the packet up, as when its link went away.
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0 && errno != ENOENT) {
      die("impair: verdict");
    }
  }

 private:
  static mnl_socket* open() {
    mnl_socket* socket = mnl_socket_open(NETLINK_NETFILTER);
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) die("impair: socket");
    int yes = 1;
    mnl_socket_setsockopt(socket, NETLINK_NO_ENOBUFS, &yes, sizeof yes);
    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
               sizeof kReceiveBufferBytes);
    return socket;
  }

  nlmsghdr* begin(int type, int flags) {
    nlmsghdr* message = mnl_nlmsg_put_header(buffer_.data());
    message->nlmsg_type = static_cast<uint16_t>(NFNL_SUBSYS_QUEUE << 8 | type);
    message->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    auto* family = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    family->nfgen_family = AF_UNSPEC;
    family->version = NFNETLINK_V0;
    family->res_id = htons(number_);
    return message;
  }

  void configure(uint16_t attribute, size_t bytes, const void* value) {
    nlmsghdr* message = begin(NFQNL_MSG_CONFIG, NLM_F_ACK);
    mnl_attr_put(message, attribute, bytes, value);
    if (mnl_socket_sendto(socket_, message, message->nlmsg_len) < 0) die("impair: configure");
    const ssize_t count = mnl_socket_recvfrom(socket_, buffer_.data(), buffer_.size());
    if (count < 0 ||
        mnl_cb_run(buffer_.data(), static_cast<size_t>(count), 0, 0, nullptr, nullptr) < 0) {
      die("impair: the kernel refuses the queue");
    }
  }

  static int collect(const nlmsghdr* message, void* ids) {
    if ((message->nlmsg_type & 0xff) != NFQNL_MSG_PACKET) return MNL_CB_OK;
    return mnl_attr_parse(message, sizeof(nfgenmsg), &collect_id, ids);
  }

  static int collect_id(const nlattr* attribute, void* ids) {
    if (mnl_attr_get_type(attribute) != NFQA_PACKET_HDR) return MNL_CB_OK;
    auto* header = static_cast<const nfqnl_msg_packet_hdr*>(mnl_attr_get_payload(attribute));
    static_cast<std::vector<uint32_t>*>(ids)->push_back(ntohl(header->packet_id));
    return MNL_CB_OK;
  }

  uint16_t number_;
  mnl_socket* socket_;
  alignas(nlmsghdr) std::array<char, kMessageBytes> buffer_;
};

struct Waiting {
  Clock::time_point until;
  uint32_t id;  // breaks ties, so that what has the same delay keeps its order
  auto operator<=>(const Waiting&) const = default;
};

class Line {
 public:
  Line(PacketQueue& queue, const Options& options)
      : queue_(queue), options_(options), random_(options.seed) {}

  void take(uint32_t id) {
    seen_++;
    if (happens(options_.loss_percent)) {
      lost_++;
      queue_.decide(id, NF_DROP);
      return;
    }
    double delay_ms = options_.delay_ms;
    if (happens(options_.late_percent)) {
      late_++;
      delay_ms += options_.late_by_ms;
    }
    const auto delay = std::chrono::duration_cast<Clock::duration>(Milliseconds(delay_ms));
    waiting_.push({.until = Clock::now() + delay, .id = id});
  }

  void release_due() {
    while (!waiting_.empty() && waiting_.top().until <= Clock::now()) {
      queue_.decide(waiting_.top().id, NF_ACCEPT);
      waiting_.pop();
    }
  }

  // How long nothing is due; a second where nothing waits.
  timespec idle() const {
    using namespace std::chrono;
    if (waiting_.empty()) return {.tv_sec = 1, .tv_nsec = 0};
    const auto left = std::max(waiting_.top().until - Clock::now(), Clock::duration::zero());
    const auto whole = duration_cast<seconds>(left);
    return {.tv_sec = whole.count(), .tv_nsec = duration_cast<nanoseconds>(left - whole).count()};
  }

  void report() const {
    std::printf("{\"seen\": %lu, \"lost\": %lu, \"late\": %lu}\n", seen_, lost_, late_);
  }

 private:
  bool happens(double percent) { return percent_(random_) < percent; }

  PacketQueue& queue_;
  Options options_;
  std::mt19937_64 random_;
  std::uniform_real_distribution<double> percent_{0, 100};
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
  uint64_t seen_ = 0, lost_ = 0, late_ = 0;
};

template <typename Number>
bool read(std::string_view text, Number& number) {
  return std::from_chars(text.begin(), text.end(), number).ptr == text.end();
}

bool parse(int count, char** words, Options& options) {
  if (count % 2 == 0) return false;
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = words[i], value = words[i + 1];
    const bool good = name == "--queue"     ? read(value, options.queue)
                      : name == "--loss"    ? read(value, options.loss_percent)
                      : name == "--delay"   ? read(value, options.delay_ms)
                      : name == "--late"    ? read(value, options.late_percent)
                      : name == "--late-by" ? read(value, options.late_by_ms)
                      : name == "--seed"    ? read(value, options.seed)
                                            : false;
    if (!good) return false;
  }
  return true;
}

// Ends `ppoll` alone: the signals are blocked elsewhere, so none comes between test and wait.
sigset_t signals_only_while_waiting() {
  sigset_t ending, before;
  sigemptyset(&ending);
  for (int signal : {SIGTERM, SIGINT}) {
    sigaddset(&ending, signal);
    std::signal(signal, [](int) { ended = 1; });
  }
  sigprocmask(SIG_BLOCK, &ending, &before);
  return before;
}

}  // namespace

int main(int count, char** words) {
  Options options;
  if (!parse(count, words, options)) {
    std::fputs(
        "usage: impair --queue N [--loss %] [--delay MS] [--late %] [--late-by MS] [--seed N]\n",
        stderr);
    return 2;
  }
  const sigset_t while_waiting = signals_only_while_waiting();
  PacketQueue queue(options.queue);
  Line line(queue, options);
  std::puts("ready");
  std::fflush(stdout);
  while (!ended) {
    const timespec idle = line.idle();
    pollfd poll{.fd = queue.descriptor(), .events = POLLIN, .revents = 0};
    ppoll(&poll, 1, &idle, &while_waiting);
    for (uint32_t id : queue.receive()) line.take(id);
    line.release_due();
  }
  line.report();
}
