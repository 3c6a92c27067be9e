#include "sim/run/svg.h"

#include <cstdio>

namespace ipop::sim {
namespace {

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char out[500];
  std::snprintf(out, sizeof out, pattern, args...);
  return out;
}

std::string look(const Drawing::Stroke& s) {
  std::string out =
      format("stroke='%s' stroke-width='%.2f'", std::string(s.colour).c_str(), s.width);
  if (!s.dashes.empty()) out += " stroke-dasharray='" + std::string(s.dashes) + "'";
  if (s.opacity < 1) out += format(" stroke-opacity='%.2f'", s.opacity);
  return out;
}

std::string escaped(std::string_view words) {
  std::string out;
  for (const char c : words) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

Drawing::Drawing(double width, double height)
    : body_(format("<svg xmlns='http://www.w3.org/2000/svg' width='%.0f' height='%.0f' "
                   "viewBox='0 0 %.0f %.0f' font-family='DejaVu Sans, sans-serif'>\n"
                   "<rect width='100%%' height='100%%' fill='white'/>\n",
                   width, height, width, height)) {}

void Drawing::line(Point from, Point to, const Stroke& stroke) {
  body_ += format("<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' ", from.x, from.y, to.x, to.y) +
           look(stroke) + "/>\n";
}

void Drawing::curve(Point from, Point towards, Point to, const Stroke& stroke) {
  body_ += format("<path d='M%.1f %.1f Q%.1f %.1f %.1f %.1f' fill='none' ", from.x, from.y,
                  towards.x, towards.y, to.x, to.y) +
           look(stroke) + "/>\n";
}

void Drawing::polyline(const std::string& points, const Stroke& stroke) {
  body_ += "<polyline points='" + points + "' fill='none' stroke-linejoin='round' " + look(stroke) +
           "/>\n";
}

void Drawing::disc(Point centre, double radius, std::string_view fill, const Stroke& edge) {
  body_ += format("<circle cx='%.1f' cy='%.1f' r='%.1f' fill='%s' ", centre.x, centre.y, radius,
                  std::string(fill).c_str()) +
           look(edge) + "/>\n";
}

void Drawing::bar(Point corner, Point size, std::string_view fill) {
  body_ += format("<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'/>\n", corner.x,
                  corner.y, size.x, size.y, std::string(fill).c_str());
}

void Drawing::text(Point at, double size, Anchor anchor, std::string_view colour,
                   std::string_view words) {
  const char* const anchors[] = {"start", "middle", "end"};
  body_ +=
      format("<text x='%.1f' y='%.1f' font-size='%.1f' text-anchor='%s' fill='%s'>", at.x, at.y,
             size, anchors[static_cast<std::size_t>(anchor)], std::string(colour).c_str()) +
      escaped(words) + "</text>\n";
}

}  // namespace ipop::sim
