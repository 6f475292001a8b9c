// Row kernels for AVX-512 without VNNI.
#include "core/network/lanes_avx512.h"

namespace livesr {
namespace {

struct Lanes : Lanes512 {
    static void multiply_add(Vector& sum, Vector a, Vector b) {
        Vector product;
        asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+v"(sum), "=&v"(product)
                     : "v"(a), "v"(b));
    }
    template <int count>
    static void multiply_add_all(Vector* sums, const std::int16_t* a, const Vector* b) {
        const Vector pair = broadcast(a);
        for (int v = 0; v < count; ++v) multiply_add(sums[v], pair, b[v]);
    }
};

}  // namespace
}  // namespace livesr

#include "core/network/row_kernels_x86.h"

namespace livesr {

constexpr RowKernels row_kernels_avx512 = {first_row,      hidden_row, last_row,
                                           horizontal_row, finish_row, missing_row};

}  // namespace livesr
