// A clip of moving detail, for a scene in OBS.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDirectory } from '../../elements/measure/environment.ts';
import { quoted, runPipeline } from '../../elements/measure/pipeline.ts';

/** Made once: encoding takes a while. */
export async function makeMovingClip(): Promise<string> {
  const folder = join(cacheDirectory(), 'test');
  mkdirSync(folder, { recursive: true });
  const clip = join(folder, 'moving.mkv');
  if (existsSync(clip)) return clip;
  await runPipeline({
    name: 'making a clip',
    launch:
      'videotestsrc num-buffers=150 pattern=zone-plate kx2=6 ky2=6 kt=1 ' +
      '! video/x-raw,format=I420,width=1280,height=720,framerate=15/1 ' +
      '! x264enc speed-preset=ultrafast pass=quant quantizer=12 key-int-max=15 ! h264parse ! matroskamux ' +
      `! filesink location=${quoted(clip)}`,
  });
  return clip;
}
