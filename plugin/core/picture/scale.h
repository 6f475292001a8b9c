// How many times smaller, per side, a picture is sent than it is: the rungs that a sender has, and
// the sizes that follow.
#pragma once

#include <array>
#include <string>

namespace livesr {

// `up` pixels of the picture for `down` that are sent, in lowest terms. 0 is none: not known, or to
// be chosen.
struct Scale {
    int up = 0;
    int down = 1;

    constexpr Scale() = default;
    constexpr Scale(int times) : up(times) {}  // whole ones are said as numbers
    constexpr Scale(int numerator, int denominator) : up(numerator), down(denominator) {}

    constexpr bool operator==(const Scale&) const = default;
    constexpr bool operator<(const Scale& other) const { return up * other.down < other.up * down; }

    // Scale of the network that makes the picture; 0 of none. Scale 1 restores: what is sent in
    // full size as it is, what is sent at 3/2 once it is enlarged plainly.
    constexpr int network() const { return down != 1 ? 1 : up; }
    constexpr double value() const { return static_cast<double>(up) / down; }
    // Where a number must be whole: 1 to 4, and 15 for 3/2.
    constexpr int code() const { return down == 1 ? up : 10 * up / down; }
    // Patches lie on multiples of it: whole pixels of what a network is given, and whole cells.
    constexpr int patch_unit() const { return network() == 1 ? 2 * up : up; }
    constexpr int enlarged(int side) const { return side * up / down; }
};

// All that there are, from full size down.
constexpr std::array<Scale, 5> scales{Scale(1), Scale(3, 2), Scale(2), Scale(3), Scale(4)};

// None where no scale has this value, or code.
constexpr Scale scale_of_value(double value) {
    for (const Scale& scale : scales) {
        if (scale.value() == value) return scale;
    }
    return {};
}
constexpr Scale scale_of_code(int code) {
    for (const Scale& scale : scales) {
        if (scale.code() == code) return scale;
    }
    return {};
}

// As people read it.
inline std::string name(const Scale& scale) {
    return scale.down == 1
               ? std::to_string(scale.up)
               : std::to_string(scale.code() / 10) + "." + std::to_string(scale.code() % 10);
}

// The picture is padded to sides that leave 4:2:0 chroma whole at either end.
constexpr int padded_side(int side, const Scale& scale) {
    const int unit = 2 * scale.up;
    return (side + unit - 1) / unit * unit;
}
constexpr int lowres_side(int side, const Scale& scale) {
    return padded_side(side, scale) / scale.up * scale.down;
}

// Of the picture that the network is given.
constexpr int given_side(int side, const Scale& scale) {
    return scale.network() == 1 ? padded_side(side, scale) : lowres_side(side, scale);
}

}  // namespace livesr
