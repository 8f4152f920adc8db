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

// Calls use(o, at, inside) for the outputs [from, to) of an axis: `at` is the input's cell under the column
// `first` of the kernel, and `inside` (a constant) whether all of `taps` columns lie in the input.
template <typename Use>
inline __attribute__((always_inline)) void OverOutputs(const Axis& axis, int64_t from, int64_t to,
                                                        int64_t first, int64_t taps, Use use) {
  const int64_t shift = axis.dilation * first - axis.before;
  const int64_t reach = axis.dilation * (taps - 1);
  int64_t o = from;
  for (; o < to && axis.stride * o + shift < 0; ++o)
    use(o, axis.stride * o + shift, std::false_type());
  for (; o < to && axis.stride * o + shift + reach < axis.in; ++o)
    use(o, axis.stride * o + shift, std::true_type());
  for (; o < to; ++o) use(o, axis.stride * o + shift, std::false_type());
}

constexpr int64_t kMostRows = 64;  // of a kernel
constexpr int64_t kLines = 16;     // rows of outputs that are computed together

// The numbers of a kernel, or of its gradient, that are kept in registers at once.
constexpr int kKept = kLanes == 16 ? 25 : 10;

// The rows of the images that contribute to one row of outputs, and those of the kernel or of its
// gradient.
template <typename Number>
struct Rows {
  int64_t count = 0;
  const float* images[kMostRows];
  Number* cells[kMostRows];

  void Add(const float* image, Number* cell) {
    images[count] = image;
    cells[count++] = cell;
  }
};

// Calls use(constant number of rows, first row) for as many rows at once as fit with kTaps columns.
template <int kTaps, typename Use>
void OverRows(int64_t rows, Use use) {
  for (int64_t row = 0; row < rows;) {
    const int64_t left = rows - row;
    if constexpr (5 * kTaps <= kKept) {
      if (left >= 5) {
        use(std::integral_constant<int, 5>(), row);
        row += 5;
        continue;
      }
    }
    if constexpr (3 * kTaps <= kKept) {
      if (left >= 3) {
        use(std::integral_constant<int, 3>(), row);
        row += 3;
        continue;
      }
    }
    if (left >= 2) {
      use(std::integral_constant<int, 2>(), row);
      row += 2;
    } else {
      use(std::integral_constant<int, 1>(), row);
      row += 1;
    }
  }
}

// Calls use(lane, c, from, to) for the channels of each `block` of outputs: for vectors, then for
// single floats that fill no vector.
template <typename Use>
void OverBlocks(const Axis& axis, int64_t block, int64_t channels, Use use) {
  for (int64_t from = 0; from < axis.out; from += block) {
    const int64_t to = std::min(axis.out, from + block);
    int64_t c = 0;
    for (; c + kLanes <= channels; c += kLanes) use(Vec(), c, from, to);
    for (; c < channels; ++c) use(0.0f, c, from, to);
  }
}

// Reads kRows rows of cells and kTaps columns from `first` on, of some channels; and finds their
// rows of images.
template <typename T, int kRows, int kTaps, typename Number>
inline __attribute__((always_inline)) void ReadRows(const Rows<Number>& rows, int64_t row,
                                                    int64_t first, int64_t channels, int64_t c,
                                                    T (&cells)[kRows][kTaps],
                                                    const float* (&images)[kRows]) {
  for (int r = 0; r < kRows; ++r) {
    images[r] = rows.images[row + r] + c;
    for (int j = 0; j < kTaps; ++j)
      cells[r][j] = Read<T>(rows.cells[row + r] + (first + j) * channels + c);
  }
}

// y[out][C] = the sum over all rows and kTaps columns of the kernel from `first` on; if `first` is
// not 0, it is added to y. The kernel of some channels stays in registers for a whole row.
template <int kTaps>
void ConvolveRow(const Rows<const float>& rows, const Axis& axis, int64_t first, int64_t channels,
                 float* y) {
  if (first == 0 && rows.count == 0) std::memset(y, 0, sizeof(float) * axis.out * channels);
  // With a stride, rows are long and each pixel is used little: then memory is read in order.
  const int64_t block = axis.stride > 1 ? 1 : axis.out;
  OverRows<kTaps>(rows.count, [&](auto group, int64_t row) {
    constexpr int kRows = decltype(group)::value;
    const bool adds = first || row;
    OverBlocks(axis, block, channels, [&](auto lane, int64_t c, int64_t from, int64_t to) __attribute__((always_inline)) {
      using T = decltype(lane);
      T kernel[kRows][kTaps];
      const float* images[kRows];
      ReadRows(rows, row, first, channels, c, kernel, images);
      OverOutputs(axis, from, to, first, kTaps, [&](int64_t o, int64_t at, auto inside) __attribute__((always_inline)) {
        T sums[kRows] = {};
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
          for (int j = 0; j < kTaps; ++j) {
            const int64_t cell = at + axis.dilation * j;
            if (inside || (cell >= 0 && cell < axis.in))
              sums[r] += kernel[r][j] * Read<T>(images[r] + cell * channels);
          }
        float* result = y + o * channels + c;
        T sum = adds ? Read<T>(result) + sums[0] : sums[0];
#pragma GCC unroll 8
        for (int r = 1; r < kRows; ++r) sum += sums[r];
        Write(result, sum);
      });
    });
  });
}

// The products of rows of images and of one row of gradients g[out][C], added to kTaps columns of
// the kernel's gradient from `first` on.
template <int kTaps>
void CorrelateRow(const Rows<float>& rows, const float* g, const Axis& axis, int64_t first,
                  int64_t channels) {
  OverRows<kTaps>(rows.count, [&](auto group, int64_t row) {
    constexpr int kRows = decltype(group)::value;
    OverBlocks(axis, axis.out, channels, [&](auto lane, int64_t c, int64_t from, int64_t to) __attribute__((always_inline)) {
      using T = decltype(lane);
      T total[kRows][kTaps];
      const float* images[kRows];
      ReadRows(rows, row, first, channels, c, total, images);
      OverOutputs(axis, from, to, first, kTaps, [&](int64_t o, int64_t at, auto inside) __attribute__((always_inline)) {
        const T slope = Read<T>(g + o * channels + c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
          for (int j = 0; j < kTaps; ++j) {
            const int64_t cell = at + axis.dilation * j;
            if (inside || (cell >= 0 && cell < axis.in))
              total[r][j] += slope * Read<T>(images[r] + cell * channels);
          }
      });
      for (int r = 0; r < kRows; ++r)
        for (int j = 0; j < kTaps; ++j)
          Write(rows.cells[row + r] + (first + j) * channels + c, total[r][j]);
    });
  });
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
  const auto convolve_line = [&](int64_t line, Rows<const float>& used) {
    const int64_t n = line / out[1];
    float* result = to + line * out[2] * channels;
    used.count = 0;
    for (const Term& r : rows[line % out[1]])
      used.Add(from + (n * in[1] + r.at) * in[2] * channels, k + r.cell * width * channels);
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
                used.images[r][c.at * channels + e] * used.cells[r][c.cell * channels + e];
  };
  const int64_t lines = out[0] * out[1];
  Parallel(pool, (lines + kLines - 1) / kLines, [&](int64_t piece) {
    Rows<const float> used;
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
    Rows<float> used;
    std::memset(mine, 0, sizeof(float) * size);
    for (int64_t line = chunk * lines / chunks; line < (chunk + 1) * lines / chunks; ++line) {
      const int64_t n = line / out[1], row = line % out[1];
      const auto correlate = [&] {
        OverColumns(cells[1], [&](auto taps, int64_t j) {
          CorrelateRow<decltype(taps)::value>(used, g + line * out[2] * channels, columns, j,
                                              channels);
        });
        used.count = 0;
      };
      for (int64_t i = 0; i < cells[0]; ++i) {
        const int64_t at = stride[0] * row + dilation[0] * i - before[0];
        if (at < 0 || at >= in[1]) continue;
        used.Add(from + (n * in[1] + at) * in[2] * channels, mine + i * cells[1] * channels);
        if (used.count == kMostRows) correlate();
      }
      correlate();
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
