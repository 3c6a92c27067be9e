// What a router writes by UPnP: answers to a search, HTTP, descriptions, SOAP. The oracle is that
// nothing leads anywhere but to the gateway, and that nothing of it could end a line of our
// request.
#include <algorithm>

#include "base/check.h"
#include "os/igd_text.h"

namespace {

using namespace ipop;  // NOLINT(google-build-using-namespace)

const Ipv4 kGateway{0xc0a80101};

void check_place(const os::IgdPlace& place) {
  check(place.port != 0 && place.path.starts_with('/'));
  check(place.path.size() <= os::IgdPlace::kPathMax);
  check(std::ranges::all_of(place.path, [](char c) { return c > ' ' && c < '\x7f'; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input = as_text(std::as_bytes(std::span(data, size)));
  if (const auto found = os::parse_igd_search_answer(input, kGateway)) check_place(found->place);
  for (const auto& service : os::parse_igd_description(input, {5000, "/x"}, kGateway)) {
    check_place(service.control);
    const std::string request = os::igd_action_request(service, kGateway, "A", {});
    check(request.find("\r\n\r\n") != std::string::npos);
    check(std::ranges::count(request, '\n') == 9);
  }
  const auto whole = os::parse_http_answer(input, true);
  check(whole && whole->body.size() <= size);
  if (const auto early = os::parse_http_answer(input, false); early && whole->status != 0) {
    check(early->status == whole->status && early->body == whole->body);
  } else if (!early) {
    check(os::http_answer_size_min(input) > size);
  }
  const os::IgdValues values(input);
  check(values.text("NewExternalIPAddress").size() < 128);
  if (const auto port = values.number("NewInternalPort", 65535)) check(*port <= 65535);
  return 0;
}
