#include "training/scenes/scene.h"

#include <algorithm>
#include <cmath>

namespace videodiffcr::training {
namespace {

constexpr double kOrbitRadius = 22;
constexpr std::array<double, 2> kRadii = {13, 21};
constexpr std::array<double, 2> kSpeeds = {1.5, 3.5};

struct AttributeRow {
  std::string name;
  std::vector<std::string> values;
};

const std::array<AttributeRow, kAttributeCount>& Rows() {
  static const auto* const rows = new std::array<AttributeRow, kAttributeCount>{{
      {"shape", {"circle", "square", "triangle", "star"}},
      {"colour", {"red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"}},
      {"size", {"small", "large"}},
      {"motion", {"left", "right", "up", "down", "orbit", "bounce", "still"}},
      {"speed", {"slow", "fast"}},
      {"background colour", {"black", "gray", "navy", "brown", "teal", "cream"}},
      {"texture", {"plain", "checkered", "striped", "dotted"}},
  }};
  return *rows;
}

double Wrap(double value, double period) {
  const double wrapped = std::fmod(value, period);
  return wrapped < 0 ? wrapped + period : wrapped;
}

// A point that runs to and fro in [low, high], `distance` after being at `start` (inside).
double Reflect(double start, double distance, double low, double high) {
  const double span = high - low;
  const double unfolded = Wrap(start - low + distance, 2 * span);
  return low + (unfolded < span ? unfolded : 2 * span - unfolded);
}

Point ClampToBox(Point p, double radius) {
  return {std::clamp(p.x, radius, kSceneWidth - radius), std::clamp(p.y, radius, kSceneHeight - radius)};
}

Trajectory StartMotion(const SceneObject& object, Point from, int64_t first_frame, RandomStream& random) {
  Trajectory trajectory;
  trajectory.motion = static_cast<Motion>(object.motion);
  trajectory.speed = kSpeeds[object.speed];
  trajectory.radius = object.nominal_radius();
  trajectory.start = trajectory.motion == kBounce ? ClampToBox(from, trajectory.radius) : from;
  trajectory.phase = random.Uniform(0, 2 * M_PI);
  trajectory.direction.x = random.Chance(0.5) ? 1 : -1;
  trajectory.direction.y = random.Chance(0.5) ? 1 : -1;
  trajectory.first_frame = first_frame;
  return trajectory;
}

void PlaceAtStart(SceneObject& object, RandomStream& random) {
  object.size_jitter = random.Uniform(0.94, 1.06);
  const double radius = object.nominal_radius();
  const Point from = {random.Uniform(radius, kSceneWidth - radius), random.Uniform(radius, kSceneHeight - radius)};
  object.trajectory = StartMotion(object, from, 0, random);
  if (object.trajectory.motion == kOrbit) {
    const Point centre = {random.Uniform(44, 116), random.Uniform(40, 56)};
    object.trajectory.start = {centre.x + kOrbitRadius * std::cos(object.trajectory.phase),
                               centre.y + kOrbitRadius * std::sin(object.trajectory.phase)};
  }
}

void AvoidHeldOutPair(const SceneOptions& options, SceneObject& object) {
  if (!options.held_out_pairs && IsHeldOutPair(object.shape, object.color)) {
    object.color = (object.color + 1) % ValueCount(kColor);
  }
}

SceneObject SampleObject(const SceneOptions& options, int other_shape, RandomStream& random) {
  SceneObject object;
  object.shape = random.Below(ValueCount(kShape));
  if (object.shape == other_shape) object.shape = (object.shape + 1) % ValueCount(kShape);
  object.color = random.Below(ValueCount(kColor));
  object.size = random.Below(ValueCount(kSize));
  object.motion = random.Below(ValueCount(kMotion));
  object.speed = random.Below(ValueCount(kSpeed));
  AvoidHeldOutPair(options, object);
  PlaceAtStart(object, random);
  return object;
}

// Each attribute of object 0 and of the background drawn anew with probability 0.4; the position continues, and the
// whole trajectory does when nothing of it changed.
SceneSegment SwitchSegment(const SceneSegment& before, const SceneOptions& options, int64_t frame,
                           RandomStream& random) {
  SceneSegment after = before;
  after.first_frame = frame;
  const auto redraw = [&random](Attribute attribute, int& value) {
    if (random.Chance(0.4)) value = random.Below(ValueCount(attribute));
  };
  SceneObject& object = after.objects[0];
  redraw(kShape, object.shape);
  redraw(kColor, object.color);
  redraw(kSize, object.size);
  redraw(kMotion, object.motion);
  redraw(kSpeed, object.speed);
  redraw(kBackgroundColor, after.background.color);
  redraw(kTexture, after.background.texture);
  if (after.objects.size() == 2 && object.shape == after.objects[1].shape) {
    object.shape = (object.shape + 1) % ValueCount(kShape);
  }
  AvoidHeldOutPair(options, object);
  const SceneObject& old = before.objects[0];
  if (object.motion != old.motion || object.speed != old.speed || object.size != old.size) {
    object.trajectory = StartMotion(object, old.trajectory.At(frame), frame, random);
  }
  return after;
}

}  // namespace

const std::string& AttributeName(Attribute attribute) { return Rows()[attribute].name; }

int ValueCount(Attribute attribute) { return static_cast<int>(Rows()[attribute].values.size()); }

const std::string& ValueName(Attribute attribute, int value) { return Rows()[attribute].values[value]; }

bool IsHeldOutPair(int shape, int color) {
  constexpr int kOrange = 1, kGreen = 3, kCyan = 4, kPurple = 6;
  return (shape == kStar && color == kPurple) || (shape == kTriangle && color == kGreen) ||
         (shape == kSquare && color == kOrange) || (shape == kCircle && color == kCyan);
}

Point Trajectory::At(int64_t frame) const {
  const double tau = static_cast<double>(frame - first_frame);
  Point p = start;
  switch (motion) {
    case kLeft:
      p.x -= speed * tau;
      break;
    case kRight:
      p.x += speed * tau;
      break;
    case kUp:
      p.y -= speed * tau;
      break;
    case kDown:
      p.y += speed * tau;
      break;
    case kOrbit: {
      const double angle = phase + speed * tau / kOrbitRadius;
      p.x += kOrbitRadius * (std::cos(angle) - std::cos(phase));
      p.y += kOrbitRadius * (std::sin(angle) - std::sin(phase));
      break;
    }
    case kBounce:
      p.x = Reflect(start.x, direction.x * 0.8 * speed * tau, radius, kSceneWidth - radius);
      p.y = Reflect(start.y, direction.y * 0.6 * speed * tau, radius, kSceneHeight - radius);
      break;
    case kStill:
      break;
  }
  return {Wrap(p.x, kSceneWidth), Wrap(p.y, kSceneHeight)};
}

double SceneObject::nominal_radius() const { return kRadii[size]; }

AttributeValues SceneSegment::attributes() const {
  const SceneObject& object = objects[0];
  return {object.shape, object.color, object.size, object.motion, object.speed, background.color, background.texture};
}

const SceneSegment& Scene::SegmentAt(int64_t frame) const {
  size_t at = 0;
  while (at + 1 < segments.size() && segments[at + 1].first_frame <= frame) ++at;
  return segments[at];
}

Scene SampleScene(const SceneOptions& options, RandomStream& random) {
  SceneSegment first;
  first.objects.push_back(SampleObject(options, -1, random));
  if (random.Chance(options.two_objects))
    first.objects.push_back(SampleObject(options, first.objects[0].shape, random));
  first.background = {random.Below(ValueCount(kBackgroundColor)), random.Below(ValueCount(kTexture))};
  Scene scene;
  scene.segments.push_back(first);
  if (random.Chance(options.prompt_switch)) {
    const int chunk =
        options.first_switch_chunk + random.Below(options.last_switch_chunk - options.first_switch_chunk + 1);
    scene.segments.push_back(SwitchSegment(first, options, FirstFrameOfChunk(chunk), random));
  }
  return scene;
}

Scene MakeScene(const AttributeValues& attributes, RandomStream& random) {
  SceneObject object;
  object.shape = attributes[kShape];
  object.color = attributes[kColor];
  object.size = attributes[kSize];
  object.motion = attributes[kMotion];
  object.speed = attributes[kSpeed];
  PlaceAtStart(object, random);
  return {{{0, {object}, {attributes[kBackgroundColor], attributes[kTexture]}}}};
}

}  // namespace videodiffcr::training
