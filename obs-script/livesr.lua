-- livesr in OBS: what only OBS itself can do for the controller (`livesr obs`).
--
--   * changes the bit rate of the streaming encoder while it runs, within the bounds set here,
--   * hands over frames of the canvas, with their time, through a file that the controller reads,
--   * starts and stops the controller, and shows how it goes.
--
-- The controller talks to this script through an input of a kind of its own: obs-websocket's
-- SetInputSettings calls update() below at once, and the answer is written into the same settings.
-- Whoever knows the websocket's password can write there, so nothing that comes in is more than a
-- wish: rates stay within the properties, and no path, address or command is ever taken from it.
--
-- From top to bottom: rules that need no OBS, state, the streaming encoder, frames of the canvas, the
-- control input, the controller's process, and what OBS calls. One file, since a streamer adds one.
--
-- docs/obs.md tells how it is set up, docs/protocol.md has the formats.

local obs = obslua
local has_ffi, ffi = pcall(require, "ffi")
local has_bit, bit = pcall(require, "bit")

local PROTOCOL = 1
local SCRIPT_VERSION = "0.1.0"
local CONTROL_KIND = "livesr_control"
local CONTROL_NAME = "livesr"

-- The controller writes each second. When it has been silent for this long, it is gone.
local SILENCE_S = 4
-- Some encoders begin a new group of pictures at each change of rate.
local CHANGE_INTERVAL_S = 1
local HYSTERESIS = 0.10
-- Bounds of what may be asked for.
local MOST_GRABS_PER_SECOND = 15

-- Of obs-encoder.h; obslua does not have them.
local ENCODER_CAP_DEPRECATED = 1
local ENCODER_CAP_DYN_BITRATE = 4

-- ---------------------------------------------------------------------------------------------
-- Rules that depend on nothing but their arguments; test/unit/obs-script.test.ts runs them.

local rules = {}

-- The rate to set now, or nil to leave it. `wanted_kbps` is what the controller asks for; cap and
-- min are the properties; since_s is the time since the last change.
function rules.next_bitrate(current_kbps, wanted_kbps, since_s, min_kbps, cap_kbps)
	if wanted_kbps ~= wanted_kbps or wanted_kbps <= 0 then return nil end
	local target = math.floor(math.max(math.min(wanted_kbps, cap_kbps), math.min(min_kbps, cap_kbps)))
	if target == current_kbps or since_s < CHANGE_INTERVAL_S then return nil end
	-- What is beyond the bounds does not wait for a large step.
	local outside = current_kbps > cap_kbps or current_kbps < math.min(min_kbps, cap_kbps)
	if not outside and math.abs(target - current_kbps) < HYSTERESIS * current_kbps then return nil end
	return target
end

-- Why this encoder cannot be told another rate while it streams; nil when it can.
function rules.encoder_problem(codec, can_change, rate_control, name, capable)
	if codec ~= "h264" then
		return string.format("The stream is encoded as %s (%s). livesr needs H.264: choose %s in Settings > Output.",
			codec, name, capable)
	end
	if not can_change then
		return string.format("The encoder %s cannot change its bit rate while it streams. Those that can: %s.",
			name, capable)
	end
	if rate_control ~= "" and rate_control ~= "CBR" then
		return string.format("The encoder's rate control is %s: set it to CBR in Settings > Output, Streaming.",
			rate_control)
	end
	return nil
end

-- Whether settings of the control input are a controller's that this script understands.
function rules.control_problem(protocol, sequence, session, last_session, last_sequence)
	if protocol == 0 then return "empty" end
	if protocol > PROTOCOL then
		return string.format("the controller speaks version %d, this script %d: install the script that came with it",
			protocol, PROTOCOL)
	end
	if session == last_session and sequence <= last_sequence then return "old" end
	return nil
end

-- What a property may be: a newer version may have saved what this one does not know.
local RANGES = { cap_kbps = { 200, 100000 }, min_kbps = { 100, 100000 } }
local CHOICES = {
	mode = { "relay", "direct" },
	stream_class = { "talk", "sports", "hands", "animation", "graphics", "game", "default" },
	patch_quality = { "auto", "fine", "coarse" },
	carriage = { "auto", "klv" },
}

-- The property's value if it can be that; a number within its range; else `current`, what it was.
function rules.sane(name, value, current)
	if type(value) ~= type(current) then return current end
	local range, choices = RANGES[name], CHOICES[name]
	if range ~= nil then
		if value ~= value then return current end
		return math.max(range[1], math.min(range[2], value))
	end
	for _, choice in ipairs(choices or { value }) do
		if value == choice then return value end
	end
	return current
end

-- An address of the dock is shown to the streamer, so it must be one: this machine, a port, a token.
function rules.dock_address(text)
	if #text <= 128 and string.match(text, "^http://127%.0%.0%.1:%d+/%w+/$") then return text end
	return ""
end

-- ---------------------------------------------------------------------------------------------
-- State

local settings = {
	enabled = true, mode = "relay", server = "", feedback = "", stream_key = "", token = "", passphrase = "", cap_kbps = 3000,
	min_kbps = 300, stream_class = "default", patch_quality = "auto", carriage = "auto", autostart = false, command = "livesr",
}
local script_settings = nil
local control_source = nil
local own_instance = nil     -- of the control input, while it exists
local control = { session = "", sequence = 0, wanted_kbps = 0, grabs_per_second = 0, dock = "", heard_at = nil, note = "" }
local encoder = { original_kbps = nil, current_kbps = 0, changed_at = 0, changes = 0, problem = "" }
local stop_asked = false
local hotkey_on, hotkey_off = obs.OBS_INVALID_HOTKEY_ID, obs.OBS_INVALID_HOTKEY_ID
local stream_started_at = 0

local function log(text) obs.script_log(obs.LOG_INFO, text) end
local function warn(text) obs.script_log(obs.LOG_WARNING, text) end
local function now_s() return obs.os_gettime_ns() / 1e9 end
local function is_windows() return package.config:sub(1, 1) == "\\" end

local function controller_is_here()
	return control.heard_at ~= nil and now_s() - control.heard_at < SILENCE_S
end

-- ---------------------------------------------------------------------------------------------
-- The streaming encoder

-- Names for people, and ids apart by spaces (none when OBS cannot be asked). Does not change while OBS runs.
local capable_names, capable_ids = nil, ""
local function capable_encoders()
	if capable_names ~= nil then return capable_names, capable_ids end
	capable_names = "x264, NVENC, QuickSync, AMF (H.264)"
	if not (has_ffi and has_bit) then return capable_names, capable_ids end
	local names, ids = {}, {}
	local id = ffi.new("const char *[1]")
	local index = 0
	while index < 200 and ffi.C.obs_enum_encoder_types(index, id) do
		local name = ffi.string(id[0])
		local caps = obs.obs_get_encoder_caps(name)
		-- Those that OBS no longer offers are left out.
		if obs.obs_get_encoder_codec(name) == "h264" and bit.band(caps, ENCODER_CAP_DYN_BITRATE) ~= 0
			and bit.band(caps, ENCODER_CAP_DEPRECATED) == 0 then
			table.insert(names, obs.obs_encoder_get_display_name(name))
			table.insert(ids, name)
		end
		index = index + 1
	end
	if #names > 0 then
		capable_names, capable_ids = table.concat(names, ", "), table.concat(ids, " ")
	end
	return capable_names, capable_ids
end

-- Calls action(encoder, output) with the video encoder of the stream, if there is one.
local function with_encoder(action)
	local output = obs.obs_frontend_get_streaming_output()
	if output == nil then return nil end
	local borrowed = obs.obs_output_get_video_encoder(output)
	-- The output may let go of it meanwhile.
	local video = borrowed ~= nil and obs.obs_encoder_get_ref(borrowed) or nil
	local result = nil
	if video ~= nil then
		result = action(video, output)
		obs.obs_encoder_release(video)
	end
	obs.obs_output_release(output)
	return result
end

local function is_streaming()
	return obs.obs_frontend_streaming_active()
end

local function examine_encoder()
	local found = { id = "", codec = "", name = "", can_change = false, rate_control = "", kbps = 0, audio_kbps = 0, width = 0, height = 0 }
	with_encoder(function(video, output)
		found.id = obs.obs_encoder_get_id(video) or ""
		found.codec = obs.obs_encoder_get_codec(video) or ""
		found.name = obs.obs_encoder_get_display_name(found.id) or found.id
		found.can_change = has_bit
			and bit.band(obs.obs_get_encoder_caps(found.id), ENCODER_CAP_DYN_BITRATE) ~= 0
		local values = obs.obs_encoder_get_settings(video)
		found.rate_control = obs.obs_data_get_string(values, "rate_control") or ""
		found.kbps = obs.obs_data_get_int(values, "bitrate")
		obs.obs_data_release(values)
		found.width = obs.obs_encoder_get_width(video)
		found.height = obs.obs_encoder_get_height(video)
		local audio = obs.obs_output_get_audio_encoder(output, 0)
		if audio ~= nil then
			local audio_values = obs.obs_encoder_get_settings(audio)
			found.audio_kbps = obs.obs_data_get_int(audio_values, "bitrate")
			obs.obs_data_release(audio_values)
		end
	end)
	return found
end

local function set_encoder_kbps(kbps)
	return with_encoder(function(video)
		local values = obs.obs_encoder_get_settings(video)
		if encoder.original_kbps == nil then
			encoder.original_kbps = obs.obs_data_get_int(values, "bitrate")
		end
		obs.obs_data_set_int(values, "bitrate", kbps)
		-- The buffer of x264 follows, where the streamer has not set one of its own.
		if obs.obs_data_get_int(values, "buffer_size") > 0 and not obs.obs_data_get_bool(values, "use_bufsize") then
			obs.obs_data_set_int(values, "buffer_size", kbps)
		end
		obs.obs_encoder_update(video, values)
		obs.obs_data_release(values)
		encoder.current_kbps = kbps
		encoder.changed_at = now_s()
		return true
	end) == true
end

-- Puts back what the streamer had set. Into OBS's log and not the scripts': OBS 29 ends when a script
-- that is being unloaded writes there.
local function restore_encoder(why)
	if encoder.original_kbps == nil then return end
	local kbps = encoder.original_kbps
	if set_encoder_kbps(kbps) then
		obs.blog(obs.LOG_INFO, string.format("[livesr] bit rate back to %d kbit/s: %s", kbps, why))
	end
	encoder.original_kbps = nil
end

local function steer_encoder()
	if not (is_streaming() and settings.enabled and controller_is_here() and control.wanted_kbps > 0) then
		restore_encoder(not is_streaming() and "the stream has ended" or not settings.enabled and "switched off"
			or not controller_is_here() and "the controller is gone" or "the controller asks for it")
		return
	end
	local found = examine_encoder()
	if found.id == "" then return end
	local problem = rules.encoder_problem(found.codec, found.can_change, found.rate_control, found.name, "")
	if problem ~= nil then
		problem = rules.encoder_problem(found.codec, found.can_change, found.rate_control, found.name, (capable_encoders()))
		if problem ~= encoder.problem then warn(problem) end
		encoder.problem = problem
		return
	end
	encoder.problem = ""
	encoder.current_kbps = found.kbps
	local kbps = rules.next_bitrate(found.kbps, control.wanted_kbps, now_s() - encoder.changed_at,
		settings.min_kbps, settings.cap_kbps)
	if kbps ~= nil and set_encoder_kbps(kbps) then encoder.changes = encoder.changes + 1 end
end

-- ---------------------------------------------------------------------------------------------
-- Frames of the canvas, through a file of three slots. A slot is a head of 64 bytes and the pixels;
-- its sequence is 0 while it is written. The C library's stdio is the same everywhere.

local SLOTS = 3
local HEAD_BYTES = 64
local canvas = {
	path = "", file = nil, stage = nil, width = 0, height = 0, format = 0, line_bytes = 0,
	staged_ns = nil, sequence = 0, due_s = 0, grabbed = 0, problem = "",
}

if has_ffi then
	ffi.cdef [[
		typedef struct gs_texture gs_texture_t;
		typedef struct gs_stage_surface gs_stagesurf_t;
		typedef struct livesr_file livesr_file;
		gs_texture_t *obs_get_main_texture(void);
		uint32_t gs_texture_get_width(const gs_texture_t *);
		uint32_t gs_texture_get_height(const gs_texture_t *);
		int gs_texture_get_color_format(const gs_texture_t *);
		gs_stagesurf_t *gs_stagesurface_create(uint32_t, uint32_t, int);
		void gs_stagesurface_destroy(gs_stagesurf_t *);
		void gs_stage_texture(gs_stagesurf_t *, gs_texture_t *);
		bool gs_stagesurface_map(gs_stagesurf_t *, uint8_t **, uint32_t *);
		void gs_stagesurface_unmap(gs_stagesurf_t *);
		void obs_enter_graphics(void);
		void obs_leave_graphics(void);
		uint64_t obs_get_video_frame_time(void);
		bool obs_enum_encoder_types(size_t, const char **);
		struct livesr_time { long seconds; long nanoseconds; };
		int clock_gettime(int, struct livesr_time *);
		livesr_file *fopen(const char *, const char *);
		size_t fwrite(const void *, size_t, size_t, livesr_file *);
		int fseek(livesr_file *, long, int);
		int fflush(livesr_file *);
		int fclose(livesr_file *);
		int chmod(const char *, unsigned);
		unsigned umask(unsigned);
		int os_get_config_path(char *, size_t, const char *);
		struct livesr_slot {
			char magic[4]; uint32_t version; uint64_t sequence; uint64_t frame_ns;
			uint32_t width; uint32_t height; uint32_t line_bytes; uint32_t format; uint32_t slot_bytes;
			uint32_t slots; uint8_t unused[16];
		};
	]]
end

-- Everything of OBS that is needed here, or why there is none. On Windows the symbols are in obs.dll.
local api, api_problem = nil, "this OBS has no LuaJIT FFI"
if has_ffi then
	local function probe(library)
		return library.obs_get_main_texture ~= nil and library.gs_stage_texture ~= nil
			and library.obs_get_video_frame_time ~= nil and library
	end
	local ok, found = pcall(probe, ffi.C)
	if not ok then
		ok, found = pcall(function() return probe(ffi.load("obs")) end)
	end
	if ok then api = found else api_problem = "OBS's functions cannot be reached by FFI: " .. tostring(found) end
end

-- What this script costs OBS: the time of its thread where the system counts that, else the time that
-- went by. Grabs are counted apart.
local spent = { script_ns = 0, grabs_ns = 0 }
local thread_time = nil
if has_ffi and jit.os == "Linux" then
	local time = ffi.new("struct livesr_time")
	if pcall(ffi.C.clock_gettime, 3, time) then thread_time = time end
end
local function spent_ns()
	if thread_time == nil then return obs.os_gettime_ns() end
	ffi.C.clock_gettime(3, thread_time) -- CLOCK_THREAD_CPUTIME_ID
	return tonumber(thread_time.seconds) * 1e9 + tonumber(thread_time.nanoseconds)
end

-- pcall of `action`, its time added to `account`.
local function accounted(account, action)
	return function(...)
		local began_ns = spent_ns()
		local ok, result = pcall(action, ...)
		spent[account] = spent[account] + spent_ns() - began_ns
		return ok, result
	end
end

-- A folder that only this user reads, if there is one.
local function private_folder()
	local runtime = os.getenv("XDG_RUNTIME_DIR")
	local sandbox = os.getenv("FLATPAK_ID")
	if runtime ~= nil and sandbox ~= nil then return runtime .. "/app/" .. sandbox end
	return runtime or os.getenv("TMPDIR") or os.getenv("TEMP") or "/tmp"
end

-- A new file, this user's alone from its first moment: another may wait for it, or have put a link there.
local function open_private(path)
	if is_windows() then return ffi.C.fopen(path, "w+b") end
	local before = ffi.C.umask(63) -- 0077
	local file = ffi.C.fopen(path, "w+bx")
	ffi.C.umask(before)
	return file
end

-- OBS keeps what is set in its dialogs, keys and passwords too, in plain files with whatever mode the umask
-- gives them, and writes new ones each time. So the folder that they are all in is closed to others, once.
local config_is_closed = false
local function close_config_folder()
	if config_is_closed or is_windows() or not has_ffi then return end
	if settings.stream_key == "" and settings.token == "" and settings.passphrase == "" then return end
	config_is_closed = true
	local path = ffi.new("char[?]", 4096)
	local found, length = pcall(function() return ffi.C.os_get_config_path(path, 4096, "obs-studio") end)
	if not (found and length > 0 and ffi.C.chmod(path, 448) == 0) then -- 0700
		obs.blog(obs.LOG_WARNING, "[livesr] others on this computer may be able to read OBS's configuration, "
			.. "with the stream key and the token in it: chmod 700 its folder")
	end
end

local function close_canvas()
	if canvas.file ~= nil then
		ffi.C.fclose(canvas.file)
		os.remove(canvas.path)
	end
	if canvas.stage ~= nil then
		api.obs_enter_graphics()
		api.gs_stagesurface_destroy(canvas.stage)
		api.obs_leave_graphics()
	end
	canvas.file, canvas.stage, canvas.path, canvas.staged_ns, canvas.line_bytes = nil, nil, "", nil, 0
end

-- In the graphics context. False when there is nowhere to write to.
local function open_canvas(width, height, format)
	close_canvas()
	local unique = string.format("%x%x", os.time(), tonumber(obs.os_gettime_ns() % 2 ^ 32))
	local path = private_folder() .. "/livesr-canvas-" .. unique
	local file = open_private(path)
	if file == nil then
		canvas.problem = "cannot write " .. path
		return false
	end
	canvas.file, canvas.path, canvas.problem = file, path, ""
	canvas.width, canvas.height, canvas.format = width, height, format
	canvas.stage = api.gs_stagesurface_create(width, height, format)
	return canvas.stage ~= nil
end

local slot_head = has_ffi and ffi.new("struct livesr_slot") or nil

local function write_slot(pixels, line_bytes)
	local C = ffi.C
	canvas.line_bytes = line_bytes
	canvas.sequence = canvas.sequence + 1
	local slot_bytes = HEAD_BYTES + line_bytes * canvas.height
	local at = (canvas.sequence % SLOTS) * slot_bytes
	ffi.copy(slot_head.magic, "LSRC", 4)
	slot_head.version, slot_head.sequence, slot_head.frame_ns = 1, 0, canvas.staged_ns
	slot_head.width, slot_head.height, slot_head.format = canvas.width, canvas.height, canvas.format
	slot_head.line_bytes, slot_head.slot_bytes, slot_head.slots = line_bytes, slot_bytes, SLOTS
	C.fseek(canvas.file, at, 0)
	C.fwrite(slot_head, HEAD_BYTES, 1, canvas.file)
	C.fflush(canvas.file)
	C.fwrite(pixels, line_bytes * canvas.height, 1, canvas.file)
	C.fflush(canvas.file)
	slot_head.sequence = canvas.sequence
	C.fseek(canvas.file, at, 0)
	C.fwrite(slot_head, HEAD_BYTES, 1, canvas.file)
	C.fflush(canvas.file)
	canvas.grabbed = canvas.grabbed + 1
end

local mapped_pixels = has_ffi and ffi.new("uint8_t *[1]") or nil
local mapped_line = has_ffi and ffi.new("uint32_t[1]") or nil

-- One tick asks for the copy to main memory, the next one takes it: nothing waits for the GPU.
local function grab_step()
	if canvas.staged_ns ~= nil then
		api.obs_enter_graphics()
		if api.gs_stagesurface_map(canvas.stage, mapped_pixels, mapped_line) then
			write_slot(mapped_pixels[0], mapped_line[0])
			api.gs_stagesurface_unmap(canvas.stage)
		end
		api.obs_leave_graphics()
		canvas.staged_ns = nil
		return
	end
	local now = now_s()
	if now < canvas.due_s then return end
	canvas.due_s = now + 1 / control.grabs_per_second
	api.obs_enter_graphics()
	local texture = api.obs_get_main_texture()
	if texture ~= nil then
		local width, height = api.gs_texture_get_width(texture), api.gs_texture_get_height(texture)
		local format = api.gs_texture_get_color_format(texture)
		local same = canvas.stage ~= nil and canvas.width == width and canvas.height == height and canvas.format == format
		if same or open_canvas(width, height, format) then
			api.gs_stage_texture(canvas.stage, texture)
			canvas.staged_ns = api.obs_get_video_frame_time()
		end
	end
	api.obs_leave_graphics()
end

local accounted_grab = accounted("grabs_ns", grab_step)

local function grab_when_due()
	if api == nil or control.grabs_per_second == 0 or canvas.problem ~= "" then return end
	if not settings.enabled or not controller_is_here() then return end
	local ok, why = accounted_grab()
	if not ok then
		canvas.problem = tostring(why)
		warn("no frames of the canvas: " .. canvas.problem)
	end
end

-- ---------------------------------------------------------------------------------------------
-- The control input

local function status_json()
	local found = examine_encoder()
	local status = obs.obs_data_create()
	local function text(name, value) obs.obs_data_set_string(status, name, value) end
	local function number(name, value) obs.obs_data_set_int(status, name, value) end
	local function flag(name, value) obs.obs_data_set_bool(status, name, value) end
	number("protocol", PROTOCOL)
	text("scriptVersion", SCRIPT_VERSION)
	flag("enabled", settings.enabled)
	text("mode", settings.mode)
	text("server", settings.server)
	text("feedback", settings.feedback)
	text("streamKey", settings.stream_key)
	text("token", settings.token)
	text("passphrase", settings.passphrase)
	number("capKbps", settings.cap_kbps)
	number("minKbps", settings.min_kbps)
	text("streamClass", settings.stream_class)
	text("patchQuality", settings.patch_quality)
	text("carriage", settings.carriage)
	flag("streaming", is_streaming())
	flag("stopAsked", stop_asked)
	text("encoder", found.id)
	text("encoderName", found.name)
	text("encoderCodec", found.codec)
	flag("encoderCanChange", found.can_change)
	text("rateControl", found.rate_control)
	number("encoderWidth", found.width)
	number("encoderHeight", found.height)
	number("bitrateKbps", found.kbps)
	number("audioKbps", found.audio_kbps)
	number("originalKbps", encoder.original_kbps or found.kbps)
	number("changes", encoder.changes)
	local names, ids = capable_encoders()
	text("capableEncoderNames", names)
	text("capableEncoderIds", ids)
	text("problem", encoder.problem)
	text("note", control.note)
	text("canvasFile", canvas.path)
	text("canvasProblem", api == nil and api_problem or canvas.problem)
	number("canvasGrabbed", canvas.grabbed)
	number("scriptMs", math.floor(spent.script_ns / 1e6))
	number("grabsMs", math.floor(spent.grabs_ns / 1e6))
	local json = obs.obs_data_get_json(status)
	obs.obs_data_release(status)
	return json
end

local function answer(values)
	obs.obs_data_set_int(values, "ackProtocol", PROTOCOL)
	obs.obs_data_set_string(values, "ackSession", control.session)
	obs.obs_data_set_int(values, "ackSequence", control.sequence)
	obs.obs_data_set_string(values, "status", status_json())
end

local function control_update(values)
	local protocol = obs.obs_data_get_int(values, "protocol")
	local session = obs.obs_data_get_string(values, "session") or ""
	local sequence = obs.obs_data_get_int(values, "sequence")
	local problem = rules.control_problem(protocol, sequence, session, control.session, control.sequence)
	if problem == nil then
		control.session, control.sequence, control.note = session:sub(1, 64), sequence, ""
		control.heard_at = now_s()
		control.wanted_kbps = obs.obs_data_get_int(values, "bitrateKbps")
		local grabs = obs.obs_data_get_int(values, "grabsPerSecond")
		control.grabs_per_second = math.max(0, math.min(MOST_GRABS_PER_SECOND, grabs))
		control.dock = rules.dock_address(obs.obs_data_get_string(values, "dock") or "")
		steer_encoder()
	elseif problem ~= "empty" and problem ~= "old" and problem ~= control.note then
		control.note = problem
		warn(problem)
	end
	answer(values)
end

local info = {}
info.id = CONTROL_KIND
info.type = obs.OBS_SOURCE_TYPE_INPUT
info.output_flags = 1024 -- OBS_SOURCE_CAP_DISABLED: not in the list of sources to add. 0 would not register
info.get_name = function() return "livesr control" end
info.create = function(_, source)
	-- What the scene collection brought along is of another run.
	own_instance = { source = source }
	return own_instance
end
info.destroy = function(data)
	if own_instance == data then own_instance = nil end
end
local accounted_update = accounted("script_ns", control_update)
info.update = function(_, values)
	local ok, why = accounted_update(values)
	if not ok then warn("control input: " .. tostring(why)) end
end
-- Neither the answer nor the wishes are for the file, least of all the token.
info.save = function(_, values)
	for _, name in ipairs({ "protocol", "session", "sequence", "bitrateKbps", "grabsPerSecond", "dock",
		"ackProtocol", "ackSession", "ackSequence", "status" }) do
		obs.obs_data_erase(values, name)
	end
end
info.get_width = function() return 0 end
info.get_height = function() return 0 end
obs.obs_register_source(info)

local function release_control()
	if control_source ~= nil then
		obs.obs_source_release(control_source)
		control_source = nil
	end
end

local function ensure_control()
	if control_source ~= nil then return end
	local saved = obs.obs_get_source_by_name(CONTROL_NAME)
	if saved ~= nil then
		local is_ours = obs.obs_source_get_unversioned_id(saved) == CONTROL_KIND
		if is_ours and own_instance ~= nil then
			control_source = saved
			return
		end
		-- Loaded before this script had registered its kind: an empty shell.
		if is_ours then obs.obs_source_remove(saved) end
		obs.obs_source_release(saved)
	end
	local empty = obs.obs_data_create()
	control_source = obs.obs_source_create(CONTROL_KIND, CONTROL_NAME, empty, nil)
	obs.obs_data_release(empty)
end

-- ---------------------------------------------------------------------------------------------
-- The controller's process. The command is this script's own property.

local function start_controller()
	stop_asked = false
	local command = settings.command
	if command == "" then return end
	if is_windows() then
		os.execute('start "livesr" /min cmd /c ' .. command .. " obs")
	else
		os.execute("( " .. command .. " obs </dev/null >/dev/null 2>&1 & )")
	end
	log("starting the controller: " .. command .. " obs")
end

local function stop_controller()
	stop_asked = true
	control.wanted_kbps = 0
end

-- ---------------------------------------------------------------------------------------------
-- What OBS calls

local is_leaving = false -- the scene collection, or OBS

-- OBS tells when a scene collection is there, and that is when the control input is made: its kind has a
-- lock that OBS takes before the script's, and here the script's is taken already, so both threads would
-- wait for ever if OBS loads sources meanwhile. A script that is added or reloaded by hand is told of no
-- event, and after so long nothing is being loaded any more.
local UNTOLD_S = 10
local loaded_at_s = now_s()

local function every_second()
	if not is_leaving and now_s() - loaded_at_s > UNTOLD_S then ensure_control() end
	steer_encoder()
	if not controller_is_here() and canvas.file ~= nil then close_canvas() end
end
local accounted_second = accounted("script_ns", every_second)

-- Not by timer_add: OBS looks whether a timer's script is still there, and only then locks it. Between
-- the two it may be unloaded, and the timer runs in a Lua state that is closed (seen in OBS 29.0.2 at a
-- change of the scene collection). Ticks are unhooked under their own lock.
local second_due_s = 0
function script_tick(_)
	local now = now_s()
	if now >= second_due_s then
		second_due_s = now + 1
		local ok, why = accounted_second()
		if not ok then warn(tostring(why)) end
	end
	grab_when_due()
end

local function set_enabled(enabled)
	settings.enabled = enabled
	if script_settings ~= nil then obs.obs_data_set_bool(script_settings, "enabled", enabled) end
	log(enabled and "on" or "off")
	steer_encoder()
end

local function on_event(event)
	if event == obs.OBS_FRONTEND_EVENT_FINISHED_LOADING or event == obs.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CHANGED then
		is_leaving = false
		ensure_control()
		if event == obs.OBS_FRONTEND_EVENT_FINISHED_LOADING and settings.autostart then start_controller() end
	elseif event == obs.OBS_FRONTEND_EVENT_SCENE_COLLECTION_CLEANUP then
		-- Before OBS takes the script down, as far as that can be done: no more grabs, no more wishes.
		is_leaving = true
		control.heard_at = nil
		restore_encoder("the scene collection is left")
		release_control()
	elseif event == obs.OBS_FRONTEND_EVENT_STREAMING_STARTING then
		encoder.original_kbps, encoder.changes, encoder.problem = nil, 0, ""
		stream_started_at = now_s()
	elseif event == obs.OBS_FRONTEND_EVENT_STREAMING_STOPPING or event == obs.OBS_FRONTEND_EVENT_STREAMING_STOPPED then
		control.wanted_kbps = 0
		restore_encoder("the stream has ended")
	elseif event == obs.OBS_FRONTEND_EVENT_EXIT then
		is_leaving = true
		restore_encoder("OBS is closing")
		release_control()
	end
end

function script_description()
	return "<h2>livesr</h2><p>Sends a small stream with patches of the full-size picture. The server trains a network "
		.. "on them and gives viewers the full size. Needs the controller, <code>livesr obs</code>, on this computer.</p>"
end

local function status_text()
	local lines = {}
	if not settings.enabled then table.insert(lines, "Switched off: OBS streams as you have set it.") end
	table.insert(lines, controller_is_here() and "The controller is running." or "The controller is not running.")
	if controller_is_here() and control.dock ~= "" then
		table.insert(lines, "Dock: " .. control.dock)
	end
	if is_streaming() and encoder.original_kbps ~= nil then
		table.insert(lines, string.format("Video at %d kbit/s (yours: %d), %d changes in %d s.",
			encoder.current_kbps, encoder.original_kbps, encoder.changes, now_s() - stream_started_at))
	end
	if encoder.problem ~= "" then table.insert(lines, encoder.problem) end
	if control.note ~= "" then table.insert(lines, control.note) end
	local no_frames = api == nil and api_problem or canvas.problem
	if no_frames ~= "" then
		table.insert(lines, "Canvas by screenshots, which costs more: " .. no_frames)
	end
	return table.concat(lines, "\n")
end

function script_properties()
	local properties = obs.obs_properties_create()
	local status = obs.obs_properties_add_text(properties, "status", status_text(), obs.OBS_TEXT_INFO)
	obs.obs_property_set_description(status, status_text())
	obs.obs_properties_add_button(properties, "refresh", "Refresh", function(all)
		obs.obs_property_set_description(obs.obs_properties_get(all, "status"), status_text())
		return true
	end)
	obs.obs_properties_add_bool(properties, "enabled", "On")
	-- Short names: the column of the fields gets what they leave.
	local function explain(property, text) obs.obs_property_set_long_description(property, text) end
	local mode = obs.obs_properties_add_list(properties, "mode", "Route",
		obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_STRING)
	obs.obs_property_list_add_string(mode, "relay (recommended)", "relay")
	obs.obs_property_list_add_string(mode, "direct", "direct")
	explain(mode, "Relay: through this computer's own, which adds patches to the video. Direct: OBS streams to the server "
		.. "by itself, patches go over Feedback.")
	explain(obs.obs_properties_add_text(properties, "server", "Server", obs.OBS_TEXT_DEFAULT),
		"Where the relay sends the stream to: srt://HOST:PORT, rtmp://HOST/APP or rtmps://HOST/APP")
	explain(obs.obs_properties_add_text(properties, "feedback", "Feedback", obs.OBS_TEXT_DEFAULT),
		"Where the server tells what is gained: ws://HOST:PORT or wss://HOST:PORT. May be empty.")
	obs.obs_properties_add_text(properties, "stream_key", "Stream key", obs.OBS_TEXT_PASSWORD)
	obs.obs_properties_add_text(properties, "token", "Token", obs.OBS_TEXT_PASSWORD)
	explain(obs.obs_properties_add_text(properties, "passphrase", "Passphrase", obs.OBS_TEXT_PASSWORD),
		"Of SRT, 10 to 79 characters, as the server has it: the stream goes encrypted from the relay on.")
	local cap = obs.obs_properties_add_int(properties, "cap_kbps", "Uplink cap",
		RANGES.cap_kbps[1], RANGES.cap_kbps[2], 100)
	local min = obs.obs_properties_add_int(properties, "min_kbps", "Video at least",
		RANGES.min_kbps[1], RANGES.min_kbps[2], 50)
	obs.obs_property_int_set_suffix(cap, " kbit/s")
	obs.obs_property_int_set_suffix(min, " kbit/s")
	local class = obs.obs_properties_add_list(properties, "stream_class", "Content",
		obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_STRING)
	for _, name in ipairs(CHOICES.stream_class) do
		obs.obs_property_list_add_string(class, name, name)
	end
	local quality = obs.obs_properties_add_list(properties, "patch_quality", "Patches",
		obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_STRING)
	obs.obs_property_list_add_string(quality, "As fits (recommended)", "auto")
	obs.obs_property_list_add_string(quality, "Finer, fewer", "fine")
	obs.obs_property_list_add_string(quality, "Coarser, more", "coarse")
	local carriage = obs.obs_properties_add_list(properties, "carriage", "Patches travel",
		obs.OBS_COMBO_TYPE_LIST, obs.OBS_COMBO_FORMAT_STRING)
	obs.obs_property_list_add_string(carriage, "Inside the video (recommended)", "auto")
	obs.obs_property_list_add_string(carriage, "As a track of their own (KLV)", "klv")
	explain(carriage, "Of the relay. Inside the video patches pass whatever copies the video. KLV needs SRT, and relays that "
		.. "keep all tracks.")
	obs.obs_properties_add_bool(properties, "autostart", "Start the controller with OBS")
	obs.obs_properties_add_text(properties, "command", "Command", obs.OBS_TEXT_DEFAULT)
	obs.obs_properties_add_button(properties, "start", "Start the controller", function()
		start_controller()
		return false
	end)
	obs.obs_properties_add_button(properties, "stop", "Stop the controller", function()
		stop_controller()
		return false
	end)
	return properties
end

function script_defaults(values)
	obs.obs_data_set_default_bool(values, "enabled", settings.enabled)
	obs.obs_data_set_default_string(values, "mode", settings.mode)
	obs.obs_data_set_default_int(values, "cap_kbps", settings.cap_kbps)
	obs.obs_data_set_default_int(values, "min_kbps", settings.min_kbps)
	obs.obs_data_set_default_string(values, "stream_class", settings.stream_class)
	obs.obs_data_set_default_string(values, "patch_quality", settings.patch_quality)
	obs.obs_data_set_default_string(values, "carriage", settings.carriage)
	obs.obs_data_set_default_bool(values, "autostart", settings.autostart)
	obs.obs_data_set_default_string(values, "command", settings.command)
end

function script_update(values)
	for name, value in pairs(settings) do
		if type(value) == "boolean" then
			settings[name] = obs.obs_data_get_bool(values, name)
		elseif type(value) == "number" then
			settings[name] = rules.sane(name, obs.obs_data_get_int(values, name), value)
		else
			settings[name] = rules.sane(name, obs.obs_data_get_string(values, name) or "", value)
		end
	end
	close_config_folder()
end

local function load_hotkey(values, name, text, enabled)
	local id = obs.obs_hotkey_register_frontend(name, text, function(pressed)
		if pressed then set_enabled(enabled) end
	end)
	local saved = obs.obs_data_get_array(values, name)
	obs.obs_hotkey_load(id, saved)
	obs.obs_data_array_release(saved)
	return id
end

local function save_hotkey(values, name, id)
	local saved = obs.obs_hotkey_save(id)
	obs.obs_data_set_array(values, name, saved)
	obs.obs_data_array_release(saved)
end

function script_load(values)
	script_settings = values
	hotkey_on = load_hotkey(values, "livesr_on", "livesr: on", true)
	hotkey_off = load_hotkey(values, "livesr_off", "livesr: off", false)
	obs.obs_frontend_add_event_callback(on_event)
end

function script_save(values)
	save_hotkey(values, "livesr_on", hotkey_on)
	save_hotkey(values, "livesr_off", hotkey_off)
end

function script_unload()
	restore_encoder("the script is unloaded")
	control.heard_at = nil
	if api ~= nil then close_canvas() end
	release_control()
	script_settings = nil
end

-- For the test, which has no OBS.
return rules
