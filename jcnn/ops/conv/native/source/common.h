// Shared by the C++ functions: vector types, threads, reusable buffers.

#ifndef JCNN_NATIVE_COMMON_H_
#define JCNN_NATIVE_COMMON_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "xla/ffi/api/ffi.h"

namespace jcnn {

namespace ffi = xla::ffi;
using Array = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

// A vector register.
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vec __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vec Load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
inline void Store(float* to, Vec v) { *reinterpret_cast<Vec*>(to) = v; }

// A buffer of this thread that the next call reuses.
inline float* Scratch(int which, int64_t floats) {
  static thread_local std::vector<float> buffers[3];
  if (buffers[which].size() < static_cast<size_t>(floats)) buffers[which].resize(floats);
  return buffers[which].data();
}

// Runs task(0), ..., task(count - 1) on this thread and on free threads of the pool. It waits only
// for tasks that have started, never for a free thread, so that calls which occupy the whole pool
// cannot deadlock.
inline void Parallel(ffi::ThreadPool& pool, int64_t count, std::function<void(int64_t)> task) {
  struct Work {
    std::function<void(int64_t)> task;
    int64_t count;
    std::atomic<int64_t> next{0}, done{0};
    std::mutex mutex;
    std::condition_variable finished;
    void Run() {
      for (int64_t i; (i = next.fetch_add(1)) < count;) {
        task(i);
        if (done.fetch_add(1) + 1 == count) {
          std::lock_guard<std::mutex> lock(mutex);
          finished.notify_all();
        }
      }
    }
  };
  auto work = std::make_shared<Work>();
  work->task = std::move(task);
  work->count = count;
  for (int64_t i = std::min<int64_t>(pool.num_threads(), count) - 1; i > 0; --i)
    pool.Schedule([work] { work->Run(); });
  work->Run();
  std::unique_lock<std::mutex> lock(work->mutex);
  work->finished.wait(lock, [&] { return work->done.load() == count; });
}

}  // namespace jcnn

#endif  // JCNN_NATIVE_COMMON_H_
