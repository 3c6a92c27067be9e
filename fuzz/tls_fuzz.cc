// What comes over TCP where UDP fails: the stream of datagrams, a proxy's answer, and the proxy's
// address as users write it. The oracle: the same datagrams however the stream is cut, and nothing
// that could end a line of our request.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "os/http_connect.h"
#include "os/stream_frames.h"

namespace {

using namespace ipop;  // NOLINT(google-build-using-namespace)

std::vector<ByteVector> cut(Bytes stream, std::size_t step, bool& is_broken) {
  os::StreamFrames frames;
  std::vector<ByteVector> out;
  while (!stream.empty() && !frames.is_broken()) {
    const MutableBytes room = frames.room();
    const std::size_t n = std::min({step, room.size(), stream.size()});
    check(n != 0);
    copy_bytes(room, stream.first(n));
    frames.add(n);
    stream = stream.subspan(n);
    while (const auto next = frames.next()) {
      check(!next->empty() && next->size() <= os::kStreamDatagramMax);
      out.push_back(to_vector(*next));
    }
  }
  is_broken = frames.is_broken();
  return out;
}

void try_frames(Bytes input) {
  bool is_broken = false;
  const auto whole = cut(input, input.size(), is_broken);
  for (const std::size_t step : {1U, 7U}) {
    bool broken = false;
    check(cut(input, step, broken) == whole && broken == is_broken);
  }
  ByteVector again;
  for (const ByteVector& datagram : whole) os::append_stream_frame(datagram, again);
  check(std::equal(again.begin(), again.end(), input.begin()));
}

void try_reply(std::string_view input) {
  os::HttpConnectReply whole;
  whole.add(input);
  os::HttpConnectReply parts;
  for (const char c : input) parts.add({&c, 1});
  // Who sends more behind a head that opens is refused, which the last byte alone cannot show.
  if (whole.state() != os::HttpConnectReply::State::Broken) {
    check(whole.state() == parts.state() && whole.status() == parts.status());
  }
  check(whole.problem().size() < 80);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = std::as_bytes(std::span(data, size));
  try_frames(input);
  try_reply(as_text(input));
  if (const auto proxy = os::HttpProxy::parse(as_text(input))) {
    check(proxy->port != 0 && !proxy->host.empty());
    const std::string request = os::http_connect_request(*proxy, {Ipv4{1}, 443});
    check(std::ranges::count(request, '\n') == (proxy->credentials.empty() ? 3 : 4));
  }
  return 0;
}
