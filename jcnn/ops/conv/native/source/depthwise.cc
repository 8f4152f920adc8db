// Depthwise convolution for CPUs: float32, NHWC, one filter a channel, as XLA custom calls.
//
// Each channel is convolved with its own kernel, so there is no matrix product: each number is a sum
// of KH * KW products, and memory bandwidth is the limit. With input x dilated by a, kernel dilation
// d, stride s and padding p before,
//
//     y[o] = sum over i of dilate(x, a)[s * o + d * i - p] * k[i]          on both axes
//
// which is the gradient by the input, too (Dumoulin and Visin, "A guide to convolution arithmetic
// for deep learning", 2016, chapter 4).

#include "common.h"

namespace jcnn {
namespace {

// One axis of a convolution.
struct Axis {
  int64_t in, out, kernel, stride, dilation, in_dilation, before;
};

// One product of an output's sum: the cell of the kernel and the cell of the input.
struct Term {
  int64_t cell, at;
};

std::vector<std::vector<Term>> Terms(const Axis& axis) {
  std::vector<std::vector<Term>> terms(axis.out);
  for (int64_t o = 0; o < axis.out; ++o)
    for (int64_t i = 0; i < axis.kernel; ++i) {
      int64_t at = axis.stride * o + axis.dilation * i - axis.before;
      if (at >= 0 && at % axis.in_dilation == 0 && at / axis.in_dilation < axis.in)
        terms[o].push_back({i, at / axis.in_dilation});
    }
  return terms;
}

using Numbers = ffi::Span<const int64_t>;

// Loads and stores a vector, or one float for channels that fill no vector. (As a template
// argument, Vec loses its attribute that it may be unaligned.)
template <typename T>
inline T Read(const float* from) {
  return *from;
}
template <>
inline Vec Read<Vec>(const float* from) {
  return Load(from);
}
inline void Write(float* to, float number) { *to = number; }
inline void Write(float* to, Vec numbers) { Store(to, numbers); }

// Calls use(o, at, inside) for each output of an axis: `at` is the input's cell under the column
// `first` of the kernel, and `inside` (a constant) whether all of `taps` columns lie in the input.
template <typename Use>
void OverOutputs(const Axis& axis, int64_t first, int64_t taps, Use use) {
  const int64_t shift = axis.dilation * first - axis.before;
  const int64_t reach = axis.dilation * (taps - 1);
  int64_t o = 0;
  for (; o < axis.out && axis.stride * o + shift < 0; ++o)
    use(o, axis.stride * o + shift, std::false_type());
  for (; o < axis.out && axis.stride * o + shift + reach < axis.in; ++o)
    use(o, axis.stride * o + shift, std::true_type());
  for (; o < axis.out; ++o) use(o, axis.stride * o + shift, std::false_type());
}

constexpr int64_t kMostRows = 64;  // of a kernel
constexpr int64_t kLines = 16;     // rows of outputs that are computed together

// The rows of the images and of the kernel that contribute to one row of outputs.
struct Rows {
  int64_t count = 0;
  const float *images[kMostRows], *weights[kMostRows];
};

// One output's sum over all rows and kTaps columns of the kernel, which begin at the input's cell
// `at`; without kInside, only over columns inside the input.
template <typename T, int kTaps, bool kInside>
inline T Sum(const Rows& rows, int64_t at, const Axis& axis, int64_t first, int64_t channels,
             int64_t c) {
  T sums[kTaps] = {};
  for (int64_t row = 0; row < rows.count; ++row) {
    const float* x = rows.images[row] + at * channels + c;
    const float* k = rows.weights[row] + first * channels + c;
#pragma GCC unroll 8
    for (int j = 0; j < kTaps; ++j) {
      const int64_t cell = at + axis.dilation * j;
      if (kInside || (cell >= 0 && cell < axis.in))
        sums[j] += Read<T>(k + j * channels) * Read<T>(x + axis.dilation * j * channels);
    }
  }
  T sum = sums[0];
#pragma GCC unroll 8
  for (int j = 1; j < kTaps; ++j) sum += sums[j];
  return sum;
}

// y[out][C] = the sum over all rows and kTaps columns of the kernel from `first` on; if `first` is
// not 0, it is added to y.
template <int kTaps>
void ConvolveRow(const Rows& rows, const Axis& axis, int64_t first, int64_t channels, float* y) {
  OverOutputs(axis, first, kTaps, [&](int64_t o, int64_t at, auto inside) {
    float* to = y + o * channels;
    constexpr bool kInside = decltype(inside)::value;
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) {
      const Vec sum = Sum<Vec, kTaps, kInside>(rows, at, axis, first, channels, c);
      Store(to + c, first ? Load(to + c) + sum : sum);
    }
    for (; c < channels; ++c) {
      const float sum = Sum<float, kTaps, kInside>(rows, at, axis, first, channels, c);
      to[c] = first ? to[c] + sum : sum;
    }
  });
}

// sums[kTaps][C] += the products of one row of images and one of gradients.
template <typename T, int kTaps>
void CorrelateChannels(const float* x, const float* g, const Axis& axis, int64_t first,
                       int64_t channels, float* sums) {
  T total[kTaps];
#pragma GCC unroll 8
  for (int j = 0; j < kTaps; ++j) total[j] = Read<T>(sums + j * channels);
  const auto add = [&](int64_t o, int64_t at, auto inside) __attribute__((always_inline)) {
    const T slope = Read<T>(g + o * channels);
#pragma GCC unroll 8
    for (int j = 0; j < kTaps; ++j) {
      const int64_t cell = at + axis.dilation * j;
      if (inside || (cell >= 0 && cell < axis.in)) total[j] += slope * Read<T>(x + cell * channels);
    }
  };
  OverOutputs(axis, first, kTaps, add);
#pragma GCC unroll 8
  for (int j = 0; j < kTaps; ++j) Write(sums + j * channels, total[j]);
}

template <int kTaps>
void CorrelateRow(const float* x, const float* g, const Axis& axis, int64_t first, int64_t channels,
                  float* sums) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    CorrelateChannels<Vec, kTaps>(x + c, g + c, axis, first, channels, sums + c);
  for (; c < channels; ++c)
    CorrelateChannels<float, kTaps>(x + c, g + c, axis, first, channels, sums + c);
}

// Calls use(number of columns, first column) for five, three or one of the kernel's columns.
template <typename Use>
void OverColumns(int64_t columns, Use use) {
  for (int64_t j = 0; j < columns;) {
    const int64_t left = columns - j;
    if (left >= 5)
      use(std::integral_constant<int, 5>(), j);
    else if (left >= 3)
      use(std::integral_constant<int, 3>(), j);
    else
      use(std::integral_constant<int, 1>(), j);
    j += left >= 5 ? 5 : left >= 3 ? 3 : 1;
  }
}

// x (N, H, W, C), kernel (KH, KW, 1, C) -> y (N, OH, OW, C)
ffi::Error Convolve(ffi::ThreadPool pool, Array x, Array kernel, Result y, Numbers stride,
                    Numbers dilation, Numbers in_dilation, Numbers before) {
  auto in = x.dimensions(), out = y->dimensions(), cells = kernel.dimensions();
  const int64_t channels = in[3], width = cells[1];
  const Axis columns = {in[2],       out[2],         cells[1], stride[1],
                        dilation[1], in_dilation[1], before[1]};
  const auto rows = Terms({in[1], out[1], cells[0], stride[0], dilation[0], in_dilation[0],
                           before[0]});
  const auto terms = Terms(columns);
  const float *from = x.typed_data(), *k = kernel.typed_data();
  float* to = y->typed_data();
  const auto convolve_line = [&](int64_t line, Rows& used) {
    const int64_t n = line / out[1];
    float* result = to + line * out[2] * channels;
    used = {};
    for (const Term& r : rows[line % out[1]]) {
      used.images[used.count] = from + (n * in[1] + r.at) * in[2] * channels;
      used.weights[used.count++] = k + r.cell * width * channels;
    }
    if (in_dilation[1] == 1) {
      OverColumns(width, [&](auto taps, int64_t j) {
        ConvolveRow<decltype(taps)::value>(used, columns, j, channels, result);
      });
      return;
    }
    std::memset(result, 0, sizeof(float) * out[2] * channels);
    for (int64_t column = 0; column < out[2]; ++column)
      for (int64_t r = 0; r < used.count; ++r)
        for (const Term& c : terms[column])
          for (int64_t e = 0; e < channels; ++e)
            result[column * channels + e] +=
                used.images[r][c.at * channels + e] * used.weights[r][c.cell * channels + e];
  };
  const int64_t lines = out[0] * out[1];
  Parallel(pool, (lines + kLines - 1) / kLines, [&](int64_t piece) {
    Rows used;
    for (int64_t line = piece * kLines; line < std::min(lines, (piece + 1) * kLines); ++line)
      convolve_line(line, used);
  });
  return ffi::Error::Success();
}

// x (N, H, W, C), dy (N, OH, OW, C) -> dk (KH, KW, 1, C); stride, dilation and padding as forward.
ffi::Error KernelGradient(ffi::ThreadPool pool, Array x, Array dy, Result dk, Numbers stride,
                          Numbers dilation, Numbers before) {
  auto in = x.dimensions(), out = dy.dimensions(), cells = dk->dimensions();
  const int64_t channels = in[3], size = cells[0] * cells[1] * channels;
  const Axis columns = {in[2], out[2], cells[1], stride[1], dilation[1], 1, before[1]};
  // Chunks of lines, fixed by the shapes alone, each with its own sums.
  const int64_t lines = out[0] * out[1], chunks = std::min<int64_t>(lines, 16);
  const float *from = x.typed_data(), *g = dy.typed_data();
  float *to = dk->typed_data(), *sums = Scratch(0, chunks * size);
  Parallel(pool, chunks, [&](int64_t chunk) {
    float* mine = sums + chunk * size;
    std::memset(mine, 0, sizeof(float) * size);
    for (int64_t line = chunk * lines / chunks; line < (chunk + 1) * lines / chunks; ++line) {
      const int64_t n = line / out[1], row = line % out[1];
      for (int64_t i = 0; i < cells[0]; ++i) {
        const int64_t at = stride[0] * row + dilation[0] * i - before[0];
        if (at < 0 || at >= in[1]) continue;
        const float* images = from + (n * in[1] + at) * in[2] * channels;
        const float* slopes = g + line * out[2] * channels;
        float* part = mine + i * cells[1] * channels;
        OverColumns(cells[1], [&](auto taps, int64_t j) {
          CorrelateRow<decltype(taps)::value>(images, slopes, columns, j, channels,
                                              part + j * channels);
        });
      }
    }
  });
  for (int64_t e = 0; e < size; ++e) {
    float sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += sums[chunk * size + e];
    to[e] = sum;
  }
  return ffi::Error::Success();
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(jcnn_depthwise, Convolve,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Attr<Numbers>("stride")
                                  .Attr<Numbers>("dilation")
                                  .Attr<Numbers>("in_dilation")
                                  .Attr<Numbers>("before"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jcnn_depthwise_kernel_gradient, KernelGradient,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Array>()
                                  .Arg<Array>()
                                  .Ret<Array>()
                                  .Attr<Numbers>("stride")
                                  .Attr<Numbers>("dilation")
                                  .Attr<Numbers>("before"));

}  // namespace jcnn
