// See y4m.h.
#include "gst/measure/y4m.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <sstream>
#include <string_view>

namespace livesr::gst {

namespace {

constexpr std::string_view file_magic = "YUV4MPEG2";
constexpr std::string_view frame_magic = "FRAME";
constexpr std::size_t longest_line = 1024;
constexpr int largest_side = 16384;
constexpr const char* remedy = "; make one with: ffmpeg -i CLIP -pix_fmt yuv420p CLIP.y4m";

[[noreturn]] void fail(const std::string& what) { throw Y4mError(what + remedy); }

int number(std::string_view text, const std::string& field) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
        fail("the header's field " + field + " is not a number");
    }
    return value;
}

void ratio(std::string_view text, const std::string& field, int& n, int& d) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) fail("the header's field " + field + " is no ratio");
    n = number(text.substr(0, colon), field);
    d = number(text.substr(colon + 1), field);
}

// The line that starts at `at`, without its end.
std::string_view line_at(std::string_view bytes, std::size_t at) {
    const std::string_view rest = bytes.substr(at, longest_line);
    const std::size_t end = rest.find('\n');
    return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

}  // namespace

std::size_t Y4mHeader::frame_bytes() const {
    const auto luma = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
    const auto chroma =
        static_cast<std::size_t>(chroma_width()) * static_cast<std::size_t>(chroma_height());
    return luma + 2 * chroma;
}

Y4mHeader parse_y4m_header(const std::string& line) {
    std::istringstream fields(line);
    std::string field;
    fields >> field;
    if (field != file_magic) fail("it does not begin with YUV4MPEG2");
    Y4mHeader header;
    while (fields >> field) {
        const std::string_view value = std::string_view(field).substr(1);
        switch (field[0]) {
            case 'W':
                header.width = number(value, field);
                break;
            case 'H':
                header.height = number(value, field);
                break;
            case 'F':
                ratio(value, field, header.rate_n, header.rate_d);
                break;
            case 'A':
                ratio(value, field, header.pixel_n, header.pixel_d);
                break;
            case 'I':
                if (value != "p" && value != "?") fail("its pictures are interlaced");
                break;
            case 'C':
                if (value == "420jpeg") {
                    header.chroma_site = "jpeg";
                } else if (value == "420mpeg2") {
                    header.chroma_site = "mpeg2";
                } else if (value != "420") {
                    fail("its pictures are " + field.substr(1) + ", not 8-bit 4:2:0");
                }
                break;
            case 'X':
                if (value == "COLORRANGE=FULL") header.full_range = true;
                break;
            default:
                fail("the header's field " + field + " is unknown");
        }
    }
    if (header.width < 1 || header.height < 1 || header.width > largest_side ||
        header.height > largest_side) {
        fail("its size " + std::to_string(header.width) + "x" + std::to_string(header.height) +
             " is not within 1x1 and 16384x16384");
    }
    if (header.rate_n < 1 || header.rate_d < 1) fail("it has no frame rate");
    // "0:0" is how the format says that it does not know.
    if (header.pixel_n < 1 || header.pixel_d < 1) header.pixel_n = header.pixel_d = 1;
    return header;
}

Y4mFile::Y4mFile(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw Y4mError(std::strerror(errno));
    struct stat status {};
    const bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    size_ = regular ? static_cast<std::size_t>(status.st_size) : 0;
    void* mapped = size_ > 0 ? mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    close(fd);
    if (mapped == MAP_FAILED) fail("it is empty, or no regular file");
    data_ = static_cast<const std::uint8_t*>(mapped);
    try {
        const std::string_view bytes(reinterpret_cast<const char*>(data_), size_);
        const std::string_view line = line_at(bytes, 0);
        header_ = parse_y4m_header(std::string(line));
        index_frames(line.size() + 1);
    } catch (...) {
        munmap(mapped, size_);
        throw;
    }
}

Y4mFile::~Y4mFile() { munmap(const_cast<std::uint8_t*>(data_), size_); }

void Y4mFile::index_frames(std::size_t at) {
    const std::string_view bytes(reinterpret_cast<const char*>(data_), size_);
    const std::size_t frame_bytes = header_.frame_bytes();
    while (at < size_) {
        const std::string name = "frame " + std::to_string(offsets_.size());
        const std::string_view line = line_at(bytes, at);
        if (!line.starts_with(frame_magic)) fail(name + " does not begin with FRAME");
        at += line.size() + 1;
        if (size_ - at < frame_bytes) fail(name + " is cut off");
        offsets_.push_back(at);
        at += frame_bytes;
    }
    if (offsets_.empty()) fail("it has no frames");
}

std::span<const std::uint8_t> Y4mFile::frame(std::size_t index) const {
    return {data_ + offsets_[index], header_.frame_bytes()};
}

}  // namespace livesr::gst
