// The Node addon: core for TypeScript. Types and units stand in elements/bridge/index.ts.
#include <napi.h>

#include "bridge/parts.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
    livesr::bridge::add_bench(env, exports);
    livesr::bridge::add_networks(env, exports);
    livesr::bridge::add_pictures(env, exports);
    livesr::bridge::add_trainer(env, exports);
    return exports;
}

}  // namespace

NODE_API_MODULE(livesr, init)
