#include "bridge/arguments.h"
#include "bridge/parts.h"
#include "core/patch/packet.h"
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

Napi::Value write_packet_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Napi::Object o = object(info[0], "header");
    const auto u16 = [&](const char* key) {
        return static_cast<std::uint16_t>(integer(o.Get(key), key, 0, 65535));
    };
    PatchHeader header;
    header.codec = static_cast<PatchCodec>(integer(o.Get("codec"), "codec", 0, 255));
    header.quality = static_cast<std::uint8_t>(integer(o.Get("quality"), "quality", 0, 255));
    header.scale = static_cast<std::uint8_t>(integer(o.Get("scale"), "scale", 0, 255));
    header.stream_id = static_cast<std::uint32_t>(unsigned_integer(o.Get("streamId"), "streamId"));
    header.sequence = static_cast<std::uint32_t>(unsigned_integer(o.Get("sequence"), "sequence"));
    header.running_time_ns = unsigned_integer(o.Get("runningTimeNs"), "runningTimeNs");
    header.frame_width = u16("frameWidth");
    header.frame_height = u16("frameHeight");
    header.x = u16("x");
    header.y = u16("y");
    header.width = u16("width");
    header.height = u16("height");
    const auto payload = bytes(info[1], "payload");
    return guarded(env, [&] {
        return to_array(env, std::span<const std::uint8_t>(write_packet(header, payload)));
    });
}

// readPacket(bytes) -> {error, consumed, header?, payload?}: the next triplet.
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
        if (error == PacketError::none) {
            const PatchHeader& h = packet.header;
            Napi::Object header = Napi::Object::New(env);
            header.Set("codec", static_cast<int>(h.codec));
            header.Set("quality", h.quality);
            header.Set("scale", h.scale);
            header.Set("streamId", h.stream_id);
            header.Set("sequence", h.sequence);
            header.Set("runningTimeNs", static_cast<double>(h.running_time_ns));
            header.Set("frameWidth", h.frame_width);
            header.Set("frameHeight", h.frame_height);
            header.Set("x", h.x);
            header.Set("y", h.y);
            header.Set("width", h.width);
            header.Set("height", h.height);
            result.Set("header", header);
            result.Set("payload", to_array(env, packet.payload));
        }
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

}  // namespace

void add_pictures(Napi::Env env, Napi::Object exports) {
    exports.Set("resample", Napi::Function::New(env, resample_plane));
    exports.Set("squaredError", Napi::Function::New(env, squared_error_of));
    exports.Set("psnrDb", Napi::Function::New(env, psnr_db_of));
    exports.Set("ssim", Napi::Function::New(env, ssim_of));
    exports.Set("writePacket", Napi::Function::New(env, write_packet_of));
    exports.Set("readPacket", Napi::Function::New(env, read_packet_of));
    exports.Set("encodeJpegLuma", Napi::Function::New(env, encode_jpeg));
    exports.Set("decodeJpegLuma", Napi::Function::New(env, decode_jpeg));
}

}  // namespace livesr::bridge
