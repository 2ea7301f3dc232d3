#include "system/thread_niceness.h"

#include <unistd.h>

namespace videodiffcr {

void StandBack(int levels) {
  // Anybody may lower a priority; where it is as low as can be, it stays. No way to fail, and -1 is a good answer.
  if (levels > 0 && nice(levels) == -1) return;
}

}  // namespace videodiffcr
