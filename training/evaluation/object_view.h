// Where the object of a generated frame is and what it looks like, found from the pixels and the background that the
// classifier reads: no mask comes with what a model makes. One object per frame; shadows are not part of it.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_OBJECT_VIEW_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_OBJECT_VIEW_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "training/classifier/attribute_classifier.h"
#include "training/data/clip_painter.h"

namespace videodiffcr::training {

// Fewer pixels than these are no object.
inline constexpr double kLeastObjectPixels = 30;

// Bare backgrounds of these colours and textures, [clips, 1, 3, height, width].
at::Tensor PaintBackgrounds(const ClipPainter& painter, const std::vector<AttributeValues>& values);

// 1 where a pixel is neither the background nor the background in shadow, else 0:
// frames [clips, frames, 3, height, width] in [0, 1], backgrounds [clips, 1, 3, height, width]
//     -> [clips, frames, 1, height, width].
at::Tensor FindObject(const at::Tensor& frames, const at::Tensor& backgrounds);

// 64 x 64 pixels around the middle of each object, on plain gray; the plane is a torus, so objects at an edge are
// whole. frames [n, 3, height, width], masks [n, 1, height, width] -> [n, 3, 64, 64].
at::Tensor CropToObject(const at::Tensor& frames, const at::Tensor& masks);

// The frames with the object's place filled by the mean of the rest of each: [n, 3, height, width].
at::Tensor WithoutObject(const at::Tensor& frames, const at::Tensor& masks);

// The classifier's features of frames as if each stood still for the nine that it reads, of unit length: it is our
// encoder of single frames. [n, 3, height, width] of any size -> [n, 256].
at::Tensor FrameFeatures(const ClassifierWeights& weights, const at::Tensor& frames);

// What an object looks like over the frames of each clip; all on the frames' device.
struct ObjectLook {
  at::Tensor features;  // [clips, 256], mean of FrameFeatures() of the crops, of unit length
  at::Tensor area;      // [clips] pixels, mean over frames
  at::Tensor hue;       // [clips] degrees; NaN where the mean colour is too gray to have one, or no object is there
};
ObjectLook LookAtObject(const ClassifierWeights& weights, const at::Tensor& frames, const at::Tensor& backgrounds);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_OBJECT_VIEW_H_
