// Row kernels for AVX-512 without VNNI.
#include "core/network/lanes_avx512.h"

namespace livesr {
namespace {

struct Lanes : Lanes512 {
    static Vector multiply_add(Vector sum, Vector a, Vector b) {
        return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
    }
};

}  // namespace
}  // namespace livesr

#include "core/network/row_kernels_x86.h"

namespace livesr {

constexpr RowKernels row_kernels_avx512 = {first_row, hidden_row, last_row, horizontal_row,
                                           finish_row};

}  // namespace livesr
