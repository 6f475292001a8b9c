// Registers the elements of this folder.
#include "gst/register.h"

#include "gst/sender/patchinserter.h"
#include "gst/sender/patchpicker.h"
#include "gst/sender/patchsender.h"

namespace livesr::gst {

bool register_sender(GstPlugin* plugin) {
    return register_patch_picker(plugin) && register_patch_inserter(plugin) &&
           register_patch_sender(plugin);
}

}  // namespace livesr::gst
