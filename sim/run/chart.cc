#include "sim/run/chart.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "sim/run/svg.h"

namespace ipop::sim {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 400;
constexpr double kLeft = 70;
constexpr double kRight = 690;
constexpr double kTop = 60;
constexpr double kBottom = 345;
constexpr std::string_view kInk = "#24292f";
constexpr std::string_view kGrid = "#e4e8ec";
constexpr std::string_view kBlue = "#2f6fb2";
constexpr std::string_view kOrange = "#d9822b";
constexpr std::string_view kGrey = "#8c959f";

/// 1, 2 or 5 times a power of ten, so that an axis has about five marks.
double step_of(double most) {
  const double rough = std::max(most, 1e-9) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double ratio = rough / power;
  return power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
}

std::string number(double value, double step) {
  char out[40];
  const int digits = step >= 1 ? 0 : static_cast<int>(std::ceil(-std::log10(step)));
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

/// Two axes that begin with 0, and where a value is between them.
class Axes {
 public:
  Axes(Drawing& drawing, const std::string& title, const std::string& unit, Point most)
      : drawing_(&drawing), step_{step_of(most.x), step_of(most.y)} {
    most_ = {most.x, std::ceil(most.y / step_.y) * step_.y};
    drawing.text({kLeft, 32}, 15, Drawing::Anchor::Start, kInk, title);
    for (int line = 0; line <= std::lround(most_.y / step_.y); ++line) {
      const double y = line * step_.y;
      const double at = place({0, y}).y;
      drawing.line({kLeft, at}, {kRight, at}, {kGrid, 1});
      drawing.text({kLeft - 9, at + 4}, 12, Drawing::Anchor::End, kInk, number(y, step_.y));
    }
    drawing.text({kRight, kBottom + 42}, 12, Drawing::Anchor::End, kInk, unit);
  }
  Point place(Point value) const {
    return {kLeft + (kRight - kLeft) * value.x / most_.x,
            kBottom - (kBottom - kTop) * value.y / most_.y};
  }
  void mark(double x, double at, double step) {
    drawing_->text({at, kBottom + 20}, 12, Drawing::Anchor::Middle, kInk, number(x, step));
  }
  void mark_all() {
    for (int n = 0; n * step_.x <= most_.x + step_.x / 1e6; ++n) {
      const double x = n * step_.x;
      mark(x, place({x, 0}).x, step_.x);
    }
  }
  void base() { drawing_->line({kLeft, kBottom}, {kRight, kBottom}, {kInk, 1}); }

 private:
  Drawing* drawing_;
  Point most_;
  Point step_;
};

std::string point_text(Point p) {
  char out[40];
  std::snprintf(out, sizeof out, "%.1f,%.1f ", p.x, p.y);
  return out;
}

std::string summary(const Samples& samples, double step) {
  return std::to_string(samples.size()) + " values, mean " + number(samples.mean(), step) +
         ", p99 " + number(samples.at(0.99), step) + ", most " + number(samples.most(), step);
}

}  // namespace

std::string histogram(const std::string& title, const std::string& unit, const Samples& samples) {
  std::map<long, std::size_t> counts;
  for (const double value : samples.values()) ++counts[std::lround(value)];
  std::size_t highest = 0;
  for (const auto& [value, count] : counts) highest = std::max(highest, count);
  const long first = counts.begin()->first;
  const long last = counts.rbegin()->first;
  Drawing drawing(kWidth, kHeight);
  const auto slots = static_cast<double>(last - first + 1);
  Axes axes(drawing, title, unit, {slots, static_cast<double>(highest)});
  const double wide = std::min(60.0, (kRight - kLeft) / slots * 0.8);
  const long every = std::max(1L, std::lround(slots / 20));
  for (long value = first; value <= last; ++value) {
    const double middle = axes.place({static_cast<double>(value - first) + 0.5, 0}).x;
    if (const auto it = counts.find(value); it != counts.end()) {
      const double top = axes.place({0, static_cast<double>(it->second)}).y;
      drawing.bar({middle - wide / 2, top}, {wide, kBottom - top}, kBlue);
    }
    if ((value - first) % every == 0) axes.mark(static_cast<double>(value), middle, 1);
  }
  axes.base();
  drawing.text({kLeft, kBottom + 42}, 12, Drawing::Anchor::Start, kGrey, summary(samples, 0.1));
  return drawing.finish();
}

std::string distribution(const std::string& title, const std::string& unit,
                         const Samples& samples) {
  std::vector<double> sorted = samples.values();
  std::ranges::sort(sorted);
  Drawing drawing(kWidth, kHeight);
  Axes axes(drawing, title, unit, {sorted.back() * 1.05, 100});
  axes.mark_all();
  std::string points = point_text(axes.place({0, 0}));
  double share = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    points += point_text(axes.place({sorted[i], share}));
    share = 100 * static_cast<double>(i + 1) / static_cast<double>(sorted.size());
    points += point_text(axes.place({sorted[i], share}));
  }
  points += point_text(axes.place({sorted.back() * 1.05, 100}));
  drawing.polyline(points, {kBlue, 2});
  axes.base();
  drawing.text({kLeft, kTop - 10}, 12, Drawing::Anchor::Start, kGrey, "% of all");
  drawing.text({kLeft, kBottom + 42}, 12, Drawing::Anchor::Start, kGrey, summary(samples, 0.01));
  return drawing.finish();
}

std::string course(const std::string& title, const std::vector<Report::Moment>& moments) {
  std::size_t most = 1;
  for (const Report::Moment& m : moments) most = std::max(most, m.live);
  Drawing drawing(kWidth, kHeight);
  Axes axes(drawing, title, "seconds", {moments.back().seconds, static_cast<double>(most)});
  axes.mark_all();
  const struct {
    std::string_view words;
    std::string_view colour;
    std::string_view dashes;
    std::size_t Report::Moment::* value;
  } lines[] = {{"on", kGrey, "", &Report::Moment::live},
               {"... linked with all nearest", kBlue, "", &Report::Moment::right},
               {"... aware of everybody", kOrange, "5 4", &Report::Moment::aware}};
  double x = kLeft;
  for (const auto& line : lines) {
    std::string points;
    for (const Report::Moment& m : moments) {
      points += point_text(axes.place({m.seconds, static_cast<double>(m.*line.value)}));
    }
    drawing.polyline(points, {line.colour, 2, line.dashes});
    drawing.line({x, kBottom + 38}, {x + 18, kBottom + 38}, {line.colour, 2, line.dashes});
    drawing.text({x + 24, kBottom + 42}, 12, Drawing::Anchor::Start, kInk, line.words);
    x += 44 + 7 * static_cast<double>(line.words.size());
  }
  axes.base();
  return drawing.finish();
}

}  // namespace ipop::sim
