// The names under which others keep the same tensors, and how they become ours.
#ifndef VIDEODIFFCR_CONVERT_TENSOR_NAMES_H_
#define VIDEODIFFCR_CONVERT_TENSOR_NAMES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "convert/expected_tensors.h"
#include "convert/weight_file.h"

namespace videodiffcr {

// Removes what training wrappers and packagers put into names: "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."
// and "_orig_mod." anywhere, then "model.", "module.", "generator." and "diffusion_model." as often as they lead
// (causal_wan_dit.md section 10).
std::string StripWrappers(absl::string_view name);

// A way to name the tensors of a network: `spell` makes its name of ours.
struct NameLayout {
  absl::string_view owner;  // for messages; empty: the released names, which are ours
  std::string (*spell)(absl::string_view ours);
};

// Released names first.
const std::vector<NameLayout>& TransformerLayouts();  // and Diffusers' WanTransformer3DModel
const std::vector<NameLayout>& TextEncoderLayouts();  // and Hugging Face's UMT5EncoderModel
const std::vector<NameLayout>& WanVaeLayouts();       // and Diffusers' AutoencoderKLWan
const std::vector<NameLayout>& OnlyReleasedNames();

// The layout under which most of `expected` is in `tensors`, and more than half; else the released names.
const NameLayout& FindLayout(const std::vector<NameLayout>& layouts, const std::vector<ExpectedTensor>& expected,
                             const SourceTensors& tensors);

// `tensors` under our names. What says nothing about the network (a tokenizer inside the file, the second name of a
// shared table, the decoder of a whole UMT5) is left out. What has no place keeps its name, for CheckTensors() to tell.
SourceTensors RenameTensors(const NameLayout& layout, const std::vector<ExpectedTensor>& expected,
                            const SourceTensors& tensors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TENSOR_NAMES_H_
