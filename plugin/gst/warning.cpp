#include "gst/warning.h"

namespace livesr::gst {

void post_warning(GstElement* element, const std::string& cause, const std::string& remedy) {
    GST_ELEMENT_WARNING(element, STREAM, FAILED, ("%s", cause.c_str()), ("%s", remedy.c_str()));
    GstStructure* fields =
        gst_structure_new("livesr-warning", "cause", G_TYPE_STRING, cause.c_str(), "remedy",
                          G_TYPE_STRING, remedy.c_str(), nullptr);
    gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), fields));
}

}  // namespace livesr::gst
