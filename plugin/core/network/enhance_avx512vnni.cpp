// Row kernels for AVX-512 with VNNI.
#include "core/network/lanes_avx512.h"

namespace livesr {
namespace {

struct Lanes : Lanes512 {
    static void multiply_add(Vector& sum, Vector a, Vector b) {
        asm volatile("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    }
    template <int count>
    static void multiply_add_all(Vector* sums, const std::int16_t* a, const Vector* b) {
        if constexpr (count == 1) {
            asm volatile("vpdpwssd %2%{1to16%}, %1, %0"
                         : "+v"(sums[0])
                         : "v"(b[0]), "m"(*reinterpret_cast<const Pair*>(a)));
        } else {
            const Vector pair = broadcast(a);
            for (int v = 0; v < count; ++v) multiply_add(sums[v], pair, b[v]);
        }
    }
};

}  // namespace
}  // namespace livesr

#include "core/network/row_kernels_x86.h"

namespace livesr {

constexpr RowKernels row_kernels_avx512vnni = {first_row,      hidden_row, last_row,
                                               horizontal_row, finish_row, missing_row};

}  // namespace livesr
