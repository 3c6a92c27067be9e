#include "wire/relay_frames.h"

#include "base/check.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kTypeOpen = 0x19;
constexpr std::uint8_t kTypeOk = 0x1A;
constexpr std::uint8_t kTypeNo = 0x1B;
constexpr std::uint8_t kTypeClose = 0x1C;

/// Writes one alternative, its type byte first.
class RelayWriter {
 public:
  explicit RelayWriter(ByteVector& out) : writer_(out) {}

  void operator()(const RelayOpen& f) {
    writer_.le(kTypeOpen);
    writer_.le(static_cast<std::uint8_t>(f.role));
    writer_.le(f.request);
    writer_.bytes(f.far.view());
    label(f.label);
  }
  void operator()(const RelayOk& f) {
    writer_.le(kTypeOk);
    writer_.le(f.request);
    label(f.label);
  }
  void operator()(const RelayNo& f) {
    writer_.le(kTypeNo);
    writer_.le(f.request);
    writer_.le(static_cast<std::uint8_t>(f.reason));
  }
  void operator()(const RelayClose& f) {
    writer_.le(kTypeClose);
    label(f.label);
  }

 private:
  void label(RelayLabel label) {
    check(label.value != 0);
    writer_.le(label.value);
  }

  Writer writer_;
};

/// A frame whose every field was read; its values are looked at after its length.
Result<RelayFrame> whole(const Reader& reader, bool good, RelayFrame frame) {
  if (!reader.ok()) return fail(Errc::Truncated, "relay frame");
  if (!reader.done() || !good) return fail(Errc::BadValue, "relay frame");
  return frame;
}

}  // namespace

bool is_relay_frame(std::uint8_t type) { return type >= kTypeOpen && type <= kTypeClose; }

Result<RelayFrame> parse_relay_frame(Bytes plaintext) {
  Reader reader(plaintext);
  switch (reader.le<std::uint8_t>()) {
    case kTypeOpen: {
      RelayOpen out;
      const auto role = reader.le<std::uint8_t>();
      out.role = static_cast<RelayOpen::Role>(role);
      out.request = reader.le<std::uint32_t>();
      out.far = reader.fixed<NodeId>();
      out.label.value = reader.le<std::uint32_t>();
      return whole(reader, role <= 1 && out.label.value != 0, out);
    }
    case kTypeOk: {
      RelayOk out;
      out.request = reader.le<std::uint32_t>();
      out.label.value = reader.le<std::uint32_t>();
      return whole(reader, out.label.value != 0, out);
    }
    case kTypeNo: {
      RelayNo out;
      out.request = reader.le<std::uint32_t>();
      const auto reason = reader.le<std::uint8_t>();
      out.reason = static_cast<RelayRefusal>(reason);
      return whole(reader, reason <= 3, out);
    }
    case kTypeClose: {
      RelayClose out;
      out.label.value = reader.le<std::uint32_t>();
      return whole(reader, out.label.value != 0, out);
    }
    default:
      return fail(reader.ok() ? Errc::BadValue : Errc::Truncated, "relay frame type");
  }
}

void write_relay_frame(const RelayFrame& frame, ByteVector& out) {
  std::visit(RelayWriter(out), frame);
}

}  // namespace ipop::wire
