import { describe, expect, test } from 'vitest';
import { checkFeedback, checkServer } from '../../elements/send/address.ts';
import { sendLaunch, type SendSettings } from '../../elements/send/launch.ts';
import { LinkWatch } from '../../elements/send/link-watch.ts';
import { linkLineOf } from '../../elements/send/report.ts';
import { namedDevice, soundOfFile, soundOfLive } from '../../elements/send/sound.ts';

const settings: SendSettings = {
  to: checkServer('srt://server:7001'),
  source: 'test',
  scale: '3',
  maxBitrate: 1500,
  patchBitrate: 0,
  latencyMs: 400,
  feedback: 'ws://server:7002',
  token: 'a "secret"',
  streamKey: 'key',
  streamClass: 'talk',
  passphrase: 'ten letters',
  streamId: '',
};
const silence = { launch: null, words: '' };
const everything = (): boolean => true;

describe('the pipeline of a sender', () => {
  test('is set up as its options say', () => {
    const launch = sendLaunch(settings, silence);
    expect(launch).toContain('scale="3" uplink="srt:uplink" max-bitrate=1500000 patch-bitrate=0');
    expect(launch).toContain('feedback-uri="ws://server:7002" token="a \\"secret\\""');
    // srtsink forgets the others when it gets its address.
    expect(launch).toMatch(
      /srtsink name=uplink uri="srt:\/\/server:7001[^"]*" latency=400 passphrase="ten letters"/,
    );
    expect(launch).not.toContain('streamid');
  });

  test('has the sound of its source on a pad of its own', () => {
    const sound = soundOfFile('file', 'aac');
    expect(sound.launch).not.toMatch(/enc/);
    expect(sendLaunch({ ...settings, source: 'clip.mp4' }, sound)).toMatch(
      /file\. ! audio\/mpeg .*! mux\.$/,
    );
  });

  test('encodes what is not AAC by what is there, and says so', () => {
    const having = (name: string) => (element: string) => element === name;
    expect(soundOfFile('file', 'other', having('voaacenc'))).toMatchObject({
      launch: expect.stringContaining('voaacenc') as unknown,
      words: "sound: the file's, encoded as AAC (voaacenc)",
    });
    expect(soundOfFile('file', 'other', having('opusenc')).launch).toContain('opusenc');
    const none = soundOfFile('file', 'other', () => false);
    expect(none.launch).toBeNull();
    expect(none.words).toContain('install');
    expect(soundOfFile('file', 'none').words).toBe('sound: the file has none');
  });

  test('takes the microphone that is named, the usual one, or none', () => {
    expect(namedDevice('hw:1,0').launch).toBe('alsasrc device="hw:1,0"');
    expect(namedDevice('pulse:default').launch).toBe('pulsesrc device="default"');
    expect(namedDevice('alsa_input.usb').launch).toBe('pulsesrc device="alsa_input.usb"');
    const noMicrophone = () => null;
    expect(soundOfLive('auto', false, noMicrophone, everything).words).toContain('--audio DEVICE');
    expect(soundOfLive('auto', true, noMicrophone, everything).launch).toContain('audiotestsrc');
    const alsa = () => ({ launch: 'alsasrc', name: 'ALSA' });
    const nothing = () => false;
    expect(soundOfLive('auto', false, alsa, nothing).words).toContain('gstreamer1.0-alsa');
    expect(() => soundOfLive('hw:0', false, alsa, nothing)).toThrow('gstreamer1.0-alsa');
    expect(soundOfLive('none', true, noMicrophone, everything).launch).toBeNull();
    expect(soundOfLive('hw:0', false, noMicrophone, everything).launch).toContain('alsasrc');
  });
});

describe('addresses', () => {
  test('are taken as srtsink needs them, and it waits for its server', () => {
    expect(checkServer('srt://h:1')).toBe('srt://h:1?mode=caller&conntimeo=600000');
    expect(checkServer('srt://h:1?conntimeo=5')).toBe('srt://h:1?conntimeo=5&mode=caller');
  });

  test('of feedback warn where a token would leave the machine unencrypted', () => {
    expect(checkFeedback('ws://server:7002', true)).toContain('wss://');
    expect(checkFeedback('ws://127.0.0.1:7002', true)).toBeNull();
    expect(checkFeedback('wss://server:7002', true)).toBeNull();
    expect(checkFeedback('ws://server:7002', false)).toBeNull();
  });
});

describe('who is at the other end', () => {
  const counters = (sent: number, acknowledged: number) => ({
    'rtt-ms': 20,
    'packets-sent': sent,
    'packet-ack-received': acknowledged,
  });

  test('is nobody before there are counters of a connection, and somebody from then on', () => {
    const watch = new LinkWatch();
    expect(watch.look({}, 1)).toEqual({ state: 'waiting', seconds: 1 });
    expect(watch.look({ 'bytes-sent-total': 0 }, 1)).toEqual({ state: 'waiting', seconds: 2 });
    expect(watch.look(counters(0, 0), 1).state).toBe('connected');
    expect(watch.look(counters(100, 90), 1)).toEqual({ state: 'connected', seconds: 1 });
  });

  test('is silent when nothing is acknowledged for two seconds, and lost when SRT gives up', () => {
    const watch = new LinkWatch();
    watch.look(counters(100, 90), 1);
    expect(watch.look(counters(200, 90), 1).state).toBe('connected');
    expect(watch.look(counters(300, 90), 1)).toEqual({ state: 'silent', seconds: 2 });
    expect(watch.look(counters(400, 90), 1)).toEqual({ state: 'silent', seconds: 3 });
    expect(watch.look({}, 1)).toEqual({ state: 'lost', seconds: 0 });
    expect(watch.look(counters(1, 1), 1).state).toBe('connected');
  });

  test('may be quiet while nothing is sent', () => {
    const watch = new LinkWatch();
    for (let i = 0; i < 5; i++) expect(watch.look(counters(100, 90), 1).state).toBe('connected');
  });

  test('is said without rates when it is nobody', () => {
    const line = linkLineOf({ link: 'waiting', seconds: 7, forSeconds: 7 }, 'srt://h:1');
    expect(line).toBe('    7 s  waiting for srt://h:1, not connected (7 s)');
  });
});
