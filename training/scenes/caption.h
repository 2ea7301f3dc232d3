// What a scene's captions say (tiny_recipe.md section 1): lower case, no punctuation, words of the tiny model's
// vocabulary.
#ifndef VIDEODIFFCR_TRAINING_SCENES_CAPTION_H_
#define VIDEODIFFCR_TRAINING_SCENES_CAPTION_H_

#include <string>

#include "training/scenes/random_stream.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

// Stands for a word outside the vocabulary: the tokenizer makes the unknown token of it.
inline constexpr char kUnknownWord[] = "something";

struct CaptionOptions {
  double drop_phrase = 0.1;  // size, motion, speed and background, each on its own
  double drop_color = 0.05;
  double unknown_caption = 0.3;  // captions that may hold unknown words at all
  double unknown_word = 0.02;    // before each word of such a caption
  // Captions in which one or two of the attributes that are said are said by an unknown word instead, so that what a
  // model shows of a caption does not hang on words that it never saw. Nothing is drawn for it when 0.
  double replaced_caption = 0;
  // false: left out of every caption, so that what a model makes of it can be watched.
  bool say_size = true, say_color = true, say_background = true;
};

// Says everything and nothing unknown: for evaluation.
inline constexpr CaptionOptions kCompleteCaption = {0, 0, 0, 0, 0};

std::string MakeCaption(const SceneSegment& segment, const CaptionOptions& options, RandomStream& random);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_SCENES_CAPTION_H_
