// Enlarging of pictures, and the threads that share the work.
#include "gst/enhancer/upscaler.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "core/picture/resample.h"

namespace livesr::gst {

// Threads that take tasks off one list, the caller among them.
struct Upscaler::Crew {
    // A task is given the scratch memory of the thread that runs it.
    using Task = std::function<void(EnhanceScratch&)>;

    explicit Crew(int threads) : scratches(static_cast<std::size_t>(threads)) {
        for (int i = 1; i < threads; ++i) {
            helpers.emplace_back([this, i] { help(scratches[static_cast<std::size_t>(i)]); });
        }
    }

    ~Crew() {
        {
            const std::lock_guard lock(mutex);
            leaving = true;
        }
        work_to_do.notify_all();
        for (std::thread& helper : helpers) helper.join();
    }

    void run(std::vector<Task> list) {
        {
            const std::lock_guard lock(mutex);
            tasks = std::move(list);
            next = 0;
            unfinished = tasks.size();
        }
        if (!helpers.empty()) work_to_do.notify_all();
        std::unique_lock lock(mutex);
        while (take_one(lock, scratches[0])) {
        }
        all_done.wait(lock, [this] { return unfinished == 0; });
    }

    void help(EnhanceScratch& scratch) {
        std::unique_lock lock(mutex);
        while (!leaving) {
            if (!take_one(lock, scratch)) {
                work_to_do.wait(lock, [this] { return leaving || next < tasks.size(); });
            }
        }
    }

    bool take_one(std::unique_lock<std::mutex>& lock, EnhanceScratch& scratch) {
        if (next >= tasks.size()) return false;
        const Task& task = tasks[next++];
        lock.unlock();
        task(scratch);
        lock.lock();
        if (--unfinished == 0) all_done.notify_one();
        return true;
    }

    std::vector<EnhanceScratch> scratches;
    std::vector<std::thread> helpers;
    std::mutex mutex;
    std::condition_variable work_to_do;
    std::condition_variable all_done;
    std::vector<Task> tasks;
    std::size_t next = 0;
    std::size_t unfinished = 0;
    bool leaving = false;
};

Upscaler::Upscaler(int scale, int threads)
    : scale_(scale), crew_(std::make_unique<Crew>(std::max(threads, 1))) {}

Upscaler::~Upscaler() = default;

void Upscaler::run(std::span<const PlaneJob> planes) {
    uncropped_.resize(std::max(uncropped_.size(), planes.size()));
    std::vector<Crew::Task> tasks;
    const int strips = static_cast<int>(crew_->scratches.size());
    struct Crop {
        const PlaneJob* plane;
        const std::uint8_t* from;
        std::size_t row_bytes;
    };
    std::vector<Crop> crops;
    for (std::size_t i = 0; i < planes.size(); ++i) {
        const PlaneJob& plane = planes[i];
        const int full_width = plane.src_width * scale_;
        const int full_height = plane.src_height * scale_;
        std::uint8_t* dst = plane.dst;
        std::ptrdiff_t dst_stride = plane.dst_stride;
        if (plane.dst_width != full_width || plane.dst_height != full_height) {
            const std::size_t row_bytes = static_cast<std::size_t>(full_width) * plane.channels;
            uncropped_[i].resize(row_bytes * full_height);
            dst = uncropped_[i].data();
            dst_stride = static_cast<std::ptrdiff_t>(row_bytes);
            crops.push_back({&plane, dst, row_bytes});
        }
        if (plane.network == nullptr) {
            tasks.emplace_back([=, &plane](EnhanceScratch&) {
                resample(Filter::bicubic, plane.src, plane.src_stride, plane.src_width,
                         plane.src_height, dst, dst_stride, full_width, full_height,
                         plane.channels);
            });
            continue;
        }
        for (int strip = 0; strip < strips; ++strip) {
            const int begin = plane.src_height * strip / strips;
            const int end = plane.src_height * (strip + 1) / strips;
            if (begin == end) continue;
            tasks.emplace_back([=, &plane](EnhanceScratch& scratch) {
                enhance(*plane.network, scratch, plane.src, plane.src_stride, plane.src_width,
                        plane.src_height, dst, dst_stride, begin, end);
            });
        }
    }
    crew_->run(std::move(tasks));
    for (const Crop& crop : crops) {
        const std::size_t bytes = static_cast<std::size_t>(crop.plane->dst_width) *
                                  static_cast<std::size_t>(crop.plane->channels);
        for (int row = 0; row < crop.plane->dst_height; ++row) {
            std::copy_n(crop.from + static_cast<std::size_t>(row) * crop.row_bytes, bytes,
                        crop.plane->dst + row * crop.plane->dst_stride);
        }
    }
}

}  // namespace livesr::gst
