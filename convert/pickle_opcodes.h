// The opcodes of Python's pickle that ReadPickle() carries out, and the names of the others for its messages
// (Python's Lib/pickletools.py).
#ifndef VIDEODIFFCR_CONVERT_PICKLE_OPCODES_H_
#define VIDEODIFFCR_CONVERT_PICKLE_OPCODES_H_

#include <cstdint>
#include <string>

namespace videodiffcr {
namespace pickle_op {

inline constexpr uint8_t kMark = '(';
inline constexpr uint8_t kStop = '.';
inline constexpr uint8_t kNone = 'N';
inline constexpr uint8_t kBinInt = 'J';
inline constexpr uint8_t kBinInt1 = 'K';
inline constexpr uint8_t kBinInt2 = 'M';
inline constexpr uint8_t kBinFloat = 'G';
inline constexpr uint8_t kBinUnicode = 'X';
inline constexpr uint8_t kShortBinString = 'U';
inline constexpr uint8_t kEmptyTuple = ')';
inline constexpr uint8_t kTuple = 't';
inline constexpr uint8_t kEmptyList = ']';
inline constexpr uint8_t kAppend = 'a';
inline constexpr uint8_t kAppends = 'e';
inline constexpr uint8_t kEmptyDict = '}';
inline constexpr uint8_t kSetItem = 's';
inline constexpr uint8_t kSetItems = 'u';
inline constexpr uint8_t kBinPut = 'q';
inline constexpr uint8_t kLongBinPut = 'r';
inline constexpr uint8_t kBinGet = 'h';
inline constexpr uint8_t kLongBinGet = 'j';
inline constexpr uint8_t kGlobal = 'c';
inline constexpr uint8_t kReduce = 'R';
inline constexpr uint8_t kBuild = 'b';
inline constexpr uint8_t kBinPersId = 'Q';
inline constexpr uint8_t kProto = 0x80;
inline constexpr uint8_t kTuple1 = 0x85;
inline constexpr uint8_t kTuple2 = 0x86;
inline constexpr uint8_t kTuple3 = 0x87;
inline constexpr uint8_t kNewTrue = 0x88;
inline constexpr uint8_t kNewFalse = 0x89;
inline constexpr uint8_t kLong1 = 0x8a;

}  // namespace pickle_op

// "STACK_GLOBAL (0x93)"; "0xff" for a byte that is no opcode.
std::string PickleOpcodeName(uint8_t opcode);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_OPCODES_H_
