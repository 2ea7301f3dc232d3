// Synthetic scenes: one or two shapes that move over a patterned background on a torus of 160 x 96 pixels, as plain
// values (tiny_recipe.md section 1). Frame t of a scene is an analytic function of t, for ever.
#ifndef VIDEODIFFCR_TRAINING_SCENES_SCENE_H_
#define VIDEODIFFCR_TRAINING_SCENES_SCENE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "training/scenes/random_stream.h"

namespace videodiffcr::training {

inline constexpr int kSceneWidth = 160;  // pixels; also where the plane closes on itself
inline constexpr int kSceneHeight = 96;

// What a caption says of a scene, in the order of the classifier's heads.
enum Attribute { kShape, kColor, kSize, kMotion, kSpeed, kBackgroundColor, kTexture, kAttributeCount };

enum Shape { kCircle, kSquare, kTriangle, kStar };
enum Motion { kLeft, kRight, kUp, kDown, kOrbit, kBounce, kStill };
enum Texture { kPlain, kCheckered, kStriped, kDotted };

const std::string& AttributeName(Attribute attribute);  // "shape", "background colour", ...
int ValueCount(Attribute attribute);
// "circle", "large", ...: the word that stands for the value in tables. `value` in [0, ValueCount).
const std::string& ValueName(Attribute attribute, int value);

// Values of every attribute, indexed by Attribute.
using AttributeValues = std::array<int, kAttributeCount>;

// Shape and colour pairs that no training scene ever shows: what the model makes of them is generalisation.
bool IsHeldOutPair(int shape, int color);

struct Point {
  double x = 0, y = 0;  // pixels, origin top left, y down
};

// Where an object is, from a motion that began at `start` in frame `first_frame`.
struct Trajectory {
  Motion motion = kStill;
  double speed = 0;   // pixels per frame
  double radius = 0;  // nominal size: bouncing keeps this far from the edges
  Point start;
  double phase = 0;  // kOrbit: angle at the start
  Point direction;   // kBounce: -1 or 1 along each axis
  int64_t first_frame = 0;

  // Wrapped into [0, width) x [0, height).
  Point At(int64_t frame) const;
};

struct SceneObject {
  int shape = 0, color = 0, size = 0, motion = 0, speed = 0;  // value numbers
  double size_jitter = 1;                                     // on the drawn radius
  Trajectory trajectory;

  double nominal_radius() const;  // pixels
  double drawn_radius() const { return nominal_radius() * size_jitter; }
};

struct Background {
  int color = 0, texture = 0;
};

// What holds from one frame until the next segment: a scene has a second one when its prompt switches.
struct SceneSegment {
  int64_t first_frame = 0;
  std::vector<SceneObject> objects;  // one or two; object 0 is drawn on top
  Background background;

  AttributeValues attributes() const;  // of object 0 and the background
};

struct Scene {
  std::vector<SceneSegment> segments;

  const SceneSegment& SegmentAt(int64_t frame) const;
};

struct SceneOptions {
  double two_objects = 0.3;    // probability
  double prompt_switch = 0.3;  // probability
  int first_switch_chunk = 1;  // a switch comes at the first frame of a chunk in this range
  int last_switch_chunk = 7;
  bool held_out_pairs = false;  // false: such a pair gets the next colour
};

// First pixel frame of a chunk: chunk 0 has 9 frames, later ones 12 (tiny_recipe.md section 2).
constexpr int64_t FirstFrameOfChunk(int64_t chunk) { return chunk == 0 ? 0 : 12 * chunk - 3; }

Scene SampleScene(const SceneOptions& options, RandomStream& random);

// One object with exactly these attributes, at a random place.
Scene MakeScene(const AttributeValues& attributes, RandomStream& random);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_SCENES_SCENE_H_
