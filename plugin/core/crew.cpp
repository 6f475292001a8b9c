// Threads that take tasks off one counter.
#include "core/crew.h"

namespace livesr {

Crew::Crew(std::size_t threads) {
    for (std::size_t i = 1; i < threads; ++i) helpers_.emplace_back([this, i] { help(i); });
}

Crew::~Crew() {
    {
        const std::lock_guard lock(mutex_);
        leaving_ = true;
    }
    work_to_do_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
}

void Crew::run(std::size_t tasks, const Task& task) {
    std::unique_lock lock(mutex_);
    task_ = &task;
    tasks_ = tasks;
    next_ = 0;
    unfinished_ = tasks;
    if (tasks > 1 && !helpers_.empty()) {
        lock.unlock();
        work_to_do_.notify_all();
        lock.lock();
    }
    while (take_one(lock, 0)) {
    }
    all_done_.wait(lock, [this] { return unfinished_ == 0; });
}

void Crew::help(std::size_t thread) {
    std::unique_lock lock(mutex_);
    while (!leaving_) {
        if (!take_one(lock, thread)) {
            work_to_do_.wait(lock, [this] { return leaving_ || next_ < tasks_; });
        }
    }
}

bool Crew::take_one(std::unique_lock<std::mutex>& lock, std::size_t thread) {
    if (next_ >= tasks_) return false;
    const std::size_t number = next_++;
    const Task& task = *task_;
    lock.unlock();
    task(number, thread);
    lock.lock();
    if (--unfinished_ == 0) all_done_.notify_one();
    return true;
}

}  // namespace livesr
