// Everything that fuzzing has kept, once more, in the normal tests.
#include "../corpus.h"

namespace livesr {

TEST_CASE("fuzzing: what was found with frames of the channel is still read as promised") {
    test::replay("channel", fuzz::channel);
}

TEST_CASE("fuzzing: what was found with pictures and packets still keeps the receiver's promises") {
    test::replay("receiver", fuzz::receiver);
}

TEST_CASE("fuzzing: what was found with coded pictures is still read as promised") {
    test::replay("picture", fuzz::picture);
}

}  // namespace livesr
