// Frames of the channel. The first byte of the input is the size of the chunks that the rest
// arrives in, 0 for all at once.
#include <algorithm>
#include <vector>

#include "gst/engine/channel.h"
#include "targets.h"

namespace livesr::fuzz {
namespace {

using gst::ChannelError;
using gst::ChannelFrame;
using gst::FrameReader;

struct Reading {
    std::vector<ChannelFrame> frames;
    bool refused = false;
};

Reading read_in_chunks(Input stream, std::size_t chunk) {
    Reading reading;
    FrameReader reader;
    try {
        for (std::size_t at = 0; at < stream.size(); at += chunk) {
            reader.feed(stream.subspan(at, std::min(chunk, stream.size() - at)));
            while (auto frame = reader.next()) reading.frames.push_back(std::move(*frame));
        }
    } catch (const ChannelError&) {
        reading.refused = true;
    }
    return reading;
}

}  // namespace

void channel(Input input) {
    if (input.size() < 2) return;
    const Input stream = input.subspan(1);
    const Reading whole = read_in_chunks(stream, stream.size());
    const Reading chunked = read_in_chunks(stream, input[0] == 0 ? stream.size() : input[0]);
    require(whole.refused == chunked.refused && whole.frames.size() == chunked.frames.size(),
            "chunking changes nothing");
    for (std::size_t i = 0; i < whole.frames.size(); ++i) {
        const ChannelFrame& frame = whole.frames[i];
        require(frame.head == chunked.frames[i].head && frame.blob == chunked.frames[i].blob,
                "chunking changes no frame");
        require(
            frame.head.is_object() && frame.head.contains("type") && frame.head["type"].is_string(),
            "a head is an object with a type");
        FrameReader again;
        again.feed(gst::write_frame(frame.kind, frame.head, frame.blob));
        const auto copy = again.next();
        require(copy && copy->kind == frame.kind && copy->head == frame.head &&
                    copy->blob == frame.blob,
                "what was read can be written and read again");
    }
}

}  // namespace livesr::fuzz
