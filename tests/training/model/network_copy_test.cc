#include "training/model/network_copy.h"

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/training/tiny_model.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {
namespace {

TrainingModel TinyModelWithRouters() {
  const std::string folder = TinyModel();
  TrainingModel model = LoadTrainingModel(folder, at::kCPU).value();
  EXPECT_TRUE(LoadRouters(folder, &model).ok());
  return model;
}

std::vector<at::Tensor> AllTensors(DiffusionTransformer& network) {
  std::vector<at::Tensor> tensors;
  for (const WeightRow& row : TransformerWeightTable(network.config, &network.weights)) {
    tensors.push_back(*row.destination);
  }
  for (BlockWeights& block : network.weights.blocks) {
    const RouterWeights& router = block.router.value();
    for (const at::Tensor& tensor : {router.down.weight, router.down.bias, router.mix, router.score}) {
      tensors.push_back(tensor);
    }
  }
  return tensors;
}

TEST(NetworkCopyTest, ACloneSharesNothingRoutersIncluded) {
  TrainingModel model = TinyModelWithRouters();
  DiffusionTransformer clone = CloneTransformer(model.transformer);
  const std::vector<at::Tensor> own = AllTensors(model.transformer), copied = AllTensors(clone);
  ASSERT_EQ(own.size(), copied.size());
  for (size_t i = 0; i < own.size(); ++i) {
    EXPECT_TRUE(own[i].equal(copied[i])) << i;
    EXPECT_NE(own[i].const_data_ptr(), copied[i].const_data_ptr()) << i;
  }
}

TEST(NetworkCopyTest, ACastNetworkKeepsItsRoutersInFp32) {
  TrainingModel model = TinyModelWithRouters();
  DiffusionTransformer cast = CastTransformer(model.transformer, at::kBFloat16);
  EXPECT_EQ(cast.weights.head.weight.scalar_type(), at::kBFloat16);
  EXPECT_EQ(cast.weights.blocks[3].router->score.scalar_type(), at::kFloat);
  EXPECT_TRUE(cast.weights.blocks[3].router->score.is_same(model.transformer.weights.blocks[3].router->score))
      << "gradients reach those of the original";
  EXPECT_EQ(model.transformer.weights.head.weight.scalar_type(), at::kFloat) << "the original is as it was";
}

}  // namespace
}  // namespace videodiffcr::training
