#include "sim/run/plots.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "sim/run/chart.h"
#include "sim/run/svg.h"

namespace ipop::sim {
namespace {

constexpr double kSide = 720;
constexpr double kRadius = 270;
constexpr Point kCentre{kSide / 2, 350};
constexpr std::string_view kInk = "#24292f";
constexpr std::string_view kGrey = "#8c959f";
constexpr std::string_view kNear = "#b8c0c8";
constexpr std::string_view kLong = "#2f6fb2";
constexpr std::string_view kRelayed = "#d9822b";
constexpr std::string_view kVillain = "#c0392b";

Point on_circle(double turn, double radius) {
  const double angle = 2 * std::numbers::pi * (turn - 0.25);
  return {kCentre.x + radius * std::cos(angle), kCentre.y + radius * std::sin(angle)};
}

/// A little towards the centre from half way, so that links of neighbours stay at the rim.
Point bend(Point a, Point b) {
  constexpr double kRest = 0.8;
  return {kCentre.x + ((a.x + b.x) / 2 - kCentre.x) * kRest,
          kCentre.y + ((a.y + b.y) / 2 - kCentre.y) * kRest};
}

/// What the colours mean, in one row.
void draw_legend(Drawing& drawing) {
  const struct {
    std::string_view words;
    std::string_view colour;
    bool is_line;
  } entries[] = {{"near link", kNear, true},       {"long link", kLong, true},
                 {"relayed", kRelayed, true},      {"member", kInk, false},
                 {"behind a NAT", "white", false}, {"hostile", kVillain, false},
                 {"off", "#dfe3e7", false}};
  double x = 40;
  for (const auto& entry : entries) {
    const Point at{x, kSide - 22};
    if (entry.is_line) {
      drawing.line({at.x, at.y - 4}, {at.x + 16, at.y - 4}, {entry.colour, 2});
    } else {
      const std::string_view edge = entry.words == "off" ? kGrey : kInk;
      drawing.disc({at.x + 9, at.y - 4}, 4.5, entry.colour, {edge, 1.2});
    }
    drawing.text({at.x + 21, at.y}, 12, Drawing::Anchor::Start, kInk, entry.words);
    x += 42 + 7.2 * static_cast<double>(entry.words.size());
  }
}

std::string ring_picture(const Report& report) {
  Drawing drawing(kSide, kSide);
  drawing.text({kSide / 2, 28}, 15, Drawing::Anchor::Middle, kInk,
               report.scenario + ", " + std::to_string(report.nodes) + " nodes, seed " +
                   std::to_string(report.seed) + ": the ring at the end");
  // Long links first: the near ones make the rim.
  for (const bool near : {false, true}) {
    for (const Report::Line& line : report.lines) {
      if (line.near != near) continue;
      const double from = report.places[line.from].turn;
      const double to = report.places[line.to].turn;
      const Drawing::Stroke stroke{.colour = line.relayed ? kRelayed
                                             : near       ? kNear
                                                          : kLong,
                                   .width = near ? 1.1 : 1.3,
                                   .dashes = line.relayed ? "4 3" : "",
                                   .opacity = near ? 0.9 : 0.65};
      const Point a = on_circle(from, kRadius);
      const Point b = on_circle(to, kRadius);
      drawing.curve(a, bend(a, b), b, stroke);
    }
  }
  const double dot = report.places.size() > 120 ? 2.5 : 5;
  double last_turn = -1;
  for (const Report::Place& place : report.places) {
    const std::string_view fill = !place.live        ? "#dfe3e7"
                                  : place.villain    ? kVillain
                                  : place.behind_nat ? "white"
                                                     : kInk;
    const std::string_view edge = place.live ? kInk : kGrey;
    drawing.disc(on_circle(place.turn, kRadius), dot, fill, {edge, 1.2});
    if (report.places.size() > 60) continue;
    // Further out where the one before, in ring order, is close.
    const bool is_close = place.turn - last_turn < 0.012;
    last_turn = is_close ? -1 : place.turn;
    Point label = on_circle(place.turn, kRadius + (is_close ? 34 : 17));
    label.y += 4;
    drawing.text(label, 10.5, Drawing::Anchor::Middle, place.live ? kInk : kGrey, place.name);
  }
  draw_legend(drawing);
  return drawing.finish();
}

bool write(const std::string& folder, const std::string& name, const std::string& content) {
  std::ofstream file(std::filesystem::path(folder) / name, std::ios::binary);
  file << content;
  file.close();
  return file.good();
}

std::string title_of(const Report& report, const std::string& what) {
  return what + " (" + report.scenario + ", " + std::to_string(report.nodes) + " nodes, seed " +
         std::to_string(report.seed) + ")";
}

}  // namespace

bool write_plots(const Report& report, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  bool written = true;
  if (!report.places.empty()) written &= write(folder, "ring.svg", ring_picture(report));
  if (const auto* f = report.find("links of a member")) {
    written &= write(folder, "degree.svg",
                     histogram(title_of(report, "Links of a member"), "links", f->samples));
  }
  if (const auto* f = report.find("hops of routed datagrams")) {
    written &= write(folder, "hops.svg",
                     histogram(title_of(report, "Hops of routed datagrams"), "hops", f->samples));
  }
  if (const auto* f = report.find("join to in the ring")) {
    written &= write(folder, "join.svg",
                     distribution(title_of(report, "From the call to a place in the ring"),
                                  "seconds", f->samples));
  }
  if (report.moments.size() > 1) {
    written &=
        write(folder, "convergence.svg", course(title_of(report, "Members"), report.moments));
  }
  return written;
}

}  // namespace ipop::sim
