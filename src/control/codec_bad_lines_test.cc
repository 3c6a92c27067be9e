// What the codec says of lines that nobody should have sent.
#include <gtest/gtest.h>

#include <string>

#include "control/codec.h"

namespace ipop::control {
namespace {

struct BadRequest {
  const char* line;
  ErrorCode code;
  const char* names;  ///< stands in the message
};

TEST(BadLine, ARequestSaysWhatIsWrong) {
  const BadRequest cases[] = {
      {"", ErrorCode::Usage, "JSON"},
      {"{", ErrorCode::Usage, "JSON"},
      {"null", ErrorCode::Usage, "JSON"},
      {"[]", ErrorCode::Usage, "JSON"},
      {"\"status\"", ErrorCode::Usage, "JSON"},
      {"{\"version\":1,\"verb\":\"status\"} x", ErrorCode::Usage, "JSON"},
      {"{\"version\":1,\"verb\":\"status\",}", ErrorCode::Usage, "JSON"},
      {"{\"version\":1,\"verb\":\"status\",\"network\":\"\xff\"}", ErrorCode::Usage, "JSON"},
      {"{\"verb\":\"status\"}", ErrorCode::Unsupported, "version"},
      {"{\"version\":2,\"verb\":\"status\"}", ErrorCode::Unsupported, "version"},
      {"{\"version\":\"1\",\"verb\":\"status\"}", ErrorCode::Unsupported, "version"},
      {"{\"version\":1.0,\"verb\":\"status\"}", ErrorCode::Unsupported, "version"},
      {"{\"version\":true,\"verb\":\"status\"}", ErrorCode::Unsupported, "version"},
      {"{\"version\":1}", ErrorCode::Unsupported, "verb"},
      {"{\"version\":1,\"verb\":7}", ErrorCode::Unsupported, "verb"},
      {"{\"version\":1,\"verb\":\"\"}", ErrorCode::Unsupported, "verb"},
      {"{\"version\":1,\"verb\":\"Status\"}", ErrorCode::Unsupported, "verb"},
      {"{\"version\":1,\"verb\":\"format_disk\"}", ErrorCode::Unsupported, "verb"},
      {"{\"version\":1,\"verb\":\"create\"}", ErrorCode::Usage, "network is missing"},
      {"{\"version\":1,\"verb\":\"create\",\"network\":null}", ErrorCode::Usage, "network"},
      {"{\"version\":1,\"verb\":\"create\",\"network\":[]}", ErrorCode::Usage, "network"},
      {"{\"version\":1,\"verb\":\"create\",\"network\":\"a\",\"name\":1}", ErrorCode::Usage,
       "name"},
      {"{\"version\":1,\"verb\":\"create\",\"network\":\"a\",\"subnet\":\"10.0.0.1/8\"}",
       ErrorCode::Usage, "subnet"},
      {"{\"version\":1,\"verb\":\"create\",\"network\":\"a\",\"subnet\":\"10.0.0.0/33\"}",
       ErrorCode::Usage, "subnet"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":0}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":-1}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":65536}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":1.5}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":\"1\"}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"uses\":1e2}", ErrorCode::Usage, "uses"},
      {"{\"version\":1,\"verb\":\"invite\",\"expires_s\":0}", ErrorCode::Usage, "expires_s"},
      {"{\"version\":1,\"verb\":\"invite\",\"expires_s\":18446744073709551615}", ErrorCode::Usage,
       "expires_s"},
      {"{\"version\":1,\"verb\":\"invite\",\"expires_s\":99999999999999999999}", ErrorCode::Usage,
       "expires_s"},
      {"{\"version\":1,\"verb\":\"invite\",\"address\":\"10.0.0\"}", ErrorCode::Usage, "address"},
      {"{\"version\":1,\"verb\":\"invite\",\"address\":\"fd00::1\"}", ErrorCode::Usage, "address"},
      {"{\"version\":1,\"verb\":\"invite\",\"address\":167772161}", ErrorCode::Usage, "address"},
      {"{\"version\":1,\"verb\":\"join\"}", ErrorCode::Usage, "invite"},
      {"{\"version\":1,\"verb\":\"join\",\"invite\":{}}", ErrorCode::Usage, "invite"},
      {"{\"version\":1,\"verb\":\"leave\",\"confirmed\":1}", ErrorCode::Usage, "confirmed"},
      {"{\"version\":1,\"verb\":\"leave\",\"confirmed\":\"true\"}", ErrorCode::Usage, "confirmed"},
      {"{\"version\":1,\"verb\":\"ping\"}", ErrorCode::Usage, "member"},
      {"{\"version\":1,\"verb\":\"ping\",\"member\":\"b\",\"count\":0}", ErrorCode::Usage, "count"},
      {"{\"version\":1,\"verb\":\"ping\",\"member\":\"b\",\"count\":10001}", ErrorCode::Usage,
       "count"},
      {"{\"version\":1,\"verb\":\"ping\",\"member\":\"b\",\"interval_ms\":9}", ErrorCode::Usage,
       "interval_ms"},
      {"{\"version\":1,\"verb\":\"ping\",\"member\":\"b\",\"timeout_ms\":0}", ErrorCode::Usage,
       "timeout_ms"},
      {"{\"version\":1,\"verb\":\"admin\",\"member\":\"b\"}", ErrorCode::Usage, "action"},
      {"{\"version\":1,\"verb\":\"device\",\"action\":\"add\"}", ErrorCode::Usage, "name"},
      {"{\"version\":1,\"verb\":\"admin\",\"action\":\"ADD\",\"member\":\"b\"}", ErrorCode::Usage,
       "action"},
      {"{\"version\":1,\"verb\":\"admin\",\"action\":0,\"member\":\"b\"}", ErrorCode::Usage,
       "action"},
  };
  for (const BadRequest& one : cases) {
    const auto request = decode_request(one.line);
    ASSERT_FALSE(request) << one.line;
    EXPECT_EQ(request.error().code, one.code) << one.line;
    EXPECT_NE(request.error().message.find(one.names), std::string::npos)
        << one.line << " -> " << request.error().message;
  }
}

TEST(BadLine, DeepNestingIsNoTrouble) {
  const std::string deep(kRequestLineMax - 100, '[');
  EXPECT_FALSE(decode_request(deep));
  EXPECT_FALSE(decode_request("{\"version\":1,\"verb\":\"status\",\"x\":" + deep + "}"));
  const std::size_t half = (kRequestLineMax - 100) / 2;
  EXPECT_TRUE(decode_request("{\"version\":1,\"verb\":\"status\",\"x\":" + std::string(half, '[') +
                             std::string(half, ']') + "}"));
}

TEST(BadLine, AServerLineIsRefused) {
  const char* cases[] = {
      "",
      "{",
      "[]",
      "{}",
      "{\"event\":1}",
      "{\"event\":{\"kind\":\"calling\"}}",
      "{\"event\":{\"kind\":\"calling\",\"host\":\"nowhere\"}}",
      "{\"event\":{\"kind\":\"lost\",\"sequence\":-1}}",
      "{\"event\":{\"kind\":\"lost\",\"sequence\":4294967296}}",
      "{\"event\":{\"kind\":\"answer\",\"sequence\":1,\"path\":{\"kind\":\"tunnel\"}}}",
      "{\"event\":{\"kind\":\"answer\",\"sequence\":1,\"path\":{\"kind\":\"none\",\"rtt_ms\":-1}}}",
      R"({"event":{"kind":"answer","sequence":1,"path":{"kind":"none","rtt_ms":1e300}}})",
      "{\"error\":\"failed\"}",
      "{\"verb\":\"down\"}",
      "{\"verb\":\"down\",\"result\":1}",
      "{\"verb\":\"down\",\"result\":{}}",
      "{\"verb\":\"down\",\"result\":{\"version\":2,\"network\":\"n\",\"changed\":true}}",
      "{\"verb\":\"down\",\"result\":{\"version\":1,\"network\":\"n\"}}",
      "{\"verb\":\"sideways\",\"result\":{\"version\":1}}",
      "{\"result\":{\"version\":1,\"network\":\"n\",\"changed\":true}}",
      "{\"verb\":\"status\",\"result\":{\"version\":1,\"networks\":{},\"health\":[]}}",
      "{\"verb\":\"status\",\"result\":{\"version\":1,\"networks\":[1],\"health\":[]}}",
      "{\"verb\":\"status\",\"result\":{\"version\":1,\"networks\":[{}],\"health\":[]}}",
  };
  for (const char* line : cases) EXPECT_FALSE(decode_server_line(line)) << line;
}

TEST(BadLine, ProblemNamesTheElement) {
  const auto line = decode_server_line(
      "{\"verb\":\"status\",\"result\":{\"version\":1,\"networks\":[],\"health\":"
      "[{\"code\":\"a\",\"message\":\"b\"},{\"code\":5,\"message\":\"b\"}]}}");
  ASSERT_FALSE(line);
  EXPECT_NE(line.error().message.find("health[1].code must be text"), std::string::npos)
      << line.error().message;
}

TEST(BadLine, TextThatIsNotUtf8DoesNotThrow) {
  const std::string line = encode(Request(JoinRequest{.invite = "a\xff\xfe z"}));
  const auto back = decode_request(line);
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<JoinRequest>(*back).invite, "a\xef\xbf\xbd\xef\xbf\xbd z");
}

}  // namespace
}  // namespace ipop::control
