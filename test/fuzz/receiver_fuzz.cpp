// The receiver between the demultiplexer and the networks, as a sequence: pictures and packets,
// with hostile sizes, times, checksums and orders, through everything that places patches and
// chooses the size of the output. An input is a script.
#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/patch/crc32.h"
#include "core/patch/packet.h"
#include "core/picture/crop.h"
#include "gst/enhancer/input_gate.h"
#include "gst/enhancer/media_time.h"
#include "gst/enhancer/output_size.h"
#include "gst/enhancer/patch_input.h"
#include "gst/enhancer/patch_matcher.h"
#include "gst/enhancer/patch_watch.h"
#include "script.h"

namespace livesr::fuzz {
namespace {

using namespace livesr::gst;

constexpr int max_steps = 48;
constexpr std::size_t max_pixels_at_once = 4096;
constexpr SizeLimits limits{160, 144};
// Sides of a decoded picture.
constexpr std::array<int, 6> sides{16, 24, 32, 48, 64, 200};
constexpr std::array<int, 8> true_sides{32, 47, 48, 63, 64, 96, 128, 144};
constexpr std::uint64_t second_ns = 1'000'000'000;

struct Picture {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> luma;
};

Picture picture_of(int width, int height, std::uint8_t seed) {
    Picture picture{width, height, {}};
    picture.luma.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            picture.luma.push_back(static_cast<std::uint8_t>((x + seed) * (y + 3)));
        }
    }
    return picture;
}

class Receiver {
  public:
    Receiver(const Scale& scale, std::uint64_t interval_ns)
        : scale_(scale),
          interval_ns_(interval_ns),
          size_(scale, limits),
          input_(scale),
          matcher_(true, [this](const AlignedPatch& pair) { check_pair(pair); }) {}

    void show(Script& script);
    // inside: a picture carries the packet.
    void receive(Script& script, bool inside);
    void receive_raw(Script& script);
    void flush() {
        matcher_.clear();
        size_.forget_times();
        steady_.restart();
        latest_ns_.reset();
        was_cleared_ = true;
    }
    void restart_patches() { input_.restart(); }
    void pass(std::uint64_t nanoseconds) { now_ns_ += nanoseconds; }

  private:
    std::uint64_t any_time(Script& script, std::uint64_t near_ns);
    std::vector<std::uint8_t> payload_of(Script& script, CodedPatch& patch, const Scale& scale);
    Carrier any_carrier(Script& script);
    void feed(std::span<const std::uint8_t> bytes, const PatchInput::Moment& told);
    void begin_if_other(int width, int height, const Scale& scale);
    void check_pair(const AlignedPatch& pair) const;
    void check_size(int width, int height) const;
    void check_state();

    const Scale scale_;
    const std::uint64_t interval_ns_;
    OutputSize size_;
    PatchInput input_;
    PatchMatcher matcher_;
    PatchWatch watch_;
    SteadyTime steady_;
    std::deque<Picture> shown_;  // the latest last
    std::uint64_t now_ns_ = second_ns;
    std::uint64_t media_ns_ = 0;
    std::optional<std::uint64_t> latest_ns_;  // of the output
    std::optional<std::pair<int, int>> output_;
    int changes_ = 0;
    std::uint64_t first_ns_ = 0;  // of the output, since the last flush
    std::uint64_t affordable_ = 0;
    std::uint64_t in_matcher_ = 0;
    int width_ = 0, height_ = 0;  // of what the matcher holds
    Scale held_;
    bool was_cleared_ = false;
    std::uint32_t sequence_ = 0;
};

// A time near what is usual, or one at the end of a range.
std::uint64_t Receiver::any_time(Script& script, std::uint64_t near_ns) {
    static constexpr std::array<std::uint64_t, 10> extremes{0,
                                                            1,
                                                            (1ULL << 53U) - 1,
                                                            1ULL << 53U,
                                                            longest_time_ns,
                                                            longest_time_ns + 1,
                                                            1ULL << 62U,
                                                            (1ULL << 63U) - 1,
                                                            1ULL << 63U,
                                                            ~0ULL};
    const std::uint8_t kind = script.byte();
    if (kind < 160) return near_ns;
    if (kind < 190) return near_ns + (kind - 159U) * 33'333'333U;
    if (kind < 220) return near_ns - (kind - 189U) * 33'333'333U;
    if (kind < 240) return script.one_of(extremes);
    return script.word(8);
}

void Receiver::begin_if_other(int width, int height, const Scale& scale) {
    if (width == width_ && height == height_ && scale == held_) return;
    width_ = width;
    height_ = height;
    held_ = scale;
    if (scale == 0) {
        matcher_.begin(std::nullopt);
        return;
    }
    PatchAligner::Options options;
    options.scale = scale.network();
    options.margin = 4;
    options.width = width;
    options.height = height;
    options.history_bytes = 8U << 10U;
    options.waiting_limit = 12;
    options.waiting_bytes = 2U << 10U;
    matcher_.begin(options);
}

void Receiver::check_size(int width, int height) const {
    const auto output = size_.output_for(width, height);
    if (!output) return;
    require(limits.allow(output->first, output->second), "an output within the limits");
    require(output->first > 0 && output->second > 0, "an output that has a size");
    const Scale scale = size_.scale_of(width, height);
    const auto& announced = size_.announced();
    if (scale_ == 0 && announced && scale != 0) {
        require(lowres_side(announced->width, scale) == width &&
                    lowres_side(announced->height, scale) == height,
                "a size holds only where it fits the decoded picture");
    }
}

void Receiver::show(Script& script) {
    const int width = script.one_of(sides);
    const int height = script.one_of(sides);
    now_ns_ += script.byte() * 1'000'000U;
    // As the element does with the running time of a buffer.
    const auto time_ns = possible_time(any_time(script, media_ns_));
    size_.set_picture(width, height);
    check_size(width, height);
    if (!size_.output_for(width, height) || !time_ns) return;
    const auto steady_ns = steady_.next(*time_ns, interval_ns_);
    if (!steady_ns) return;
    require(!latest_ns_ || *steady_ns >= *latest_ns_, "time never steps back");
    if (!latest_ns_) first_ns_ = *steady_ns;
    latest_ns_ = steady_ns;
    media_ns_ = *time_ns + 33'333'333U;

    size_.adopt(*steady_ns, interval_ns_);
    check_size(width, height);
    const auto output = size_.output_for(width, height);
    if (!output) return;
    if (output_ && *output_ != *output) ++changes_;
    output_ = output;

    const Scale scale = size_.scale_of(width, height);
    const Picture given =
        picture_of(scale.network() == 1 ? scale.enlarged(width) : width,
                   scale.network() == 1 ? scale.enlarged(height) : height, script.byte() % 8);
    begin_if_other(given.width, given.height, scale);
    matcher_.add_frame(*steady_ns, interval_ns_, given.luma.data(), given.width, true);
    shown_.push_back(given);
    if (shown_.size() > 4) shown_.pop_front();
    std::size_t pixels = 0;
    const std::vector<AlignedPatch> taken = matcher_.take(max_pixels_at_once);
    for (const AlignedPatch& pair : taken) {
        check_pair(pair);
        pixels += pair.high.size();
    }
    require(taken.size() < 2 || pixels <= max_pixels_at_once, "no more than was asked for");
    PatchWatch::Seen seen;
    seen.running_time_ns = *steady_ns;
    seen.packets = input_.counts().received;
    seen.misses_in_row = matcher_.state().misses_in_row;
    if (const auto warning = watch_.look(seen)) {
        require(!warning->cause.empty() && !warning->remedy.empty(), "a warning says what to do");
    }
    check_state();
}

void Receiver::check_pair(const AlignedPatch& pair) const {
    const int scale = held_.network();
    require(pair.x >= 0 && pair.y >= 0 && pair.width > 0 && pair.height > 0 &&
                pair.x + pair.width <= width_ * scale && pair.y + pair.height <= height_ * scale,
            "a pair lies within the picture");
    require(pair.high.size() == static_cast<std::size_t>(pair.width * pair.height),
            "a pair has all of its pixels");
    require(pair.low.size() ==
                static_cast<std::size_t>((pair.width / scale + 8) * (pair.height / scale + 8)),
            "a pair has the decoded pixels and their margin");
    require(pair.media_time_ns <= longest_time_ns + max_steps * SteadyTime::longest_gap_ns,
            "a pair is of a time that is possible");
}

void Receiver::check_state() {
    const PatchMatcher::State state = matcher_.state();
    require(state.waiting <= 12, "patches wait in a bounded number");
    // Counts are of the latest picture that something is trained for.
    if (was_cleared_ || held_ == 0) return;
    std::uint64_t accounted = state.aligned + state.waiting + state.other_rung;
    for (const std::uint64_t count : state.misfits) accounted += count;
    require(accounted <= in_matcher_, "no patch is counted twice");
}

std::vector<std::uint8_t> Receiver::payload_of(Script& script, CodedPatch& patch,
                                               const Scale& scale) {
    static std::map<std::pair<int, int>, std::vector<std::uint8_t>> files;
    if (script.byte() % 8 == 0) {
        patch.codec = PatchCodec::jpeg_luma;
        patch.quality = 95;
        auto& file = files[{patch.width, patch.height}];
        if (file.empty()) {
            const Picture high = picture_of(patch.width, patch.height, 1);
            file = encode_jpeg_luma(high.luma.data(), high.width, high.width, high.height, 95);
        }
        return file;
    }
    patch.codec = PatchCodec::residual;
    patch.quality = std::max<std::uint8_t>(1, script.byte());
    std::uint32_t sum = static_cast<std::uint32_t>(script.byte());
    if (!shown_.empty() && sum < 224) {
        const Picture& shown = shown_[sum % shown_.size()];
        const int times = scale.network();
        const int x = patch.x / times, y = patch.y / times;
        if (x < shown.width && y < shown.height) {
            sum = crc32(crop({shown.luma.data(), shown.width, shown.width, shown.height}, x, y,
                             patch.width / times, patch.height / times, 2));
        }
    }
    std::vector<std::uint8_t> payload;
    for (int shift = 24; shift >= 0; shift -= 8) {
        payload.push_back(static_cast<std::uint8_t>(sum >> static_cast<unsigned>(shift)));
    }
    const Input bits = script.take(script.byte() % 12);
    payload.insert(payload.end(), bits.begin(), bits.end());
    return payload;
}

// Of a time that is possible, as the element has it, and any count.
Carrier Receiver::any_carrier(Script& script) {
    static constexpr std::array<int, 6> counts{0, 1, -1, 7, 32767, -32768};
    Carrier carrier;
    carrier.running_time_ns = possible_time(any_time(script, media_ns_)).value_or(0);
    const std::uint8_t kind = script.byte();
    carrier.back = kind < 200 ? kind % 8 - 2 : script.one_of(counts);
    return carrier;
}

void Receiver::receive(Script& script, bool inside) {
    PacketHeader header;
    header.scale = script.byte() % 4 == 0 || held_ == 0 ? script.one_of(scales) : held_;
    header.stream_id = script.byte() % 8 == 0 ? script.byte() : 1U;
    header.sequence =
        script.byte() % 8 == 0 ? static_cast<std::uint32_t>(script.word(4)) : sequence_++;
    header.running_time_ns = any_time(script, media_ns_);
    const bool announces_other = script.byte() % 4 == 0;
    header.frame_width = announces_other || !output_
                             ? static_cast<std::uint16_t>(script.one_of(true_sides))
                             : static_cast<std::uint16_t>(output_->first);
    header.frame_height = announces_other || !output_
                              ? static_cast<std::uint16_t>(script.one_of(true_sides))
                              : static_cast<std::uint16_t>(output_->second);
    if (script.byte() % 16 == 0) header.frame_width = static_cast<std::uint16_t>(script.word(2));

    const int unit = header.scale.patch_unit();
    const int count = script.byte() % 5;
    std::vector<std::vector<std::uint8_t>> payloads;
    std::vector<CodedPatch> patches;
    payloads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        CodedPatch patch;
        const auto whole = [unit](int value) {
            return static_cast<std::uint16_t>(value / unit * unit);
        };
        patch.width = static_cast<std::uint16_t>(unit * (1 + script.byte() % 4));
        patch.height = static_cast<std::uint16_t>(unit * (1 + script.byte() % 4));
        patch.x = whole(script.byte() % 64);
        patch.y = whole(script.byte() % 64);
        payloads.push_back(payload_of(script, patch, header.scale));
        patch.payload = payloads.back();
        patches.push_back(patch);
    }
    const std::vector<std::uint8_t> bytes = write_packet(header, patches);
    if (inside) return feed(bytes, {.carrier = any_carrier(script)});
    const bool is_timed = script.byte() % 8 != 0;
    feed(bytes, {.hint_ns = is_timed ? possible_time(any_time(script, media_ns_)) : std::nullopt});
}

void Receiver::receive_raw(Script& script) {
    const Input bytes = script.take(script.byte());
    feed(bytes, {.hint_ns = possible_time(any_time(script, media_ns_))});
}

void Receiver::feed(std::span<const std::uint8_t> bytes, const PatchInput::Moment& told) {
    PatchInput::Moment moment = told;
    moment.now_ns = now_ns_;
    moment.interval_ns = interval_ns_;
    PatchInput::Arrivals arrivals = input_.read(bytes, moment);
    affordable_ += arrivals.patches.size();
    const double seconds = static_cast<double>(now_ns_ - second_ns) / 1e9;
    require(static_cast<double>(affordable_) <=
                PatchInput::max_patches_per_second * (PatchInput::burst_seconds + seconds) + 1,
            "patches stay within their budget");
    if (arrivals.size) size_.announce(*arrivals.size);
    for (ReceivedPatch& patch : arrivals.patches) {
        require(!patch.sender_time_ns || *patch.sender_time_ns <= longest_time_ns,
                "times are checked where they enter");
        if (patch.scale != held_) continue;
        ++in_matcher_;
        matcher_.add_patch(std::move(patch));
    }
}

}  // namespace

void receiver(Input input) {
    static constexpr std::array<std::uint64_t, 6> intervals{
        0, 1, 33'333'333, 33'333'333, second_ns, 2'147'483'647ULL * second_ns};
    static constexpr std::array<Scale, 6> chosen{Scale(),  Scale(),     Scale(2),
                                                 Scale(1), Scale(3, 2), Scale(4)};
    Script script(input);
    const Scale scale = script.one_of(chosen);
    Receiver receiver(scale, script.one_of(intervals));
    for (int step = 0; step < max_steps && !script.done(); ++step) {
        const std::uint8_t kind = script.byte();
        if (kind < 120) {
            receiver.show(script);
        } else if (kind < 232) {
            receiver.receive(script, kind >= 220);
        } else if (kind < 242) {
            receiver.receive_raw(script);
        } else if (kind < 248) {
            receiver.pass(script.word(4));
        } else if (kind < 252) {
            receiver.restart_patches();
        } else {
            receiver.flush();
        }
    }
}

}  // namespace livesr::fuzz
