// See side_branch.h.
#include "gst/sender/side_branch.h"

#include <atomic>

namespace {

// Of the queue's buffers; events need no room.
constexpr guint full_queue = 60;

struct BranchState {
    std::function<void()> on_failure;
    GstElement* queue = nullptr;
    GstPad* src = nullptr;
    std::atomic<bool> failed{false};
    std::atomic<bool> open{true};
    std::atomic<std::uint64_t> skipped{0};
    bool waits_for_key_frame = false;  // streaming thread only

    void fail() {
        if (!failed.exchange(true)) on_failure();
    }

    bool has_room() const {
        if (!queue) return true;
        guint level = 0;
        g_object_get(queue, "current-level-buffers", &level, nullptr);
        return level < full_queue;
    }
};

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

}  // namespace

struct _GstSideBranch {
    GstElement parent;
    BranchState* state;
};

typedef struct _GstSideBranch GstSideBranch;

typedef struct _GstSideBranchClass {
    GstElementClass parent_class;
} GstSideBranchClass;

GType gst_side_branch_get_type();

#define gst_side_branch_parent_class parent_class
G_DEFINE_TYPE(GstSideBranch, gst_side_branch, GST_TYPE_ELEMENT)

#define GST_SIDE_BRANCH(object) (reinterpret_cast<GstSideBranch*>(object))

static GstFlowReturn gst_side_branch_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    BranchState& state = *GST_SIDE_BRANCH(parent)->state;
    if (state.failed) {
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    if (!state.open) {
        state.waits_for_key_frame = true;
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    const bool key_frame = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    if (!state.has_room() || (state.waits_for_key_frame && !key_frame)) {
        state.waits_for_key_frame = true;
        ++state.skipped;
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    state.waits_for_key_frame = false;
    const GstFlowReturn flow = gst_pad_push(state.src, buffer);
    if (flow == GST_FLOW_ERROR || flow == GST_FLOW_NOT_NEGOTIATED ||
        flow == GST_FLOW_NOT_SUPPORTED) {
        state.fail();
    }
    // Flushing is the stream's own doing, and told by its own pads.
    return GST_FLOW_OK;
}

static gboolean gst_side_branch_event(GstPad*, GstObject* parent, GstEvent* event) {
    BranchState& state = *GST_SIDE_BRANCH(parent)->state;
    const bool flush = GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP;
    if (flush) state.waits_for_key_frame = false;
    gst_pad_push_event(state.src, event);
    return TRUE;
}

// How the stream's buffers are allocated is none of the branch's business.
static gboolean gst_side_branch_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) return FALSE;
    return gst_pad_query_default(pad, parent, query);
}

static void gst_side_branch_finalize(GObject* object) {
    delete GST_SIDE_BRANCH(object)->state;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_side_branch_class_init(GstSideBranchClass* klass) {
    G_OBJECT_CLASS(klass)->finalize = gst_side_branch_finalize;
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(element_class, "Side branch", "Generic",
                                          "Keeps a branch's trouble in the branch", "livesr");
}

static void gst_side_branch_init(GstSideBranch* self) {
    self->state = new BranchState();
    GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(sink, gst_side_branch_chain);
    gst_pad_set_event_function(sink, gst_side_branch_event);
    gst_pad_set_query_function(sink, gst_side_branch_query);
    GST_PAD_SET_PROXY_CAPS(sink);
    gst_element_add_pad(GST_ELEMENT_CAST(self), sink);
    self->state->src = gst_pad_new_from_static_template(&src_template, "src");
    GST_PAD_SET_PROXY_CAPS(self->state->src);
    gst_element_add_pad(GST_ELEMENT_CAST(self), self->state->src);
}

namespace livesr::gst {

GstElement* make_side_branch(std::function<void()> on_failure) {
    GstElement* element = GST_ELEMENT_CAST(g_object_new(gst_side_branch_get_type(), nullptr));
    GST_SIDE_BRANCH(element)->state->on_failure = std::move(on_failure);
    return element;
}

void set_branch_queue(GstElement* side_branch, GstElement* queue) {
    GST_SIDE_BRANCH(side_branch)->state->queue = queue;
}

void open_branch(GstElement* side_branch, bool open) {
    GST_SIDE_BRANCH(side_branch)->state->open = open;
}

void fail_branch(GstElement* side_branch) { GST_SIDE_BRANCH(side_branch)->state->fail(); }

std::uint64_t frames_skipped(GstElement* side_branch) {
    return GST_SIDE_BRANCH(side_branch)->state->skipped;
}

}  // namespace livesr::gst
