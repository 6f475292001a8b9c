// Matching of frames by time.
#include "gst/measure/frame_matcher.h"

#include <utility>

namespace livesr::gst {

// Leaves the frame that was found at the front of its queue.
FrameMatcher::Search FrameMatcher::look_for(std::int64_t moment, Queue& queue) const {
    while (!queue.frames.empty() && queue.frames.front().moment < moment - tolerance_) {
        queue.frames.pop_front();
    }
    if (queue.frames.empty()) return queue.ended ? Search::absent : Search::unknown;
    return queue.frames.front().moment <= moment + tolerance_ ? Search::found : Search::absent;
}

std::optional<FrameMatcher::Match> FrameMatcher::next() {
    Queue& tests = streams_[test];
    Queue& references = streams_[reference];
    Queue& lows = streams_[lowres];
    while (!tests.frames.empty()) {
        const std::int64_t moment = tests.frames.front().moment;
        const Search found = look_for(moment, references);
        if (found == Search::unknown) return std::nullopt;
        if (found == Search::absent) {
            tests.frames.pop_front();
            ++decided_;
            ++unmatched_;
            continue;
        }
        const Search low_found = look_for(moment, lows);
        if (low_found == Search::unknown) return std::nullopt;

        Match match;
        match.number = decided_++;
        match.test = std::move(tests.frames.front());
        tests.frames.pop_front();
        match.reference = std::move(references.frames.front());
        references.frames.pop_front();
        if (low_found == Search::found) {
            match.lowres = std::move(lows.frames.front());
            lows.frames.pop_front();
        }
        return match;
    }
    // Nothing will ask for them any more.
    if (tests.ended) {
        references.frames.clear();
        lows.frames.clear();
    }
    return std::nullopt;
}

}  // namespace livesr::gst
