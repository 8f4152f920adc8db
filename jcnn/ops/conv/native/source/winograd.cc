// Winograd convolution F(4x4, 3x3) for CPUs: float32, NHWC, stride 1, as XLA custom calls.
//
// A tile of 4x4 outputs of a 3x3 convolution needs 144 multiplications, or 36 after a change of
// basis (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016):
//
//     y = A^T [ (G k G^T) * (B^T d B) ] A         d: the 6x6 patch under the tile
//
// Summed over channels, the 36 products are 36 matrix products (tiles x C) (C x O), one for each
// position of the transformed patch. The kernel's gradient is the same sum transposed:
//
//     dk = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G
//
// XLA could do this with slices and a batched product, but writes the transformed images to
// memory in between. Here a block of 32 tiles stays in the cache from its images to its outputs.
// Work is split by the shapes alone and partial sums are added in a fixed order, so results do not
// depend on the number of threads.
//
// Channels must be multiples of 16: the innermost loops run over 16 of them.

#include "common.h"

namespace jcnn {
namespace {

// Rows of a product whose sums are in registers at once.
constexpr int kRows = kLanes / 2;
constexpr int kPoints = 36;  // positions of a transformed 6x6 patch
constexpr int kBlock = 32;   // tiles that are computed together

struct Shape {
  int64_t n, h, w, c, oh, ow, o, top, left;
  int64_t tile_rows() const { return (oh + 3) / 4; }
  int64_t tile_columns() const { return (ow + 3) / 4; }
  int64_t tiles() const { return n * tile_rows() * tile_columns(); }
  int64_t blocks() const { return (tiles() + kBlock - 1) / kBlock; }
};

// Where a tile's outputs begin: image, row, column.
struct Corner {
  int64_t n, row, column;
  Corner(const Shape& s, int64_t tile)
      : n(tile / (s.tile_rows() * s.tile_columns())),
        row(tile / s.tile_columns() % s.tile_rows() * 4),
        column(tile % s.tile_columns() * 4) {}
};

// --- the transforms of one axis ------------------------------------------------------------------

inline void InputTransform(const Vec d[6], Vec v[6]) {  // v = B^T d
  v[0] = 4 * d[0] - 5 * d[2] + d[4];
  Vec even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1];
  v[1] = even + odd;
  v[2] = even - odd;
  even = d[4] - d[2];
  odd = 2 * (d[3] - d[1]);
  v[3] = even + odd;
  v[4] = even - odd;
  v[5] = 4 * d[1] - 5 * d[3] + d[5];
}

inline void OutputTransform(const Vec m[6], Vec y[4]) {  // y = A^T m
  Vec sum1 = m[1] + m[2], difference1 = m[1] - m[2];
  Vec sum2 = m[3] + m[4], difference2 = m[3] - m[4];
  y[0] = m[0] + sum1 + sum2;
  y[1] = difference1 + 2 * difference2;
  y[2] = sum1 + 4 * sum2;
  y[3] = difference1 + 8 * difference2 + m[5];
}

inline void OutputAdjoint(const Vec y[4], Vec m[6]) {  // m = A y
  Vec even = y[0] + y[2], odd = y[1] + y[3];
  m[0] = y[0];
  m[1] = even + odd;
  m[2] = even - odd;
  even = y[0] + 4 * y[2];
  odd = 2 * y[1] + 8 * y[3];
  m[3] = even + odd;
  m[4] = even - odd;
  m[5] = y[3];
}

constexpr float kG[6][3] = {{1.f / 4, 0, 0},
                            {-1.f / 6, -1.f / 6, -1.f / 6},
                            {-1.f / 6, 1.f / 6, -1.f / 6},
                            {1.f / 24, 1.f / 12, 1.f / 6},
                            {1.f / 24, -1.f / 12, 1.f / 6},
                            {0, 0, 1}};

// --- the transforms of blocks and kernels --------------------------------------------------------

// v[36][kBlock][C] = B^T d B for the patches of `count` tiles from `first`; the rest is zero.
void TransformInput(const float* x, const Shape& s, int64_t first, int64_t count, float* v) {
  for (int64_t t = 0; t < count; ++t) {
    Corner at(s, first + t);
    int64_t row = at.row - s.top, column = at.column - s.left;
    const float* image = x + at.n * s.h * s.w * s.c;
    for (int64_t c = 0; c < s.c; c += kLanes) {
      Vec half[6][6];
      for (int j = 0; j < 6; ++j) {
        Vec d[6], out[6];
        bool inside = column + j >= 0 && column + j < s.w;
        for (int i = 0; i < 6; ++i) {
          const float* cell = image + ((row + i) * s.w + column + j) * s.c + c;
          d[i] = inside && row + i >= 0 && row + i < s.h ? Load(cell) : Vec{};
        }
        InputTransform(d, out);
        for (int i = 0; i < 6; ++i) half[i][j] = out[i];
      }
      for (int i = 0; i < 6; ++i) {
        Vec out[6];
        InputTransform(half[i], out);
        for (int j = 0; j < 6; ++j) Store(v + ((i * 6 + j) * kBlock + t) * s.c + c, out[j]);
      }
    }
  }
  for (int p = 0; p < kPoints; ++p)
    std::memset(v + (p * kBlock + count) * s.c, 0, sizeof(float) * (kBlock - count) * s.c);
}

// y = A^T m A for `count` tiles from `first`, of m[36][kBlock][O]; cells outside y are dropped.
void TransformOutput(const float* m, const Shape& s, int64_t first, int64_t count, float* y) {
  for (int64_t t = 0; t < count; ++t) {
    Corner at(s, first + t);
    for (int64_t o = 0; o < s.o; o += kLanes) {
      Vec half[4][6];
      for (int j = 0; j < 6; ++j) {
        Vec d[6], out[4];
        for (int i = 0; i < 6; ++i) d[i] = Load(m + ((i * 6 + j) * kBlock + t) * s.o + o);
        OutputTransform(d, out);
        for (int i = 0; i < 4; ++i) half[i][j] = out[i];
      }
      for (int i = 0; i < 4 && at.row + i < s.oh; ++i) {
        Vec out[4];
        OutputTransform(half[i], out);
        float* to = y + ((at.n * s.oh + at.row + i) * s.ow + at.column) * s.o + o;
        for (int j = 0; j < 4 && at.column + j < s.ow; ++j) Store(to + j * s.o, out[j]);
      }
    }
  }
}

// m[36][kBlock][to - from] = A dy A^T for `count` tiles and the output channels from ... to.
void TransformGradient(const float* g, const Shape& s, int64_t first, int64_t count, int64_t from,
                       int64_t to, float* m) {
  int64_t width = to - from;
  for (int64_t t = 0; t < count; ++t) {
    Corner at(s, first + t);
    for (int64_t o = 0; o < width; o += kLanes) {
      Vec half[4][6];
      for (int i = 0; i < 4; ++i) {
        Vec d[4];
        const float* row = g + ((at.n * s.oh + at.row + i) * s.ow + at.column) * s.o + from + o;
        for (int j = 0; j < 4; ++j)
          d[j] = at.row + i < s.oh && at.column + j < s.ow ? Load(row + j * s.o) : Vec{};
        OutputAdjoint(d, half[i]);
      }
      for (int j = 0; j < 6; ++j) {
        Vec d[4] = {half[0][j], half[1][j], half[2][j], half[3][j]}, out[6];
        OutputAdjoint(d, out);
        for (int i = 0; i < 6; ++i) Store(m + ((i * 6 + j) * kBlock + t) * width + o, out[i]);
      }
    }
  }
  for (int p = 0; p < kPoints; ++p)
    std::memset(m + (p * kBlock + count) * width, 0, sizeof(float) * (kBlock - count) * width);
}

// u[36][CO] = G k G^T for the entries from ... to of k[3][3][CO].
void TransformKernel(const float* k, int64_t co, int64_t from, int64_t to, float* u) {
  for (int64_t e = from; e < to; e += kLanes) {
    Vec half[6][3];
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 6; ++i)
        half[i][j] = kG[i][0] * Load(k + j * co + e) + kG[i][1] * Load(k + (3 + j) * co + e) +
                     kG[i][2] * Load(k + (6 + j) * co + e);
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j)
        Store(u + (i * 6 + j) * co + e,
              kG[j][0] * half[i][0] + kG[j][1] * half[i][1] + kG[j][2] * half[i][2]);
  }
}

// k[3][3][CO] = G^T u G, where u is the sum of the chunks of u[chunks][36][CO].
void KernelAdjoint(const float* u, int64_t chunks, int64_t co, int64_t from, int64_t to, float* k) {
  for (int64_t e = from; e < to; e += kLanes) {
    Vec half[3][6] = {};
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 6; ++j) {
        Vec sum = {};
        for (int64_t chunk = 0; chunk < chunks; ++chunk)
          sum += Load(u + (chunk * kPoints + i * 6 + j) * co + e);
        for (int a = 0; a < 3; ++a) half[a][j] += kG[i][a] * sum;
      }
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) {
        Vec sum = {};
        for (int j = 0; j < 6; ++j) sum += kG[j][b] * half[a][j];
        Store(k + (a * 3 + b) * co + e, sum);
      }
  }
}

// --- matrix products -----------------------------------------------------------------------------

// A left operand: left(row, k) = from[row * row_stride + k * k_stride].
struct Left {
  const float* from;
  int64_t row_stride, k_stride;
};

// out[kRows][kVecs * kLanes] = (kAdd ? out : 0) + left b, the sums kept in registers.
template <int kVecs, bool kAdd>
inline void Micro(Left left, const float* b, int64_t b_stride, int64_t depth, float* out,
                  int64_t out_stride) {
  Vec sums[kRows][kVecs];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j)
      sums[i][j] = kAdd ? Load(out + i * out_stride + j * kLanes) : Vec{};
  for (int64_t k = 0; k < depth; ++k) {
    Vec right[kVecs];
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) right[j] = Load(b + k * b_stride + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      float factor = left.from[i * left.row_stride + k * left.k_stride];
#pragma GCC unroll 2
      for (int j = 0; j < kVecs; ++j) sums[i][j] += factor * right[j];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kVecs; ++j) Store(out + i * out_stride + j * kLanes, sums[i][j]);
}

// out[rows][columns] = (kAdd ? out : 0) + left b; rows a multiple of kRows, columns of kLanes.
template <bool kAdd>
void Product(Left left, int64_t rows, const float* b, int64_t columns, int64_t depth, float* out,
             int64_t out_stride) {
  for (int64_t j = 0; j < columns;) {
    bool two = j + 2 * kLanes <= columns;
    for (int64_t i = 0; i < rows; i += kRows) {
      Left part = {left.from + i * left.row_stride, left.row_stride, left.k_stride};
      float* to = out + i * out_stride + j;
      if (two)
        Micro<2, kAdd>(part, b + j, columns, depth, to, out_stride);
      else
        Micro<1, kAdd>(part, b + j, columns, depth, to, out_stride);
    }
    j += two ? 2 * kLanes : kLanes;
  }
}

// --- the two calls -------------------------------------------------------------------------------

// Runs task(from, to) over pieces of the CO entries of a kernel.
void OverEntries(ffi::ThreadPool& pool, int64_t co, std::function<void(int64_t, int64_t)> task) {
  constexpr int64_t kPiece = 1024;
  Parallel(pool, (co + kPiece - 1) / kPiece, [=](int64_t piece) {
    task(piece * kPiece, std::min(co, (piece + 1) * kPiece));
  });
}

// x (N, H, W, C), kernel (3, 3, C, O) -> y (N, OH, OW, O)
ffi::Error Convolve(ffi::ThreadPool pool, Array x, Array kernel, Result y, int64_t top,
                    int64_t left) {
  auto in = x.dimensions(), out = y->dimensions();
  const Shape s{in[0], in[1], in[2], in[3], out[1], out[2], out[3], top, left};
  const int64_t co = s.c * s.o;
  const float *from = x.typed_data(), *k = kernel.typed_data();
  float *to = y->typed_data(), *u = Scratch(0, kPoints * co);
  OverEntries(pool, co, [=](int64_t a, int64_t b) { TransformKernel(k, co, a, b, u); });
  Parallel(pool, s.blocks(), [=](int64_t block) {
    int64_t first = block * kBlock, count = std::min<int64_t>(kBlock, s.tiles() - first);
    float *v = Scratch(1, kPoints * kBlock * s.c), *m = Scratch(2, kPoints * kBlock * s.o);
    TransformInput(from, s, first, count, v);
    for (int64_t p = 0; p < kPoints; ++p)
      Product<false>({v + p * kBlock * s.c, s.c, 1}, kBlock, u + p * co, s.o, s.c,
                     m + p * kBlock * s.o, s.o);
    TransformOutput(m, s, first, count, to);
  });
  return ffi::Error::Success();
}

// x (N, H, W, C), dy (N, OH, OW, O) -> dk (3, 3, C, O)
ffi::Error KernelGradient(ffi::ThreadPool pool, Array x, Array dy, Result dk, int64_t top,
                          int64_t left) {
  auto in = x.dimensions(), out = dy.dimensions();
  const Shape s{in[0], in[1], in[2], in[3], out[1], out[2], out[3], top, left};
  const int64_t co = s.c * s.o, blocks = s.blocks();
  // A task sums a chunk of the blocks for a group of output channels, small enough that its sums
  // stay in the cache.
  constexpr int64_t kSums = int64_t{1} << 19, kPieces = 8;
  const int64_t width = std::min(s.o, std::max<int64_t>(32, kSums / (kPoints * s.c) / 32 * 32));
  const int64_t groups = (s.o + width - 1) / width;
  const int64_t chunks = std::min(blocks, std::max<int64_t>(1, kPieces / groups));
  const float *from = x.typed_data(), *g = dy.typed_data();
  float *to = dk->typed_data(), *u = Scratch(0, chunks * kPoints * co);
  Parallel(pool, chunks * groups, [=](int64_t piece) {
    const int64_t chunk = piece / groups, o = piece % groups * width;
    const int64_t some = std::min(width, s.o - o);
    float *v = Scratch(1, kPoints * kBlock * s.c), *m = Scratch(2, kPoints * kBlock * some);
    float* sums = u + chunk * kPoints * co + o;
    const int64_t begin = chunk * blocks / chunks, end = (chunk + 1) * blocks / chunks;
    for (int64_t block = begin; block < end; ++block) {
      int64_t first = block * kBlock, count = std::min<int64_t>(kBlock, s.tiles() - first);
      TransformInput(from, s, first, count, v);
      TransformGradient(g, s, first, count, o, o + some, m);
      for (int64_t p = 0; p < kPoints; ++p) {
        Left patches = {v + p * kBlock * s.c, 1, s.c};
        auto product = block == begin ? Product<false> : Product<true>;
        product(patches, s.c, m + p * kBlock * some, some, kBlock, sums + p * co, s.o);
      }
    }
  });
  OverEntries(pool, co, [=](int64_t a, int64_t b) { KernelAdjoint(u, chunks, co, a, b, to); });
  return ffi::Error::Success();
}

auto Binding() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Arg<Array>()
      .Arg<Array>()
      .Ret<Array>()
      .Attr<int64_t>("top")
      .Attr<int64_t>("left");
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(jcnn_winograd, Convolve, Binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(jcnn_winograd_kernel_gradient, KernelGradient, Binding());

}  // namespace jcnn
