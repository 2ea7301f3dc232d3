// A system that has no thread to give.
#ifndef VIDEODIFFCR_TESTS_FAKES_NO_THREADS_H_
#define VIDEODIFFCR_TESTS_FAKES_NO_THREADS_H_

#include <gtest/gtest.h>
#include <pthread.h>

#include <cstddef>

namespace videodiffcr {

// While this lives no thread starts in this process: its stack would be larger than all addresses there are.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_getattr_default_np(&huge);
    EXPECT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 50), 0);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    EXPECT_EQ(pthread_setattr_default_np(&before_), 0);
    pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_NO_THREADS_H_
