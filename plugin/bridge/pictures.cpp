#include <cstdint>
#include <cstring>

#include "bridge/arguments.h"
#include "bridge/parts.h"
#include "core/patch/packet.h"
#include "core/patch/residual.h"
#include "core/picture/metrics.h"
#include "core/picture/resample.h"

namespace livesr::bridge {
namespace {

constexpr int max_side = 32768;

Filter filter(const Napi::Value& value) {
    const std::string name = text(value, "filter");
    if (name == "bilinear") {
        return Filter::bilinear;
    }
    if (name == "bicubic") {
        return Filter::bicubic;
    }
    if (name == "lanczos") {
        return Filter::lanczos;
    }
    throw_type_error(value.Env(), "filter must be bilinear, bicubic or lanczos");
}

// resample(filter, plane, width, height) -> Uint8Array
Napi::Value resample_plane(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Filter kernel = filter(info[0]);
    const Plane from = plane(info[1], "plane");
    const int width = integer(info[2], "width", 1, max_side);
    const int height = integer(info[3], "height", 1, max_side);
    return guarded(env, [&] {
        auto out = Napi::Uint8Array::New(
            env, static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
        resample(kernel, from.pixels.data(), from.width, from.width, from.height, out.Data(), width,
                 width, height);
        return out;
    });
}

// weighPixels(pixels, {width, height, lineBytes, pixelBytes}, [a, b, c], base) -> Uint8Array
Napi::Value weigh_pixels(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto pixels = bytes(info[0], "pixels");
    const Napi::Object layout = object(info[1], "layout");
    const int width = integer(layout.Get("width"), "layout.width", 1, max_side);
    const int height = integer(layout.Get("height"), "layout.height", 1, max_side);
    const int pixel_bytes = integer(layout.Get("pixelBytes"), "layout.pixelBytes", 3, 4);
    const int line_bytes =
        integer(layout.Get("lineBytes"), "layout.lineBytes", width * pixel_bytes, 8 * max_side);
    const Napi::Object weights = object(info[2], "weights");
    // Together at most 1 in 16-bit fixed point, so that no sum leaves 0 to 255.
    constexpr int most = 1 << 16;
    const auto weight = [&](std::uint32_t i) {
        return static_cast<std::uint32_t>(integer(weights.Get(i), "weights", 0, most));
    };
    const std::uint32_t a = weight(0);
    const std::uint32_t b = weight(1);
    const std::uint32_t c = weight(2);
    const auto base = static_cast<std::uint32_t>(integer(info[3], "base", 0, 255 * most));
    if (255ULL * (a + b + c) + base >= 256ULL * most) {
        throw_type_error(env, "weights and base must give at most 255");
    }
    const std::size_t last_line = static_cast<std::size_t>(width) * pixel_bytes;
    if (pixels.size() < static_cast<std::size_t>(line_bytes) * (height - 1) + last_line) {
        throw_type_error(env, "pixels has fewer bytes than layout says");
    }
    auto out = Napi::Uint8Array::New(env, static_cast<std::size_t>(width) * height);
    std::uint8_t* to = out.Data();
    for (int y = 0; y < height; ++y, to += width) {
        const std::uint8_t* line = pixels.data() + static_cast<std::size_t>(y) * line_bytes;
        if (pixel_bytes == 3) {
            for (int x = 0; x < width; ++x, line += 3) {
                to[x] = static_cast<std::uint8_t>(
                    (a * line[0] + b * line[1] + c * line[2] + base) >> 16);
            }
            continue;
        }
        for (int x = 0; x < width; ++x) {
            std::uint32_t pixel = 0;
            std::memcpy(&pixel, line + 4 * static_cast<std::size_t>(x), sizeof pixel);
            const std::uint32_t first = pixel & 0xFF;
            const std::uint32_t second = pixel >> 8 & 0xFF;
            const std::uint32_t third = pixel >> 16 & 0xFF;
            to[x] = static_cast<std::uint8_t>((a * first + b * second + c * third + base) >> 16);
        }
    }
    return out;
}

void expect_same_size(Napi::Env env, const Plane& a, const Plane& b) {
    if (a.width != b.width || a.height != b.height) {
        throw_type_error(env, "the two planes must have one size");
    }
}

Napi::Value squared_error_of(const Napi::CallbackInfo& info) {
    const Plane a = plane(info[0], "a");
    const Plane b = plane(info[1], "b");
    expect_same_size(info.Env(), a, b);
    const auto sum =
        squared_error(a.pixels.data(), a.width, b.pixels.data(), b.width, a.width, a.height);
    return Napi::Number::New(info.Env(), static_cast<double>(sum));
}

Napi::Value ssim_of(const Napi::CallbackInfo& info) {
    const Plane a = plane(info[0], "a");
    const Plane b = plane(info[1], "b");
    expect_same_size(info.Env(), a, b);
    return Napi::Number::New(
        info.Env(), ssim(a.pixels.data(), a.width, b.pixels.data(), b.width, a.width, a.height));
}

Napi::Value psnr_db_of(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), psnr_db(number(info[0], "meanSquaredError")));
}

// writePacket(header, patches) -> Uint8Array
Napi::Value write_packet_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto u8 = [](const Napi::Object& o, const char* key) {
        return static_cast<std::uint8_t>(integer(o.Get(key), key, 0, 255));
    };
    const auto u16 = [](const Napi::Object& o, const char* key) {
        return static_cast<std::uint16_t>(integer(o.Get(key), key, 0, 65535));
    };
    const Napi::Object o = object(info[0], "header");
    PacketHeader header;
    header.scale = scale_of_value(number(o.Get("scale"), "scale"));
    header.stream_id = static_cast<std::uint32_t>(unsigned_integer(o.Get("streamId"), "streamId"));
    header.sequence = static_cast<std::uint32_t>(unsigned_integer(o.Get("sequence"), "sequence"));
    header.running_time_ns = unsigned_integer(o.Get("runningTimeNs"), "runningTimeNs");
    header.frame_width = u16(o, "frameWidth");
    header.frame_height = u16(o, "frameHeight");
    if (!info[1].IsArray()) throw_type_error(env, "patches must be an array");
    const auto list = info[1].As<Napi::Array>();
    std::vector<CodedPatch> patches;
    for (std::uint32_t i = 0; i < list.Length(); ++i) {
        const Napi::Object p = object(list.Get(i), "a patch");
        CodedPatch patch;
        patch.codec = static_cast<PatchCodec>(u8(p, "codec"));
        patch.quality = u8(p, "quality");
        patch.x = u16(p, "x");
        patch.y = u16(p, "y");
        patch.width = u16(p, "width");
        patch.height = u16(p, "height");
        patch.payload = bytes(p.Get("payload"), "payload");
        patches.push_back(patch);
    }
    return guarded(env, [&] {
        return to_array(env, std::span<const std::uint8_t>(write_packet(header, patches)));
    });
}

// readPacket(bytes) -> {error, consumed, header?, patches?}: the next triplet.
Napi::Value read_packet_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto all = bytes(info[0], "bytes");
    return guarded(env, [&] {
        auto rest = all;
        PatchPacket packet;
        const PacketError error = read_packet(rest, packet);
        Napi::Object result = Napi::Object::New(env);
        result.Set("error", std::string(name(error)));
        result.Set("consumed", static_cast<double>(all.size() - rest.size()));
        if (error != PacketError::none) {
            return result;
        }
        const PacketHeader& h = packet.header;
        Napi::Object header = Napi::Object::New(env);
        header.Set("scale", h.scale.value());
        header.Set("streamId", h.stream_id);
        header.Set("sequence", h.sequence);
        header.Set("runningTimeNs", static_cast<double>(h.running_time_ns));
        header.Set("frameWidth", h.frame_width);
        header.Set("frameHeight", h.frame_height);
        result.Set("header", header);
        Napi::Array patches = Napi::Array::New(env);
        for (const CodedPatch& patch : packet.patches) {
            Napi::Object p = Napi::Object::New(env);
            p.Set("codec", static_cast<int>(patch.codec));
            p.Set("quality", patch.quality);
            p.Set("x", patch.x);
            p.Set("y", patch.y);
            p.Set("width", patch.width);
            p.Set("height", patch.height);
            p.Set("payload", to_array(env, patch.payload));
            patches.Set(patches.Length(), p);
        }
        result.Set("patches", patches);
        return result;
    });
}

// encodeJpegLuma(plane, quality) -> Uint8Array
Napi::Value encode_jpeg(const Napi::CallbackInfo& info) {
    const Plane p = plane(info[0], "plane");
    const int quality = integer(info[1], "quality", 1, 100);
    return guarded(info.Env(), [&] {
        return to_array(info.Env(), std::span<const std::uint8_t>(encode_jpeg_luma(
                                        p.pixels.data(), p.width, p.width, p.height, quality)));
    });
}

// decodeJpegLuma(bytes, width, height) -> Uint8Array, or null when it is not such a JPEG
Napi::Value decode_jpeg(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto file = bytes(info[0], "bytes");
    const int width = integer(info[1], "width", 1, max_side);
    const int height = integer(info[2], "height", 1, max_side);
    return guarded(env, [&]() -> Napi::Value {
        const auto pixels = decode_jpeg_luma(file, width, height);
        if (!pixels) {
            return env.Null();
        }
        return to_array(env, std::span<const std::uint8_t>(*pixels));
    });
}

// {width, height, low, high}, low with the margin of the residual codec.
struct ResidualPair {
    LowCrop low;
    std::span<const std::uint8_t> high;
    int step = 0;
};

ResidualPair residual_pair(const Napi::CallbackInfo& info) {
    const Napi::Object o = object(info[0], "pair");
    ResidualPair pair;
    pair.low.pixels = bytes(o.Get("low"), "pair.low");
    pair.low.width = integer(o.Get("width"), "pair.width", 1, max_side);
    pair.low.height = integer(o.Get("height"), "pair.height", 1, max_side);
    pair.low.scale = integer(info[1], "scale", 1, 4);
    pair.high = bytes(o.Get("high"), "pair.high");
    if (!info[2].IsUndefined()) {
        pair.step = integer(info[2], "step", least_residual_step, largest_residual_step);
    }
    expect_size(
        info.Env(), pair.high.size(),
        static_cast<std::size_t>(pair.low.width) * static_cast<std::size_t>(pair.low.height),
        "pair.high");
    return pair;
}

// encodeFittingResidual(pair, scale) -> {step, payload}
Napi::Value encode_fitting_residual_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const ResidualPair pair = residual_pair(info);
    return guarded(env, [&] {
        const auto [step, payload] =
            encode_fitting_residual(pair.high.data(), pair.low.width, pair.low);
        Napi::Object result = Napi::Object::New(env);
        result.Set("step", step);
        result.Set("payload", to_array(env, std::span<const std::uint8_t>(payload)));
        return result;
    });
}

// encodeResidual(pair, scale, step) -> Uint8Array
Napi::Value encode_residual_of(const Napi::CallbackInfo& info) {
    const ResidualPair pair = residual_pair(info);
    return guarded(info.Env(), [&] {
        return to_array(info.Env(), std::span<const std::uint8_t>(encode_residual(
                                        pair.high.data(), pair.low.width, pair.low, pair.step)));
    });
}

// decodeResidual(pair, scale, step, payload) -> Uint8Array, or null when it is none of this crop's
Napi::Value decode_residual_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const ResidualPair pair = residual_pair(info);
    const auto payload = bytes(info[3], "payload");
    return guarded(env, [&]() -> Napi::Value {
        const auto pixels = decode_residual(payload, pair.low, pair.step);
        if (!pixels) {
            return env.Null();
        }
        return to_array(env, std::span<const std::uint8_t>(*pixels));
    });
}

// countResidualBits(pair, scale, step, counts): adds to counts, [context][bit]
Napi::Value count_residual_bits_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const ResidualPair pair = residual_pair(info);
    if (!info[3].IsTypedArray() ||
        info[3].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
        throw_type_error(env, "counts must be a Uint32Array");
    }
    auto counts = info[3].As<Napi::Uint32Array>();
    expect_size(env, counts.ElementLength(), 2 * residual_context_count, "counts");
    return guarded(env, [&] {
        std::vector<BitCounts> added(residual_context_count);
        count_residual_bits(pair.high.data(), pair.low.width, pair.low, pair.step, added);
        for (std::size_t i = 0; i < added.size(); ++i) {
            counts[2 * i] += added[i][0];
            counts[2 * i + 1] += added[i][1];
        }
        return env.Undefined();
    });
}

// learnResidualWeights(pair, scale, step, start, weights): changes weights
Napi::Value learn_residual_weights_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const ResidualPair pair = residual_pair(info);
    const auto is = [&](std::size_t argument, napi_typedarray_type type) {
        return info[argument].IsTypedArray() &&
               info[argument].As<Napi::TypedArray>().TypedArrayType() == type;
    };
    if (!is(3, napi_uint16_array) || !is(4, napi_int32_array)) {
        throw_type_error(env, "start must be a Uint16Array and weights an Int32Array");
    }
    const auto start = info[3].As<Napi::Uint16Array>();
    auto weights = info[4].As<Napi::Int32Array>();
    return guarded(env, [&] {
        learn_residual_weights(pair.high.data(), pair.low.width, pair.low, pair.step,
                               {start.Data(), start.ElementLength()},
                               {weights.Data(), weights.ElementLength()});
        return env.Undefined();
    });
}

}  // namespace

void add_pictures(Napi::Env env, Napi::Object exports) {
    exports.Set("resample", Napi::Function::New(env, resample_plane));
    exports.Set("weighPixels", Napi::Function::New(env, weigh_pixels));
    exports.Set("squaredError", Napi::Function::New(env, squared_error_of));
    exports.Set("psnrDb", Napi::Function::New(env, psnr_db_of));
    exports.Set("ssim", Napi::Function::New(env, ssim_of));
    exports.Set("writePacket", Napi::Function::New(env, write_packet_of));
    exports.Set("readPacket", Napi::Function::New(env, read_packet_of));
    exports.Set("encodeFittingResidual", Napi::Function::New(env, encode_fitting_residual_of));
    exports.Set("encodeResidual", Napi::Function::New(env, encode_residual_of));
    exports.Set("decodeResidual", Napi::Function::New(env, decode_residual_of));
    exports.Set("countResidualBits", Napi::Function::New(env, count_residual_bits_of));
    exports.Set("learnResidualWeights", Napi::Function::New(env, learn_residual_weights_of));
    exports.Set("residualWeights",
                Napi::Number::New(env, static_cast<double>(residual_weight_count)));
    exports.Set("residualContexts",
                Napi::Number::New(env, static_cast<double>(residual_context_count)));
    exports.Set("encodeJpegLuma", Napi::Function::New(env, encode_jpeg));
    exports.Set("decodeJpegLuma", Napi::Function::New(env, decode_jpeg));
}

}  // namespace livesr::bridge
