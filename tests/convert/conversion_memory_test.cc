// A conversion needs memory near one tensor, whatever the size of its files. A program of its own: what other tests
// used would stand in the peak.
#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "convert/expected_tensors.h"
#include "convert/weight_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/conversion_fixture.h"
#include "tests/convert/pickle_builder.h"
#include "tests/convert/test_files.h"
#include "tests/convert/zip_builder.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMostGrowthBytes = 40 << 20;

// A line of /proc/self/status, in bytes.
int64_t StatusBytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::stoll(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

// Makes the peak of resident memory what it is now; false where the kernel does not.
bool ForgetPeak() {
  std::ofstream("/proc/self/clear_refs") << "5";
  return StatusBytes("VmHWM") > 0 && StatusBytes("VmHWM") - StatusBytes("VmRSS") < (4 << 20);
}

int64_t BytesOf(const ExpectedTensor& tensor) {
  int64_t bytes = 4;
  for (const int64_t size : tensor.shape) bytes *= size;
  return bytes;
}

// A transformer of 135 MB in fp32, its largest tensor 6 MB.
class ConversionMemoryTest : public ConversionTest {
 protected:
  ConversionMemoryTest() {
    TransformerConfig& transformer = request_.config.transformer;
    transformer.dim = 512;
    transformer.ffn_dim = 2048;
    transformer.num_layers = 8;
    tensors_ = TransformerTensors(transformer);
  }
  std::string WriteSafe(const std::string& name, const std::vector<ExpectedTensor>& tensors,
                        const std::string& ending = "") {
    const std::vector<uint8_t> zeros(8 << 20);
    std::map<std::string, TensorEntry> entries;
    for (const ExpectedTensor& tensor : tensors) {
      entries[tensor.name + ending] = {DType::kF32, tensor.shape, zeros.data(), BytesOf(tensor)};
    }
    EXPECT_TRUE(WriteSafetensors(folder_.Path(name), entries, {}).ok());
    return folder_.Path(name);
  }
  // All tensors as views into one storage, as the flat parameters of some trainers are saved.
  std::string WriteFlat(bool deflate) {
    PickleBuilder pickle;
    pickle.Op('}').Op('(');
    int64_t elements = 0;
    for (const ExpectedTensor& tensor : tensors_) elements += BytesOf(tensor) / 4;
    int64_t offset = 0;
    for (const ExpectedTensor& tensor : tensors_) {
      TestTensor row{.storage_elements = elements, .offset = offset, .shape = tensor.shape};
      int64_t stride = 1;
      for (size_t i = tensor.shape.size(); i-- > 0; stride *= tensor.shape[i]) {
        row.strides.insert(row.strides.begin(), stride);
      }
      pickle.String(tensor.name).Tensor(row);
      offset += BytesOf(tensor) / 4;
    }
    std::vector<ZipTestEntry> entries{{.name = "m/data.pkl", .data = pickle.Op('u').Stop()},
                                      {.name = "m/version", .data = "3\n"}};
    entries.push_back({.name = "m/data/0", .data = std::string(4 * elements, '\0'), .deflate = deflate});
    WriteFile(folder_.Path("flat.pt"), BuildZip(entries));
    return folder_.Path("flat.pt");
  }
  void ExpectFlat() {
    if (!ForgetPeak()) GTEST_SKIP() << "this kernel does not forget the peak of a process";
    const int64_t before = StatusBytes("VmRSS");
    const absl::Status status = Convert();
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_LT(StatusBytes("VmHWM") - before, kMostGrowthBytes);
  }

  std::vector<ExpectedTensor> tensors_;
};

TEST_F(ConversionMemoryTest, StaysNearOneTensorOfSafetensors) {
  request_.transformer_files = {WriteSafe("plain.safetensors", tensors_)};
  ExpectFlat();
}

TEST_F(ConversionMemoryTest, StaysNearOneTensorWhenALoraAsLargeIsMerged) {
  request_.transformer_files = {WriteSafe("plain.safetensors", tensors_)};
  std::vector<ExpectedTensor> changed;
  for (ExpectedTensor tensor : tensors_) {
    const size_t module = tensor.name.size() - std::string_view(".weight").size();
    if (tensor.role != TensorRole::kBlockLinear || !absl::EndsWith(tensor.name, ".weight")) continue;
    tensor.name.resize(module);
    changed.push_back(tensor);
  }
  ASSERT_EQ(changed.size(), 80);
  request_.loras = {{WriteSafe("lora.safetensors", changed, ".diff"), 1.0}};
  ExpectFlat();
}

TEST_F(ConversionMemoryTest, StaysNearOneTensorOfViewsIntoOneStorage) {
  request_.transformer_files = {WriteFlat(/*deflate=*/false)};
  ExpectFlat();
}

TEST_F(ConversionMemoryTest, StaysNearOneTensorOfADeflatedStorage) {
  request_.transformer_files = {WriteFlat(/*deflate=*/true)};
  ExpectFlat();
}

// Of hostile files, in a process that has converted before.
void ExpectRefusalWithin(int64_t most_bytes, const std::string& zip, const std::string& message) {
  const std::string path = ::testing::TempDir() + "/conversion_memory_test.pt";
  WriteFile(path, zip);
  if (!ForgetPeak()) GTEST_SKIP() << "this kernel does not forget the peak of a process";
  const int64_t before = StatusBytes("VmRSS");
  const std::string refusal = MessageOf(WeightSet::Open({path}, {}));
  EXPECT_LT(StatusBytes("VmHWM") - before, most_bytes);
  EXPECT_THAT(refusal, ::testing::HasSubstr(message));
  EXPECT_LT(refusal.size(), 4000);
}

// `pickle` in a folder of that name, with one storage of four bytes.
std::string ArchiveOf(PickleBuilder pickle, const std::string& folder) {
  return BuildZip({{.name = folder + "/data.pkl", .data = pickle.Stop()},
                   {.name = folder + "/version", .data = "3\n"},
                   {.name = folder + "/data/0", .data = std::string(4, '\0')}});
}

TEST(HostileMemoryTest, ALongNameThatIsRecalledAThousandTimesIsNotWrittenOutEachTime) {
  PickleBuilder pickle;
  pickle.Op('}').Op('(').String(std::string(512 << 10, '\xff')).Raw(std::string("q\0N", 3));
  for (int i = 0; i < 1000; ++i) pickle.Raw(std::string("h\0N", 3));
  ExpectRefusalWithin(40 << 20, ArchiveOf(pickle.Op('u'), "m"), "no tensor among what it holds: \\xff");
}

TEST(HostileMemoryTest, TheLongNameOfAFolderIsNotKeptForEveryTensor) {
  PickleBuilder pickle;
  pickle.Op('}').Op('(').String("0").Tensor({.storage_elements = 1, .shape = {1}, .strides = {1}}).Raw("q\x05");
  for (int i = 1; i < 4000; ++i) pickle.String(std::to_string(i)).Raw("h\x05");
  pickle.String("m.0").Raw("h\x05").String("module.m.0").Raw("h\x05").Op('u');
  ExpectRefusalWithin(40 << 20, ArchiveOf(pickle, std::string(60'000, 'f')), "is a second 'm.0'");
}

// The most that a pickle of 16 MiB gets: a million values, and nothing but recalled ones in what is left.
TEST(HostileMemoryTest, TheCostliestPickleTakesWhatItsReaderSays) {
  PickleBuilder pickle;
  pickle.Op('(').Raw(std::string(999'000, 'N')).Op('t').Op('}').Op('(').Raw(std::string("Nq\0", 3));
  std::string pairs;
  for (int i = 0; i < 999'000; ++i) pairs += std::string("h\0", 2);
  for (int batch = 0; batch < 7; ++batch) pickle.Raw(batch == 0 ? std::string("h\0", 2) : "(").Raw(pairs).Op('u');
  ExpectRefusalWithin(int64_t{250} << 20, ArchiveOf(pickle, "m"), "2 values");
}

}  // namespace
}  // namespace videodiffcr
