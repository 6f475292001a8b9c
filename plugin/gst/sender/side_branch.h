// Keeps what goes wrong in a branch away from the stream that it hangs off: whatever the branch
// returns, the stream goes on. Not registered: patchsender's decoder branch starts with one.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <functional>

namespace livesr::gst {

// A new element, floating. After the first error of the branch it lets nothing through any more and
// calls `on_failure` once, from the streaming thread.
GstElement* make_side_branch(std::function<void()> on_failure);

// A queue behind it that may run full (borrowed). The branch then misses frames up to the next key
// frame, instead of holding the stream up. While in NULL.
void set_branch_queue(GstElement* side_branch, GstElement* queue);

// A branch that is not open (all are at first) gets nothing; one that is opened begins at the next
// key frame. Any thread.
void open_branch(GstElement* side_branch, bool open);

// The branch failed otherwise, by a message say.
void fail_branch(GstElement* side_branch);
std::uint64_t frames_skipped(GstElement* side_branch);

}  // namespace livesr::gst
