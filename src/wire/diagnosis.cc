#include "wire/diagnosis.h"

#include "base/check.h"
#include "wire/candidate.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace ipop::wire {
namespace {

constexpr std::uint8_t kTypeDiagnose = 0x20;
constexpr std::uint8_t kTypeDiagnosis = 0x21;

/// A number below `count` as the enumerator that it stands for; anything else makes the reader
/// fail with what follows unread.
template <class Enum>
Enum read_enum(Reader& reader, std::uint8_t count) {
  const auto value = reader.le<std::uint8_t>();
  if (value >= count) reader.fail();
  return reader.ok() ? static_cast<Enum>(value) : Enum{};
}

template <class Enum>
void write_enum(Writer& writer, Enum value) {
  writer.le(static_cast<std::uint8_t>(value));
}

NatKind read_nat(Reader& reader) {
  NatKind out;
  out.has_address = read_enum<std::uint8_t>(reader, 2) == 1;
  out.mapping = read_enum<NatMapping>(reader, 5);
  out.filtering = read_enum<NatFiltering>(reader, 4);
  out.ports = read_enum<NatPorts>(reader, 4);
  return out;
}

void write_nat(Writer& writer, const NatKind& nat) {
  writer.le(static_cast<std::uint8_t>(nat.has_address ? 1 : 0));
  write_enum(writer, nat.mapping);
  write_enum(writer, nat.filtering);
  write_enum(writer, nat.ports);
}

/// The figures go together with the outcome.
bool is_sound(const AddressTest& test) {
  if (test.outcome == TestOutcome::Answered) {
    return test.answered >= 1 && test.answered <= test.sent;
  }
  const bool sent = test.sent != 0;
  return test.answered == 0 && test.rtt_us == 0 && sent == (test.outcome == TestOutcome::Silence);
}

AddressTest read_test(Reader& reader) {
  AddressTest out;
  out.endpoint = read_candidate(reader);
  out.outcome = read_enum<TestOutcome>(reader, 6);
  out.sent = reader.le<std::uint8_t>();
  out.answered = reader.le<std::uint8_t>();
  out.rtt_us = reader.le<std::uint32_t>();
  if (!is_sound(out)) reader.fail();
  return out;
}

constexpr std::size_t kTestSize = kCandidateSize + 7;
constexpr std::size_t kFindingsSize = 2 + 4 + 4 + 1 + 1 + 1;

Result<Diagnosis::Findings> parse_findings(Reader& reader) {
  if (reader.remaining() < kFindingsSize) return fail(Errc::Truncated, "diagnosis");
  Diagnosis::Findings out;
  out.port = reader.le<std::uint16_t>();
  out.v4 = read_nat(reader);
  out.v6 = read_nat(reader);
  out.forwarding = read_enum<PortForwarding>(reader, 6);
  out.path = read_enum<PathInUse>(reader, 5);
  const auto count = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::BadValue, "diagnosis findings");
  if (count > kDiagnosisTestsMax) return fail(Errc::BadValue, "diagnosis test count");
  if (reader.remaining() < count * kTestSize) return fail(Errc::Truncated, "diagnosis tests");
  for (std::size_t i = 0; i < count; ++i) out.tests.push_back(read_test(reader));
  if (!reader.done()) return fail(Errc::BadValue, "diagnosis tests");
  return out;
}

Result<DiagnosisFrame> parse_diagnosis(Reader& reader) {
  Diagnosis out;
  out.request = reader.le<std::uint32_t>();
  const auto state = reader.le<std::uint8_t>();
  if (!reader.ok()) return fail(Errc::Truncated, "diagnosis");
  if (state > static_cast<std::uint8_t>(Diagnosis::State::Busy)) {
    return fail(Errc::BadValue, "diagnosis state");
  }
  out.state = static_cast<Diagnosis::State>(state);
  if (out.state == Diagnosis::State::Busy) {
    if (!reader.done()) return fail(Errc::BadValue, "diagnosis without findings");
    return out;
  }
  auto findings = parse_findings(reader);
  if (!findings) return std::unexpected(findings.error());
  out.findings = std::move(*findings);
  return out;
}

void write_findings(Writer& writer, const Diagnosis::Findings& findings) {
  check(findings.tests.size() <= kDiagnosisTestsMax);
  writer.le(findings.port);
  write_nat(writer, findings.v4);
  write_nat(writer, findings.v6);
  write_enum(writer, findings.forwarding);
  write_enum(writer, findings.path);
  writer.le(static_cast<std::uint8_t>(findings.tests.size()));
  for (const AddressTest& test : findings.tests) {
    check(is_sound(test));
    write_candidate(test.endpoint, writer);
    write_enum(writer, test.outcome);
    writer.le(test.sent);
    writer.le(test.answered);
    writer.le(test.rtt_us);
  }
}

}  // namespace

bool is_diagnosis_frame(std::uint8_t type) {
  return type == kTypeDiagnose || type == kTypeDiagnosis;
}

Result<DiagnosisFrame> parse_diagnosis_frame(Bytes plaintext) {
  Reader reader(plaintext);
  const auto type = reader.le<std::uint8_t>();
  if (type == kTypeDiagnosis) return parse_diagnosis(reader);
  if (type != kTypeDiagnose) return fail(Errc::BadValue, "diagnosis frame type");
  const Diagnose out{reader.le<std::uint32_t>()};
  if (!reader.ok()) return fail(Errc::Truncated, "diagnose frame");
  if (!reader.done()) return fail(Errc::BadValue, "diagnose frame");
  return out;
}

void write_diagnosis_frame(const DiagnosisFrame& frame, ByteVector& out) {
  Writer writer(out);
  if (const auto* request = std::get_if<Diagnose>(&frame)) {
    writer.le(kTypeDiagnose);
    writer.le(request->request);
    return;
  }
  const auto& diagnosis = std::get<Diagnosis>(frame);
  check(diagnosis.findings.has_value() == (diagnosis.state != Diagnosis::State::Busy));
  writer.le(kTypeDiagnosis);
  writer.le(diagnosis.request);
  write_enum(writer, diagnosis.state);
  if (diagnosis.findings) write_findings(writer, *diagnosis.findings);
}

}  // namespace ipop::wire
