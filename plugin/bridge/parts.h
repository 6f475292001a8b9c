// What each part of the addon adds to `exports`.
#pragma once

#include <napi.h>

namespace livesr::bridge {

void add_bench(Napi::Env env, Napi::Object exports);     // single pieces of work, timed
void add_networks(Napi::Env env, Napi::Object exports);  // networks, model files, inference
void add_pictures(Napi::Env env, Napi::Object exports);  // resampling, metrics, patch packets
void add_trainer(Napi::Env env, Napi::Object exports);   // class Trainer

}  // namespace livesr::bridge
