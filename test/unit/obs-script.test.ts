// The rules of livesr.lua in LuaJIT, as OBS runs it, with an obslua that takes everything and does nothing:
// the rest of the script is seen at work in a real OBS (test/e2e/obs.test.ts).
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const hasLuaJit = spawnSync('luajit', ['-v']).status === 0;

/**
 * What the statements return, as text. They see the script's rules as `rules`, and what it would tell the
 * controller as `told(FIELD)`, once OBS has given it the settings `saved`. `before` runs before the script.
 */
function lua(statements: string, saved = '{}', before = ''): string {
  const program = `
    obslua = setmetatable({}, { __index = function() return function() return nil end end })
    local status, source = {}, nil
    local function read(kind, otherwise)
      return function(values, name)
        local value = values[name]
        return type(value) == kind and value or otherwise
      end
    end
    obslua.obs_data_get_string, obslua.obs_data_get_int = read("string", ""), read("number", 0)
    obslua.obs_data_get_bool = read("boolean", false)
    obslua.os_gettime_ns = function() return 1e9 end
    obslua.obs_register_source = function(info) source = info end
    local function write(values, name, value) (values or status)[name] = value end
    obslua.obs_data_set_string, obslua.obs_data_set_int, obslua.obs_data_set_bool = write, write, write
    ${before}
    local rules = dofile("obs-script/livesr.lua")
    local saved = ${saved}
    if next(saved) ~= nil then script_update(saved) end
    local function told(field)
      source.update(nil, {})
      return status[field]
    end
    local function all(...)
      local texts = {}
      for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
      return table.concat(texts, ";")
    end
    io.write(all((function() ${statements} end)()))`;
  const { stdout, stderr, status } = spawnSync('luajit', ['-e', program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

describe.skipIf(!hasLuaJit)('the script', () => {
  it('changes the bit rate by 10 % and more, once a second, within its bounds', () => {
    const answers = lua(`
      local next = rules.next_bitrate
      return next(1000, 950, 5, 300, 3000), next(1000, 1050, 5, 300, 3000), next(1000, 890, 5, 300, 3000),
        next(1000, 1100, 5, 300, 3000), next(1000, 500, 0.5, 300, 3000), next(1000, 100, 5, 300, 3000),
        next(1000, 99999, 5, 300, 3000), next(1000, 0, 5, 300, 3000), next(1000, -5, 5, 300, 3000),
        next(1000, 0 / 0, 5, 300, 3000), next(3100, 3000, 5, 300, 3000), next(1000, 1000, 5, 300, 3000),
        next(1000, 1 / 0, 5, 300, 3000), next(400, 100, 5, 500, 300)`);
    expect(answers.split(';')).toEqual([
      ...['nil', 'nil', '890', '1100', 'nil', '300', '3000'],
      ...['nil', 'nil', 'nil', '3000', 'nil', '3000', '300'],
    ]);
  });

  it('never leaves its bounds, whatever is written into the control input', () => {
    const wishes = fc
      .sample(fc.double(), 200)
      .map((wish) =>
        Number.isNaN(wish)
          ? '0/0'
          : wish === Infinity
            ? '1/0'
            : wish === -Infinity
              ? '-1/0'
              : wish.toExponential(),
      );
    const answers = lua(`
      for _, wish in ipairs({ ${wishes.join(', ')} }) do
        local kbps = rules.next_bitrate(1000, wish, 5, 300, 3000)
        if kbps ~= nil and not (kbps >= 300 and kbps <= 3000) then return wish, kbps end
      end
      return "within"`);
    expect(answers).toBe('within');
  });

  it('refuses encoders that cannot change, and names those that can', () => {
    const problem = (args: string): string => lua(`return rules.encoder_problem(${args})`);
    expect(problem('"h264", true, "CBR", "x264", "x264, NVENC"')).toBe('nil');
    expect(problem('"h264", false, "CBR", "VAAPI", "x264, NVENC"')).toMatch(/VAAPI.*x264, NVENC/);
    expect(problem('"hevc", true, "CBR", "HEVC", "x264, NVENC"')).toMatch(/H\.264.*x264, NVENC/);
    expect(problem('"h264", true, "CRF", "x264", ""')).toMatch(/CRF.*CBR/);
  });

  it('takes no old wish, and none of a newer version', () => {
    const problem = (args: string): string => lua(`return rules.control_problem(${args})`);
    expect(problem('1, 5, "a", "a", 4')).toBe('nil');
    expect(problem('1, 4, "a", "a", 4')).toBe('old');
    expect(problem('1, 1, "b", "a", 400')).toBe('nil');
    expect(problem('0, 0, "", "a", 4')).toBe('empty');
    expect(problem('2, 5, "a", "a", 4')).toMatch(/version 2.*install/);
  });

  it('reads settings of a newer version as far as it knows them', () => {
    const answers = lua(`
      local sane = rules.sane
      return sane("mode", "direct", "relay"), sane("mode", "mesh", "relay"), sane("mode", 2, "relay"),
        sane("patch_quality", "ultra", "fine"), sane("stream_class", "opera", "default"),
        sane("cap_kbps", 5000, 3000), sane("cap_kbps", -1, 3000), sane("cap_kbps", 1e9, 3000),
        sane("cap_kbps", "lots", 3000), sane("cap_kbps", 0 / 0, 3000), sane("min_kbps", 0, 300),
        sane("server", "quic://x", ""), sane("enabled", "yes", true)`);
    expect(answers.split(';')).toEqual([
      ...['direct', 'relay', 'relay', 'fine', 'default'],
      ...['5000', '200', '100000', '3000', '3000', '100', 'quic://x', 'true'],
    ]);
  });

  it('takes settings that a newer version has saved, and goes on', () => {
    const answers = lua(
      `return told("passphrase"), told("mode"), told("capKbps"), told("minKbps"), told("streamClass"), told("server")`,
      `{ passphrase = "of ten letters", mode = "mesh", cap_kbps = 0, min_kbps = 1e12, stream_class = "opera", server = "srt://a:1",
         uplinks = "two", patch_quality = { "a" } }`,
    );
    expect(answers).toBe('of ten letters;relay;200;100000;default;srt://a:1');
  });

  it('closes the folder of keys and passwords to others, once there is one', () => {
    const closed = (saved: string): string =>
      lua(
        `return status.closed`,
        saved,
        `local ffi = require("ffi")
         package.loaded.ffi = setmetatable({ C = setmetatable({
           os_get_config_path = function(path) ffi.copy(path, "/a/folder"); return 9 end,
           chmod = function(path, mode)
             status.closed = (status.closed or "") .. ffi.string(path) .. " " .. mode
             return 0
           end,
         }, { __index = ffi.C }) }, { __index = ffi })`,
      );
    expect(closed('{ server = "srt://a:1" }')).toBe('nil');
    expect(closed('{ token = "secret" }')).toBe('/a/folder 448');
    expect(closed('{ passphrase = "of ten letters" }')).toBe('/a/folder 448');
  });

  it("shows the dock's address only if it is one", () => {
    const answers = lua(`return rules.dock_address("http://127.0.0.1:7011/0123abc/"),
      rules.dock_address("http://evil.example/"), rules.dock_address("http://127.0.0.1:1@evil.example/a/"),
      rules.dock_address("javascript:alert(1)"), rules.dock_address(("x"):rep(500))`);
    expect(answers).toBe('http://127.0.0.1:7011/0123abc/;;;;');
  });
});
