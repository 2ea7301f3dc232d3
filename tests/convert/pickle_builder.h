// Writes pickles opcode by opcode, so that tests can write those that Python would not.
#ifndef VIDEODIFFCR_TESTS_CONVERT_PICKLE_BUILDER_H_
#define VIDEODIFFCR_TESTS_CONVERT_PICKLE_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace videodiffcr {

struct TestTensor {
  std::string storage_type = "FloatStorage";
  std::string key = "0";
  int64_t storage_elements = 0;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
  // Not empty: rebuilt by _rebuild_tensor_v3 as of this torch.dtype, from a storage of so many bytes.
  std::string dtype;
};

class PickleBuilder {
 public:
  PickleBuilder() { Op('\x80').Raw("\x02"); }

  PickleBuilder& Raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  PickleBuilder& Op(char opcode) { return Raw(std::string(1, opcode)); }
  PickleBuilder& Global(const std::string& module, const std::string& name) {
    return Op('c').Raw(module + "\n" + name + "\n");
  }
  PickleBuilder& String(const std::string& text) {
    const uint32_t count = static_cast<uint32_t>(text.size());
    return Op('X').Raw(std::string(reinterpret_cast<const char*>(&count), 4) + text);
  }
  // LONG1 of eight bytes holds every value.
  PickleBuilder& Integer(int64_t value) {
    return Op('\x8a').Raw("\x08").Raw(std::string(reinterpret_cast<const char*>(&value), 8));
  }
  PickleBuilder& Integers(const std::vector<int64_t>& values) {
    Op('(');
    for (const int64_t value : values) Integer(value);
    return Op('t');
  }
  PickleBuilder& Storage(const std::string& type, const std::string& key, int64_t elements) {
    return Op('(')
        .String("storage")
        .Global(type == "UntypedStorage" ? "torch.storage" : "torch", type)
        .String(key)
        .String("cpu")
        .Integer(elements)
        .Op('t')
        .Op('Q');
  }
  PickleBuilder& OrderedDict() { return Global("collections", "OrderedDict").Op(')').Op('R'); }
  PickleBuilder& Tensor(const TestTensor& tensor) {
    const bool typed = tensor.dtype.empty();
    Global("torch._utils", typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3").Op('(');
    Storage(typed ? tensor.storage_type : "UntypedStorage", tensor.key, tensor.storage_elements).Integer(tensor.offset);
    Integers(tensor.shape).Integers(tensor.strides).Op('\x89').OrderedDict();
    if (!typed) Global("torch", tensor.dtype);
    return Op('t').Op('R');
  }
  // torch._tensor._rebuild_from_type_v2(function, type, arguments, state), as tensors are saved that carry attributes:
  // of a bare tensor, or of one inside a parameter.
  PickleBuilder& TensorFromType(const TestTensor& tensor, bool parameter) {
    Global("torch._tensor", "_rebuild_from_type_v2").Op('(');
    Global("torch._utils", parameter ? "_rebuild_parameter" : "_rebuild_tensor_v2");
    Global(parameter ? "torch.nn.parameter" : "torch", parameter ? "Parameter" : "Tensor").Op('(');
    if (parameter) {
      Tensor(tensor).Op('\x88').OrderedDict().Op('t');
    } else {
      Storage(tensor.storage_type, tensor.key, tensor.storage_elements).Integer(tensor.offset);
      Integers(tensor.shape).Integers(tensor.strides).Op('\x89').OrderedDict().Op('t');
    }
    return Op('}').String("_is_sharded").Op('\x89').Op('s').Op('t').Op('R');
  }
  // torch._utils._rebuild_parameter_with_state(tensor, requires_grad, hooks, state).
  PickleBuilder& ParameterWithState(const TestTensor& tensor) {
    Global("torch._utils", "_rebuild_parameter_with_state").Op('(').Tensor(tensor).Op('\x88').OrderedDict();
    return Op('}').String("tag").Integer(7).Op('s').Op('t').Op('R');
  }
  std::string Stop() { return bytes_ + "."; }

 private:
  std::string bytes_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_CONVERT_PICKLE_BUILDER_H_
