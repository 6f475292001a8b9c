// Everything that fuzzing has kept, once more, in the normal tests.
#include "../corpus.h"

namespace livesr {

TEST_CASE("fuzzing: what was found with patch packets is still read as promised") {
    test::replay("packet", fuzz::packet);
}

TEST_CASE("fuzzing: what was found with JPEG is still read as promised") {
    test::replay("jpeg", fuzz::jpeg);
}

TEST_CASE("fuzzing: what was found with residual patches is still read as promised") {
    test::replay("residual", fuzz::residual);
}

TEST_CASE("fuzzing: what was found with model files is still read as promised") {
    test::replay("model_file", fuzz::model_file);
}

}  // namespace livesr
