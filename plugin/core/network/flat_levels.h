// Keeps flat pictures as they are: black, white and fades must not be shown a level off because
// training on other pictures has shifted what a network answers to them.
#pragma once

#include <cstdint>
#include <span>

#include "core/network/network.h"

namespace livesr {

// Changes the last layer, as little as that takes, so that the network adds nothing to a flat
// picture of one of the `exact` levels (off by a few thousandths of a level, before rounding).
// Those of `near` hold the correction down between them: their own error is halved, about. The sum
// of both is at most 64 levels.
//
// A flat picture has one hidden vector h for all its pixels, so what the last layer adds to it is
// b + sum(w) h, linear in the layer's parameters: the least change is ridge regression in its dual
// form, a system of one equation a level.
void keep_flat(Network& network, std::span<const std::uint8_t> exact,
               std::span<const std::uint8_t> near);

}  // namespace livesr
