// `livesr demo`: clip, live run, measurement of what was recorded, report.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { native, type Model } from '../bridge/index.ts';
import { Failure } from '../cli/failure.ts';
import { framesPerSecond, openClip, type Clip } from '../measure/clip.ts';
import { cacheDirectory, modelsDirectory } from '../measure/environment.ts';
import { Y4mFile } from '../measure/y4m.ts';
import { identify, measureSamples } from './compare.ts';
import { findCrops } from './crops.ts';
import { runLive, type LiveOutcome } from './live.ts';
import { pairRecordings, readRecording } from './recording.ts';
import { renderDemoClip, demoFrameCount, demoFrameRate } from './render-clip.ts';
import { span, type DemoFigures, type Observation } from './report/figures.ts';
import { reportPage } from './report/page.ts';

export interface DemoRequest {
  /** A video file; undefined: the clip that livesr renders itself. */
  readonly file: string | undefined;
  readonly scale: number;
  readonly uplinkKbps: number;
  readonly seconds: number;
  readonly reportFolder: string;
  readonly onProgress: (what: string) => void;
  readonly onObservation: (observation: Observation) => void;
  readonly signal: AbortSignal;
}

const cropCount = 4;
const startSeconds = 10;

async function demoClip(request: DemoRequest): Promise<Clip> {
  if (request.file !== undefined) {
    request.onProgress(`decoding ${request.file}`);
    return openClip(request.file, request.seconds);
  }
  const path = join(cacheDirectory(), 'street-at-dusk.y4m');
  if (!existsSync(path)) {
    request.onProgress('rendering a clip (once)');
    await renderDemoClip(path);
  }
  const file = new Y4mFile(path);
  file.close();
  const { width, height } = file.header;
  return { path, width, height, frameRate: demoFrameRate, frameCount: demoFrameCount };
}

/** The network that the stream starts from; without a model file that is bicubic, as in srenhancer. */
function genericModel(scale: number): Model {
  const path = join(modelsDirectory, `generic-x${scale}.onnx`);
  if (existsSync(path)) return native().loadModel(readFileSync(path));
  const architecture = { scale, channels: 16, layers: 4 };
  return { architecture, parameters: native().makeNetwork(architecture, 1) };
}

async function figuresOf(
  request: DemoRequest,
  clip: Clip,
  live: LiveOutcome,
  files: { readonly decoded: string; readonly enhanced: string },
): Promise<DemoFigures> {
  const pairs = pairRecordings(readRecording(files.decoded), readRecording(files.enhanced));
  if (pairs.length === 0) throw new Failure('the server recorded no pictures to measure');
  const source = new Y4mFile(clip.path);
  try {
    const rate = framesPerSecond(clip.frameRate);
    const clipFrames = identify(pairs, source, rate, request.scale);
    const generic = genericModel(request.scale);
    const samples = measureSamples(pairs, clipFrames, source, generic);
    const end = (samples.at(-1)?.timeSeconds ?? 0) + 1 / rate;
    const lateMoments = samples.flatMap((sample, index) => {
      const pair = pairs[index];
      return pair === undefined || sample.timeSeconds < (end * 2) / 3 ? [] : [{ ...sample, pair }];
    });
    return {
      clip: request.file === undefined ? 'Street at dusk' : basename(request.file),
      width: clip.width,
      height: clip.height,
      framesPerSecond: rate,
      scale: request.scale,
      uplinkKbps: request.uplinkKbps,
      seconds: request.seconds,
      machine: {
        cpu: cpus()[0]?.model ?? 'unknown CPU',
        cores: cpus().length,
        kernels: native().cpu().isa,
      },
      pipelines: live.pipelines,
      frames: live.frames,
      engineRestarts: live.engineRestarts,
      whole: span(samples, 0, end),
      first: span(samples, 0, Math.min(startSeconds, end)),
      last: span(samples, Math.max(0, end - startSeconds), end),
      samples,
      observations: live.observations,
      crops: await findCrops(lateMoments, source, generic, cropCount),
    };
  } finally {
    source.close();
  }
}

/** report.json: the figures without the pictures, which are in the page. */
function jsonReport(figures: DemoFigures): string {
  const pictures = new Set(['source', 'bicubic', 'online']);
  const crops = figures.crops.map((crop) =>
    Object.fromEntries(Object.entries(crop).filter(([name]) => !pictures.has(name))),
  );
  return `${JSON.stringify({ ...figures, crops }, null, 2)}\n`;
}

/** Runs the demonstration and returns the path of the report and its figures. */
export async function demonstrate(
  request: DemoRequest,
): Promise<{ readonly page: string; readonly figures: DemoFigures }> {
  const clip = await demoClip(request);
  const folder = mkdtempSync(join(tmpdir(), 'livesr-demo-'));
  const files = { decoded: join(folder, 'decoded.gdp'), enhanced: join(folder, 'enhanced.gdp') };
  try {
    request.onProgress('starting sender and server');
    const live = await runLive({
      clip,
      scale: request.scale,
      uplinkKbps: request.uplinkKbps,
      seconds: request.seconds,
      decodedFile: files.decoded,
      enhancedFile: files.enhanced,
      logFolder: request.reportFolder,
      onObservation: request.onObservation,
      signal: request.signal,
    });
    request.onProgress('measuring what was recorded');
    const figures = await figuresOf(request, clip, live, files);
    mkdirSync(request.reportFolder, { recursive: true });
    const page = resolve(request.reportFolder, 'index.html');
    writeFileSync(page, reportPage(figures));
    writeFileSync(resolve(request.reportFolder, 'report.json'), jsonReport(figures));
    return { page, figures };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
