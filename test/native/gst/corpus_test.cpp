// Everything that fuzzing has kept, once more, in the normal tests.
#include "../corpus.h"

namespace livesr {

TEST_CASE("fuzzing: what was found with frames of the channel is still read as promised") {
    test::replay("channel", fuzz::channel);
}

}  // namespace livesr
