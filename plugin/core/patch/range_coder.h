// Binary range coder of the residual codec, under probabilities that bit_mixer.h predicts. The
// format is specified in docs/protocol.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace livesr {

// Where a range is split for a bit that is 1 with a probability in 1/2^16: what belongs to a 0. A
// share is left to the less likely bit whatever is said of it.
constexpr std::uint32_t range_of_zero(std::uint32_t range, std::uint32_t one) {
    return (range >> 15U) * std::clamp<std::uint32_t>(32768 - (one >> 1U), 32, 32768 - 32);
}

constexpr std::uint32_t least_range = 1U << 24U;
constexpr std::size_t most_left_out = 4;

class RangeEncoder {
  public:
    // `one`: probability of a 1 in 1/2^16.
    void bit(std::uint32_t one, bool value) { narrow(range_of_zero(range_, one), value); }
    // A bit as likely 0 as 1.
    void even(bool value) { narrow(range_ >> 1U, value); }

    // Bytes that decode to what was encoded. Bytes after them read as 0, so that up to
    // most_left_out zeros at the end are left out.
    std::vector<std::uint8_t> finish() {
        // Of the values within the interval the one with the most zeros at its end.
        const std::uint64_t last = low_ + range_ - 1;
        for (unsigned zeros = 32; zeros-- > 0;) {
            const std::uint64_t value = last >> zeros << zeros;
            if (value >= low_) {
                low_ = value;
                break;
            }
        }
        for (int i = 0; i < 5; ++i) shift();
        // The first byte is always 0: the interval starts with the top byte unused.
        bytes_.erase(bytes_.begin());
        for (std::size_t i = 0; i < most_left_out && !bytes_.empty() && bytes_.back() == 0; ++i) {
            bytes_.pop_back();
        }
        return std::move(bytes_);
    }

  private:
    void narrow(std::uint32_t bound, bool value) {
        if (value) {
            low_ += bound;
            range_ -= bound;
        } else {
            range_ = bound;
        }
        while (range_ < least_range) {
            range_ <<= 8U;
            shift();
        }
    }

    // Moves the top byte out. A byte of 255 waits: a carry may still turn it and those before over.
    void shift() {
        if (low_ < 0xFF000000U || low_ > 0xFFFFFFFFU) {
            const auto carry = static_cast<std::uint8_t>(low_ >> 32U);
            bytes_.push_back(static_cast<std::uint8_t>(held_ + carry));
            bytes_.insert(bytes_.end(), waiting_, static_cast<std::uint8_t>(0xFF + carry));
            waiting_ = 0;
            held_ = static_cast<std::uint8_t>(low_ >> 24U);
        } else {
            ++waiting_;
        }
        low_ = (low_ << 8U) & 0xFFFFFFFFU;
    }

    std::uint64_t low_ = 0;
    std::uint32_t range_ = 0xFFFFFFFFU;
    std::uint8_t held_ = 0;
    std::size_t waiting_ = 0;
    std::vector<std::uint8_t> bytes_;
};

class RangeDecoder {
  public:
    explicit RangeDecoder(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
        for (int i = 0; i < 4; ++i) take();
    }

    bool bit(std::uint32_t one) { return narrow(range_of_zero(range_, one)); }
    bool even() { return narrow(range_ >> 1U); }

    // Whether all bytes were needed, and no more beyond them than an encoder leaves out.
    bool used_up() const {
        return read_ >= bytes_.size() && read_ <= bytes_.size() + most_left_out;
    }

  private:
    bool narrow(std::uint32_t bound) {
        const bool value = code_ >= bound;
        range_ = value ? range_ - bound : bound;
        code_ -= value ? bound : 0;
        while (range_ < least_range) {
            range_ <<= 8U;
            take();
        }
        return value;
    }

    void take() {
        const std::uint8_t next = read_ < bytes_.size() ? bytes_[read_] : std::uint8_t{0};
        ++read_;
        code_ = (code_ << 8U) | next;
    }

    std::span<const std::uint8_t> bytes_;
    std::size_t read_ = 0;
    std::uint32_t range_ = 0xFFFFFFFFU;
    std::uint32_t code_ = 0;
};

}  // namespace livesr
