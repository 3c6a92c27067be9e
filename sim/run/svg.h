#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ipop::sim {

/// A point of a drawing, in its own units, from the upper left.
struct Point {
  double x = 0;
  double y = 0;
};

/// A picture being drawn, what is drawn later above what came before.
class Drawing {
 public:
  /// How lines look: a CSS colour, a width, and perhaps dashes ("4 3").
  struct Stroke {
    std::string_view colour;
    double width = 1;
    std::string_view dashes = "";
    double opacity = 1;
  };
  enum class Anchor : std::uint8_t { Start, Middle, End };

  Drawing(double width, double height);
  void line(Point from, Point to, const Stroke& stroke);
  /// Bends towards a third point.
  void curve(Point from, Point towards, Point to, const Stroke& stroke);
  void polyline(const std::string& points, const Stroke& stroke);
  void disc(Point centre, double radius, std::string_view fill, const Stroke& edge);
  void bar(Point corner, Point size, std::string_view fill);
  void text(Point at, double size, Anchor anchor, std::string_view colour, std::string_view words);
  /// The whole file.
  std::string finish() const { return body_ + "</svg>\n"; }

 private:
  std::string body_;
};

}  // namespace ipop::sim
