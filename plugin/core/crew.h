// Threads that share the tasks of one piece of work, the caller's among them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace livesr {

class Crew {
  public:
    // task: 0 to tasks - 1, each once. thread: 0 to threads - 1, for what a thread has of its own.
    using Task = std::function<void(std::size_t task, std::size_t thread)>;

    // threads: how many work, the caller's included; at least 1. The helpers live as long as the
    // object.
    explicit Crew(std::size_t threads);
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // Returns when all tasks are done. Tasks must not throw. One call at a time.
    void run(std::size_t tasks, const Task& task);
    std::size_t threads() const { return helpers_.size() + 1; }

  private:
    void help(std::size_t thread);
    bool take_one(std::unique_lock<std::mutex>& lock, std::size_t thread);

    std::vector<std::thread> helpers_;
    std::mutex mutex_;
    std::condition_variable work_to_do_;
    std::condition_variable all_done_;
    const Task* task_ = nullptr;
    std::size_t tasks_ = 0;
    std::size_t next_ = 0;
    std::size_t unfinished_ = 0;
    bool leaving_ = false;
};

}  // namespace livesr
