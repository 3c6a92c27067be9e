// A report tells what was violated, and how to see it again.
#include "sim/run/report.h"

#include <gtest/gtest.h>

namespace ipop::sim {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

Report small_report() {
  Report report;
  report.scenario = "kick";
  report.nodes = 9;
  report.seed = 77;
  report.add("links of a member", "", 8);
  report.check(Property::NearestAreLinked, "");
  return report;
}

TEST(Samples, GiveSharesAndMeans) {
  Samples samples;
  EXPECT_EQ(samples.mean(), 0);
  EXPECT_EQ(samples.at(0.5), 0);
  for (const double v : {4.0, 1.0, 3.0, 2.0}) samples.add(v);
  EXPECT_EQ(samples.mean(), 2.5);
  EXPECT_EQ(samples.at(0), 1);
  EXPECT_EQ(samples.at(0.5), 2);
  EXPECT_EQ(samples.at(0.99), 4);
  EXPECT_EQ(samples.most(), 4);
}

TEST(Report, WhatWasNotCheckedIsNotCalledHeld) {
  const Report report = small_report();
  EXPECT_TRUE(report.passed());
  const std::string text = report_text(report);
  EXPECT_TRUE(has(text, "four nearest on either side            held")) << text;
  EXPECT_TRUE(has(text, "not checked"));
  EXPECT_FALSE(has(text, "VIOLATED"));
  EXPECT_TRUE(has(report_json(report), "\"passed\":true"));
}

TEST(Report, AViolationPrintsItsSeedAndTheCommandThatReplaysIt) {
  Report report = small_report();
  for (int i = 0; i < 9; ++i) report.check(Property::PacketsArrive, "m1 to m2: nothing arrived");
  report.check(Property::PacketsArrive, "");
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.verdict(Property::PacketsArrive).violations, 9U);
  const std::string command = "./run sim --scenario kick --nodes 9 --seed 77";
  for (const std::string& text : {report_text(report), report_line(report), report_json(report)}) {
    EXPECT_TRUE(has(text, command)) << text;
    EXPECT_TRUE(has(text, "m1 to m2: nothing arrived")) << text;
  }
  EXPECT_TRUE(has(report_line(report), "FAILED"));
}

}  // namespace
}  // namespace ipop::sim
