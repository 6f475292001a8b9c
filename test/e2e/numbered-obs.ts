// The OBS that the tests stream from: a clip whose frames have numbers in them, at half the canvas' size.
import { ObsClient } from '../../obs-script/controller/obs-client.ts';
import { HeadlessObs, missingForObs, type HeadlessObsOptions } from './headless-obs.ts';
import { makeNumberedClip } from './numbered-clip.ts';

export const missing = missingForObs();
if (missing !== undefined) console.warn(`the tests in a real OBS are skipped: ${missing}`);

export const password = 'a password';
export const streamersKbps = 1200;

export async function startNumberedObs(
  folder: string,
  way: Pick<HeadlessObsOptions, 'server' | 'streamKey' | 'script'>,
): Promise<{ readonly obs: HeadlessObs; readonly client: ObsClient }> {
  const obs = await HeadlessObs.start({
    clip: await makeNumberedClip(folder),
    canvas: { width: 1280, height: 720 },
    stream: { width: 640, height: 360 },
    framesPerSecond: 15,
    bitrateKbps: streamersKbps,
    password,
    ...way,
    script: { stream_key: 'key', token: 'token', cap_kbps: 1500, min_kbps: 200, ...way.script },
  });
  try {
    const url = `ws://127.0.0.1:${obs.webSocketPort}`;
    return { obs, client: await ObsClient.connect({ url, password }) };
  } catch (error) {
    await obs.stop();
    throw error;
  }
}
