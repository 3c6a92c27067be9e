#include "wire/stun.h"

#include <algorithm>

#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint16_t kBindingRequest = 0x0001;
constexpr std::uint16_t kBindingSuccess = 0x0101;
constexpr std::uint16_t kBindingError = 0x0111;

// RFC 8489 18.3 and RFC 5780 9.1.
constexpr std::uint16_t kMappedAddress = 0x0001;
constexpr std::uint16_t kMessageIntegrity = 0x0008;
constexpr std::uint16_t kErrorCode = 0x0009;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint16_t kComprehensionOptional = 0x8000;
constexpr std::uint16_t kFingerprint = 0x8028;
constexpr std::uint16_t kResponseOrigin = 0x802b;
constexpr std::uint16_t kOtherAddress = 0x802c;

constexpr std::uint8_t kFamilyIpv4 = 1;
constexpr std::uint8_t kFamilyIpv6 = 2;
constexpr std::uint32_t kFingerprintXor = 0x5354554e;
constexpr std::size_t kFingerprintSize = 8;

/// Attributes that have to be understood and that we understand well enough to pass over: those of
/// RFC 3489, which old servers still add, and those about credentials, which we do not have.
constexpr std::uint16_t kPassedOver[] = {0x0002, 0x0003, 0x0004, 0x0005, 0x0006, 0x0007, 0x000a,
                                         0x000b, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e};

/// ITU V.42, as in Ethernet. Bit by bit: responses are few and short.
std::uint32_t crc32(Bytes data) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const std::byte b : data) {
    crc ^= std::to_integer<std::uint32_t>(b);
    for (int i = 0; i < 8; ++i) crc = (crc >> 1U) ^ (0xedb88320U & (0U - (crc & 1U)));
  }
  return ~crc;
}

std::size_t padded(std::size_t size) { return (size + 3) / 4 * 4; }

/// 14.1; with a mask 14.2. nullopt: another family or a length that is not the family's.
std::optional<Endpoint> read_address(Bytes value, const std::array<std::byte, 16>& mask) {
  Reader reader(value);
  reader.take(1);
  const auto family = reader.be<std::uint8_t>();
  Endpoint out;
  const auto port_mask =
      std::to_integer<unsigned>(mask[0]) << 8U | std::to_integer<unsigned>(mask[1]);
  out.port = static_cast<std::uint16_t>(reader.be<std::uint16_t>() ^ port_mask);
  std::array<std::byte, 16> address{};
  const Bytes bytes = reader.rest();
  if (!reader.ok() || bytes.size() > address.size()) return std::nullopt;
  for (std::size_t i = 0; i < bytes.size(); ++i) address[i] = bytes[i] ^ mask[i];
  if (family == kFamilyIpv4 && bytes.size() == 4) {
    out.address = Ipv4::from_bytes({address[0], address[1], address[2], address[3]});
    return out;
  }
  if (family == kFamilyIpv6 && bytes.size() == 16) {
    out.address = Ipv6{address};
    return out;
  }
  return std::nullopt;
}

/// The value of the first attribute of each kind that we read.
struct Attributes {
  std::optional<Bytes> xor_mapped, mapped, error, origin, other;
};

/// Walks the attributes; `message` is whole, which FINGERPRINT needs.
Result<Attributes> walk(Bytes message) {
  Attributes out;
  Reader reader(message.subspan(kStunHeaderSize));
  bool after_integrity = false;
  for (std::size_t count = 0; reader.remaining() > 0; ++count) {
    if (count == kStunAttributesMax) return fail(Errc::BadValue, "stun attribute count");
    const std::size_t begin = message.size() - reader.remaining();
    const auto type = reader.be<std::uint16_t>();
    const auto size = reader.be<std::uint16_t>();
    const Bytes value = reader.take(size);
    reader.take(padded(size) - size);
    if (!reader.ok()) return fail(Errc::BadValue, "stun attribute length");
    if (type == kFingerprint) {
      Reader sum(value);
      const auto want = crc32(message.first(begin)) ^ kFingerprintXor;
      if (reader.remaining() != 0 || sum.be<std::uint32_t>() != want || !sum.done()) {
        return fail(Errc::BadValue, "stun fingerprint");
      }
      continue;
    }
    if (after_integrity) continue;
    const auto keep = [&](std::optional<Bytes>& slot) {
      if (!slot) slot = value;
    };
    if (type == kMessageIntegrity) {
      if (size != 20) return fail(Errc::BadValue, "stun message integrity");
      after_integrity = true;
    } else if (type == kXorMappedAddress) {
      keep(out.xor_mapped);
    } else if (type == kMappedAddress) {
      keep(out.mapped);
    } else if (type == kErrorCode) {
      keep(out.error);
    } else if (type == kResponseOrigin) {
      keep(out.origin);
    } else if (type == kOtherAddress) {
      keep(out.other);
    } else if (type < kComprehensionOptional && !std::ranges::count(kPassedOver, type)) {
      return fail(Errc::Unsupported, "stun attribute");
    }
  }
  return out;
}

/// An address that somebody may call, or nothing; a wrong layout is an error.
Result<std::optional<Endpoint>> read_optional(const std::optional<Bytes>& value) {
  if (!value) return std::optional<Endpoint>{};
  const auto endpoint = read_address(*value, {});
  if (!endpoint) return fail(Errc::BadValue, "stun address");
  return is_candidate(*endpoint) ? endpoint : std::nullopt;
}

Result<StunResponse> read_success(const StunTransaction& transaction, const Attributes& from) {
  StunSuccess out{.transaction = transaction};
  std::array<std::byte, 16> mask{};
  if (from.xor_mapped) {
    mask = {std::byte{0x21}, std::byte{0x12}, std::byte{0xa4}, std::byte{0x42}};
    std::copy(transaction.bytes.begin(), transaction.bytes.end(), mask.begin() + 4);
  }
  const auto& value = from.xor_mapped ? from.xor_mapped : from.mapped;
  if (!value) return fail(Errc::BadValue, "stun response without an address");
  const auto mapped = read_address(*value, mask);
  if (!mapped || !is_candidate(*mapped)) return fail(Errc::BadValue, "stun mapped address");
  out.mapped = *mapped;
  const auto origin = read_optional(from.origin);
  const auto other = read_optional(from.other);
  if (!origin || !other) return fail(Errc::BadValue, "stun address");
  out.origin = *origin;
  out.other = *other;
  return out;
}

Result<StunResponse> read_failure(const StunTransaction& transaction, const Attributes& from) {
  if (!from.error) return fail(Errc::BadValue, "stun error without a code");
  Reader reader(*from.error);
  reader.take(2);
  const unsigned klass = reader.be<std::uint8_t>() & 7U;  // the upper bits are reserved
  const unsigned number = reader.be<std::uint8_t>();
  if (!reader.ok() || klass < 3 || klass > 6 || number > 99) {
    return fail(Errc::BadValue, "stun error code");
  }
  return StunFailure{transaction, static_cast<std::uint16_t>(klass * 100 + number)};
}

}  // namespace

std::optional<StunTransaction> stun_transaction(Bytes datagram) {
  Reader reader(datagram);
  const auto type = reader.be<std::uint16_t>();
  const auto length = reader.be<std::uint16_t>();
  const auto cookie = reader.be<std::uint32_t>();
  const auto transaction = reader.fixed<StunTransaction>();
  if (!reader.ok() || type >= 0x4000 || cookie != kStunCookie) return std::nullopt;
  if (length % 4 != 0 || length != reader.remaining()) return std::nullopt;
  return transaction;
}

void write_stun_request(const StunTransaction& transaction, bool with_fingerprint,
                        ByteVector& out) {
  const std::size_t begin = out.size();
  Writer writer(out);
  writer.be(kBindingRequest);
  writer.be(static_cast<std::uint16_t>(with_fingerprint ? kFingerprintSize : 0));
  writer.be(kStunCookie);
  writer.bytes(transaction.view());
  if (!with_fingerprint) return;
  const std::uint32_t sum = crc32(Bytes(out).subspan(begin)) ^ kFingerprintXor;
  writer.be(kFingerprint);
  writer.be(std::uint16_t{4});
  writer.be(sum);
}

Result<StunResponse> parse_stun_response(Bytes datagram) {
  if (datagram.size() < kStunHeaderSize) return fail(Errc::Truncated, "stun header");
  if (datagram.size() > kStunSizeMax) return fail(Errc::BadValue, "stun length");
  const auto transaction = stun_transaction(datagram);
  if (!transaction) {
    const std::size_t length = Reader(datagram.subspan(2)).be<std::uint16_t>();
    const bool cut = length > datagram.size() - kStunHeaderSize;
    return fail(cut ? Errc::Truncated : Errc::BadValue, "stun header");
  }
  const auto type = Reader(datagram).be<std::uint16_t>();
  if (type != kBindingSuccess && type != kBindingError) {
    return fail(Errc::BadValue, "stun message type");
  }
  const auto attributes = walk(datagram);
  if (!attributes) return std::unexpected(attributes.error());
  return type == kBindingSuccess ? read_success(*transaction, *attributes)
                                 : read_failure(*transaction, *attributes);
}

}  // namespace ipop::wire
