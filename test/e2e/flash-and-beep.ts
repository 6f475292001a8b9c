// A clip in which a white picture and a 1 kHz tone begin together each second, and what a recording of it
// says of how far apart the two have come.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readGdp } from '../../elements/measure/gdp.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';
import { packetBytes, presentationTime, ticksBetween } from '../attack/pes-time.ts';

const width = 320;
const height = 180;
const framesPerSecond = 25;
const frameNs = 1e9 / framesPerSecond;
/** The first of each second. */
const brightFrames = 2;
const soundRate = 48_000;
const toneSeconds = brightFrames / framesPerSecond;

function writePicture(file: string, seconds: number): void {
  const size = width * height;
  const frame = (luma: number): Buffer =>
    Buffer.concat([Buffer.from('FRAME\n'), Buffer.alloc(size, luma), Buffer.alloc(size / 2, 128)]);
  const [dark, bright] = [frame(24), frame(235)];
  const frames = Array.from({ length: seconds * framesPerSecond }, (_, index) =>
    index % framesPerSecond < brightFrames ? bright : dark,
  );
  const header = `YUV4MPEG2 W${width} H${height} F${framesPerSecond}:1 Ip A1:1 C420jpeg\n`;
  writeFileSync(file, Buffer.concat([Buffer.from(header), ...frames]));
}

function writeSound(file: string, seconds: number): void {
  const samples = new Int16Array(seconds * soundRate);
  for (let i = 0; i < samples.length; i++) {
    const inSecond = (i % soundRate) / soundRate;
    if (inSecond < toneSeconds) samples[i] = 16_000 * Math.sin(2 * Math.PI * 1000 * inSecond);
  }
  const data = Buffer.from(samples.buffer);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(soundRate, 24);
  head.writeUInt32LE(soundRate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  writeFileSync(file, Buffer.concat([head, data]));
}

/** `sound`: as it is in the file. */
export async function makeClip(
  folder: string,
  seconds: number,
  sound: 'pcm' | 'aac',
): Promise<string> {
  const [picture, tone] = [join(folder, 'flash.y4m'), join(folder, 'beep.wav')];
  const clip = join(folder, `flash-and-beep-${sound}.mkv`);
  writePicture(picture, seconds);
  writeSound(tone, seconds);
  await runPipeline({
    name: 'making a clip',
    launch:
      `filesrc location=${quoted(picture)} ! y4mdec ! x264enc speed-preset=ultrafast key-int-max=25 ` +
      `! h264parse ! queue ! matroskamux name=mux ! filesink location=${quoted(clip)} ` +
      `filesrc location=${quoted(tone)} ! wavparse ! audioconvert ` +
      `${sound === 'aac' ? '! avenc_aac ! aacparse ' : ''}! queue ! mux.`,
  });
  rmSync(picture);
  rmSync(tone);
  return clip;
}

const mean = (bytes: Uint8Array): number =>
  bytes.reduce((sum, value) => sum + value, 0) / bytes.length;

/** Where dark pictures are followed by a bright one, without a picture missing in between. */
function flashes(pictures: readonly { timeNs: number; payload: Uint8Array }[]): number[] {
  const found: number[] = [];
  let [wasDark, lastNs] = [false, -Infinity];
  for (const { timeNs, payload } of pictures) {
    const isBright = mean(payload) > 128;
    if (isBright && wasDark && timeNs - lastNs < 1.5 * frameNs) found.push(timeNs);
    wasDark = !isBright;
    lastNs = timeNs;
  }
  return found;
}

/** Where silence of a quarter of a second is followed by a tone, without a hole in between. */
function beeps(buffers: readonly { timeNs: number; payload: Uint8Array }[]): number[] {
  const found: number[] = [];
  let [quietNs, endNs] = [0, -Infinity];
  for (const { timeNs, payload } of buffers) {
    if (Math.abs(timeNs - endNs) > 5e6) quietNs = 0;
    const samples = new Int16Array(Uint8Array.from(payload).buffer);
    for (const [index, sample] of samples.entries()) {
      if (Math.abs(sample) > 3000) {
        if (quietNs > 250e6) found.push(timeNs + (index * 1e9) / soundRate);
        quietNs = 0;
      } else {
        quietNs += 1e9 / soundRate;
      }
    }
    endNs = timeNs + (samples.length * 1e9) / soundRate;
  }
  return found;
}

/** How far the farthest time stamp of a track in an MPEG-TS is before the one that it follows (ms). */
export function farthestStepBackMs(recording: Buffer): number {
  const latest = new Map<number, number>();
  let farthest = 0;
  for (let at = 0; at + packetBytes <= recording.length; at += packetBytes) {
    const time = presentationTime(recording.subarray(at, at + packetBytes));
    if (time === undefined) continue;
    const before = latest.get(time.pid);
    if (before !== undefined) farthest = Math.max(farthest, ticksBetween(time.ticks, before) / 90);
    latest.set(time.pid, time.ticks);
  }
  return farthest;
}

/**
 * Of each flash that has its beep: how much later that begins (ms). `demuxer`: what takes the file apart. The
 * one of GStreamer closes gaps of a stream one track after the other, so that times around a gap are not
 * taken from it.
 */
export async function offsetsIn(folder: string, file: string, demuxer: string): Promise<number[]> {
  const [pictures, sound] = [join(folder, 'pictures.gdp'), join(folder, 'sound.gdp')];
  await runPipeline({
    name: 'reading a recording',
    launch:
      `filesrc location=${quoted(file)} ! ${demuxer} name=file ` +
      'file. ! video/x-h264 ! queue max-size-time=0 max-size-buffers=0 ! h264parse ! avdec_h264 ' +
      '! videoconvert ! videoscale ! video/x-raw,format=GRAY8,width=16,height=16 ' +
      `! gdppay ! filesink location=${quoted(pictures)} ` +
      'file. ! audio/mpeg ! queue max-size-time=0 max-size-buffers=0 ! decodebin ! audioconvert ! audioresample ' +
      `! audio/x-raw,format=S16LE,rate=${soundRate},channels=1 ` +
      `! gdppay ! filesink location=${quoted(sound)}`,
  });
  const seen = readGdp(readFileSync(pictures)).buffers;
  const heard = readGdp(readFileSync(sound)).buffers;
  const starts = beeps(heard);
  return flashes(seen).flatMap((flash) => {
    const nearest = starts.reduce(
      (best, beep) => (Math.abs(beep - flash) < Math.abs(best - flash) ? beep : best),
      Infinity,
    );
    return Math.abs(nearest - flash) < 500e6 ? [(nearest - flash) / 1e6] : [];
  });
}
