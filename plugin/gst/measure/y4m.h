// A Y4M file of 8-bit 4:2:0 progressive pictures, mapped into memory. Says what is wrong with any
// other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace livesr::gst {

struct Y4mError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Y4mHeader {
    int width = 0;
    int height = 0;
    int rate_n = 0;  // frames a second
    int rate_d = 1;
    int pixel_n = 1;  // shape of a pixel
    int pixel_d = 1;
    const char* chroma_site = nullptr;  // GStreamer's name; null when the file does not say
    bool full_range = false;

    int chroma_width() const { return (width + 1) / 2; }
    int chroma_height() const { return (height + 1) / 2; }
    std::size_t frame_bytes() const;
};

// The header line without its end. Throws Y4mError.
Y4mHeader parse_y4m_header(const std::string& line);

class Y4mFile {
  public:
    explicit Y4mFile(const std::string& path);  // throws Y4mError
    ~Y4mFile();
    Y4mFile(const Y4mFile&) = delete;
    Y4mFile& operator=(const Y4mFile&) = delete;

    const Y4mHeader& header() const { return header_; }
    std::size_t frames() const { return offsets_.size(); }
    // Planes Y, U, V one after the other, rows without padding.
    std::span<const std::uint8_t> frame(std::size_t index) const;

  private:
    void index_frames(std::size_t at);

    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
    Y4mHeader header_;
    std::vector<std::size_t> offsets_;
};

}  // namespace livesr::gst
